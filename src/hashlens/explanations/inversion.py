"""Inversion: find an image with the same representation in a layer."""

from collections.abc import Sequence

import torch

from hashlens.arguments import require_whole
from hashlens.errors import ExplainError
from hashlens.explanations.ascent import (
    Adam,
    InputRange,
    finite_gradient,
    input_range_of,
    layer_output,
    noise,
    require_in_range,
)
from hashlens.explanations.explain import as_array, explained, list_or_value
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.maximize import batches
from hashlens.explanations.places import Place, place_of
from hashlens.explanations.request import Request

Tensor = torch.Tensor
ANNEALED = 1e-3
"""Final weights of the penalties, as a share of those at the start."""
ALPHA = 6
"""Power of the norm that keeps numbers in range."""
SILENT = "the layer is zero for x: every image for which it is zero is a solution"


def inversion(
    request: Request,
    steps: int = 400,
    step_size: float = 0.2,
    total_variation: float = 1.0,
    alpha_norm: float = 0.1,
    bounds: Sequence[float] | None = None,
) -> Explanation:
    """Find images that have the same representation in a layer as ``x`` (Mahendran, Vedaldi, 2015).

    Gradient descent starts from noise. It minimises the squared distance between the outputs of ``layer`` for the image
    and for ``x``, relative to the squared norm of the output for ``x``, plus two penalties: the total variation of the
    image and the mean of its 6th power. Differences from ``x`` show the information that the layer discards.

    ``image`` holds the result, ``values`` its difference from ``x``. ``diagnostics`` holds the relative distance (not
    squared) at the start and at the end, and the class predicted for the result.

    Parameters
    ----------
    request : Request
        The images and the network, and shared options.
    steps : int
        Number of steps.
    step_size : float
        Size of the first step, as a share of the range.
    total_variation, alpha_norm : float
        Weights of the penalties, relative to the squared relative distance; 0 for no penalty. They decrease to a
        thousandth during the descent.
    bounds : (float, float), optional
        Range of the images; by default that of ``background`` or ``x``.
    """
    require_whole(ExplainError, "steps", steps)
    require_in_range(step_size=step_size, total_variation=total_variation, alpha_norm=alpha_norm)
    x, input_range = request.inputs, input_range_of(request, bounds)
    place = place_of(request)
    start = noise(request, len(x), tuple(x.shape[1:]), input_range)
    result_images, before, after = [], [], []
    silent = False
    for rows in batches(request, len(x)):
        with torch.no_grad():
            wanted = layer_output(request, place, x[rows]).detach().clone()
        silent |= bool((wanted.flatten(1) == 0).all(dim=1).any())
        loss = Loss(request, place, wanted, input_range, total_variation, alpha_norm)
        result = loss.descend(start[rows], steps, step_size)
        result_images.append(result)
        with torch.no_grad():
            before += loss.distance(start[rows]).sqrt().tolist()
            after += loss.distance(result).sqrt().tolist()
    image = torch.cat(result_images)
    now = request.subject.scores(image).argmax(dim=1).tolist()
    diagnostics = {"layer": place.name, "error": list_or_value(after), "error_at_start": list_or_value(before),
            "predicted": list_or_value(now)}  # fmt: skip
    notes = (*request.notes, SILENT) if silent else request.notes
    return explained(request, "inversion", image - x, image=as_array(image), diagnostics=diagnostics, notes=notes)


class Loss:
    """Loss of images: the distance from the required output of a layer, and penalties for roughness and size."""

    def __init__(
        self,
        request: Request,
        place: Place,
        wanted: Tensor,
        input_range: InputRange,
        total_variation: float,
        alpha_norm: float,
    ) -> None:
        self.request, self.place, self.wanted, self.input_range = request, place, wanted, input_range
        self.total_variation, self.alpha_norm = total_variation, alpha_norm
        size = wanted.flatten(1).square().sum(dim=1)
        self.weight = 1.0
        self.size = torch.where(size > 0, size, 1.0)

    def distance(self, x: Tensor) -> Tensor:
        """Return squared distances, relative to the square of the required output, ``(n,)``."""
        result = layer_output(self.request, self.place, x)
        return (result - self.wanted).flatten(1).square().sum(dim=1) / self.size

    def __call__(self, x: Tensor) -> Tensor:
        """Return the sum over images of the distance and the penalties."""
        shares = self.input_range.standardise(x)
        rough = sum((shares.diff(dim=axis).square().flatten(1).mean(dim=1) for axis in (2, 3)), start=0.0)
        large = shares.pow(ALPHA).flatten(1).mean(dim=1)
        return (self.distance(x) + self.weight * (self.total_variation * rough + self.alpha_norm * large)).sum()

    def descend(self, start: Tensor, steps: int, step_size: float) -> Tensor:
        """Return images after gradient descent with decreasing steps and penalties: details are found last."""
        x, optimiser = start, Adam(start)
        for step in range(steps):
            self.weight = ANNEALED ** (step / steps)
            step_length = step_size * self.input_range.scale * (1 - step / steps)
            x = self.input_range.clamp(x + step_length * optimiser.step(finite_gradient(self, x)))
        return x
