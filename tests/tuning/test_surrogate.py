import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from hashlens.tuning.search import expected_improvement, lower_bound, minimize_acquisition, probability_of_improvement
from hashlens.tuning.space import Parameter, Space
from hashlens.tuning.surrogate import (
    Hyperparameters,
    Surrogate,
    _negative_log_posterior,
    constant_mean,
    fit,
    squared_differences,
)

RNG = np.random.default_rng(0)
POINTS = RNG.random((25, 3))
TARGETS = np.sin(4 * POINTS[:, 0]) + POINTS[:, 1] + 0.1 * RNG.standard_normal(25)
NONE = np.zeros(3, dtype=bool)
LEARNED = Hyperparameters(np.array([2.0, 1.0, 0.2]), 1.5, 0.05)
SPACE = Space(tuple(Parameter(name) for name in "abc"))


def test_the_posterior_is_that_of_scikit_learn():
    surrogate = Surrogate(POINTS, TARGETS, NONE, LEARNED)
    standard = (TARGETS - TARGETS.mean()) / TARGETS.std()
    kernel = ConstantKernel(1.5, "fixed") * Matern(1 / LEARNED.inverse_lengths, "fixed", nu=2.5)
    inverse = np.linalg.inv(kernel(POINTS) + 0.05 * np.eye(25))
    mean = constant_mean(inverse, standard)
    other = GaussianProcessRegressor(kernel, alpha=0.05, optimizer=None).fit(POINTS, standard - mean)
    places = RNG.random((7, 3))
    expected, deviation = other.predict(places, return_std=True)
    found = surrogate.predict(places)
    assert found[0] == pytest.approx(TARGETS.mean() + TARGETS.std() * (expected + mean), rel=1e-9)
    assert found[1] == pytest.approx(TARGETS.std() * deviation, rel=1e-7)


def test_gradients_are_those_of_small_steps():
    logs = np.array([0.3, -0.2, 0.1, 0.2, -2.0])
    standard = (TARGETS - TARGETS.mean()) / TARGETS.std()
    given = squared_differences(POINTS, POINTS, NONE), standard
    assert _negative_log_posterior(logs, *given)[1] == pytest.approx(
        approx_fprime(logs, lambda x: _negative_log_posterior(x, *given)[0], 1e-6), abs=1e-4
    )
    surrogate, place = Surrogate(POINTS, TARGETS, NONE, LEARNED), np.array([0.3, 0.4, 0.5])
    for which in (0, 1):
        by = approx_fprime(place, lambda x, which=which: surrogate.moments(x)[which], 1e-7)
        assert surrogate.moments(place)[2 + which] == pytest.approx(by, abs=1e-5)
    for goal in (lower_bound(1.5), expected_improvement(0.2), probability_of_improvement(0.2)):
        moments = np.array([0.4]), np.array([0.3])
        _, by_mean, by_deviation = goal(*moments)
        slopes = approx_fprime(np.array([0.4, 0.3]), lambda x, goal=goal: goal(x[:1], x[1:])[0][0], 1e-7)
        assert [by_mean[0], by_deviation[0]] == pytest.approx(slopes, abs=1e-5)


def test_noise_and_length_scales_are_learned():
    rng = np.random.default_rng(7)
    points = rng.random((120, 2))
    learned = fit(points, np.sin(8 * points[:, 0]) + 0.3 * rng.standard_normal(120), NONE[:2],
                  [Hyperparameters.default(2)])  # fmt: skip
    assert learned.noise == pytest.approx(0.09 / (0.5 + 0.09), rel=0.4)
    assert learned.inverse_lengths[0] > 10 * learned.inverse_lengths[1]


