"""Finite networks that converge to an infinitely wide one, in the NTK or the standard parameterisation."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hashlens.arguments import require_whole
from hashlens.errors import KernelError
from hashlens.kernels.activations import GELU, Abs, Erf, LeakyReLU, ReLU, Sin
from hashlens.kernels.layer import Layer, Parameterization
from hashlens.kernels.layers import AvgPool, Conv, Dense, Flatten, GlobalAvgPool, LayerNorm
from hashlens.kernels.network import InfiniteNetwork, Residual
from hashlens.seeds import torch_generator

Tensor = torch.Tensor


def _random_parameter(
    shape: tuple[int, ...], variance: float, parameterization: Parameterization, generator: torch.Generator
) -> tuple[nn.Parameter, float]:
    """Return a random parameter, and the factor by which a forward pass multiplies it to give it its variance."""
    values, scale = torch.randn(shape, generator=generator), math.sqrt(variance)
    return (nn.Parameter(values), scale) if parameterization == "ntk" else (nn.Parameter(values * scale), 1.0)


class Weighted(nn.Module):
    """A dense or convolutional layer with random weights, in one of two parameterisations.

    Parameters
    ----------
    layer : Dense or Conv
        The infinitely wide layer: its variances, and the size, stride and padding of a convolution.
    inputs, outputs : int
        Number of input and output features, or channels.
    parameterization : {"ntk", "standard"}
        With ``ntk``, weights and biases are drawn with variance 1 and scaled in the forward pass. With ``standard``,
        they are drawn with the variances of the layer (that of weights divided by the fan-in).
    generator : torch.Generator
        Generator of the weights and biases.
    """

    def __init__(
        self, layer: Dense | Conv, inputs: int, outputs: int, parameterization: Parameterization,
        generator: torch.Generator,
    ) -> None:  # fmt: skip
        super().__init__()
        self.windows = layer.windows if isinstance(layer, Conv) else None
        size = () if self.windows is None else self.windows.size
        variance = layer.weight_variance / (inputs * math.prod(size))
        self.weight, self.weight_scale = _random_parameter(
            (outputs, inputs, *size), variance, parameterization, generator
        )
        self.bias, self.bias_scale = None, 1.0
        if layer.bias_variance is not None:
            self.bias, self.bias_scale = _random_parameter((outputs,), layer.bias_variance, parameterization, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output for vectors ``(n, inputs)`` or images ``(n, inputs, height, width)``."""
        weight = self.weight * self.weight_scale
        bias = None if self.bias is None else self.bias * self.bias_scale
        if self.windows is None:
            return nn.functional.linear(x, weight, bias)
        return nn.functional.conv2d(x, weight, bias, self.windows.stride, self.windows.padding)


