"""Checkpoints: networks that are saved during training."""

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from hashlens.arguments import excerpt, is_whole
from hashlens.errors import ModelError
from hashlens.nets.folder import INFO_FILE, NetworkInfo, save_network

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Checkpoints:
    """Networks after some epochs, each in its own folder such as ``checkpoints/epoch-0010``.

    Attributes
    ----------
    folder : Path
        Folder of the training.
    epochs : collection of int
        Epochs after which the network is saved; 0 is the initial network.
    info : NetworkInfo
        Information about the network, stored in each checkpoint.
    """

    folder: Path
    epochs: Collection[int]
    info: NetworkInfo

    def save(self, network: nn.Module, epoch: int, metrics: Mapping[str, float]) -> None:
        """Save the network after `epoch`, if it is one of the requested epochs."""
        if epoch in self.epochs:
            info = replace(self.info, epochs=epoch, metrics=metrics)
            save_network(self.path(epoch), network, info, overwrite=True)

    def path(self, epoch: int) -> Path:
        """Return the folder of the network after `epoch`."""
        return self.folder / CHECKPOINTS / f"epoch-{epoch:04d}"

    def paths(self, epochs: int) -> tuple[Path, ...]:
        """Return the folders of the checkpoints that a training of `epochs` epochs reached, in order."""
        return tuple(self.path(epoch) for epoch in sorted(self.epochs) if epoch <= epochs)

    def clear(self) -> None:
        """Remove the checkpoints of an earlier training."""
        for folder in (self.folder / CHECKPOINTS).glob("epoch-*"):
            if (folder / INFO_FILE).exists():
                shutil.rmtree(folder)


def check_checkpoints(checkpoints: Collection[int], epochs: int) -> None:
    """Raise ModelError if `checkpoints` are not epochs of a training of `epochs` epochs."""
    if not isinstance(checkpoints, Collection):
        raise ModelError(f"checkpoints must be a list of epochs, such as [{epochs}], received {excerpt(checkpoints)}")
    for epoch in checkpoints:
        if not is_whole(epoch) or not 0 <= epoch <= epochs:
            raise ModelError(f"checkpoints must be epochs from 0 to {epochs}, received {epoch!r}")
