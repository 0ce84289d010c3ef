"""Possible gains after some trials: recorded in a trace, or computed by a Gaussian process."""

from collections.abc import Sequence

import numpy as np

from hashlens.errors import TuningError, nearest
from hashlens.tuning.stop_rule import RuleValues
from hashlens.tuning.trace import Trace

REGRET, EXPECTED, PROBABLE = "regret_bound", "expected_improvement", "probability_of_improvement"


def possible_gains(trace: Trace, counts: Sequence[int], what: str, *, recorded: bool, delta: float = 0.1,
          sample_seed: int | None = None, fit_starts: int = 1) -> RuleValues:  # fmt: skip
    """Return the possible gain after each of `counts` trials.

    Parameters
    ----------
    trace : Trace
        The trials.
    counts : sequence of int
        Numbers of trials.
    what : {"regret_bound", "expected_improvement", "probability_of_improvement"}
        Measure of the gain.
    recorded : bool
        Whether to use the values recorded in the trace.
    delta, sample_seed, fit_starts
        As in :class:`RegretBound`; only for the regret bound.

    Returns
    -------
    RuleValues
        The possible gains as bounds; the errors are NaN, for the rule to fill in.

    Raises
    ------
    TuningError
        If `recorded` is true and the trace has no recorded values.
    """
    if not recorded:
        from hashlens.tuning.modelled import modelled_gains

        return modelled_gains(trace, counts, what, delta, sample_seed, fit_starts)
    if what not in trace.recorded:
        raise TuningError(f"{trace.display_name} has no recorded {what!r}; {nearest(what, trace.recorded)}")
    found = np.append(trace.recorded[what], np.nan)[np.asarray(counts, dtype=np.int64)]
    refusals = [""] * len(found)
    for at in map(int, np.flatnonzero(~np.isfinite(found))):
        refusals[at] = f"no {what.replace('_', ' ')} is recorded after {counts[at]} trials"
    return RuleValues(found, np.full(len(found), np.nan), tuple(refusals))
