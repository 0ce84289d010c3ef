import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashlens.study.charts.grid import is_numeric
from hashlens.study.networks.regimes.boundaries import crossings, level_at, position_of


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=9, unique=True).map(sorted), st.floats(0, 1))
def test_positions_and_levels_are_inverse(levels, part):
    at = part * (len(levels) - 1)
    assert position_of(level_at([at], levels), levels)[0] == pytest.approx(at, abs=1e-6)
    assert level_at(range(len(levels)), levels).tolist() == pytest.approx(levels)


def test_a_crossing_between_two_levels_is_geometric():
    surface = np.array([[0.8, 0.8], [0.2, 0.2]])
    ((start, end),) = (sorted(line, key=lambda at: at[1]) for line in crossings(surface, 0.5, [10, 40], [0, 100]))
    assert start == pytest.approx((20.0, 0.0))
    assert end == pytest.approx((20.0, 100.0))


def test_the_line_of_a_power_law_is_where_the_law_says():
    width, epochs = np.geomspace(10, 160, 9), np.geomspace(1, 256, 9)
    surface = np.log2(width[:, None] / 10) + np.log2(epochs[None, :])
    (line,) = crossings(surface, 5.3, width, epochs)
    assert all(x / 10 * y == pytest.approx(2**5.3) for x, y in line)
    assert len(line) > 5


def test_lines_keep_away_from_missing_cells_and_absent_crossings_give_none():
    surface = np.array([[0.8, 0.8, np.nan], [0.2, 0.2, np.nan]])
    (line,) = crossings(surface, 0.5, [1, 2], [1, 2, 3])
    assert max(y for _, y in line) == 2
    assert crossings(surface, 0.9, [1, 2], [1, 2, 3]) == ()


def test_what_is_no_number_has_no_boundary():
    assert is_numeric((1, 2.5))
    assert not is_numeric((False, True))
    assert not is_numeric(("mlp", "vgg16"))
