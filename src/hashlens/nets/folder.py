"""A trained network on disk: a folder with ``model.safetensors`` and ``network.json``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

import torch
from rich.table import Table
from torch import nn

from hashlens.errors import ModelError, OutputError
from hashlens.files import atomic_write
from hashlens.nets.build import build
from hashlens.nets.class_names import declare_classes
from hashlens.nets.digest import parameters_digest
from hashlens.nets.output import Output, declare_output
from hashlens.nets.weights import load_weights
from hashlens.result import Result
from hashlens.version import __version__

WEIGHTS_FILE = "model.safetensors"
INFO_FILE = "network.json"


@dataclass(frozen=True)
class NetworkInfo(Result):
    """Information about a trained network: the content of ``network.json``.

    Attributes
    ----------
    architecture : str or None
        Name of the architecture, as in `build`; None for a module that was not built by name.
    input_shape : tuple of int
        Shape of one example, without the batch axis.
    classes : int
        Number of outputs (logits).
    arguments : dict
        Other arguments of `build`.
    seed : int
        Seed of the initial weights and of the order of batches.
    epochs : int
        Number of epochs trained; 0 for the initial network.
    recipe : dict or None
        Fields of the training recipe.
    data : dict or None
        ``name``, ``digest`` and number ``n`` of the training examples.
    metrics : dict
        Accuracies (from 0 to 1) and the recipe's loss (cross-entropy in nats) by name.
    class_names : tuple of str, or None
        Names of classes 0, 1, ...
    parameters : str
        Digest of the weights (see `parameters_digest`), set when the network is saved.
    versions : dict
        Versions of hashlens and torch.
    output : str
        Kind of the network's output, as in :mod:`hashlens.nets.output`; empty if it follows from the last operator.
    schema_version : int
        Version of the format of the file.
    """

    schema_version: ClassVar[int] = 1

    architecture: str | None
    input_shape: tuple[int, ...]
    classes: int
    arguments: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    epochs: int = 0
    recipe: Mapping[str, Any] | None = None
    data: Mapping[str, Any] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    class_names: tuple[str, ...] | None = None
    parameters: str = ""
    versions: Mapping[str, str] = field(
        default_factory=lambda: {"hashlens": __version__, "torch": str(torch.__version__)}
    )
    output: str = ""

    def __rich__(self) -> Table:
        table = Table(title=f"{self.architecture or 'network'}, {self.epochs} epochs, seed {self.seed}")
        table.add_column("metric")
        table.add_column("value", justify="right")
        for name, value in self.metrics.items():
            table.add_row(name.replace("_", " "), f"{value:.4f}")
        return table


def check_free(folder: Path) -> None:
    """Raise `OutputError` if `folder` already holds a network."""
    if (folder / INFO_FILE).exists():
        raise OutputError(f"{folder} already holds a network: choose another folder, or give overwrite=True")


def save_network(folder: str | Path, network: nn.Module, info: NetworkInfo, *, overwrite: bool = False) -> Path:
    """Write `network` and its information to `folder`, for `load_model` and the command line.

    ``network.json`` is written last and holds the digest of the weights: a folder without it is not a network.

    Parameters
    ----------
    folder : str or Path
        Folder to write to; created if needed.
    network : torch.nn.Module
        Any module; if ``info.architecture`` is set, the folder alone is enough to load it.
    info : NetworkInfo
        Information to write; the digest of the weights is added.
    overwrite : bool
        Whether an existing network in `folder` is replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        If the folder holds a network, or cannot be written.
    """
    from safetensors.torch import save

    folder = Path(folder)
    if not overwrite:
        check_free(folder)
    # The tensors are cloned, since safetensors rejects tensors that share memory.
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()}
    with atomic_write(folder / WEIGHTS_FILE, overwrite=True) as partial:
        partial.write_bytes(save(tensors))
        (folder / INFO_FILE).unlink(missing_ok=True)
    document = {**info.to_dict(), "parameters": parameters_digest(network)}
    with atomic_write(folder / INFO_FILE, overwrite=True) as partial:
        partial.write_text(json.dumps(document, indent=2) + "\n")
    return folder


def read_info(folder: str | Path) -> NetworkInfo:
    """Return the information about the network in `folder`.

    Parameters
    ----------
    folder : str or Path
        Folder that `save_network` wrote.

    Raises
    ------
    ModelError
        If the folder does not exist, does not hold a network, or was written by a newer version of hashlens.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError(f"{folder} is not there: give the folder that hashlens train wrote")
    path = folder / INFO_FILE
    if not path.is_file():
        state = "an unfinished training run" if (folder / "state.pt").exists() else f"no {INFO_FILE}"
        raise ModelError(f"{folder} holds {state}: give the folder of a finished hashlens train")
    try:
        document = json.loads(path.read_text())
        version = int(document["schema_version"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is damaged ({error}): train the network again") from error
    if version > NetworkInfo.schema_version:
        raise ModelError(
            f"{path} has schema version {version}, this hashlens reads up to {NetworkInfo.schema_version}: "
            "update hashlens"
        )
    try:
        # Folders of earlier versions have no entry for the output.
        values = {entry.name: document[entry.name] for entry in fields(NetworkInfo) if entry.name != "output"}
        values["output"] = document.get("output", "")
    except KeyError as error:
        raise ModelError(f"{path} is damaged (no entry {error}): train the network again") from error
    values["input_shape"] = tuple(values["input_shape"])
    values["class_names"] = None if values["class_names"] is None else tuple(values["class_names"])
    return NetworkInfo(**values)


def load_network(folder: str | Path) -> tuple[nn.Module, NetworkInfo]:
    """Return the network that `save_network` wrote, on the CPU and in evaluation mode, and its information.

    Parameters
    ----------
    folder : str or Path
        Folder of a trained network or of one of its checkpoints.

    Raises
    ------
    ModelError
        If the folder does not hold a network, is damaged, or holds a module that was not built by name.
    """
    folder = Path(folder)
    info = read_info(folder)
    if info.architecture is None:
        raise ModelError(
            f"{folder} holds a module that hashlens did not build: "
            f"load it as package.module:factory with weights {folder / WEIGHTS_FILE}"
        )
    # Nothing is allocated or initialised on the meta device: the weights come from the file.
    with torch.device("meta"):
        network = build(info.architecture, input_shape=info.input_shape, classes=info.classes, **info.arguments)
    load_weights(network, folder / WEIGHTS_FILE)
    if parameters_digest(network) != info.parameters:
        raise ModelError(f"{folder / WEIGHTS_FILE} is not what {INFO_FILE} says it is: train or copy the network again")
    if info.output:
        declare_output(network, Output(info.output, f"as {INFO_FILE} says"))
    declare_classes(network, info.class_names)
    return network.eval(), info
