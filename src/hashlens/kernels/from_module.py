"""The infinite-width limit of a ``torch.nn.Module``, from its structure without its weights."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import fx, nn

from hashlens.arguments import excerpt, is_number
from hashlens.errors import KernelError, nearest
from hashlens.kernels.activations import GELU, Abs, Erf, LeakyReLU, ReLU, Sin
from hashlens.kernels.layer import Layer, Parameterization
from hashlens.kernels.layers import AvgPool, Conv, Dense, Flatten, GlobalAvgPool, LayerNorm
from hashlens.kernels.network import InfiniteNetwork, Residual

Init = Literal["pytorch", "glorot", "he"]
INITS: tuple[Init, ...] = ("pytorch", "glorot", "he")
HAVE_A_LIMIT = (
    "layers that have one: Linear, Conv2d, AvgPool2d, AdaptiveAvgPool2d(1), Flatten, LayerNorm directly after a layer "
    "with weights, ReLU, LeakyReLU, GELU, abs, erf, sin, sums of branches, Dropout and Identity"
)
WHY_NOT = {
    "batch": "it ties the examples of a batch together",
    "max_pool": "the largest of Gaussian numbers is not Gaussian, and its covariance has no closed form",
}
WITHOUT_EFFECT = (nn.Dropout, nn.Dropout2d, nn.Identity)


@dataclass(frozen=True)
class _Variances:
    """Variances of the weights (times the fan-in) and biases of a layer, which may depend on its shape."""

    init: Init | None
    weight: float
    bias: float

    def of(self, fan_in: int, fan_out: int) -> tuple[float, float]:
        if self.init == "pytorch":
            return 1 / 3, 1 / (3 * fan_in)
        if self.init == "glorot":
            return 2 * fan_in / (fan_in + fan_out), 0.0
        return (2 * fan_in / fan_out, 0.0) if self.init == "he" else (self.weight, self.bias)


def from_module(
    module: nn.Module,
    *,
    init: Init | None = None,
    weight_variance: float | None = None,
    bias_variance: float = 0.0,
    parameterization: Parameterization = "ntk",
) -> InfiniteNetwork:
    """Return the infinite-width limit of networks with the structure of a module.

    Weights are ignored, and the module is not run. Variances follow from an initialisation scheme, or are given as
    numbers for all layers.

    Parameters
    ----------
    module : torch.nn.Module
        A network that ``torch.fx`` can trace, of modules, functions and sums of two branches.
    init : {"pytorch", "glorot", "he"}, optional
        Initialisation scheme: ``pytorch`` is that of PyTorch's constructors (weights and biases of variance
        ``1 / (3 fan-in)``); ``glorot`` and ``he`` are those of :func:`hashlens.nets.build`, with biases of 0.
    weight_variance : float, optional
        Variance of each weight times its fan-in, instead of `init`.
    bias_variance : float
        Variance of each bias, for layers that have biases.
    parameterization : {"ntk", "standard"}
        Parameterisation of the limit. PyTorch trains modules in the standard one, in which the kernel grows with the
        widths.

    Raises
    ------
    KernelError
        If a layer has no limit (the message names the layer), or both or neither of `init` and `weight_variance` are
        given.

    Examples
    --------
    >>> from torch import nn
    >>> from hashlens.kernels import from_module
    >>> layers = nn.Flatten(), nn.Linear(4, 8, device="meta"), nn.ReLU(), nn.Linear(8, 2, device="meta")
    >>> from_module(nn.Sequential(*layers), weight_variance=2.0).layers[2]
    ReLU()
    """
    if (init is None) == (weight_variance is None):
        raise KernelError(
            f"variances are not read from weights: give either init= ({', '.join(INITS)}) or weight_variance="
        )
    if init is not None and init not in INITS:
        raise KernelError(f"unknown init {excerpt(init)}; {nearest(init, INITS)}")
    if weight_variance is not None and not is_number(weight_variance):
        raise KernelError(f"weight_variance must be a number, received {excerpt(weight_variance)}")
    if type(module).__module__.startswith("torch.nn.") and not isinstance(module, nn.Sequential):
        module = nn.Sequential(module)  # a single layer is traced as part of a network
    try:
        graph = fx.Tracer().trace(module)
    except Exception as error:
        reason = str(error).split("\n")[0]
        raise KernelError(
            f"the structure of {type(module).__name__} cannot be read ({reason}): write it with kernels.serial"
        ) from error
    reader = _GraphReader(module, _Variances(init, float(weight_variance or 0.0), bias_variance), graph)
    return InfiniteNetwork(reader.layers(), parameterization)


class _GraphReader:
    """Reader of the layers of a traced graph: a chain, in which sums join two branches that split at a common node."""

    def __init__(self, module: nn.Module, variances: _Variances, graph: fx.Graph) -> None:
        self.module, self.variances = module, variances
        self.nodes = list(graph.nodes)
        self.order = {node: at for at, node in enumerate(self.nodes)}

    def layers(self) -> tuple[Layer, ...]:
        inputs = [node for node in self.nodes if node.op == "placeholder"]
        result = next(node for node in self.nodes if node.op == "output").args[0]
        if len(inputs) != 1 or not isinstance(result, fx.Node):
            raise KernelError(
                f"{type(self.module).__name__} must take one tensor and return one, received {len(inputs)} inputs and "
                f"an output {excerpt(result)}"
            )
        for node in self.nodes:  # so that an error names the first layer without a limit
            if node.op in ("call_module", "call_function", "call_method") and not _is_sum(node):
                self._layers_of(node)
        return self._layers_between(inputs[0], result)

    def _layers_between(self, start: fx.Node, end: fx.Node) -> tuple[Layer, ...]:
        """Return the layers between the output of `start` and the output of `end`."""
        found: list[Layer] = []
        while end is not start:
            if _is_sum(end):
                first, second = (self._node(value, end) for value in end.args)
                ancestor = self._last_common_ancestor(first, second)
                branches = self._layers_between(ancestor, first), self._layers_between(ancestor, second)
                found.append(Residual(*sorted(branches, key=len, reverse=True)))
                end = ancestor
            else:
                found += reversed(self._layers_of(end))
                end = self._node(end.args[0] if end.args else None, end)
        return tuple(reversed(found))

    def _node(self, value: Any, at: fx.Node) -> fx.Node:
        if not isinstance(value, fx.Node) or value.op == "get_attr":
            raise KernelError(
                f"{self._name(at)} is not applied to the output of a layer alone, and has no limit; {HAVE_A_LIMIT}"
            )
        return value

    def _last_common_ancestor(self, first: fx.Node, second: fx.Node) -> fx.Node:
        """Return the last common ancestor of two nodes."""
        both = self._ancestors(first) & self._ancestors(second)
        return max(both, key=lambda node: self.order[node])

    def _ancestors(self, node: fx.Node) -> set[fx.Node]:
        seen, ahead = set[fx.Node](), [node]
        while ahead:
            at = ahead.pop()
            if at not in seen:
                seen.add(at)
                ahead += at.all_input_nodes
        return seen

    def _layers_of(self, node: fx.Node) -> list[Layer]:
        if node.op == "call_module":
            return self._of_module(self.module.get_submodule(str(node.target)), self._name(node))
        make = _FUNCTIONS.get(_function_name(node))
        found = None if make is None else make(node)
        if found is None:
            raise self._refusal(_function_name(node), self._name(node))
        return found

    def _of_module(self, layer: nn.Module, name: str) -> list[Layer]:
        if isinstance(layer, nn.Linear):
            weight, bias = self.variances.of(layer.in_features, layer.out_features)
            return [Dense(layer.out_features, weight, None if layer.bias is None else bias, layer.in_features)]
        if isinstance(layer, nn.Conv2d):
            return [self._convolution(layer, name)]
        if isinstance(layer, WITHOUT_EFFECT):
            return []
        found = _MODULES[type(layer)](layer) if type(layer) in _MODULES else None
        if found is None:
            raise self._refusal(type(layer).__name__, name)
        return [found]

    def _convolution(self, layer: nn.Conv2d, name: str) -> Layer:
        if layer.groups != 1 or layer.dilation != (1, 1) or layer.padding_mode != "zeros":
            raise KernelError(f"{name}: a limit is known of convolutions without groups and dilation, padded by zeros")
        area = layer.kernel_size[0] * layer.kernel_size[1]
        weight, bias = self.variances.of(layer.in_channels * area, layer.out_channels * area)
        padding: Any = 0 if layer.padding == "valid" else layer.padding
        size: Any = layer.kernel_size
        stride: Any = layer.stride
        bias_variance = None if layer.bias is None else bias
        return Conv(layer.out_channels, size, stride, padding, weight, bias_variance, layer.in_channels)

    def _name(self, node: fx.Node) -> str:
        if node.op == "call_module":
            layer = self.module.get_submodule(str(node.target))
            return f"layer {str(node.target)!r} ({type(layer).__name__})"
        stack = node.meta.get("nn_module_stack") or {}
        inside = next(reversed(stack), "") if stack else ""
        return f"{_function_name(node)}() in {inside!r}" if inside else f"{_function_name(node)}()"

    def _refusal(self, kind: str, name: str) -> KernelError:
        lowered = kind.lower().replace("maxpool", "max_pool")
        why = next((text for word, text in WHY_NOT.items() if word in lowered), "")
        because = f", as {why}" if why else ""
        return KernelError(f"{name} has no limit of infinite width{because}; {HAVE_A_LIMIT}")


def _is_sum(node: fx.Node) -> bool:
    return _function_name(node) in ("add", "iadd", "add_") and len(node.args) == 2 and not node.kwargs


def _function_name(node: fx.Node) -> str:
    return str(getattr(node.target, "__name__", node.target))


def _layer_norm(layer: Any) -> Layer | None:
    return LayerNorm(layer.eps) if len(layer.normalized_shape) == 1 else None


def _avg_pool(layer: Any) -> Layer | None:
    if not layer.count_include_pad or layer.ceil_mode or layer.divisor_override is not None:
        return None
    return AvgPool(layer.kernel_size, layer.stride, layer.padding)


def _global_avg_pool(size: Any) -> Layer | None:
    # The output has one pixel per channel; a Flatten after it changes nothing.
    return GlobalAvgPool() if size in (1, (1, 1), [1, 1]) else None


_MODULES: dict[type[nn.Module], Callable[[Any], Layer | None]] = {
    nn.ReLU: lambda layer: ReLU(),
    nn.LeakyReLU: lambda layer: LeakyReLU(layer.negative_slope),
    nn.GELU: lambda layer: GELU() if layer.approximate == "none" else None,
    nn.Flatten: lambda layer: Flatten() if (layer.start_dim, layer.end_dim) == (1, -1) else None,
    nn.AvgPool2d: _avg_pool,
    nn.AdaptiveAvgPool2d: lambda layer: _global_avg_pool(layer.output_size),
    nn.LayerNorm: _layer_norm,
}


def _flatten(node: fx.Node) -> list[Layer] | None:
    start = node.args[1] if len(node.args) > 1 else node.kwargs.get("start_dim", 0)
    end = node.args[2] if len(node.args) > 2 else node.kwargs.get("end_dim", -1)
    return [Flatten()] if (start, end) == (1, -1) else None


def _mean(node: fx.Node) -> list[Layer] | None:
    axes = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    return [GlobalAvgPool()] if axes in ((2, 3), [2, 3], (-2, -1), [-2, -1], (-1, -2), [-1, -2]) else None


def _relu(node: fx.Node) -> list[Layer]:
    return [ReLU()]


def _leaky_relu(node: fx.Node) -> list[Layer] | None:
    slope = node.args[1] if len(node.args) > 1 else node.kwargs.get("negative_slope", 0.01)
    return [LeakyReLU(slope)] if isinstance(slope, (int, float)) else None


def _gelu(node: fx.Node) -> list[Layer] | None:
    return [GELU()] if node.kwargs.get("approximate", "none") == "none" else None


def _adaptive_avg_pool(node: fx.Node) -> list[Layer] | None:
    found = _global_avg_pool(node.args[1] if len(node.args) > 1 else node.kwargs.get("output_size"))
    return None if found is None else [found]


_FUNCTIONS: dict[str, Callable[[fx.Node], list[Layer] | None]] = {
    "relu": _relu,
    "relu_": _relu,
    "leaky_relu": _leaky_relu,
    "gelu": _gelu,
    "abs": lambda node: [Abs()],
    operator.abs.__name__: lambda node: [Abs()],
    "erf": lambda node: [Erf()],
    "sin": lambda node: [Sin()],
    "flatten": _flatten,
    "mean": _mean,
    "adaptive_avg_pool2d": _adaptive_avg_pool,
    "dropout": lambda node: [],
    "contiguous": lambda node: [],
}
"""Functions that return the layers of a graph node, by name of the node's function or method."""
