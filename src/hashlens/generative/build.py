"""The networks of a generative model, built by name or supplied by the user, and checked to fit each other."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from hashlens.errors import ModelError
from hashlens.generative.networks import ARCHITECTURES, Shape, add_spectral_norm, check_shape
from hashlens.generative.settings import Settings
from hashlens.seeds import torch_seed
from hashlens.training.evaluate import evaluation_mode


def build_networks(
    settings: Settings, shape: Shape, code_sizes: Mapping[str, int], own: Mapping[str, nn.Module], spectral_norm: bool
) -> nn.ModuleDict:
    """Return the networks of a model.

    Parameters
    ----------
    settings : Settings
        Sizes of the networks, and the seed of their weights.
    shape : (int, int, int)
        Shape of an image, ``(c, h, w)``.
    parts : mapping of str to int
        Roles of the networks, and the number of code values that each returns (encoder) or takes (discriminator).
    own : mapping of str to torch.nn.Module
        Networks of the user by role, used unchanged.
    spectral_norm : bool
        Whether a built discriminator has spectral normalisation.
    """
    found: dict[str, nn.Module] = {}
    for role, codes in code_sizes.items():
        if role in own:
            found[role] = own[role]
            continue
        check_shape(settings.architecture, shape)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(torch_seed(settings.seed, "weights", role))
            made = ARCHITECTURES[settings.architecture][role]
            arguments: tuple[Any, ...] = (settings.latent, shape) if role == "generator" else (shape, codes)
            found[role] = made(*arguments, settings.full_width)
            if spectral_norm and role == "discriminator":
                add_spectral_norm(found[role])
    return nn.ModuleDict(found)


def check_own(own: Mapping[str, object], roles: Sequence[str], model: str) -> dict[str, nn.Module]:
    """Return the user's networks; raise ModelError if one is not a module, or has a role that the model lacks."""
    modules: dict[str, nn.Module] = {}
    for role, module in own.items():
        if module is None:
            continue
        if role not in roles:
            raise ModelError(f"{model} has no {role}: leave out {role}=")
        if not isinstance(module, nn.Module):
            raise ModelError(f"{role} must be a torch.nn.Module, received a {type(module).__name__}")
        modules[role] = module
    return modules


def check_fit(networks: nn.ModuleDict, settings: Settings, shape: Shape, code_sizes: Mapping[str, int]) -> None:
    """Raise ModelError unless the networks fit each other; two images and two codes are run through them."""
    first = next(networks.parameters(), torch.zeros(()))
    images = torch.full((2, *shape), 0.5, device=first.device)
    codes = torch.zeros(2, settings.latent, device=first.device)
    with evaluation_mode(networks):
        for role, wide in code_sizes.items():
            if role == "generator":
                _check(networks, role, (codes,), (tuple(images.shape),))
            elif role == "encoder":
                _check(networks, role, (images,), ((2, wide),))
            else:
                _check(networks, role, (images, codes) if wide else (images,), ((2, 1), (2,)))


def _check(
    networks: nn.ModuleDict, role: str, inputs: tuple[torch.Tensor, ...], expected: tuple[tuple[int, ...], ...]
) -> None:
    network = networks[role]
    taken = " and ".join(
        f"{what} {tuple(one.shape)}"
        for what, one in zip(("codes",) if role == "generator" else ("images", "codes"), inputs, strict=False)
    )
    try:
        output = network(*inputs)
    except Exception as error:  # whatever a user's own network raises
        reason = str(error).split("\n")[0]
        raise ModelError(f"{role} {type(network).__name__} rejects {taken}: {reason}") from error
    received = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
    if received not in expected:
        raise ModelError(
            f"{role} {type(network).__name__} must return {expected[0]} for {taken}, received {received}: change the "
            f"{role}, or latent="
        )
    if role == "generator" and not bool(((output >= 0) & (output <= 1)).all()):
        raise ModelError(
            f"generator {type(network).__name__} must return pixels from 0 to 1, received {float(output.min()):.3g} to "
            f"{float(output.max()):.3g}: end it with a sigmoid"
        )
