"""What a training did, epoch by epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.table import Table

from hashlens.result import Result


@dataclass(frozen=True)
class Epoch:
    """One pass over the training examples.

    Attributes
    ----------
    number : int
        Counted from 1.
    loss : float
        Mean cross-entropy over the examples, each as its batch came by, in nats.
    accuracy : float
        Fraction of the examples that were right as their batch came by.
    validation_accuracy : float or None
        After the epoch.
    learning_rate : float
        Of all steps of the epoch.
    seconds : float
        Wall time, without validation and checkpoints.
    """

    number: int
    loss: float
    accuracy: float
    validation_accuracy: float | None
    learning_rate: float
    seconds: float


def stalled(history: Sequence[Epoch], patience: int | None) -> bool:
    """Return whether the last `patience` epochs brought no lower training loss than those before; None never stalls."""
    losses = [epoch.loss for epoch in history]
    return patience is not None and len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience])


@dataclass(frozen=True)
class Fitted(Result):
    """What a training did.

    Attributes
    ----------
    history : tuple of Epoch
        One entry per epoch, those before a resumption included.
    stopped_early : bool
        Whether the training loss stopped falling before the last epoch.
    resumed_at : int
        Epochs that an earlier, interrupted call had trained; 0 for a new training.
    checkpoints : tuple of Path
        Folders written, each a network of its own.
    """

    schema_version: ClassVar[int] = 1

    history: tuple[Epoch, ...]
    stopped_early: bool
    resumed_at: int
    checkpoints: tuple[Path, ...]

    @property
    def epochs(self) -> int:
        """Epochs trained."""
        return len(self.history)

    def __rich__(self) -> Table:
        table = Table(title=f"{self.epochs} epochs" + (", stopped early" if self.stopped_early else ""))
        for column in ("epoch", "loss (nats)", "accuracy", "validation", "learning rate", "seconds"):
            table.add_column(column, justify="right")
        for epoch in self.history[-10:]:
            validation = "" if epoch.validation_accuracy is None else f"{epoch.validation_accuracy:.4f}"
            table.add_row(
                str(epoch.number),
                f"{epoch.loss:.4f}",
                f"{epoch.accuracy:.4f}",
                validation,
                f"{epoch.learning_rate:.2g}",
                f"{epoch.seconds:.2f}",
            )
        return table
