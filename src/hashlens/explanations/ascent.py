"""Gradient ascent on inputs that starts from noise or from an example.

Penalties keep the total variation and the distance from the centre of the data small.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import torch

from hashlens.arguments import excerpt, is_number, is_whole
from hashlens.errors import ExplainError, HashlensError
from hashlens.explanations.gradients import gradient_of
from hashlens.explanations.places import Place, record_outputs
from hashlens.explanations.request import Request
from hashlens.explanations.subject import MAX_VALUE
from hashlens.seeds import numpy_generator, torch_generator

Tensor = torch.Tensor
INPUT_SHAPES = {
    "image": ("(channels, height, width)", "(1, 28, 28)"),
    "signal": ("(channels, time)", "(2, 500)"),
    "spectrogram": ("(height, width)", "(80, 200)"),
    "table": ("(columns,)", "(10,)"),
}
"""Shape of one input of each kind, in words and as an example."""
NOISE_SIZE = 0.1
"""Standard deviation of the starting noise, as a share of the range of inputs."""
VARIATION_EPSILON = 1e-2
"""Difference of neighbours, as a share of the range, below which they count as equal in the total variation."""
MOMENTUM = 0.9
"""Share of the velocity that a step keeps."""
UNJITTERED = 0.25
"""Share of the steps, at the end, that are made without jitter."""


@dataclass(frozen=True, eq=False)
class InputRange:
    """Range of the values of an input, and the unit in which distances are measured.

    Attributes
    ----------
    low, high : float
        Bounds; infinite if they are not known.
    centre, scale : torch.Tensor or float
        Mean value, and the unit of distances from it: the largest possible distance for images, the standard deviation
        of each feature for other inputs.
    """

    low: float = -inf
    high: float = inf
    centre: Tensor | float = 0.0
    scale: Tensor | float = 1.0

    def clamp(self, x: Tensor) -> Tensor:
        """Return the nearest input within the bounds."""
        return x.clamp(self.low, self.high)

    def standardise(self, x: Tensor) -> Tensor:
        """Return ``(x - centre) / scale``."""
        return (x - self.centre) / self.scale


def input_range_of(request: Request, bounds: Sequence[float] | None = None) -> InputRange:
    """Return the range of inputs.

    Centre and scale come from ``background``, or else from ``x``. The bounds are `bounds`, or for images the extremes
    of these examples; otherwise infinite.
    """
    bounds = (-inf, inf) if bounds is None else bounds
    ends = tuple(bounds) if isinstance(bounds, (list, tuple)) else ()
    if len(ends) != 2 or not all(map(is_number, ends)) or ends[0] >= ends[1]:
        raise ExplainError(f"bounds must be two numbers, (low, high), received {excerpt(bounds)}")
    low, high = float(ends[0]), float(ends[1])
    return _image_range(request, low, high) if request.kind == "image" else _feature_range(request, low, high)


def _image_range(request: Request, low: float, high: float) -> InputRange:
    """Return the range of images, with a centre for each channel.

    Without examples, or if all their values are equal, the centre is 0.
    """
    background = examples_of(request)
    examples = request.x if background is None else background
    if examples is None or float(examples.min()) == float(examples.max()):
        examples, centre = None, torch.zeros(())
    else:
        centre = examples.mean(dim=(0, 2, 3)).reshape(-1, 1, 1)
    if examples is not None and low == -inf and high == inf:
        low, high = float(examples.min()), float(examples.max())
    centre = centre.clamp(low, high)
    middle = float(centre.mean())
    farthest = max(abs(low - middle), abs(high - middle))
    return InputRange(low, high, centre.to(request.subject.like), farthest if farthest < inf else 1.0)


def _feature_range(request: Request, low: float, high: float) -> InputRange:
    """Return the range of inputs that are not images, with centre and scale of each feature from the background."""
    background = examples_of(request)
    if background is not None and len(background) > 1:
        spread = background.std(dim=0)
        return InputRange(low, high, background.mean(dim=0), torch.where(spread > 0, spread, 1.0))
    return InputRange(low, high, 0.0, 1.0 if request.x is None else request.x.abs().amax(dim=0).clamp(min=1.0))


def examples_of(request: Request) -> Tensor | None:
    """Return the background as examples ``(m, ...)``, or None; raise ExplainError if it does not hold examples."""
    background = request.background
    if background is None:
        return None
    axes = request.x.dim() if request.x is not None else {"image": 4, "table": 2}.get(request.kind, 3)
    background = background[None] if background.dim() == axes - 1 else background
    fits = background.dim() == axes and (request.x is None or background.shape[1:] == request.x.shape[1:])
    if not fits or background.numel() == 0:
        shape = (
            INPUT_SHAPES[request.kind][0].strip("(,)") if request.x is None else _comma_separated(request.x.shape[1:])
        )
        raise ExplainError(f"background must be examples (m, {shape}), received {tuple(background.shape)}")
    return background


def shape_of(request: Request, shape: Any) -> tuple[int, ...]:
    """Return the shape of one input: `shape`, or that of the examples of the request."""
    examples = examples_of(request) if request.x is None else request.x
    if shape is None:
        if examples is None:
            raise ExplainError(
                f"without x, give the shape of one input: shape=, such as {INPUT_SHAPES[request.kind][1]}"
            )
        return tuple(examples.shape[1:])
    sizes = tuple(shape) if isinstance(shape, (list, tuple)) else ()
    axes = {"image": (3,), "signal": (1, 2), "spectrogram": (2,)}.get(request.kind, (1,))
    if len(sizes) not in axes or not all(is_whole(size) and size > 0 for size in sizes):
        expected = INPUT_SHAPES[request.kind][0] + (
            ', or a table needs kind="table"' if request.kind == "image" else ""
        )
        raise ExplainError(f"shape must be that of one input, {expected}, received {excerpt(shape)}")
    if examples is not None and sizes != tuple(examples.shape[1:]):
        source = "the background" if request.x is None else "x"
        raise ExplainError(f"shape {sizes} is not that of {source}, {tuple(examples.shape[1:])}: leave it out")
    return tuple(map(int, sizes))


def _comma_separated(sizes: Sequence[int]) -> str:
    return ", ".join(map(str, sizes))


def require_in_range(**amounts: Any) -> None:
    """Raise ExplainError unless every argument is a number from 0 up to `MAX_VALUE`, exclusive."""
    for name, value in amounts.items():
        if not is_number(value) or not 0 <= value < MAX_VALUE:
            raise ExplainError(f"{name} must be a number, 0 or more, received {excerpt(value)}")


def noise(
    request: Request, rows: int, shape: tuple[int, ...], input_range: InputRange, size: float = NOISE_SIZE
) -> Tensor:
    """Return rows of noise around the centre; a row does not depend on the number of rows."""
    drawn = [torch.randn(shape, generator=torch_generator(request.seed, "noise", row), dtype=torch.float64)
             for row in range(rows)]  # fmt: skip
    return input_range.clamp(
        input_range.centre + size * input_range.scale * torch.stack(drawn).to(request.subject.like)
    )


def layer_output(request: Request, place: Place, x: Tensor) -> Tensor:
    """Return the output of a layer for inputs; an error of a later layer, which may not fit them, is ignored."""
    with record_outputs(request, place) as kept:
        try:
            request.subject.run(x)
        except HashlensError:
            if not kept.outputs:
                raise
    if not kept.outputs:
        raise ExplainError(f"layer {place.name!r} is never reached")
    result = request.subject.own_rows(kept.outputs[-1], len(x))
    result = request.reshaped(
        result.movedim(place.channel_axis, 1) if result.dim() > place.channel_axis > 1 else result
    )
    if result.dim() < 2 or len(result) != len(x):
        raise ExplainError(
            f"layer {place.name!r} gives {tuple(result.shape)} for {len(x)} inputs, but needs one row for "
            "each: give reshape=, or another layer"
        )
    return result


def total_variation(x: Tensor) -> Tensor:
    """Return the sum of the absolute differences of neighbours, smoothed near 0, along all axes but the first two."""
    differences = [x.diff(dim=axis) for axis in range(2, x.dim())]
    return torch.stack([(one.square() + VARIATION_EPSILON**2).sqrt().sum() for one in differences]).sum()


def finite_gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return the gradient of a scalar function of inputs; raise ExplainError if it is not finite."""
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        result = gradient_of(function(leaf * 1), leaf)  # in-place operators may not modify a leaf
    if not bool(torch.isfinite(result).all()):
        raise ExplainError("the gradient became NaN or infinite: check the weights of the network")
    return result


