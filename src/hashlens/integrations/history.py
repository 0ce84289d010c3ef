"""History: what a monitor read, step by step."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import RenderableType

from hashlens.report.figures import Figure, Lines, Series
from hashlens.result import Result, Split
from hashlens.tables import number, table


@dataclass(frozen=True)
class CodeReading(Result):
    """What the codes of a probe say of a network at one step of its training.

    Each number is the one that :func:`hashlens.measure` gives for the same probe and weights.

    Attributes
    ----------
    step : int
        Optimiser steps taken.
    redundancy_ratio : Split of float
        R = (n - distinct codes) / n.
    knn : float or None
        Test accuracy of K-NN in Hamming distance; None when no bit varies over the probe.
    network_accuracy : Split of float or None
        The network's own; None when its output is not a row of class scores.
    informative_bits : int
        Bits that are not constant over the probe.
    seconds : float
        What the reading took.
    output : str
        How the network's output was read; empty where it gives no scores.
    """

    step: int
    redundancy_ratio: Split[float]
    knn: float | None
    network_accuracy: Split[float | None]
    informative_bits: int
    seconds: float
    output: str = ""

    def metrics(self, prefix: str = "hashlens") -> dict[str, float]:
        """Return what loggers take: name to number, without what is not known."""
        named = {
            "redundancy_train": self.redundancy_ratio.train,
            "redundancy_test": self.redundancy_ratio.test,
            "knn": self.knn,
            "accuracy_train": self.network_accuracy.train,
            "accuracy_test": self.network_accuracy.test,
            "informative_bits": float(self.informative_bits),
        }
        return {f"{prefix}/{name}": value for name, value in named.items() if value is not None}

    def cells(self) -> tuple[str, ...]:
        """Return the reading as a row of a table."""
        ratio, own = self.redundancy_ratio, self.network_accuracy
        return (f"{self.step:,}", *map(number, (ratio.train, ratio.test, self.knn, own.train, own.test)),
                number(self.informative_bits), f"{1000 * self.seconds:.1f}")  # fmt: skip

    def __rich__(self) -> RenderableType:
        return table("Codes of the probe", COLUMNS, [self.cells()], read_as(self.output))


def read_as(output: str) -> str:
    """Return the line that says how outputs were read."""
    return f"Output read as {output}." if output else ""


COLUMNS = ("step", "R train", "R test", "K-NN", "own train", "own test", "informative bits", "ms")


@dataclass(frozen=True)
class CodeHistory(Result):
    """All readings of a monitor, in order.

    Attributes
    ----------
    readings : tuple of CodeReading
        As they were taken.
    """

    readings: tuple[CodeReading, ...] = ()

    def __len__(self) -> int:
        return len(self.readings)

    def __iter__(self) -> Iterator[CodeReading]:
        return iter(self.readings)

    def __getitem__(self, position: int) -> CodeReading:
        return self.readings[position]

    def __rich__(self) -> RenderableType:
        return table("Codes of the probe", COLUMNS, [reading.cells() for reading in self.readings],
                     read_as(self.readings[-1].output if self.readings else ""))  # fmt: skip

    def figures(self) -> tuple[Figure, ...]:
        """Return redundancy ratio and accuracies over steps."""
        return (
            Lines("Redundancy ratio R", "step", "R", self._series(("hashlens/redundancy_train", "train"),
                                                                  ("hashlens/redundancy_test", "test"))),
            Lines("Accuracy on test", "step", "accuracy", self._series(("hashlens/knn", "K-NN on codes"),
                                                                       ("hashlens/accuracy_test", "network"))),
        )  # fmt: skip

    def _series(self, *named: tuple[str, str]) -> tuple[Series, ...]:
        found = []
        for metric, name in named:
            points = [(at.step, at.metrics()[metric]) for at in self.readings if metric in at.metrics()]
            found.append(Series(name, tuple(float(x) for x, _ in points), tuple(y for _, y in points)))
        return tuple(found)
