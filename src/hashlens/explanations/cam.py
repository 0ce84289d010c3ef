"""Class activation maps: the positions where a layer's channels support the class."""

import torch
import torch.nn.functional as F

from hashlens.errors import ExplainError
from hashlens.explanations.explain import explained
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.gradients import gradient_of, row_scores
from hashlens.explanations.places import Place, PlaceOutputs, place_of, record_outputs
from hashlens.explanations.request import Request

Tensor = torch.Tensor
ALL_ZERO = "zero everywhere: no channel of the layer is evidence for the class"
TINY = 1e-8


def grad_cam(request: Request, relu: bool = True, upsample: bool = True) -> Explanation:
    """Explain by the sum of a layer's channels, weighted by their mean gradient (Selvaraju et al., 2017).

    Parameters
    ----------
    request : Request
        The examples and the network to explain, and shared options.
    relu : bool
        Whether negative values, evidence against the class, are set to 0.
    upsample : bool
        Whether the map is resized to the size of the image (bilinearly); otherwise it has the size of the layer.
    """
    name, result, gradient = _activations(request)
    weights = gradient.flatten(2).mean(dim=2)
    return _explained(request, "grad_cam", name, result, weights, relu, upsample)


def grad_cam_plus_plus(request: Request, relu: bool = True, upsample: bool = True) -> Explanation:
    """Explain by the sum of a layer's channels, weighted by the gradient at each position (Chattopadhay et al., 2018).

    The weights are those of the paper for an exponential score: the squared gradient, divided by twice the squared
    gradient plus the sum of activations times the cubed gradient.

    Parameters
    ----------
    request, relu, upsample
        As in :func:`grad_cam`.
    """
    name, result, gradient = _activations(request)
    squared, cubed = gradient**2, gradient**3
    denominator = 2 * squared + cubed * result.flatten(2).sum(dim=2).reshape(
        *result.shape[:2], *[1] * (result.dim() - 2)
    )
    share = torch.where(
        (squared > 0) & (denominator.abs() > 0),
        squared / torch.where(denominator == 0, torch.ones_like(denominator), denominator),
        0,
    )
    weights = (share * gradient.relu()).flatten(2).sum(dim=2)
    return _explained(request, "grad_cam_plus_plus", name, result, weights, relu, upsample)


def score_cam(request: Request, relu: bool = True, upsample: bool = True) -> Explanation:
    """Explain by the sum of a layer's channels, weighted by the scores of masked images (Wang et al., 2020).

    Each channel is resized to the image, scaled to 0 to 1 and used as a mask of the image. The weight of a channel is
    the softmax over channels of the scores of the masked images. The network runs once for each channel.

    Parameters
    ----------
    request, relu, upsample
        As in :func:`grad_cam`.
    """
    name, result, _ = _activations(request)
    weights = []
    for image, channels, target in zip(request.inputs, result, request.target, strict=True):
        scores = [
            request.subject.scores(_mask(image, _resize(masks, image)))
            for masks in torch.split(_scale_to_unit(channels)[:, None].to(image), request.subject.batch_size)
        ]
        weights.append(torch.cat(scores)[:, int(target)].softmax(dim=0))
    return _explained(request, "score_cam", name, result, torch.stack(weights).to(result), relu, upsample)


def _mask(example: Tensor, masks: Tensor) -> Tensor:
    """Return an example ``(c, ...)`` or ``(...)`` under each of the masks ``(m, 1, ...)``."""
    return example * (masks if masks.dim() == example.dim() + 1 else masks[:, 0])


def _resize(maps: Tensor, inputs: Tensor) -> Tensor:
    """Return maps ``(n, 1, ...)`` resized to the last axes of the inputs."""
    axes = maps.dim() - 2
    return F.interpolate(maps, inputs.shape[-axes:], mode="bilinear" if axes == 2 else "linear", align_corners=False)


def _scale_to_unit(maps: Tensor) -> Tensor:
    """Return maps ``(c, ...)``, each scaled to 0 to 1; constant maps become 0."""
    places = tuple(range(1, maps.dim()))
    low, high = maps.amin(dim=places, keepdim=True), maps.amax(dim=places, keepdim=True)
    return (maps - low) / (high - low + TINY)


def _explained(
    request: Request, method: str, layer: str, result: Tensor, weights: Tensor, relu: bool, upsample: bool
) -> Explanation:
    cam = (weights.reshape(*weights.shape, *[1] * (result.dim() - 2)) * result).sum(dim=1)
    cam = cam.relu() if relu else cam
    empty = int((~cam.flatten(1).any(dim=1)).sum())
    empty_maps = "the map is" if len(cam) == 1 else f"{empty:,} of {len(cam):,} maps are"
    notes = (*request.notes, f"{empty_maps} {ALL_ZERO}") if empty else request.notes
    if upsample:
        cam = _resize(cam[:, None], request.inputs)[:, 0]
    return explained(request, method, cam, diagnostics={"layer": layer}, notes=notes)


def _activations(request: Request) -> tuple[str, Tensor, Tensor]:
    """Return the name of the layer, its maps ``(n, c, h, w)``, and the gradient of the score with respect to them."""
    place = place_of(request)
    size, parts, names = request.subject.batch_size, [], []
    for start in range(0, len(request.inputs), size):
        with torch.enable_grad():
            # In-place operators may not modify a leaf; a product inside `record_outputs` would be recorded too.
            x = request.inputs[start : start + size].detach().clone().requires_grad_() * 1
            with record_outputs(request, place) as recorded:
                score = row_scores(request.subject.run(x), request.target[start : start + size])
            call = _last_with_maps(request, place, recorded, len(x))
            gradient = gradient_of(score, recorded.outputs[call])
        both = (request.subject.own_rows(maps, len(x)) for maps in (recorded.outputs[call].detach(), gradient))
        parts.append(tuple(_maps_of(request, place, maps) for maps in both))
        names.append(place.name if len(recorded.outputs) == 1 else f"{place.name}#{call}")
    result, gradients = (torch.cat(part) for part in zip(*parts, strict=True))
    return names[0], result, gradients


def _last_with_maps(request: Request, place: Place, kept: PlaceOutputs, count: int) -> int:
    """Return the index of the last call of a layer whose output is a map."""
    if not kept.outputs:
        raise ExplainError(f"layer {place.name!r} is never reached")
    own = (request.subject.own_rows(output.detach(), count) for output in kept.outputs)
    shapes = [tuple(_maps_of(request, place, output).shape) for output in own]
    calls = [call for call, shape in enumerate(shapes) if len(shape) in _axes(request) and 0 not in shape]
    if not calls:
        needs = " or ".join(("(n, c, l)", "(n, c, h, w)")[axes - 3] for axes in _axes(request))
        raise ExplainError(
            f"layer {place.name!r} gives activations {tuple(kept.outputs[-1].shape)}, a map needs {needs}: give "
            "reshape=fn, for a transformer lambda a: a[:, 1:].transpose(1, 2).unflatten(2, (h, w)), or another layer"
        )
    return calls[-1]


def _axes(request: Request) -> tuple[int, ...]:
    """Return the number of axes of a map."""
    return (4,) if request.kind == "image" else (3, 4)


def _maps_of(request: Request, place: Place, result: Tensor) -> Tensor:
    return request.reshaped(result.movedim(place.channel_axis, 1) if result.dim() > place.channel_axis > 1 else result)
