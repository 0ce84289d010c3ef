"""Activation maximisation: images that maximise a class, a unit, a channel or a layer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Any

import numpy as np
import torch

from hashlens.arguments import excerpt, is_whole, require_whole
from hashlens.errors import ExplainError, nearest
from hashlens.explanations.ascent import (
    InputRange,
    ascend,
    examples_of,
    finite_gradient,
    input_range_of,
    layer_output,
    noise,
    require_in_range,
    shape_of,
    shifts_of,
)
from hashlens.explanations.explain import as_array, explained, list_or_value
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.places import Place, place_of
from hashlens.explanations.request import Request
from hashlens.seeds import torch_generator

Tensor = torch.Tensor
JITTER = 14
"""Largest random shift of images, as a divisor of their shorter side."""
NOISE_CANDIDATES = 32
"""Number of noise images tried if the first has no gradient."""
NO_SLOPE = (
    "no image was found with a higher activation of {names} than the start: give x= or background= with "
    "examples that activate it"
)
NO_BETTER = "the same pixels in random order activate {names} as much: raise steps, or lower total_variation and l2"


@dataclass(frozen=True)
class Goal:
    """Objective of an image: a class score, or a part of a layer.

    Attributes
    ----------
    name : str
        Name for titles.
    layer : Place or None
        The layer; None for the scores of the network.
    place : tuple of int
        Index in the layer's output for one image; the mean is taken over the remaining axes. Empty for the whole layer,
        whose mean square is taken.
    """

    name: str
    layer: Place | None
    place: tuple[int, ...]

    def of(self, result: Tensor) -> Tensor:
        """Return the value of the objective, from the layer's output for one image."""
        return result[self.place].mean() if self.place else result.square().mean()


def activation_maximization(
    request: Request,
    shape: Sequence[int] | None = None,
    channels: int | Sequence[int] | str | None = None,
    unit: int | Sequence[Any] | None = None,
    bounds: Sequence[float] | None = None,
    steps: int = 200,
    step_size: float = 0.1,
    total_variation: float = 0.1,
    l2: float = 0.5,
    jitter: int | None = None,
    controls: int = 100,
) -> Explanation:
    """Find images that maximise an activation of the network (Erhan et al., 2009; Simonyan et al., 2014).

    The objective is the score of ``target``; several targets give one image each. With ``layer`` it is the mean of each
    of its `channels`, a `unit`, or the mean square of the whole layer. Gradient ascent starts from noise or from ``x``.
    The gradient is scaled to a root mean square of 1. Penalties keep the total variation low and the image near the
    mean of the examples, or near zero if there are no examples.

    ``image`` holds the result, ``values`` the change of ``x`` (without ``x``, the image), ``prediction`` the activation
    reached. ``diagnostics`` compares the activation with that of `controls` random images of the same norm: the same
    pixels in random positions.

    Parameters
    ----------
    request : Request
        The images and the network, and shared options.
    shape : sequence of int, optional
        Shape of an image, ``(channels, height, width)``; needed without ``x`` and ``background``.
    channels : int, sequence of int or "all", optional
        Channels of the layer, one image for each.
    unit : int, tuple of int or list of tuples, optional
        Units of the layer; ``(channel, row, column)`` for a convolution.
    bounds : (float, float), optional
        Range of the images; by default that of ``background`` or ``x``, or unbounded if there is neither.
    steps : int
        Number of steps.
    step_size : float
        Size of the first step, as a share of the range.
    total_variation, l2 : float
        Weights of the penalties for roughness and for distance from the mean; 0 for none.
    jitter : int, optional
        Largest random shift of images between steps, in pixels; by default a fourteenth of the shorter side.
    controls : int
        Number of random images that each image is compared with.
    """
    require_whole(ExplainError, "steps", steps)
    require_whole(ExplainError, "controls", controls, least=0)
    require_in_range(step_size=step_size, total_variation=total_variation, l2=l2)
    size, input_range = shape_of(request, shape), input_range_of(request, bounds)
    jitter = min(size[1:]) // JITTER if jitter is None else jitter
    require_whole(ExplainError, "jitter", jitter, least=0)
    goals = goals_of(request, channels, unit, noise(request, 1, size, input_range))
    goals, start = _pair(request, goals, size, input_range)
    active_start = _with_gradients(request, goals, start, input_range) if request.x is None else start
    shifts = shifts_of(request, steps, jitter)
    made = torch.cat([
        ascend(partial(_total, request, goals[rows]), active_start[rows], input_range, steps=steps, step_size=step_size,
               smoothness=total_variation, smallness=l2, shifts=shifts)
        for rows in batches(request, len(goals))
    ])  # fmt: skip
    return _explained(request, goals, start, made, controls)


