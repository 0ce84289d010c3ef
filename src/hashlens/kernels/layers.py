"""Layers with weights, pooling, and sums of branches, in the limit of infinite width."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch

from hashlens.arguments import excerpt, is_number, is_whole, require_whole
from hashlens.errors import KernelError
from hashlens.kernels.layer import Layer, Parameterization
from hashlens.kernels.moments import COMPILED_FROM, Moments, equal_positions, window_sums

Tensor = torch.Tensor
Pair = tuple[int, int]


def _check_variances(layer: Any) -> None:
    kind = type(layer).__name__
    for name in ("weight_variance", "bias_variance"):
        value = getattr(layer, name)
        if value is None and name == "bias_variance":
            continue
        if not is_number(value) or not (math.isfinite(value) and value >= 0):
            raise KernelError(f"{kind}: {name} must be a number, 0 or more, received {excerpt(value)}")
    if layer.width is not None:
        require_whole(KernelError, f"{kind}: width", layer.width)


def _apply_weights(moments: Moments, layer: "Dense | Conv", fan_in: int, parameterization: Parameterization) -> None:
    """Apply a layer with weights: multiply covariances by the variance of its weights and add that of its biases.

    Weights and biases are trained, so both contribute to the NTK.
    """
    bias = layer.bias_variance or 0.0
    before = moments.cov
    moments.cov = (before.mul_ if parameterization == "ntk" else before.mul)(layer.weight_variance).add_(bias)
    if moments.ntk is not None:
        moments.ntk *= layer.weight_variance
        if parameterization == "ntk":
            moments.ntk += moments.cov
        else:
            moments.ntk.add_(before, alpha=fan_in).add_(0.0 if layer.bias_variance is None else 1.0)
    if moments.rows is not None and moments.columns is not None:
        same = moments.columns is moments.rows
        moments.rows = moments.rows * layer.weight_variance + bias
        moments.columns = moments.rows if same else moments.columns * layer.weight_variance + bias
    moments.is_gaussian = True


def _check_inputs(name: str, expected: int | None, received: int, what: str) -> None:
    if expected is not None and expected != received:
        raise KernelError(
            f"{name} takes {expected:,} {what}, and the inputs give it {received:,}: give inputs of that size"
        )


def _output_width(layer: "Dense | Conv", name: str, parameterization: Parameterization) -> int:
    # The kernel of an NTK parameterisation does not depend on widths.
    if layer.width is None and parameterization == "standard":
        kind = type(layer).__name__
        raise KernelError(f"{name} has no width, which the standard parameterisation needs: write {kind}(width=...)")
    return layer.width or 1


@dataclass(frozen=True)
class Dense(Layer):
    """A fully connected layer.

    Parameters
    ----------
    width : int, optional
        Number of outputs. Only the standard parameterisation depends on it.
    weight_variance : float
        Variance of each weight, times the fan-in.
    bias_variance : float, optional
        Variance of each bias; None for a layer without biases. In the standard parameterisation, biases of variance 0
        are trained too.
    in_features : int, optional
        Number of inputs; other inputs are an error. By default any number.
    """

    width: int | None = None
    weight_variance: float = 2.0
    bias_variance: float | None = None
    in_features: int | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_variances(self)

    def apply(self, moments: Moments, parameterization: Parameterization, name: str) -> Moments:
        """Return the moments after the layer."""
        if moments.has_positions:
            raise KernelError(f"{name} takes vectors, received images: put Flatten() or GlobalAvgPool() before it")
        _check_inputs(name, self.in_features, moments.features, "features")
        _apply_weights(moments, self, moments.features, parameterization)
        moments.features = _output_width(self, name, parameterization)
        return moments


def _pair(kind: str, name: str, value: Any, least: int) -> Pair:
    both = value if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2 or not all(is_whole(one) and one >= least for one in both):
        raise KernelError(
            f"{kind}: {name} must be a whole number, {least} or more, or two of them, received {excerpt(value)}"
        )
    return int(both[0]), int(both[1])


@dataclass(frozen=True)
class Windows:
    """Windows of a convolution or a pooling layer: size, stride and padding for rows and columns of pixels."""

    size: Pair
    stride: Pair
    padding: Pair

    @classmethod
    def of(cls, kind: str, size: Any, stride: Any, padding: Any) -> "Windows":
        """Return the windows for the arguments of a layer."""
        sizes = _pair(kind, "size", size, 1)
        strides = _pair(kind, "stride", stride, 1)
        if padding == "same":
            if sizes[0] % 2 == 0 or sizes[1] % 2 == 0:
                raise KernelError(f"{kind}: padding 'same' needs windows of odd size, received {sizes}: give a number")
            return cls(sizes, strides, (sizes[0] // 2, sizes[1] // 2))
        if isinstance(padding, str):
            raise KernelError(f"{kind}: padding must be 'same' or a whole number, received {padding!r}")
        return cls(sizes, strides, _pair(kind, "padding", padding, 0))

    @property
    def area(self) -> int:
        """Number of pixels of a window."""
        return self.size[0] * self.size[1]

    def check(self, name: str, shape: tuple[int, ...]) -> None:
        """Raise KernelError if images are smaller than a window."""
        for axis in (0, 1):
            if shape[axis] + 2 * self.padding[axis] < self.size[axis]:
                raise KernelError(f"{name}: windows of {self.size} do not fit into images of {shape[0]}x{shape[1]}")

    def means_shifted_together(self, values: Tensor, pairs_of_positions: bool) -> Tensor:
        """Return means over windows, as a convolution needs them: the windows of both positions are shifted together.

        Parameters
        ----------
        values : torch.Tensor
            Covariances ``(..., h, w)``, or ``(..., h, w, h', w')`` if `pairs_of_positions` is true; they may be changed
            in place.
        pairs_of_positions : bool
            Whether the covariances are those of all pairs of positions.
        """
        if not pairs_of_positions and self._is_compiled(values):
            from hashlens.kernels.compiled_windows import window_means

            return window_means(values.contiguous(), self.size)
        axes = ((-4, -2), (-3, -1)) if pairs_of_positions else ((-2,), (-1,))
        for at, along in enumerate(axes):
            values = window_sums(values, along, self.size[at], self.stride[at], self.padding[at])
        return values.div_(self.area)

    def _is_compiled(self, values: Tensor) -> bool:
        """Return whether windows are around each pixel, and on a CPU, where one compiled loop is faster."""
        centred = all(size == 2 * padding + 1 for size, padding in zip(self.size, self.padding, strict=True))
        return centred and self.stride == (1, 1) and values.device.type == "cpu" and values.numel() >= COMPILED_FROM

    def means_over_pairs(self, values: Tensor) -> Tensor:
        """Return means over all pairs of a pixel in the window of one position and a pixel in that of the other.

        A pooling layer needs them. `values` are covariances ``(..., h, w, h', w')``.
        """
        for axis, at in ((-4, 0), (-3, 1), (-2, 0), (-1, 1)):
            values = window_sums(values, (axis,), self.size[at], self.stride[at], self.padding[at])
        return values.div_(self.area**2)


@dataclass(frozen=True)
class Conv(Layer):
    """A convolution of images ``(n, channels, height, width)``, zero-padded.

    Parameters
    ----------
    width : int, optional
        Number of output channels. Only the standard parameterisation depends on it.
    size : int or (int, int)
        Size of the filters, in pixels.
    stride : int or (int, int)
        Stride, in pixels.
    padding : int, (int, int) or "same"
        Width of the border of zeros around the image, in pixels.
    weight_variance : float
        Variance of each weight, times the fan-in (input channels times pixels of a filter).
    bias_variance : float, optional
        Variance of each bias; None for a layer without biases.
    in_channels : int, optional
        Number of input channels; other inputs are an error. By default any number.

    References
    ----------
    Novak et al. (2019): Bayesian deep convolutional networks with many channels are Gaussian processes. ICLR.
    """

    width: int | None = None
    size: int | Pair = 3
    stride: int | Pair = 1
    padding: int | Pair | Literal["same"] = "same"
    weight_variance: float = 2.0
    bias_variance: float | None = None
    in_channels: int | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_variances(self)
        self.windows  # noqa: B018  (checks the arguments)

    @property
    def windows(self) -> Windows:
        """Its windows."""
        return Windows.of("Conv", self.size, self.stride, self.padding)

    def apply(self, moments: Moments, parameterization: Parameterization, name: str) -> Moments:
        """Return the moments after the layer."""
        windows = self.windows
        windows.check(name, require_images(moments, name))
        _check_inputs(name, self.in_channels, moments.features, "channels")
        moments.transform(windows.means_shifted_together)
        _apply_weights(moments, self, moments.features * windows.area, parameterization)
        moments.features = _output_width(self, name, parameterization)
        return moments


def require_images(moments: Moments, name: str) -> tuple[int, ...]:
    """Return height and width of the images before a layer; raise KernelError if there are none."""
    if not moments.has_positions:
        raise KernelError(f"{name} takes images (n, channels, height, width), received vectors")
    return tuple(moments.cov.shape[-2:])


def _apply_pooling(moments: Moments, change: Any) -> None:
    assert moments.pairs_of_positions, "a layer that pools must have pools = True"
    if not moments.rows_have_pairs:
        # Variances of pooled features cannot be computed from equal positions alone. No later layer needs them.
        moments.rows = moments.columns = None
    moments.transform(lambda values, pairs: change(values))


@dataclass(frozen=True)
class AvgPool(Layer):
    """Average pooling; zeros of the padding are included in the mean, as in PyTorch.

    Parameters
    ----------
    size : int or (int, int)
        Size of the windows, in pixels.
    stride : int or (int, int), optional
        Stride, in pixels; by default the size.
    padding : int, (int, int) or "same"
        Width of the border of zeros around the image, in pixels.
    """

    pools: ClassVar[bool] = True
    size: int | Pair = 2
    stride: int | Pair | None = None
    padding: int | Pair | Literal["same"] = 0

    def __post_init__(self) -> None:
        self.windows  # noqa: B018  (checks the arguments)

    @property
    def windows(self) -> Windows:
        """Its windows."""
        return Windows.of("AvgPool", self.size, self.size if self.stride is None else self.stride, self.padding)

    def apply(self, moments: Moments, parameterization: Parameterization, name: str) -> Moments:
        """Return the moments after the layer."""
        self.windows.check(name, require_images(moments, name))
        _apply_pooling(moments, self.windows.means_over_pairs)
        return moments


@dataclass(frozen=True)
class GlobalAvgPool(Layer):
    """Global average pooling (GAP): the mean over all positions, one feature for each channel."""

    pools: ClassVar[bool] = True

    def apply(self, moments: Moments, parameterization: Parameterization, name: str) -> Moments:
        """Return the moments after the layer."""
        require_images(moments, name)
        _apply_pooling(moments, lambda values: values.mean((-4, -3, -2, -1)))
        moments.pairs_of_positions = moments.rows_have_pairs = False
        return moments


@dataclass(frozen=True)
class Flatten(Layer):
    """All positions and channels as one vector (VEC); vectors are not changed."""

    def apply(self, moments: Moments, parameterization: Parameterization, name: str) -> Moments:
        """Return the moments after the layer."""
        if not moments.has_positions:
            return moments
        height, width = require_images(moments, name)
        moments.transform(lambda values, pairs: (equal_positions(values) if pairs else values).mean((-2, -1)))
        moments.pairs_of_positions = moments.rows_have_pairs = False
        moments.features *= height * width
        return moments


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Layer normalisation of Gaussian features, directly after a layer with weights.

    In the limit the mean of the features is 0, and their variance is a constant that training does not change. So the
    kernels are divided by the standard deviations of both inputs. Images are normalised over channels at each position.

    Parameters
    ----------
    epsilon : float
        Constant that is added to variances.
    """

    epsilon: float = 1e-5

    def apply(self, moments: Moments, parameterization: Parameterization, name: str) -> Moments:
        """Return the moments after the layer."""
        if not moments.is_gaussian:
            raise KernelError(f"{name} has a limit only directly after a Dense or Conv layer: move it there")
        scales = [(variance + self.epsilon).sqrt() for variance in moments.variances()]
        assert moments.rows is not None
        assert moments.columns is not None
        moments.cov = moments.cov / scales[0] / scales[1]
        if moments.ntk is not None:
            moments.ntk = moments.ntk / scales[0] / scales[1]
        both = moments.columns is moments.rows
        rows = self._normalise(moments, moments.rows)
        moments.rows, moments.columns = rows, rows if both else self._normalise(moments, moments.columns)
        return moments

    def _normalise(self, moments: Moments, inputs: Tensor) -> Tensor:
        scale = (moments.variance_of(inputs) + self.epsilon).sqrt()
        return (
            inputs / scale[..., None, None] / scale[:, None, None]
            if moments.rows_have_pairs
            else inputs / scale / scale
        )
