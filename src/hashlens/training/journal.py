"""Journal: the state of a running training on disk, to resume from."""

import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from hashlens.errors import ModelError
from hashlens.files import atomic_write
from hashlens.training.state import COMPONENT_KINDS, LoopEpoch, TrainingState

STATE_FILE = "state.pt"
SCHEMA_VERSION = 2
VALUES_1 = ("loss", "accuracy", "validation_accuracy")
"""Values of an epoch in a state of version 1."""


@dataclass(frozen=True)
class Journal:
    """File ``state.pt`` that an interrupted training resumes from; it is replaced atomically.

    Attributes
    ----------
    folder : Path
        Folder of the file; created at the first write.
    run : mapping
        Plain values that identify the training: a state is only valid for the run that wrote it.
    """

    folder: Path
    run: Mapping[str, Any]

    def record(self, state: TrainingState, history: Sequence[LoopEpoch]) -> None:
        """Write the state after the last epoch of `history`."""
        document = {
            "schema_version": SCHEMA_VERSION,
            "run": dict(self.run),
            **state.state_dict(),
            "history": [asdict(epoch) for epoch in history],
        }
        buffer = io.BytesIO()
        torch.save(document, buffer)
        with atomic_write(self.folder / STATE_FILE, overwrite=True) as partial:
            partial.write_bytes(buffer.getbuffer())

    def restore(self, state: TrainingState) -> list[LoopEpoch]:
        """Restore `state` from the file, if there is one, and return the history of epochs so far.

        Raises
        ------
        ModelError
            If the file is damaged, or was written by a newer version of hashlens or by another run.
        """
        path = self.folder / STATE_FILE
        if not path.exists():
            return []
        way_out = "train afresh (overwrite=True), or choose another folder"
        try:
            saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            version, saved_run = int(saved["schema_version"]), dict(saved["run"])
            if version <= SCHEMA_VERSION:
                saved = _from_version_1(saved) if version == 1 else saved
                saved_run = {**saved["run"], **_component_names(saved)}
        except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path} is damaged ({type(error).__name__}): {way_out}") from error
        if version > SCHEMA_VERSION:
            raise ModelError(f"{path} has schema version {version}, this hashlens reads {SCHEMA_VERSION}: {way_out}")
        this_run = {**self.run, **_component_names(vars(state))}
        # What the user set is compared first: if a setting differs, digests and names of components may differ too.
        for key in dict.fromkeys((*self.run, *sorted(saved_run.keys() | this_run.keys()))):
            if saved_run.get(key) != this_run.get(key):
                saved_value, this_value = saved_run.get(key), this_run.get(key)
                raise ModelError(
                    f"{path} is of another run: its {key} is {saved_value}, this one's is {this_value}: {way_out}"
                )
        state.load_state_dict(saved)
        return [LoopEpoch(**epoch) for epoch in saved["history"]]

    def close(self) -> None:
        """Remove the file after training has finished, and any partly written files."""
        (self.folder / STATE_FILE).unlink(missing_ok=True)
        for partial in self.folder.glob(f".{STATE_FILE}.*.partial"):
            partial.unlink(missing_ok=True)


def _component_names(parts: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of all modules, of all optimizers and of all generators, each list as text."""
    return {f"list of {kind}": ", ".join(sorted(parts[kind])) or "none" for kind in COMPONENT_KINDS}


def _from_version_1(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a state of version 1, of one network trained by cross-entropy, to the current format."""
    history = [
        {
            "number": epoch["number"],
            "values": {name: value for name, value in epoch.items() if name in VALUES_1 and value is not None},
            "learning_rates": {"network": epoch["learning_rate"]},
            "seconds": epoch["seconds"],
        }
        for epoch in saved["history"]
    ]
    return {
        "run": {**saved["run"], "loss": "cross-entropy"},
        "modules": {"network": saved["network"]},
        "optimizers": {"network": saved["optimizer"]},
        "generators": {},
        "history": history,
    }