class LocallyConnected(nn.Module):
    """A convolution with separate filters for each position.

    Parameters
    ----------
    layer : Conv
        The infinitely wide layer: its variances, size, stride and padding.
    shape : (int, int, int)
        Channels, height and width of its input.
    outputs : int
        Number of output channels.
    parameterization : {"ntk", "standard"}
        As in :class:`Weighted`.
    generator : torch.Generator
        Generator of the weights and biases.
    """

    def __init__(
        self, layer: Conv, shape: tuple[int, ...], outputs: int, parameterization: Parameterization,
        generator: torch.Generator,
    ) -> None:  # fmt: skip
        super().__init__()
        self.windows, fan_in = layer.windows, shape[0] * layer.windows.area
        self.output_size = self._output_size(shape[1:])
        positions = math.prod(self.output_size)
        self.weight, self.weight_scale = _random_parameter(
            (positions, outputs, fan_in), layer.weight_variance / fan_in, parameterization, generator
        )
        self.bias, self.bias_scale = None, 1.0
        if layer.bias_variance is not None:
            self.bias, self.bias_scale = _random_parameter(
                (positions, 1, outputs), layer.bias_variance, parameterization, generator
            )

    def _output_size(self, input_size: tuple[int, ...]) -> tuple[int, ...]:
        """Return height and width of the output for an input of this height and width."""
        windows = self.windows
        return tuple(
            (length + 2 * padding - size) // stride + 1
            for length, size, stride, padding in zip(
                input_size, windows.size, windows.stride, windows.padding, strict=True
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the output for images ``(n, inputs, height, width)``."""
        windows = self.windows
        patches = nn.functional.unfold(x, windows.size, padding=windows.padding, stride=windows.stride)
        outputs = patches.permute(2, 0, 1) @ (self.weight * self.weight_scale).mT
        if self.bias is not None:
            outputs = outputs + self.bias * self.bias_scale
        return outputs.permute(1, 2, 0).reshape(len(x), -1, *self.output_size)


class Elementwise(nn.Module):
    """An activation that PyTorch has only as a function.

    Parameters
    ----------
    name : {"abs", "erf", "sin"}
        Name of the function.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        """Return the function of each feature."""
        activations: Tensor = getattr(torch, self.name)(x)
        return activations

    def extra_repr(self) -> str:
        """Return the name, for ``repr``."""
        return self.name


class LayerNormalisation(nn.Module):
    """Layer normalisation over features, or over the channels of each position.

    Parameters
    ----------
    epsilon : float
        Constant that is added to variances.
    """

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Return normalised features."""
        variance, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
        return (x - mean) / (variance + self.epsilon).sqrt()


class MeanOfPositions(nn.Module):
    """The mean of images over all positions."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(n, channels)`` of ``(n, channels, height, width)``."""
        return x.mean((2, 3))


class Sum(nn.Module):
    """The sum of two branches.

    Parameters
    ----------
    branch, shortcut : torch.nn.Module
        The two branches.
    """

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of the outputs of both branches."""
        total: Tensor = self.branch(x) + self.shortcut(x)
        return total


def finite_network(
    network: InfiniteNetwork, input_shape: Sequence[int], outputs: int, width: int | None = None, *,
    shared_filters: bool = True, seed: int = 0,
) -> nn.Sequential:  # fmt: skip
    """Return a finite network with random weights, as a trainable module.

    Parameters
    ----------
    network : InfiniteNetwork
        Layers and parameterisation of the network.
    input_shape : sequence of int
        Shape of one example: ``(features,)`` or ``(channels, height, width)``.
    outputs : int
        Number of outputs of the last layer; it replaces the layer's own width.
    width : int, optional
        Number of features, or channels, of all other layers; by default the width of each layer.
    shared_filters : bool
        Whether a convolution has the same filters everywhere. If not, each position has its own: the network is locally
        connected. Its limit is the same if the network flattens its images (a VEC head) and does not pool.
    seed : int
        Seed of the weights; torch's global generators are not used.

    Raises
    ------
    KernelError
        If a width is unknown, or the last layer has no weights.

    Examples
    --------
    >>> from hashlens.kernels import Dense, ReLU, serial
    >>> finite_network(serial(Dense(), ReLU(), Dense()), (4,), 1, width=8)(torch.ones(2, 4)).shape
    torch.Size([2, 1])
    """
    require_whole(KernelError, "outputs", outputs)
    if width is not None:
        require_whole(KernelError, "width", width)
    last = network.layers[-1] if network.layers else None
    if not isinstance(last, (Dense, Conv)):
        raise KernelError("a finite network must end in a Dense or Conv layer: add Dense()")
    random_layers = _RandomLayers(network, seed, shared_filters)
    made, shape = _modules(network.layers[:-1], tuple(input_shape), random_layers, width, "")
    name = str(len(made))
    final = random_layers.layer_with_weights(last, shape, outputs, name)
    return nn.Sequential(OrderedDict([*made.named_children(), (name, final)]))


@dataclass(frozen=True)
class _RandomLayers:
    """Makes the layers with random weights of one network."""

    network: InfiniteNetwork
    seed: int
    shared_filters: bool

    def layer_with_weights(
        self, layer: Dense | Conv, shape: tuple[int, ...], outputs: int | None, name: str
    ) -> nn.Module:
        """Return a layer whose random weights depend on the seed and on its name and shape, not on other layers."""
        kind = type(layer).__name__
        if outputs is None:
            raise KernelError(f"layer {name} ({kind}) has no width: give width= to all layers, or to it")
        if len(shape) != (3 if isinstance(layer, Conv) else 1):
            raise KernelError(f"layer {name} ({kind}) cannot follow features of shape {shape}")
        generator = torch_generator(self.seed, "weights", name)
        if isinstance(layer, Conv) and not self.shared_filters:
            return LocallyConnected(layer, shape, outputs, self.network.parameterization, generator)
        return Weighted(layer, shape[0], outputs, self.network.parameterization, generator)


def _modules(
    layers: tuple[Layer, ...], shape: tuple[int, ...], random_layers: _RandomLayers, width: int | None, prefix: str
) -> tuple[nn.Sequential, tuple[int, ...]]:
    """Return the modules of layers, and the shape of their output."""
    made = nn.Sequential()
    for at, layer in enumerate(layers):
        name = f"{prefix}{at}"
        if isinstance(layer, (Dense, Conv)):
            module: nn.Module = random_layers.layer_with_weights(layer, shape, width or layer.width, name)
        elif isinstance(layer, Residual):
            branch, _ = _modules(layer.branch, shape, random_layers, width, f"{name}.branch.")
            shortcut, _ = _modules(layer.shortcut, shape, random_layers, width, f"{name}.shortcut.")
            module = Sum(branch, shortcut)
        else:
            module = _layer_without_weights(layer)
        made.append(module)
        shape = tuple(module(torch.zeros(1, *shape)).shape[1:])
    return made, shape


def _layer_without_weights(layer: Any) -> nn.Module:
    """Return the module of a layer without weights."""
    if isinstance(layer, ReLU):
        return nn.ReLU()
    if isinstance(layer, AvgPool):
        windows = layer.windows
        return nn.AvgPool2d(windows.size, windows.stride, windows.padding)
    if isinstance(layer, LayerNorm):
        return LayerNormalisation(layer.epsilon)
    modules: tuple[tuple[type[Layer], type[nn.Module]], ...] = (
        (Flatten, nn.Flatten), (GlobalAvgPool, MeanOfPositions), (GELU, nn.GELU),
    )  # fmt: skip
    functions: tuple[tuple[type[Layer], str], ...] = ((Abs, "abs"), (Erf, "erf"), (Sin, "sin"))
    for kind, module in modules:
        if isinstance(layer, kind):
            return module()
    for kind, name in functions:
        if isinstance(layer, kind):
            return Elementwise(name)
    if isinstance(layer, LeakyReLU):
        return nn.LeakyReLU(layer.slope)
    raise KernelError(f"{type(layer).__name__} has no finite module")
