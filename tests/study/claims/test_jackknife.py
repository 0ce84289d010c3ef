import numpy as np
import pytest

from hashlens.study.charts.intervals import mean_intervals
from hashlens.study.claims.jackknife import jackknife_interval


def test_of_a_mean_it_is_the_t_interval():
    values = np.array([1.0, 2.0, 4.0, 4.5])
    found, expected = jackknife_interval(values, np.mean), mean_intervals(values).at()
    assert (found.mean, found.low, found.high) == pytest.approx((expected.mean, expected.low, expected.high))


def test_the_bias_of_a_variance_goes():
    values = np.array([1.0, 2.0, 4.0])
    assert jackknife_interval(values, np.var).mean == pytest.approx(values.var(ddof=1))


def test_two_repeats_give_no_interval():
    found = jackknife_interval(np.array([1.0, 3.0]), np.mean)
    assert (found.mean, found.repeats) == (2.0, 2)
    assert np.isnan(found.low)
