"""History: the readings of a monitor by step."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import RenderableType

from hashlens.report.figures import Figure, Lines, Series
from hashlens.result import Result, Split
from hashlens.tables import number, table


@dataclass(frozen=True)
class CodeReading(Result):
    """Measures of the codes of a probe at one step of a training.

    Each number equals that of :func:`hashlens.measure` for the same probe and weights.

    Attributes
    ----------
    step : int
        Number of optimiser steps taken.
    redundancy_ratio : Split of float
        Redundancy ratio R = (n - distinct codes) / n.
    knn : float or None
        Test accuracy of K-NN in Hamming distance; None if no bit varies over the probe.
    network_accuracy : Split of float or None
        Accuracy of the network on train and test; each is None if its output is not a row of class scores.
    informative_bits : int
        Number of bits that are not constant over the probe.
    seconds : float
        Time of the reading, in seconds.
    output : str
        How the network's output was read; empty if it gives no scores.
    """

    step: int
    redundancy_ratio: Split[float]
    knn: float | None
    network_accuracy: Split[float | None]
    informative_bits: int
    seconds: float
    output: str = ""

    def metrics(self, prefix: str = "hashlens") -> dict[str, float]:
        """Return the metrics for loggers, as numbers by name with a prefix; those that are None are left out."""
        metrics_by_name = {
            "redundancy_train": self.redundancy_ratio.train,
            "redundancy_test": self.redundancy_ratio.test,
            "knn": self.knn,
            "accuracy_train": self.network_accuracy.train,
            "accuracy_test": self.network_accuracy.test,
            "informative_bits": float(self.informative_bits),
        }
        return {f"{prefix}/{name}": value for name, value in metrics_by_name.items() if value is not None}

    def cells(self) -> tuple[str, ...]:
        """Return the reading as a row of a table."""
        ratio, own = self.redundancy_ratio, self.network_accuracy
        return (f"{self.step:,}", *map(number, (ratio.train, ratio.test, self.knn, own.train, own.test)),
                number(self.informative_bits), f"{1000 * self.seconds:.1f}")  # fmt: skip

    def __rich__(self) -> RenderableType:
        return table("Codes of the probe", COLUMNS, [self.cells()], output_note(self.output))


def output_note(output: str) -> str:
    """Return a line on how outputs were read."""
    return f"Output read as {output}." if output else ""


COLUMNS = ("step", "R train", "R test", "K-NN", "accuracy train", "accuracy test", "informative bits", "ms")


@dataclass(frozen=True)
class CodeHistory(Result):
    """History of a monitor: all readings, in order.

    Attributes
    ----------
    readings : tuple of CodeReading
        The readings.
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
                     output_note(self.readings[-1].output if self.readings else ""))  # fmt: skip

    def figures(self) -> tuple[Figure, ...]:
        """Return figures of redundancy ratio and accuracies over steps."""
        return (
            Lines("Redundancy ratio R", "step", "R", self._series(("hashlens/redundancy_train", "train"),
                                                                  ("hashlens/redundancy_test", "test"))),
            Lines("Accuracy on test", "step", "accuracy", self._series(("hashlens/knn", "K-NN on codes"),
                                                                       ("hashlens/accuracy_test", "network"))),
        )  # fmt: skip

    def _series(self, *curves: tuple[str, str]) -> tuple[Series, ...]:
        result = []
        for metric, name in curves:
            points = [
                (reading.step, reading.metrics()[metric]) for reading in self.readings if metric in reading.metrics()
            ]
            result.append(Series(name, tuple(float(x) for x, _ in points), tuple(y for _, y in points)))
        return tuple(result)
