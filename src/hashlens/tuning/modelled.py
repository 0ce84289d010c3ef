"""Possible gains by a Gaussian process fitted to the trials."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hashlens.tuning.search import (
    expected_improvement,
    lower_bound,
    minimize_acquisition,
    minimize_over_sample,
    probability_of_improvement,
)
from hashlens.tuning.space import Space
from hashlens.tuning.stop_rule import RuleValues
from hashlens.tuning.surrogate import Hyperparameters, Surrogate, fit
from hashlens.tuning.trace import Trace

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
FEWEST_TRIALS = 20
"""Smallest number of trials to fit, if there are enough trials."""
WEIGHT_OF_STARTS = 14.0
"""Weight of the logarithm of the number of starting points that lead to an optimum; it was chosen on 14 recorded runs,
together with 13 starting points."""


def modelled_gains(
    trace: Trace, counts: Sequence[int], what: str, delta: float, sample_seed: int | None = None, fit_starts: int = 1
) -> RuleValues:
    """Return the possible gain after each of `counts` trials, as :mod:`hashlens.tuning.possible_gains` does."""
    found = [_gain_after(trace, n, what, delta, sample_seed, fit_starts) for n in counts]
    bounds = np.array([bound for bound, _ in found], dtype=np.float64)
    return RuleValues(bounds, np.full(len(found), np.nan), tuple(refusal for _, refusal in found))


def _gain_after(
    trace: Trace, n: int, what: str, delta: float, sample_seed: int | None, fit_starts: int
) -> tuple[float, str]:
    """Return the possible gain after `n` trials, NaN if it cannot be computed, and the reason not to stop, if any."""
    finite = int(np.isfinite(trace.losses[:n]).sum())
    if not trace.parameters:
        return np.nan, "the hyperparameters of the trials are not known: no Gaussian process can be fitted"
    space = Space(trace.space)
    if not len(space):
        return np.nan, "the trials have no hyperparameters: no Gaussian process can be fitted"
    if name := space.unhashable_parameter:
        return np.nan, f"a choice of parameter {name!r} is a list or the like: choose by names to have it modelled"
    fitted = _trials_to_fit(trace, n, what)
    if conditional := next(space.conditional([trace.parameters[at] for at in fitted]), None):
        name, count = conditional
        return np.nan, f"parameter {name!r} is conditional: {count} of the {len(fitted)} best trials have it"
    if finite < 3:
        return np.nan, f"too few trials: {finite} of {n} have a finite value"
    losses = trace.losses[fitted]
    best, distinct = losses.min(), len(np.unique(losses))
    tied = int((losses == best).sum())
    if 2 * tied >= len(fitted):
        tie = f"{tied} of the {len(fitted)} best trials have the same value, {trace.sign * best:g}"
        return np.nan, f"ties: {tie}: they do not show the remaining improvement"
    if distinct < 3:
        return np.nan, (
            f"ties: the {len(fitted)} best trials have {distinct} values: they do not show the remaining improvement"
        )
    places = space.places([trace.parameters[at] for at in fitted])
    bound = _possible_gain(places.tobytes(), losses.tobytes(), space, what, delta, sample_seed, fit_starts)
    if not math.isfinite(bound):
        return np.nan, f"values up to {np.abs(losses).max():.3g} are too large for a Gaussian process"
    if finite < min(n, FEWEST_TRIALS):
        return bound, f"too few trials: {finite} of {n} have a finite value, and {FEWEST_TRIALS} are needed to stop"
    return bound, ""


def _trials_to_fit(trace: Trace, n: int, what: str) -> Ints:
    """Return the trials to fit: for the regret bound the best 20 or the best half, otherwise all with finite values."""
    order = np.argsort(trace.losses[:n], kind="stable")
    order = order[: int(np.isfinite(trace.losses[:n]).sum())]
    if what != "regret_bound":
        return order
    best = order[: max(FEWEST_TRIALS, n // 2)]
    return np.concatenate([best, _best_of_others(trace, order[len(best) :], best)])


def _best_of_others(trace: Trace, rest: Ints, best: Ints) -> Ints:
    """Return the best trial of each choice that no trial of the best half has, since these choices were tried too."""
    found: list[int] = []
    for parameter in trace.space:
        if parameter.kind == "category":
            known = {trace.parameters[at].get(parameter.name) for at in (*best, *found)}
            for at in rest:
                choice = trace.parameters[at].get(parameter.name)
                if choice not in known:
                    known.add(choice)
                    found.append(int(at))
    return np.array(found, dtype=np.int64)


@lru_cache(maxsize=256)
def _possible_gain(
    points: bytes, targets: bytes, space: Space, what: str, delta: float, sample_seed: int | None, fit_starts: int
) -> float:
    """Return the possible gain; trials are passed as bytes, so that results can be cached."""
    places, losses = np.frombuffer(points).reshape(-1, len(space)), np.frombuffer(targets)
    # The fit always starts at the same points. If it started at the previous optimum, a bound would depend on when
    # earlier bounds were computed, and would agree less well with the recorded bounds.
    starts = Hyperparameters.starts(len(space), fit_starts - 1)
    learned = fit(places, losses, space.categories, starts, WEIGHT_OF_STARTS)
    surrogate = Surrogate(places, losses, space.categories, learned)
    best = float(losses.min())
    if what == "expected_improvement":
        return -minimize_acquisition(surrogate, space, expected_improvement(best))
    if what == "probability_of_improvement":
        from scipy.special import ndtr

        return float(ndtr(-minimize_acquisition(surrogate, space, probability_of_improvement(best))))
    width = math.sqrt(0.4 * math.log(len(space) * len(losses) ** 2 * math.pi**2 / (6 * delta)))
    mean, deviation = surrogate.predict(places)
    upper, goal = float((mean + width * deviation).min()), lower_bound(width)
    if sample_seed is not None:
        return upper - minimize_over_sample(surrogate, space, goal, sample_seed)
    return upper - minimize_acquisition(surrogate, space, goal)
