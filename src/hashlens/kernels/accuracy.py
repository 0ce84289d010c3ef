"""Test accuracy of kernels of infinite width: the result of ``hashlens kernel predict``."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from rich.console import RenderableType

from hashlens.arguments import excerpt
from hashlens.data import ArrayExamples, load_data
from hashlens.data.labels import NO_LABEL
from hashlens.data.numbering import with_one_numbering
from hashlens.errors import DataError, KernelError, nearest
from hashlens.intervals import clopper_pearson
from hashlens.kernels.compute import Precision, compute, inputs_of
from hashlens.kernels.network import InfiniteNetwork
from hashlens.kernels.predict import PREDICTION_KERNELS, Predictor
from hashlens.report.figures import Bars, Figure
from hashlens.result import Result
from hashlens.tables import table


@dataclass(frozen=True)
class KernelAccuracy(Result):
    """Accuracy of predictions with one kernel, for several regularisations.

    Attributes
    ----------
    network : str
        The layers of the network, as text.
    kernel : {"nngp", "ntk"}
        Kernel that is used for predictions.
    time : float or None
        Time of gradient flow; None for infinite time.
    train, test : int
        Numbers of training and test examples.
    diag_reg : tuple of float
        Regularisations: values added to the diagonal, each a share of the diagonal's mean.
    accuracy : tuple of float
        Accuracy on the test examples, for each regularisation.
    intervals : tuple of (float, float)
        95 % intervals (Clopper-Pearson) of the accuracies, over test examples.
    loss : tuple of float
        Mean squared error of the test targets (one-hot vectors minus one over the number of classes).
    """

    network: str
    kernel: Literal["nngp", "ntk"]
    time: float | None
    train: int
    test: int
    diag_reg: tuple[float, ...]
    accuracy: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    loss: tuple[float, ...]

    def figures(self) -> tuple[Figure, ...]:
        """Return the accuracies as bars."""
        names = tuple(f"diag_reg {value:g}" for value in self.diag_reg)
        return (Bars(f"Test accuracy, {self.kernel.upper()}", "accuracy", names, (("test", self.accuracy),),
                     (self.intervals,)),)  # fmt: skip

    def __rich__(self) -> RenderableType:
        rows = [
            (f"{reg:g}", f"{accuracy:.4f}", f"{low:.4f} to {high:.4f}", f"{loss:.5f}")
            for reg, accuracy, (low, high), loss in zip(
                self.diag_reg, self.accuracy, self.intervals, self.loss, strict=True
            )
        ]
        trained = "for ever" if self.time is None else f"until time {self.time:g}"
        note = f"{self.network}; trained {trained} on {self.train:,} examples, tested on {self.test:,}"
        return table(
            f"Infinite width: {self.kernel.upper()}", ("diag_reg", "accuracy", "95 %", "squared error"), rows, note
        )


def kernel_accuracy(
    network: InfiniteNetwork,
    train: Any,
    test: Any,
    kernel: Literal["nngp", "ntk"] = "ntk",
    *,
    diag_reg: tuple[float, ...] = (1e-3,),
    time: float | None = None,
    dtype: Precision = "float64",
) -> KernelAccuracy:
    """Return the test accuracy of infinitely wide networks that are trained on labelled examples.

    Parameters
    ----------
    network : InfiniteNetwork
        The network.
    train, test : str, Examples, pair, Dataset or DataLoader
        Labelled examples, in any form that :func:`hashlens.load_data` takes.
    kernel : {"ntk", "nngp"}
        Kind of kernel.
    diag_reg : tuple of float
        Regularisations to try: the kernel is computed once.
    time : float, optional
        Time of gradient flow; None for infinite time.
    dtype : {"float64", "float32"}
        Precision of the kernels and the solution.

    Raises
    ------
    DataError
        If examples have no labels, or all training examples are of one class.
    KernelError
        If the inputs do not fit the network, or the kernel is singular.
    """
    if kernel not in PREDICTION_KERNELS:
        raise KernelError(f"unknown kernel {excerpt(kernel)}; {nearest(kernel, PREDICTION_KERNELS)}")
    known, others = with_one_numbering(_load_labelled(train), _load_labelled(test))
    assert known.labels is not None
    assert others.labels is not None
    if len(np.unique(known.labels)) < 2:
        raise DataError(f"{known.name}: {len(known):,} training examples of one class; a classifier needs two or more")
    classes = int(max(known.labels.max(), others.labels.max())) + 1
    x, y = known.tensor().double(), others.tensor().double()
    inputs_of(network, x, y, dtype, "cpu", names=(known.name, others.name))
    own, across = compute(network, x, None, (kernel,), dtype=dtype), compute(network, y, x, (kernel,), dtype=dtype)
    targets = np.eye(classes) - 1 / classes
    accuracy, intervals, loss = [], [], []
    for reg in diag_reg:
        predictor = Predictor(targets[known.labels], own.nngp, own.ntk, reg)
        mean = predictor.predict(across.ntk if kernel == "ntk" else across.nngp, time=time).mean
        hits = int((mean.argmax(axis=1) == others.labels).sum())
        accuracy.append(hits / len(others.labels))
        intervals.append(clopper_pearson(hits, len(others.labels), 0.95))
        loss.append(float(np.mean((mean - targets[others.labels]) ** 2)))
    written = ", ".join(map(repr, network.layers))
    return KernelAccuracy(written, kernel, time, len(known.labels), len(others.labels), tuple(map(float, diag_reg)),
                          tuple(accuracy), tuple(intervals), tuple(loss))  # fmt: skip


def _load_labelled(data: Any) -> ArrayExamples:
    """Return examples that all have labels."""
    examples: ArrayExamples = load_data(data).load()
    if examples.labels is None:
        raise DataError(f"{examples.name} has no labels: classification needs them")
    if missing := int((examples.labels == NO_LABEL).sum()):
        raise DataError(
            f"{examples.name}: {missing:,} of {len(examples):,} examples have no label (-1): leave them out"
        )
    return examples
