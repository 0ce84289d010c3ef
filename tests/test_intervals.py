import pytest
from scipy.stats import binomtest

from hashlens.intervals import clopper_pearson


@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (10, 10), (7, 19), (955, 1000)])
def test_clopper_pearson(hits, trials):
    theirs = binomtest(hits, trials).proportion_ci(0.95, "exact")
    assert clopper_pearson(hits, trials, 0.95) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