def batches(request: Request, rows: int) -> list[slice]:
    """Return rows in batches."""
    size = request.subject.batch_size
    return [slice(start, start + size) for start in range(0, rows, size)]


def objective_values(request: Request, goals: Sequence[Goal], x: Tensor) -> Tensor:
    """Return the objective of each image, ``(n,)``, with gradients."""
    layer = goals[0].layer
    result = request.subject.run(x) if layer is None else layer_output(request, layer, x)
    return torch.stack([goal.of(row) for goal, row in zip(goals, result, strict=True)])


def _total(request: Request, goals: Sequence[Goal], x: Tensor) -> Tensor:
    return objective_values(request, goals, x).sum()


# --- the objectives --------------------------------------------------------------------------------------------------


def goals_of(request: Request, channels: Any, unit: Any, image: Tensor) -> list[Goal]:
    """Return the objectives; raise ExplainError if the network has no such class, channel or unit."""
    if request.layer is None:
        if channels is not None or unit is not None:
            known = nearest("", [name for name, _ in request.module.named_modules() if name])
            raise ExplainError(f"channels= and unit= need a layer: give layer=; {known}")
        if not len(request.target):
            raise ExplainError("say what to maximise: target=, or layer= with channels= or unit=")
        classes = request.subject.run(image).shape[1]
        names, limit = request.class_names, f"the model gives {classes} scores"
        targets = [_index_in_range("target", index, classes, limit) for index in request.target.tolist()]
        return [Goal(names[target] if target < len(names) else f"class {target}", None, (target,))
                for target in targets]  # fmt: skip
    if request.x is None and len(request.target):
        raise ExplainError("target= is a class and layer= is a layer: give one of them")
    if channels is not None and unit is not None:
        raise ExplainError("channels= and unit= both set what to maximise: give one of them")
    layer = place_of(request, image)
    sizes = tuple(layer_output(request, layer, image).shape[1:])
    if channels is not None:
        return [Goal(f"channel {index}", layer, (index,)) for index in channels_of(channels, layer.name, sizes[0])]
    if unit is not None:
        places = units_of(unit, layer.name, sizes)
        return [Goal(f"unit {place[0] if len(place) == 1 else place}", layer, place) for place in places]
    return [Goal("the whole layer", layer, ())]


def channels_of(requested: Any, layer: str, count: int) -> list[int]:
    """Return the requested channels: one, several, or "all"; raise ExplainError if the layer does not have them."""
    if isinstance(requested, str) and requested == "all":
        return list(range(count))
    many = (
        [requested]
        if is_whole(requested)
        else list(requested)
        if isinstance(requested, (list, tuple, range, np.ndarray))
        else []
    )
    if not many or not all(map(is_whole, many)):
        raise ExplainError(f'channels must be whole numbers, or "all", received {excerpt(requested)}')
    return [_index_in_range("channel", int(index), count, f"layer {layer!r} gives {count} channels") for index in many]