@pytest.mark.parametrize("dimensions", [2, 9])
def test_the_search_finds_no_less_than_a_large_sample(dimensions):
    rng = np.random.default_rng(dimensions)
    points = rng.random((60, dimensions))
    surrogate = Surrogate(points, np.cos(3 * points).sum(axis=1), np.zeros(dimensions, dtype=bool),
                          Hyperparameters(np.full(dimensions, 1.5), 1.0, 1e-3))  # fmt: skip
    space, goal = Space(tuple(Parameter(f"x{at}") for at in range(dimensions))), lower_bound(2.0)
    sampled = goal(*surrogate.predict(rng.random((20_000, dimensions))))[0].min()
    found = minimize_acquisition(surrogate, space, goal)
    assert found <= sampled + 1e-9
    assert dimensions == 2 or found < sampled - 1e-3


def test_whole_numbers_and_categories_stay_on_their_grid():
    space = Space(
        (Parameter("x"), Parameter("depth", "int", 1, 4), Parameter("kernel", "category", choices=("a", "b", "c")))
    )
    points = space.spread(64)
    targets = (points[:, 0] - 0.3) ** 2 + points[:, 1] + (points[:, 2] == 1)
    surrogate = Surrogate(points, targets, space.categories, Hyperparameters(np.full(3, 1.0), 1.0, 1e-3))
    goal = lower_bound(1.0)
    levels = (np.arange(4) + 0.5) / 4
    whole = np.array([(x, depth, kernel) for x in np.linspace(0, 1, 401) for depth in levels for kernel in range(3)])
    assert minimize_acquisition(surrogate, space, goal) == pytest.approx(
        goal(*surrogate.predict(whole))[0].min(), abs=1e-4
    )


def test_a_whole_number_is_in_the_middle_of_a_cell():
    depth, steps = Parameter("depth", "int", 1, 5), Parameter("x", low=0.0, high=1.0, step=0.5)
    assert [depth.place(value) for value in (1, 3, 5)] == pytest.approx([0.1, 0.5, 0.9])
    assert steps.grid == pytest.approx([1 / 6, 1 / 2, 5 / 6])
    width = Parameter("width", "int", 1, 64, log=True)
    assert width.place(8) == pytest.approx(np.log(8 / 0.5) / np.log(64.5 / 0.5))
    drawn = Space((depth,)).on_grid(np.random.default_rng(0).random((5000, 1)))
    assert np.unique(drawn, return_counts=True)[1] / 5000 == pytest.approx([0.2] * 5, abs=0.02)


def test_an_optimum_that_many_starts_lead_to_outweighs_a_likelier_one():
    """Of nine starts, one leads to the likeliest optimum; with a weight, the optimum of most starts is found."""
    rng = np.random.default_rng(7)
    points, targets = rng.random((20, 3)), rng.normal(size=20)
    apart, standard = squared_differences(points, points, NONE), (targets - targets.mean()) / targets.std()
    starts = Hyperparameters.starts(3, 8)
    ends = [fit(points, targets, NONE, [start]) for start in starts]
    losses = np.array([_negative_log_posterior(end.logs, apart, standard)[0] for end in ends])
    leading = (np.abs(losses[:, None] - losses) < 5e-3).sum(axis=1)
    likeliest = fit(points, targets, NONE, starts)
    preferred = fit(points, targets, NONE, starts, weight_of_starts=8.0)
    assert leading[losses.argmin()] < leading.max()
    assert np.array_equal(likeliest.logs, ends[losses.argmin()].logs)
    assert np.array_equal(preferred.logs, ends[(losses - 8 * np.log(leading)).argmin()].logs)
    assert leading[(losses - 8 * np.log(leading)).argmin()] == leading.max()


def test_points_of_whole_numbers_on_a_logarithmic_scale_fill_that_scale_evenly():
    coordinates = Space((Parameter("width", "int", 1, 1000, log=True),)).spread(1024)[:, 0]
    shares = [np.mean(coordinates < edge) for edge in (0.25, 0.5, 0.75)]
    assert shares == pytest.approx([0.25, 0.5, 0.75], abs=0.03)
