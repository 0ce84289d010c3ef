"""Regret bound: stop when the possible gain is smaller than the error of the cross-validated value."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt, is_finite, is_number, require_whole
from hashlens.errors import TuningError
from hashlens.tuning.cv_error import CVError
from hashlens.tuning.possible_gains import REGRET, possible_gains
from hashlens.tuning.stop_rule import RuleValues, StopRule
from hashlens.tuning.trace import Trace

Floats = npt.NDArray[np.float64]
NO_FOLDS = "the best trial has no fold values"
NO_VARIANCE = "zero variance: the fold values of the best trial are all the same"


@dataclass(frozen=True)
class RegretBound(StopRule):
    """Stop when a bound of the regret is below the error of the incumbent's value.

    The regret is the possible gain: how much better than the incumbent's value the best value of the space is.

    A Gaussian process with a Matern-5/2 kernel and learned noise is fitted to the best ``max(20, n / 2)`` of ``n``
    trials. If none of these has a choice of a categorical hyperparameter that was tried, the best trial with this
    choice is added. With ``mu`` and ``sigma`` its mean and standard deviation, the bound is

    ``min over the fitted trials of (mu + b sigma) - min over the space of (mu - b sigma)``,

    with ``b^2 = 0.4 log(d m^2 pi^2 / (6 delta))`` for ``d`` hyperparameters and ``m`` fitted trials. The form of ``b``
    is that of a theorem, in which such a bound holds with probability ``1 - delta``. As in the published code, ``b^2``
    is a fifth of that of the theorem, and ``d`` takes the place of the number of points of the space. So ``1 - delta``
    is not the probability that this bound holds. The bound is compared with the error of the incumbent's
    cross-validated value (:class:`CVError`), or with a threshold.

    Parameters
    ----------
    threshold : float, optional
        Threshold in the unit of the values, used instead of the error of fold values.
    cv : CVError
        Error of a cross-validated value for the kind of splits used.
    delta : float
        Number in the formula of ``b``, between 0 and 1: the smaller, the larger the bound.
    fixed_error : bool
        Whether to use the error of the incumbent after `first` trials (see :class:`StopRule`) throughout, as in the
        published code; by default the error of the current incumbent is used.
    recorded : bool
        Whether to use the bound recorded in the trace instead of fitting a Gaussian process.
    sample_seed : int, optional
        Seed of a sample. If it is given, the smallest value of ``mu - b sigma`` is searched only among the fitted
        trials and 2,000 random points of the space, as in the published code; with the seed of a recorded run, the
        points are those of the published code. By default, it is searched by gradients, from the best of 2,048 points.
        This finds smaller values, and so larger bounds: a sample underestimates the possible gain.
    fit_starts : int
        Number of starting points of the fit: the default one, and random ones that are always the same. If there are
        several, an optimum is preferred if many of them lead to it. With 13, and the seed of a recorded run as
        `sample_seed`, the bound is computed so as to agree with that of the published code.

    References
    ----------
    Makarova, Shen, Perrone, Klein, Faddoul, Krause, Seeger, Archambeau (2022): Automatic termination for hyperparameter
    optimization. AutoML. The theorem: Srinivas, Krause, Kakade, Seeger (2010): Gaussian process optimization in the
    bandit setting: no regret and experimental design. ICML.
    """

    threshold: float | None = None
    cv: CVError = field(default_factory=CVError)
    delta: float = 0.1
    fixed_error: bool = False
    recorded: bool = False
    sample_seed: int | None = None
    fit_starts: int = 1
    unit: ClassVar[str] = "bound of the regret"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threshold is not None and (not is_finite(self.threshold) or self.threshold <= 0):
            raise TuningError(f"threshold must be a finite number above 0, received {excerpt(self.threshold)}")
        if not is_number(self.delta) or not 0 < self.delta < 1:
            raise TuningError(f"delta must be a number between 0 and 1, received {excerpt(self.delta)}")
        if self.sample_seed is not None:
            require_whole(TuningError, "sample_seed", self.sample_seed, 0)
        require_whole(TuningError, "fit_starts", self.fit_starts)

    def check(self, trace: Trace) -> None:
        """Raise TuningError if a trace has no fold values and there is no threshold."""
        if self.threshold is None and len(trace) and np.isfinite(trace.values).any() and not trace.has_folds:
            raise TuningError(
                f"{self} needs the fold values of trials, and {trace.display_name} has none: report them with "
                "hashlens.tuning.report_folds(trial, values), or give RegretBound a threshold"
            )

    def rule_values(self, trace: Trace, counts: Sequence[int]) -> RuleValues:
        """Return the bound and the error that it is compared with."""
        errors = self._errors(trace, counts)
        bounds = possible_gains(
            trace, counts, REGRET, recorded=self.recorded, delta=self.delta, sample_seed=self.sample_seed,
            fit_starts=self.fit_starts,
        )  # fmt: skip
        refusals = list(bounds.refusals)
        for i in np.flatnonzero(~(errors > 0)):
            refusals[i] = refusals[i] or (NO_FOLDS if np.isnan(errors[i]) else NO_VARIANCE)
        return RuleValues(bounds.bound, errors, tuple(refusals))

    def _errors(self, trace: Trace, counts: Sequence[int]) -> Floats:
        """Return the error after each of `counts` trials; NaN where the incumbent has no fold values."""
        if self.threshold is not None:
            return np.full(len(counts), float(self.threshold))
        numbers_of_trials = np.array([min(self.first, n) if self.fixed_error else n for n in counts], dtype=np.int64)
        incumbents = trace.incumbents[numbers_of_trials]
        return np.where(incumbents < 0, np.nan, self.cv.each(trace.fold_values)[incumbents])
