"""Weights from a file, without running any code in the file."""

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hashlens.errors import ModelError

# Keys under which training scripts store a state_dict, and prefixes that wrappers add to its names.
NESTINGS = ("state_dict", "model_state_dict", "model")
PREFIXES = ("module.", "_orig_mod.")


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a weights file by name.

    Parameters
    ----------
    path : str or Path
        ``.safetensors``, or ``.pt``/``.pth`` with a state_dict, which may be nested under ``state_dict`` or ``model``;
        the prefixes ``module.`` and ``_orig_mod.`` of wrapped models are removed.

    Raises
    ------
    ModelError
        If the file is missing, damaged, or holds anything but tensors. Pickled objects are refused and do not run.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"weights {path} are not there: give a .safetensors, .pt or .pth file")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    for nesting in NESTINGS:
        if isinstance(content.get(nesting), Mapping):
            content = content[nesting]
            break
    for name, value in content.items():
        if not isinstance(value, torch.Tensor):
            raise ModelError(
                f"weights {path}: {name!r} is a {type(value).__name__}, not a tensor: "
                "save model.state_dict() and nothing else"
            )
    weights = {str(name): value for name, value in content.items()}
    for prefix in PREFIXES:
        if weights and all(name.startswith(prefix) for name in weights):
            weights = {name.removeprefix(prefix): value for name, value in weights.items()}
    return weights


def load_weights(network: nn.Module, path: str | Path) -> None:
    """Load the weights of a file into `network`, all or none.

    Parameters
    ----------
    network : torch.nn.Module
        The network, which is changed in place; it may be on the meta device.
    path : str or Path
        Path of the file, as in `read_weights`.

    Raises
    ------
    ModelError
        If the file cannot be read, or its names or shapes differ from those of `network`.
    """
    weights = read_weights(path)
    expected = network.state_dict()
    differences = [
        _names("missing", expected.keys() - weights.keys()),
        _names("unexpected", weights.keys() - expected.keys()),
        _names(
            "of another shape",
            {
                f"{name} {tuple(weights[name].shape)} instead of {tuple(value.shape)}"
                for name, value in expected.items()
                if name in weights and weights[name].shape != value.shape
            },
        ),
    ]
    if any(differences):
        raise ModelError(
            f"weights {path} do not fit {type(network).__name__}: {'; '.join(filter(None, differences))}: "
            "give the weights of this very architecture"
        )
    network.load_state_dict(weights, assign=any(value.is_meta for value in expected.values()))


def _names(prefix: str, names: set[str]) -> str:
    listed = ", ".join(sorted(names)[:3])
    remainder = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{prefix}: {listed}{remainder}" if names else ""


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"weights {path} cannot be read as safetensors ({error}): save or copy them again") from error
    return tensors


def _read_torch(path: Path) -> Mapping[str, Any]:
    if _is_torchscript(path):
        raise ModelError(
            f"{path} is a TorchScript archive: give its state_dict, or export the model with torch.export to .pt2"
        )
    try:
        with warnings.catch_warnings():
            # A file that the next line refuses may cause a warning about its pickle protocol.
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"weights {path} hold pickled objects, which could run code and are never loaded: "
            "save model.state_dict() alone, or a .safetensors file"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        reason = f"{type(error).__name__} {error}".split("\n")[0].split(". ")[0].strip()
        raise ModelError(f"weights {path} cannot be read ({reason}): save or copy them again") from error
    if not isinstance(content, Mapping):
        raise ModelError(f"weights {path} hold a {type(content).__name__}: expected a state_dict of names and tensors")
    return content


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())
