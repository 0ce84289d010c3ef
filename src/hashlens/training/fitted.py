"""Fitted: the history of a training, epoch by epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.table import Table

from hashlens.result import Result
from hashlens.training.losses import LOSSES


@dataclass(frozen=True)
class Epoch:
    """One pass over the training examples.

    Attributes
    ----------
    number : int
        Number of the epoch, from 1.
    loss : float
        Mean training loss, computed for each batch before its step; cross-entropy is in nats.
    accuracy : float or None
        Training accuracy, computed for each batch before its step; None without classes.
    validation_accuracy : float or None
        Validation accuracy after the epoch; None without validation examples.
    learning_rate : float
        Learning rate of the epoch.
    seconds : float
        Wall time in seconds, without validation and checkpoints.
    """

    number: int
    loss: float
    accuracy: float | None
    validation_accuracy: float | None
    learning_rate: float
    seconds: float


def has_stalled(losses: Sequence[float], patience: int | None) -> bool:
    """Return whether the training loss did not fall in the last `patience` epochs; False if `patience` is None."""
    return patience is not None and len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience])


@dataclass(frozen=True)
class Fitted(Result):
    """Result of a training.

    Attributes
    ----------
    history : tuple of Epoch
        One entry per epoch, including those before a resumption.
    stopped_early : bool
        Whether training stopped before the last epoch because the training loss no longer fell.
    resumed_at : int
        Number of epochs trained by an earlier, interrupted call; 0 for a new training.
    checkpoints : tuple of Path
        Folders of the saved checkpoints.
    loss : str
        Name of the recipe's loss; the losses in the history are of this kind.
    schema_version : int
        Version of the format of the file.
    """

    schema_version: ClassVar[int] = 1

    history: tuple[Epoch, ...]
    stopped_early: bool
    resumed_at: int
    checkpoints: tuple[Path, ...]
    loss: str = "cross-entropy"

    @property
    def epochs(self) -> int:
        """Number of epochs trained."""
        return len(self.history)

    def __rich__(self) -> Table:
        table = Table(title=f"{self.epochs} epochs" + (", stopped early" if self.stopped_early else ""))
        loss = f"loss ({LOSSES[self.loss].unit})"
        for column in ("epoch", loss, "accuracy", "validation", "learning rate", "seconds"):
            table.add_column(column, justify="right")
        for epoch in self.history[-10:]:
            table.add_row(
                str(epoch.number),
                f"{epoch.loss:.4f}",
                _fraction(epoch.accuracy),
                _fraction(epoch.validation_accuracy),
                f"{epoch.learning_rate:.2g}",
                f"{epoch.seconds:.2f}",
            )
        return table


def _fraction(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
