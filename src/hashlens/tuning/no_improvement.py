"""No improvement: stop when the best value has not improved for some trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hashlens.arguments import require_whole
from hashlens.errors import TuningError
from hashlens.tuning.stop_rule import RuleValues, StopRule
from hashlens.tuning.trace import Trace


@dataclass(frozen=True)
class NoImprovement(StopRule):
    """Stop after `k` trials without an improvement (``Conv_k`` in the literature).

    Counting begins after `first` trials: by default the rule stops after 20 + `k` trials at the earliest. A trial that
    ties with the best is not an improvement.

    Parameters
    ----------
    k : int
        Number of trials to wait.

    Notes
    -----
    ``bound`` is the number of trials that the rule still waits, and ``error`` is 1.
    """

    k: int = 50
    unit: ClassVar[str] = "trials to wait"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(TuningError, "k", self.k)

    def rule_values(self, trace: Trace, counts: Sequence[int]) -> RuleValues:
        """Return the number of trials that the rule still waits."""
        after = np.asarray(counts, dtype=np.int64)
        waits = self.k - (after - np.maximum(trace.incumbents[after] + 1, self.first))
        refusals = tuple("" if known else "no trial has a finite value" for known in trace.incumbents[after] >= 0)
        return RuleValues(np.maximum(waits, 0).astype(np.float64), np.ones(len(after)), refusals)
