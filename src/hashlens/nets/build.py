"""Networks built by the name of their architecture, from one seed."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from inspect import Parameter, signature
from typing import Any

import torch
from torch import nn

from hashlens.errors import ModelError, nearest
from hashlens.nets.cnn import CNN
from hashlens.nets.lenet import LeNet
from hashlens.nets.mlp import MLP
from hashlens.nets.resnet import ResNet
from hashlens.nets.vgg import VGG
from hashlens.seeds import torch_generator, torch_seed


def _image_shape(name: str, input_shape: Sequence[int]) -> tuple[int, int, int]:
    if len(input_shape) != 3:
        raise ModelError(
            f"{name} takes images (channels, height, width), received examples of shape {tuple(input_shape)}: "
            "reshape them, or use an mlp"
        )
    channels, height, width = input_shape
    return channels, height, width


def _mlp(
    input_shape: Sequence[int],
    classes: int,
    *,
    depth: int = 1,
    width: int = 100,
    batch_norm: bool = False,
    dropout: float = 0.0,
) -> nn.Module:
    return MLP(math.prod(input_shape), classes, depth, width, batch_norm, dropout)


def _lenet(input_shape: Sequence[int], classes: int) -> nn.Module:
    channels, height, width = _image_shape("lenet", input_shape)
    return LeNet(classes, channels, (height, width))


def _cnn(input_shape: Sequence[int], classes: int, *, width: int = 32, batch_norm: bool = True) -> nn.Module:
    channels, height, width_pixels = _image_shape("cnn", input_shape)
    return CNN(classes, channels, width, batch_norm, (height, width_pixels))


def _vgg(
    layers: int, input_shape: Sequence[int], classes: int, *, batch_norm: bool = True, dropout: float = 0.5
) -> nn.Module:
    channels, height, width = _image_shape(f"vgg{layers}", input_shape)
    return VGG(layers, classes, channels, batch_norm, dropout, input_size=min(height, width))


def _resnet(layers: int, input_shape: Sequence[int], classes: int, *, stem: str = "cifar") -> nn.Module:
    channels, _, _ = _image_shape(f"resnet{layers}", input_shape)
    return ResNet(layers, classes, channels, stem)


ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "mlp": _mlp,
    "lenet": _lenet,
    "cnn": _cnn,
    "vgg16": partial(_vgg, 16),
    "vgg19": partial(_vgg, 19),
    "resnet18": partial(_resnet, 18),
    "resnet20": partial(_resnet, 20),
    "resnet32": partial(_resnet, 32),
    "resnet56": partial(_resnet, 56),
}


def _as_constructed(weight: torch.Tensor, generator: torch.Generator) -> None:
    """Keep `weight` as drawn by the constructor of its layer."""


INITS: dict[str, Callable[..., object]] = {
    "default": _as_constructed,
    "glorot": nn.init.xavier_uniform_,
    "he": partial(nn.init.kaiming_normal_, mode="fan_out", nonlinearity="relu"),
}


def architecture_arguments(name: str) -> tuple[str, ...]:
    """Return the names of the arguments of an architecture.

    Raises
    ------
    ModelError
        If there is no such architecture.

    Examples
    --------
    >>> architecture_arguments("mlp")
    ('depth', 'width', 'batch_norm', 'dropout')
    """
    if name not in ARCHITECTURES:
        raise ModelError(f"unknown architecture {name!r}: {nearest(name, ARCHITECTURES)}")
    parameters = signature(ARCHITECTURES[name]).parameters.values()
    return tuple(parameter.name for parameter in parameters if parameter.kind is Parameter.KEYWORD_ONLY)


def _initialise(network: nn.Module, init: str, seed: int) -> None:
    if init == "default":
        return
    for name, module in network.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            # One generator per layer, so that the weights of a layer depend only on the seed, its name and its shape.
            INITS[init](module.weight, generator=torch_generator(seed, "weights", name))
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def build(
    name: str,
    *,
    input_shape: Sequence[int],
    classes: int,
    seed: int = 0,
    init: str = "default",
    **arguments: Any,
) -> nn.Module:
    """Return a new network, the same for the same arguments and seed.

    Parameters
    ----------
    name : str
        Architecture: ``mlp``, ``lenet``, ``cnn``, ``vgg16``, ``vgg19``, ``resnet18``, ``resnet20``, ``resnet32`` or
        ``resnet56``.
    input_shape : sequence of int
        Shape of one example, without the batch axis: ``(channels, height, width)`` for all but ``mlp``.
    classes : int
        Number of outputs (logits).
    seed : int
        Seed of the initial weights; the global generators do not change.
    init : {"default", "glorot", "he"}
        Initialisation of linear and convolutional layers: PyTorch's own; Glorot-uniform with zero biases; or He-normal
        (fan out) with zero biases.
    **arguments
        Arguments of the architecture, which `architecture_arguments` lists.

    Returns
    -------
    torch.nn.Module
        The network on the CPU, in training mode.

    Raises
    ------
    ModelError
        If the name or an argument is unknown, or out of range.

    References
    ----------
    Glorot, Bengio: Understanding the difficulty of training deep feedforward neural networks. AISTATS 2010.
    He, Zhang, Ren, Sun: Delving deep into rectifiers. ICCV 2015.
    """
    allowed = architecture_arguments(name)
    for argument in arguments:
        if argument not in allowed:
            listed = ", ".join((*allowed, "init"))
            hint = nearest(argument, allowed)
            hint = f"{hint} " if hint.startswith("did you mean") else ""
            raise ModelError(f"{name} has no argument {argument!r}: {hint}(arguments: {listed})")
    if init not in INITS:
        raise ModelError(f"unknown init {init!r}: {nearest(init, INITS)}")
    if classes < 1:
        raise ModelError(f"{name}: classes must be at least 1, received {classes}")
    with torch.random.fork_rng(devices=[]):
        # Only the CPU generator is seeded; torch.manual_seed would seed the accelerators too.
        torch.default_generator.manual_seed(torch_seed(seed, "weights"))
        try:
            network = ARCHITECTURES[name](tuple(input_shape), classes, **arguments)
        except (TypeError, RuntimeError, MemoryError) as error:
            reason = str(error).split("\n")[0]
            raise ModelError(f"{name} with {classes:,} outputs and {arguments} cannot be built: {reason}") from error
        _initialise(network, init, seed)
    return network
