"""Probability of improvement: stop when no point is likely to improve on the best trial."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from hashlens.arguments import excerpt, is_number
from hashlens.errors import TuningError
from hashlens.tuning.possible_gains import PROBABLE, possible_gains
from hashlens.tuning.stop_rule import RuleValues, StopRule
from hashlens.tuning.trace import Trace


@dataclass(frozen=True)
class ProbabilityOfImprovement(StopRule):
    """Stop when the largest probability of an improvement over the space is below `eps`.

    Parameters
    ----------
    eps : float
        Threshold, a probability.
    recorded : bool
        Whether to use the probability recorded in the trace instead of fitting a Gaussian process.

    References
    ----------
    Lorenz, Monti, Violante, Faisal, Anagnostopoulos, Leech, Montana (2016): Stopping criteria for boosting automatic
    experimental design using real-time fMRI with Bayesian optimization. arXiv 1511.07827.
    """

    eps: float = 1e-16
    recorded: bool = False
    unit: ClassVar[str] = "probability of improvement"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_number(self.eps) or not 0 < self.eps < 1:
            raise TuningError(f"eps must be a probability, above 0 and below 1, received {excerpt(self.eps)}")

    def rule_values(self, trace: Trace, counts: Sequence[int]) -> RuleValues:
        """Return the largest probability of improvement after each of `counts` trials."""
        found = possible_gains(trace, counts, PROBABLE, recorded=self.recorded)
        return replace(found, error=np.full(len(counts), float(self.eps)))
