"""A generative model on disk: a folder with ``generative.safetensors`` and ``generative.json``; no pickle."""

import json
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from torch import nn

from hashlens.errors import ModelError, OutputError
from hashlens.files import as_path, atomic_write
from hashlens.generative.bigan import BiGAN
from hashlens.generative.gan import GAN
from hashlens.generative.grid import write_grid
from hashlens.generative.health import GRID
from hashlens.generative.info import GenerativeInfo
from hashlens.generative.inverted_gan import InvertedGAN
from hashlens.generative.model import GenerativeModel
from hashlens.generative.vae import VAE
from hashlens.nets.digest import parameters_digest
from hashlens.nets.weights import load_weights

WEIGHTS = "generative.safetensors"
INFO = "generative.json"
GRID_FILE = "samples.png"
MODELS: dict[str, type[GenerativeModel]] = {model.kind: model for model in (GAN, BiGAN, VAE)}
"""Models that need no other model, by name."""


def require_no_model(folder: Path) -> None:
    """Raise OutputError if a folder already contains a model."""
    if (folder / INFO).exists():
        raise OutputError(f"{folder} already holds a model: choose another folder, or give overwrite=True")


def save_model(model: GenerativeModel, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write a model to a folder; see :meth:`GenerativeModel.save`. The metadata are written last."""
    from safetensors.torch import save

    path = as_path(folder)
    if not overwrite:
        require_no_model(path)
    networks = model.networks
    info = model.info or GenerativeInfo(model.kind, model.arguments, model.image_shape, tuple(model.own))
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in networks.state_dict().items()}
    with atomic_write(path / WEIGHTS, overwrite=True) as partial:
        partial.write_bytes(save(tensors))
        (path / INFO).unlink(missing_ok=True)
    document = replace(info, parameters=parameters_digest(networks)).to_dict()
    with atomic_write(path / INFO, overwrite=True) as partial:
        partial.write_text(json.dumps(document, indent=1) + "\n")
    return path


def read_info(folder: str | Path) -> GenerativeInfo:
    """Return the metadata of the model in a folder.

    Raises
    ------
    ModelError
        If there is no model, a newer hashlens wrote it, or the file is damaged.
    """
    path = Path(folder)
    if not (path / INFO).is_file():
        what = "is not there" if not path.is_dir() else f"holds no {INFO}"
        state = " (an unfinished training)" if (path / "state.pt").exists() else ""
        raise ModelError(f"{path} {what}{state}: give a folder that hashlens generate train wrote")
    try:
        document = json.loads((path / INFO).read_text())
        version = int(document["schema_version"])
        known = {entry.name: document[entry.name] for entry in fields(GenerativeInfo)}
        known["history"] = {name: tuple(values) for name, values in known["history"].items()}
        for name in ("image_shape", "own", "warnings"):
            known[name] = tuple(known[name])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path / INFO} is damaged ({error}): train the model again") from error
    if version > GenerativeInfo.schema_version:
        raise ModelError(
            f"{path / INFO} has schema version {version}, this hashlens reads up to {GenerativeInfo.schema_version}: "
            "update hashlens"
        )
    return GenerativeInfo(**known)


def load(
    folder: str | Path,
    *,
    generator: nn.Module | None = None,
    encoder: nn.Module | None = None,
    discriminator: nn.Module | None = None,
) -> GenerativeModel:
    """Return the model that :meth:`GenerativeModel.save` or a training wrote, on the CPU.

    Parameters
    ----------
    folder : str or Path
        Folder of a model or of one of its checkpoints.
    generator, encoder, discriminator : torch.nn.Module, optional
        Your own networks, if the model was trained with such networks. They need the same architecture; their weights
        are replaced.

    Raises
    ------
    ModelError
        If the folder contains no model, is damaged, or has weights of another architecture.
    """
    path, info = Path(folder), read_info(folder)
    own = {"generator": generator, "encoder": encoder, "discriminator": discriminator}
    own = {role: module for role, module in own.items() if module is not None}
    for role in info.own:
        if role not in own and not (info.model == InvertedGAN.kind and role == "generator"):
            raise ModelError(f"{path}: the {role} is a network of your own: give {role}=, of the same architecture")
    model = _build_untrained(path, info, own)
    load_weights(model.networks, path / WEIGHTS)
    if parameters_digest(model.networks) != info.parameters:
        raise ModelError(f"{path / WEIGHTS} is not what {INFO} says it is: train or copy the model again")
    model.info = info
    return model


def _build_untrained(path: Path, info: GenerativeInfo, own: dict[str, Any]) -> GenerativeModel:
    """Return an untrained model with the same arguments."""
    arguments: dict[str, Any] = dict(info.arguments)
    try:
        if info.model != InvertedGAN.kind:
            return MODELS[info.model](**own, **arguments).build(info.image_shape)
        shared = {name: arguments.pop(name) for name in ("latent", "architecture", "width", "prior")}
        gan = GAN(generator=own.pop("generator", None), **shared).build(info.image_shape)
        return InvertedGAN(gan, **own, **arguments)
    except (KeyError, TypeError) as error:
        raise ModelError(f"{path / INFO} is damaged ({error}): train the model again") from error


@dataclass(frozen=True)
class ModelCheckpoints:
    """The model after some epochs, each in a folder ``checkpoints/epoch-0010`` with a grid of samples.

    Attributes
    ----------
    folder : Path
        Folder of the training.
    epochs : collection of int
        Epochs after which the model is saved.
    """

    folder: Path
    epochs: Collection[int]

    def save(self, model: GenerativeModel, epoch: int) -> None:
        """Write the model after `epoch`, if this epoch is a checkpoint."""
        if epoch in self.epochs:
            place = self.folder / "checkpoints" / f"epoch-{epoch:04d}"
            save_model(model, place, overwrite=True)
            write_grid(place / GRID_FILE, model.sample(GRID, seed=model.settings.seed), overwrite=True)
