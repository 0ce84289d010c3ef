"""Expected improvement: stop when no point is expected to improve on the best trial."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from hashlens.arguments import excerpt, is_finite
from hashlens.errors import TuningError
from hashlens.tuning.possible_gains import EXPECTED, possible_gains
from hashlens.tuning.stop_rule import RuleValues, StopRule
from hashlens.tuning.trace import Trace


@dataclass(frozen=True)
class ExpectedImprovement(StopRule):
    """Stop when the largest expected improvement over the space is below `eps`.

    Parameters
    ----------
    eps : float
        Threshold, in the unit of the values.
    recorded : bool
        Whether to use the expected improvement recorded in the trace instead of fitting a Gaussian process.

    References
    ----------
    Nguyen, Gupta, Rana, Li, Venkatesh (2017): Regret for expected improvement over the best-observed value and stopping
    condition. ACML.
    """

    eps: float = 1e-16
    recorded: bool = False
    unit: ClassVar[str] = "expected improvement"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_finite(self.eps) or self.eps <= 0:
            raise TuningError(f"eps must be a finite number above 0, received {excerpt(self.eps)}")

    def rule_values(self, trace: Trace, counts: Sequence[int]) -> RuleValues:
        """Return the largest expected improvement after each of `counts` trials."""
        found = possible_gains(trace, counts, EXPECTED, recorded=self.recorded)
        return replace(found, error=np.full(len(counts), float(self.eps)))
