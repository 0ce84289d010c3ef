"""What a Gaussian process of the trials says may still be gained, and where it can say nothing."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hashlens.tuning.search import expected_improvement, improvement_odds, lower_bound, smallest
from hashlens.tuning.space import Space
from hashlens.tuning.stop_rule import Readings
from hashlens.tuning.surrogate import Hyperparameters, Surrogate, fit
from hashlens.tuning.trace import Trace

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
LEAST = 20
"""How many trials are fitted at least, where there are so many."""
EVERY = 10
"""After so many trials, hyperparameters are fitted from several starts; in between from the last of those too."""


def modelled(trace: Trace, counts: Sequence[int], what: str, delta: float) -> Readings:
    """Return what may be gained after each of `counts` trials; arguments as of :func:`hashlens.tuning.gains.gains`."""
    found = [_reading(trace, n, what, delta) for n in counts]
    bounds = np.array([bound for bound, _ in found], dtype=np.float64)
    return Readings(bounds, np.full(len(found), np.nan), tuple(refusal for _, refusal in found))


def _reading(trace: Trace, n: int, what: str, delta: float) -> tuple[float, str]:
    finite = int(np.isfinite(trace.losses[:n]).sum())
    if not trace.parameters:
        return np.nan, "the hyperparameters of the trials are not known: no process can be fitted"
    kept = _kept(trace, n, what)
    space = Space(trace.space)
    for name, count in space.conditional([trace.parameters[at] for at in kept]):
        return np.nan, f"parameter {name!r} is conditional: {count} of the {len(kept)} best trials have it"
    if finite < 3:
        return np.nan, f"too few trials: {finite} of {n} have a finite value"
    best, several = trace.losses[kept].min(), len(np.unique(trace.losses[kept]))
    tied = int((trace.losses[kept] == best).sum())
    if 2 * tied >= len(kept):
        said = f"{tied} of the {len(kept)} best trials have the same value, {trace.sign * best:g}"
        return np.nan, f"ties: {said}: they do not say what is left to gain"
    if several < 3:
        return np.nan, f"ties: the {len(kept)} best trials have {several} values: they do not say what is left to gain"
    bound = _gain(trace, kept, _before(trace, n, what), space, what, delta)
    if finite < min(n, LEAST):
        return bound, f"too few trials: {finite} of {n} have a finite value, and {LEAST} are needed to stop"
    return bound, ""


def _kept(trace: Trace, n: int, what: str) -> Ints:
    """Return the trials that are fitted: for the regret the best half, else all that are finite."""
    order = np.argsort(trace.losses[:n], kind="stable")
    order = order[: int(np.isfinite(trace.losses[:n]).sum())]
    if what != "regret_bound":
        return order
    best = order[: max(LEAST, n // 2)]
    return np.concatenate([best, _best_of_others(trace, order[len(best) :], best)])


def _best_of_others(trace: Trace, rest: Ints, best: Ints) -> Ints:
    """Return the best trial of each choice that no trial of the best half has: it was tried, and is not unknown."""
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


def _before(trace: Trace, n: int, what: str) -> Ints:
    """Return the trials that were fitted when hyperparameters were last fitted from several starts."""
    return _kept(trace, max(LEAST, n - n % EVERY) if n >= LEAST else n, what)


def _gain(trace: Trace, kept: Ints, before: Ints, space: Space, what: str, delta: float) -> float:
    earlier = _places(trace, before, space), trace.losses[before].tobytes()
    return _found(_places(trace, kept, space), trace.losses[kept].tobytes(), earlier, space, what, delta)


def _places(trace: Trace, kept: Ints, space: Space) -> bytes:
    return space.places([trace.parameters[at] for at in kept]).tobytes()


@lru_cache(maxsize=256)
def _found(points: bytes, targets: bytes, earlier: tuple[bytes, bytes], space: Space, what: str, delta: float) -> float:
    """Return what may be gained, of trials as bytes: while no trial joins the best, nothing is computed again."""
    learned = _learned(*earlier, space)
    places, losses = _arrays(points, targets, space)
    if (points, targets) != earlier:
        learned = fit(places, losses, space.categories, [Hyperparameters.usual(len(space)), learned])
    surrogate = Surrogate(places, losses, space.categories, learned)
    best = float(losses.min())
    if what == "expected_improvement":
        return -smallest(surrogate, space, expected_improvement(best))
    if what == "probability_of_improvement":
        from scipy.special import ndtr

        return float(ndtr(-smallest(surrogate, space, improvement_odds(best))))
    width = math.sqrt(0.4 * math.log(len(space) * len(losses) ** 2 * math.pi**2 / (6 * delta)))
    mean, deviation = surrogate.predict(places)
    return float((mean + width * deviation).min()) - smallest(surrogate, space, lower_bound(width))


@lru_cache(maxsize=32)
def _learned(points: bytes, targets: bytes, space: Space) -> Hyperparameters:
    """Return the hyperparameters that several starts lead to."""
    places, losses = _arrays(points, targets, space)
    usual = Hyperparameters.usual
    starts = [usual(len(space)), usual(len(space), 3.0, 0.1), usual(len(space), 0.3, 1.0)]
    return fit(places, losses, space.categories, starts)


def _arrays(points: bytes, targets: bytes, space: Space) -> tuple[Floats, Floats]:
    return np.frombuffer(points).reshape(-1, len(space)), np.frombuffer(targets)