def units_of(requested: Any, layer: str, sizes: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the requested units: the index of one as a tuple, or a list of indices."""
    many = requested if isinstance(requested, list) else [requested]
    places = [(index,) if is_whole(index) else index for index in many]
    if not places or not all(isinstance(place, tuple) and all(map(is_whole, place)) for place in places):
        raise ExplainError(f"unit must be a tuple of whole numbers, or a list of them, received {excerpt(requested)}")
    for place in places:
        if len(place) != len(sizes) or not all(0 <= index < size for index, size in zip(place, sizes, strict=True)):
            raise ExplainError(f"unit {excerpt(place)} is not in layer {layer!r}: it gives {sizes}, counted from 0")
    return [tuple(map(int, place)) for place in places]


def _index_in_range(name: str, at: int, count: int, size_note: str) -> int:
    if not 0 <= at < count:
        raise ExplainError(f"{name} {at} is out of range: {size_note}; use 0 to {count - 1}")
    return at


def _pair(
    request: Request, goals: list[Goal], size: tuple[int, ...], input_range: InputRange
) -> tuple[list[Goal], Tensor]:
    """Return objectives and starting images, paired one by one."""
    if request.x is None:
        return goals, noise(request, len(goals), size, input_range)
    n = len(request.x)
    if 1 not in (n, len(goals)) and n != len(goals):
        raise ExplainError(f"x must be one image or {len(goals)}, one for each thing to maximise, received {n}")
    return goals * (n if len(goals) == 1 else 1), request.x if n > 1 else request.x.repeat(len(goals), 1, 1, 1)


def _with_gradients(request: Request, goals: list[Goal], start: Tensor, input_range: InputRange) -> Tensor:
    """Return starting images; if an objective has no gradient, as for a unit that is off, another start is chosen.

    It is the image with the largest objective among several stronger noise images and the examples.
    """
    start, candidates = start.clone(), examples_of(request)
    candidates = (
        noise(request, NOISE_CANDIDATES, tuple(start.shape[1:]), input_range, size=1.0)
        if candidates is None
        else candidates
    )
    for rows in batches(request, len(goals)):
        gradient = finite_gradient(partial(_total, request, goals[rows]), start[rows])
        inactive = (gradient.flatten(1) == 0).all(dim=1).nonzero().flatten() + rows.start
        for row in inactive.tolist():
            with torch.no_grad():
                objectives = _objectives_without_gradient(request, [goals[row]] * len(candidates), candidates)
            start[row] = candidates[int(np.argmax(objectives))]
    return start


# --- the result ------------------------------------------------------------------------------------------------------


def _explained(request: Request, goals: list[Goal], start: Tensor, made: Tensor, controls: int) -> Explanation:
    with torch.no_grad():
        reached, before = (_objectives_without_gradient(request, goals, x) for x in (made, start))
        shuffled = [_best_of_shuffled(request, goal, image, row, controls)
                    for row, (goal, image) in enumerate(zip(goals, made, strict=True))]  # fmt: skip
    names = [goal.name for goal in goals]
    still = [name for name, a, b in zip(names, reached, before, strict=True) if a <= b]
    beaten = [name for name, a, b in zip(names, reached, shuffled, strict=True) if a <= b and name not in still]
    notes = [text.format(names=", ".join(some)) for text, some in ((NO_SLOPE, still), (NO_BETTER, beaten)) if some]
    each: dict[str, list[Any]] = {"maximised": names, "activation": reached, "activation_at_start": before}
    each |= {"best_of_shuffled": shuffled} if controls else {}
    diagnostics = {"layer": request.layer} if request.layer else {}
    explanation = explained(
        request, "activation_maximization", made if request.x is None else made - start, image=as_array(made),
        inputs=None if request.x is None else as_array(start), prediction=np.array(reached),
        diagnostics=diagnostics | {name: list_or_value(values) for name, values in each.items()},
        notes=(*request.notes, *notes),
    )  # fmt: skip
    classes = [] if request.layer else [goal.place[0] for goal in goals]
    return replace(explanation, target=np.array(classes, np.int64))


def _objectives_without_gradient(request: Request, goals: list[Goal], x: Tensor) -> list[float]:
    result = [objective_values(request, goals[rows], x[rows]).double().cpu() for rows in batches(request, len(x))]
    return [float(value) for value in torch.cat(result)]


def _best_of_shuffled(request: Request, goal: Goal, image: Tensor, row: int, controls: int) -> float:
    """Return the largest objective among images with the same pixels in random positions."""
    if not controls:
        return -inf
    generator = torch_generator(request.seed, "controls", row)
    channels, pixels = len(image), image[0].numel()
    places = torch.rand((controls, channels, pixels), generator=generator).argsort(dim=2).to(image.device)
    shuffled = image.flatten(1).expand(controls, -1, -1).gather(2, places)
    return max(_objectives_without_gradient(request, [goal] * controls, shuffled.reshape(controls, *image.shape)))
