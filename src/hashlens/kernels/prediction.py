"""Predictions of infinitely wide networks for some examples."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from rich.console import RenderableType

from hashlens.report.figures import Figure, Histogram
from hashlens.result import Result
from hashlens.tables import table

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Prediction(Result):
    """Predictions of infinitely wide networks, over their random initial weights.

    Attributes
    ----------
    mean : numpy.ndarray
        Mean predictions ``(m, outputs)``.
    covariance : numpy.ndarray or None
        Covariance ``(m, m)`` of the predictions of one output for different examples. It is the same for each output,
        and outputs are independent. None if it was not requested.
    kernel : {"nngp", "ntk"}
        Kernel: with ``nngp`` only the last layer is trained, with ``ntk`` all weights.
    time : float or None
        Training time of gradient flow; None for infinite time.
    diag_reg : float
        Value that was added to the diagonal of the kernel, as a share of the diagonal's mean.
    train : int
        Number of training examples.
    """

    mean: Array
    covariance: Array | None
    kernel: Literal["nngp", "ntk"]
    time: float | None
    diag_reg: float
    train: int

    @property
    def std(self) -> Array:
        """Standard deviation of each prediction, ``(m,)``; NaN if the covariance is unknown."""
        if self.covariance is None:
            return np.full(len(self.mean), np.nan)
        return np.sqrt(np.maximum(self.covariance.diagonal(), 0.0))

    def figures(self) -> tuple[Figure, ...]:
        """Return a histogram of the standard deviations, if they are known."""
        if self.covariance is None:
            return ()
        counts, edges = np.histogram(self.std, 20)
        shares = tuple((counts / len(self.std)).tolist())
        name = "Standard deviation over initial weights"
        return (Histogram(name, "standard deviation", tuple(edges.tolist()), (("examples", shares),),
                          "share of examples"),)  # fmt: skip

    def __rich__(self) -> RenderableType:
        rows = [
            ("kernel", self.kernel.upper()),
            ("training time", "infinite" if self.time is None else f"{self.time:g}"),
            ("diagonal regularisation", f"{self.diag_reg:g}"),
            ("training examples", f"{self.train:,}"),
            ("predicted", f"{self.mean.shape[0]:,} examples, {self.mean.shape[1]:,} outputs"),
        ]
        if self.covariance is not None:
            rows.append(("standard deviation, median", f"{np.median(self.std):.3g}"))
        return table("Prediction of infinitely wide networks", ("", ""), rows)
