"""The error of a cross-validated score as an estimate of the score on new data."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hashlens.arguments import constructor_source, excerpt, is_finite, is_whole
from hashlens.errors import TuningError, nearest

Floats = npt.NDArray[np.float64]
Splits = Literal["k-fold", "repeated", "random", "bootstrap"]
SPLITS: tuple[Splits, ...] = ("k-fold", "repeated", "random", "bootstrap")


@dataclass(frozen=True, repr=False)
class CVError:
    """The standard error of the mean of fold values, corrected for training sets that overlap.

    The variance of the fold values is multiplied by a correction: one over the number of fold values, plus the number
    of test rows over the number of training rows of a fold.

    ============  =====================================  ==========================================
    splits        correction                             fold values
    ============  =====================================  ==========================================
    k-fold        ``1/k + 1/(k - 1)``                    of the k folds
    repeated      ``1/(r k) + 1/(k - 1)``                of all r repeats of k folds
    random        ``1/J + test_rows / train_rows``       of J random splits
    bootstrap     1                                      of bootstrap samples of a hold-out set
    ============  =====================================  ==========================================

    Parameters
    ----------
    splits : {"k-fold", "repeated", "random", "bootstrap"}
        How the data were split.
    repeats : int
        Number of times that new folds were drawn; for ``repeated``.
    test_rows, train_rows : int, optional
        Numbers of test and training rows of a split; for ``random``.
    ddof : int
        Delta degrees of freedom of the variance: 1 for the unbiased variance, 0 as in the published code.

    References
    ----------
    Nadeau, Bengio (2003): Inference for the generalization error. Machine Learning 52.
    """

    splits: Splits = "k-fold"
    repeats: int = 1
    test_rows: int | None = None
    train_rows: int | None = None
    ddof: int = 1

    def __post_init__(self) -> None:
        if self.splits not in SPLITS:
            raise TuningError(f"splits must be one of {', '.join(SPLITS)}; {nearest(self.splits, SPLITS)}")
        if self.ddof not in (0, 1):
            raise TuningError(f"ddof must be 0 or 1, received {excerpt(self.ddof)}")
        if not is_whole(self.repeats) or self.repeats < 1:
            raise TuningError(f"repeats must be a whole number, 1 or more, received {excerpt(self.repeats)}")
        if self.splits == "random":
            for name in ("test_rows", "train_rows"):
                value = getattr(self, name)
                if not is_finite(value) or value <= 0:
                    raise TuningError(f"random splits need {name}, a finite number above 0, received {excerpt(value)}")

    def __repr__(self) -> str:
        return constructor_source(self)

    def factor(self, values: int) -> float:
        """Return the correction, by which the variance of so many fold values is multiplied.

        >>> round(CVError().factor(10), 4), round(CVError("repeated", repeats=5).factor(50), 4)
        (0.2111, 0.1311)

        Raises
        ------
        TuningError
            If so many fold values cannot come from such splits.
        """
        if values < 2:
            raise TuningError(f"an error needs 2 fold values or more, received {values}")
        if self.splits == "bootstrap":
            return 1.0
        if self.splits == "random":
            assert self.test_rows is not None
            assert self.train_rows is not None
            return 1 / values + self.test_rows / self.train_rows
        folds, rest = divmod(values, self.repeats)
        if rest or folds < 2:
            raise TuningError(f"{values} fold values cannot be {self.repeats} repeats of 2 folds or more")
        return 1 / values + 1 / (folds - 1)

    def of(self, fold_values: npt.ArrayLike) -> float:
        """Return the error of the mean of fold values, in their unit; NaN if one of them is NaN.

        >>> round(CVError().of([0.1, 0.2, 0.3]), 4)
        0.0913
        """
        values = np.asarray(fold_values, dtype=np.float64)
        return float(np.sqrt(self.factor(values.shape[-1])) * values.std(ddof=self.ddof))

    def each(self, fold_values: Floats) -> Floats:
        """Return the error of each row of fold values ``(trials, folds)``, float64 ``(trials,)``, as by :meth:`of`."""
        return np.asarray(np.sqrt(self.factor(fold_values.shape[1])) * fold_values.std(axis=1, ddof=self.ddof))
