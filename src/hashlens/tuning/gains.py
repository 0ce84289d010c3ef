"""What may still be gained after so many trials: what a trace has recorded, or what a Gaussian process says."""

from collections.abc import Sequence

import numpy as np

from hashlens.errors import TuningError, nearest
from hashlens.tuning.stop_rule import Readings
from hashlens.tuning.trace import Trace

REGRET, EXPECTED, PROBABLE = "regret_bound", "expected_improvement", "probability_of_improvement"


def gains(trace: Trace, counts: Sequence[int], what: str, *, recorded: bool, delta: float = 0.1,
          sampled: bool = False) -> Readings:  # fmt: skip
    """Return what may be gained after each of `counts` trials, without an error to compare it with.

    Parameters
    ----------
    trace : Trace
        The trials.
    counts : sequence of int
        After how many.
    what : {"regret_bound", "expected_improvement", "probability_of_improvement"}
        In which sense.
    recorded : bool
        Whether to take what the trace has recorded.
    delta : float
        Of the bound.
    sampled : bool
        Whether the smallest lower bound is that of a sample of the space.

    Raises
    ------
    TuningError
        If it is to be recorded, and is not.
    """
    if not recorded:
        from hashlens.tuning.modelled import modelled

        return modelled(trace, counts, what, delta, sampled)
    if what not in trace.recorded:
        raise TuningError(f"{trace.named} has no recorded {what!r}; {nearest(what, trace.recorded)}")
    found = np.append(trace.recorded[what], np.nan)[np.asarray(counts, dtype=np.int64)]
    refusals = [""] * len(found)
    for at in map(int, np.flatnonzero(~np.isfinite(found))):
        refusals[at] = f"no {what.replace('_', ' ')} is recorded after {counts[at]} trials"
    return Readings(found, np.full(len(found), np.nan), tuple(refusals))
