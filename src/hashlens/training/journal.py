"""What a training leaves on disk while it runs: checkpoints, and the state to go on from."""

import io
import pickle
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hashlens.errors import ModelError
from hashlens.files import written_whole
from hashlens.nets.folder import INFO_FILE, NetworkInfo, save_network
from hashlens.training.fitted import Epoch

STATE_FILE = "state.pt"
CHECKPOINTS = "checkpoints"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Journal:
    """The folder of one training.

    Attributes
    ----------
    folder : Path
        Made at the first write.
    wanted : collection of int
        Epochs after which the network is kept; 0 is the initialisation.
    run : mapping
        What identifies the training, of plain values: a state is only for the run that wrote it.
    info : NetworkInfo
        What checkpoints say about the network.
    """

    folder: Path
    wanted: Collection[int]
    run: Mapping[str, Any]
    info: NetworkInfo

    def record(self, network: nn.Module, optimizer: torch.optim.Optimizer, history: Sequence[Epoch]) -> None:
        """Write what is due after the last epoch of `history`: a checkpoint if it is wanted, and the state."""
        number = len(history)
        if number in self.wanted:
            metrics = {"train_loss": history[-1].loss} if history else {}
            info = replace(self.info, epochs=number, metrics=metrics)
            save_network(self.checkpoint(number), network, info, overwrite=True)
        state = {
            "schema_version": SCHEMA_VERSION,
            "run": dict(self.run),
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "history": [asdict(epoch) for epoch in history],
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        with written_whole(self.folder / STATE_FILE, overwrite=True) as beside:
            beside.write_bytes(buffer.getbuffer())

    def restore(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> list[Epoch]:
        """Put the state, if there is one, into `network` and `optimizer`, and return the epochs it had trained.

        Raises
        ------
        ModelError
            If the state is damaged, of a newer hashlens, or of another run.
        """
        path = self.folder / STATE_FILE
        if not path.exists():
            return []
        way_out = "train afresh (overwrite=True), or choose another folder"
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            version, run = int(state["schema_version"]), dict(state["run"])
        except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path} is damaged ({type(error).__name__}): {way_out}") from error
        if version > SCHEMA_VERSION:
            raise ModelError(f"{path} has schema version {version}, this hashlens reads {SCHEMA_VERSION}: {way_out}")
        for key in sorted(run.keys() | self.run.keys()):
            if run.get(key) != self.run.get(key):
                theirs, ours = run.get(key), self.run.get(key)
                raise ModelError(f"{path} is of another run: its {key} is {theirs}, this one's is {ours}: {way_out}")
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        return [Epoch(**epoch) for epoch in state["history"]]

    def close(self) -> None:
        """Remove the state, which a finished training needs no more."""
        (self.folder / STATE_FILE).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove what an earlier training left: its state and its checkpoints."""
        self.close()
        for folder in (self.folder / CHECKPOINTS).glob("epoch-*"):
            if (folder / INFO_FILE).exists():
                shutil.rmtree(folder)

    def checkpoint(self, epoch: int) -> Path:
        """Return the folder of the network after `epoch`."""
        return self.folder / CHECKPOINTS / f"epoch-{epoch:04d}"
