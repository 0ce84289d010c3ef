"""Stop where what may still be gained is less than the error of the cross-validated value."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from hashlens.arguments import is_number, shortly
from hashlens.errors import TuningError
from hashlens.tuning.cv_error import CVError
from hashlens.tuning.gains import REGRET, gains
from hashlens.tuning.stop_rule import Readings, StopRule
from hashlens.tuning.trace import Trace

Floats = npt.NDArray[np.float64]
NO_FOLDS = "the best trial has no fold values"
NO_VARIANCE = "zero variance: the fold values of the best trial are all the same"


@dataclass(frozen=True)
class RegretBound(StopRule):
    """Stop where a bound of the regret is below the error of the incumbent's value.

    A Gaussian process with a Matern-5/2 kernel and learned noise is fitted to the best ``max(20, n / 2)`` of ``n``
    trials. With ``mu`` and ``sigma`` its mean and standard deviation, the bound is

    ``min over its trials of (mu + b sigma) - min over the space of (mu - b sigma)``,

    with ``b^2 = 0.4 log(d m^2 pi^2 / (6 delta))`` for ``d`` hyperparameters and ``m`` trials fitted: with probability
    ``1 - delta``, no more than this can be gained. It is compared with the error of the incumbent's cross-validated
    value (:class:`CVError`), or with a threshold.

    Parameters
    ----------
    threshold : float, optional
        What is not worth more trials, in the unit of the values; in place of the error of fold values.
    cv : CVError
        How the data are split, which says what the error is.
    delta : float
        Probability that the bound is wrong, if the process is right.
    frozen : bool
        Whether the error stays what it was after `first` trials, as in the published code; by default it is that of the
        incumbent.
    recorded : bool
        Whether the bound is what the trace has recorded, in place of a fit.
    sampled : bool
        Whether the smallest lower bound is that of 2,000 random places, as in the published code; by default the best
        places are followed by their gradients, which finds smaller ones: a sample understates what is left to gain.

    References
    ----------
    Makarova, Shen, Perrone, Klein, Faddoul, Krause, Seeger, Archambeau (2022): Automatic termination for hyperparameter
    optimization. AutoML.
    """

    threshold: float | None = None
    cv: CVError = field(default_factory=CVError)
    delta: float = 0.1
    frozen: bool = False
    recorded: bool = False
    sampled: bool = False
    unit: ClassVar[str] = "bound of the regret"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threshold is not None and (not is_number(self.threshold) or not self.threshold > 0):
            raise TuningError(f"threshold must be a number above 0, received {shortly(self.threshold)}")
        if not is_number(self.delta) or not 0 < self.delta < 1:
            raise TuningError(f"delta must be a number between 0 and 1, received {shortly(self.delta)}")

    def check(self, trace: Trace) -> None:
        """Raise TuningError if a trace has no fold values, and no threshold is there in their place."""
        if self.threshold is None and len(trace) and np.isfinite(trace.values).any() and not trace.has_folds:
            raise TuningError(
                f"{self} needs the fold values of trials, and {trace.named} has none: report them with "
                "hashlens.tuning.report_folds(trial, values), or give RegretBound a threshold"
            )

    def readings(self, trace: Trace, counts: Sequence[int]) -> Readings:
        """Return the bound, and the error that it is compared with."""
        errors = self._errors(trace, counts)
        bounds = gains(trace, counts, REGRET, recorded=self.recorded, delta=self.delta, sampled=self.sampled)
        refusals = list(bounds.refusals)
        for at in np.flatnonzero(~(errors > 0)):
            refusals[at] = refusals[at] or (NO_FOLDS if np.isnan(errors[at]) else NO_VARIANCE)
        return Readings(bounds.bound, errors, tuple(refusals))

    def _errors(self, trace: Trace, counts: Sequence[int]) -> Floats:
        """Return the error after each of `counts` trials; not a number where the incumbent has no fold values."""
        if self.threshold is not None:
            return np.full(len(counts), float(self.threshold))
        at = np.array([min(self.first, n) if self.frozen else n for n in counts], dtype=np.int64)
        incumbents = trace.incumbents[at]
        return np.where(incumbents < 0, np.nan, self.cv.each(trace.fold_values)[incumbents])
