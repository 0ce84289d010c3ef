"""What a training did, epoch by epoch."""

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
        Counted from 1.
    loss : float
        Mean over the examples, each as its batch came by; cross-entropy is in nats.
    accuracy : float or None
        Fraction of the examples that were right as their batch came by; None where there are no classes.
    validation_accuracy : float or None
        After the epoch.
    learning_rate : float
        Of all steps of the epoch.
    seconds : float
        Wall time, without validation and checkpoints.
    """

    number: int
    loss: float
    accuracy: float | None
    validation_accuracy: float | None
    learning_rate: float
    seconds: float


def stalled(losses: Sequence[float], patience: int | None) -> bool:
    """Return whether the last `patience` epochs brought no lower training loss than those before; None never stalls."""
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
    loss : str
        Which loss the history has: the recipe's.
    """

    schema_version: ClassVar[int] = 1

    history: tuple[Epoch, ...]
    stopped_early: bool
    resumed_at: int
    checkpoints: tuple[Path, ...]
    loss: str = "cross-entropy"

    @property
    def epochs(self) -> int:
        """Epochs trained."""
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
