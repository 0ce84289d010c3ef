import numpy as np
import pytest

from hashlens.data import retention_table
from hashlens.data.retention import FEATURES, RULES
from hashlens.errors import DataError

TABLE = retention_table(20_000, seed=3)


def test_as_many_leave_as_in_the_published_table():
    """33.8 % of 10,000 rows, by the published generator."""
    assert abs(TABLE.leaves.mean() - 0.338) < 3 * np.sqrt(0.338 * 0.662 * (1 / 20_000 + 1 / 10_000))
    assert set(TABLE.reasons) == set(range(len(RULES) + 1))


def test_the_reason_is_the_rule_that_holds_and_names_most():
    for row, leaves, reason in zip(TABLE.rows[:2000], TABLE.leaves, TABLE.reasons, strict=False):
        known = dict(zip(FEATURES, row.tolist(), strict=True))
        holds = [
            number
            for number, rule in enumerate(RULES)
            if all(low <= known[name] <= high for name, (low, high) in rule.items())
        ]
        assert leaves == bool(holds)
        assert reason == min(holds, key=lambda number: (-len(RULES[number]), number), default=len(RULES))


def test_shares_of_levels_and_months():
    position, tenure, here = (TABLE.rows[:, FEATURES.index(name)] for name in ("position", "tenure", "position tenure"))
    shares = [(position == level).mean() for level in (4, 3, 2, 1)]
    np.testing.assert_allclose(shares, (0.05, 0.20, 0.30, 0.45), atol=0.015)
    np.testing.assert_allclose([(tenure < 25).mean(), (tenure < 61).mean()], (0.3, 0.6), atol=0.015)
    assert tenure.max() == 360
    assert (here <= tenure).all()


def test_a_seed_is_a_table():
    np.testing.assert_array_equal(retention_table(50, seed=1).rows, retention_table(50, seed=1).rows)
    assert not np.array_equal(retention_table(50, seed=1).rows, retention_table(50, seed=2).rows)


@pytest.mark.parametrize(
    ("arguments", "said"), [({"n": 0}, "n must be a whole number, 1 or more"), ({"seed": -1}, "seed must be")]
)
def test_bad_arguments(arguments, said):
    with pytest.raises(DataError, match=said):
        retention_table(**arguments)