def unit_rows(x: Tensor) -> Tensor:
    """Return rows scaled to a root mean square of 1; rows of zeros stay zero."""
    size = x.flatten(1).square().mean(dim=1).sqrt().reshape(-1, *[1] * (x.dim() - 1))
    return torch.where(size > 0, x / torch.where(size > 0, size, 1.0), 0.0)


def ascend(
    value: Callable[[Tensor], Tensor],
    start: Tensor,
    input_range: InputRange,
    *,
    steps: int,
    step_size: float,
    smoothness: float,
    smallness: float,
    shifts: Sequence[Sequence[int]],
) -> Tensor:
    """Return inputs after steps of gradient ascent.

    The gradient of each row is scaled to a root mean square of 1, so that the weights of the penalties have the same
    effect for every layer.

    Parameters
    ----------
    value : callable
        Function from inputs to one number: the sum over rows of the quantity to maximise.
    start : torch.Tensor
        ``(n, ...)``: inputs to start from.
    input_range : InputRange
        Range of inputs; its scale is the unit of `step_size`.
    steps : int
        Number of steps; their size decreases.
    step_size : float
        Root mean square of the first step.
    smoothness, smallness : float
        Weights of the penalties: total variation, and mean square of the distance from the centre.
    shifts : sequence
        Pixels, down and right, by which the inputs are rolled at each step.
    """
    x, velocity = start, torch.zeros_like(start)
    axes = tuple(range(2, start.dim()))
    for step in range(steps):
        shift = [*shifts[step]][: len(axes)]
        back = [-offset for offset in shift]
        gradient = (
            finite_gradient(value, x.roll(shift, axes)).roll(back, axes) if any(shift) else finite_gradient(value, x)
        )
        direction = unit_rows(gradient)
        if smoothness:
            direction = direction - smoothness * finite_gradient(total_variation, input_range.standardise(x))
        direction = direction - smallness * input_range.standardise(x)
        velocity = MOMENTUM * velocity + (1 - MOMENTUM) * direction
        x = input_range.clamp(x + step_size * input_range.scale * (1 - step / steps) * velocity)
    return x


def shifts_of(request: Request, steps: int, jitter: int) -> list[list[int]]:
    """Return the shifts of each step: random, up to `jitter` pixels in each direction; 0 in the last steps."""
    jitter = min(jitter, MAX_VALUE)
    drawn = numpy_generator(request.seed, "jitter").integers(-jitter, jitter + 1, (steps, 2))
    drawn[steps - int(UNJITTERED * steps) :] = 0
    return [list(map(int, pair)) for pair in drawn]


class Adam:
    """The Adam optimiser (Kingma, Ba, 2015).

    torch's own Adam imports the compiler of torch, which takes longer than a whole inversion.
    """

    def __init__(self, like: Tensor) -> None:
        self.mean, self.square, self.steps = torch.zeros_like(like), torch.zeros_like(like), 0

    def step(self, gradient: Tensor) -> Tensor:
        """Return the next descent step; its size is about 1 in each element whose gradient keeps its sign."""
        self.steps += 1
        self.mean = 0.9 * self.mean + 0.1 * gradient
        self.square = 0.999 * self.square + 0.001 * gradient.square()
        mean, square = self.mean / (1 - 0.9**self.steps), self.square / (1 - 0.999**self.steps)
        return -mean / (square.sqrt() + 1e-12)
