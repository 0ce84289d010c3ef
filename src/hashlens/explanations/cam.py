"""Class activation maps: where a layer's channels speak for the class."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F

from hashlens.errors import ExplainError
from hashlens.explanations.asked import Asked
from hashlens.explanations.explain import explained
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.gradients import gradient_of, row_scores

Tensor = torch.Tensor
ALL_ZERO = "zero everywhere: no channel of the layer speaks for the class"
TINY = 1e-8


def grad_cam(asked: Asked, relu: bool = True, upsample: bool = True) -> Explanation:
    """Explain by a layer's activations, channels weighed by their mean slope (Selvaraju et al., 2017).

    Parameters
    ----------
    relu : bool
        Whether what speaks against the class is dropped.
    upsample : bool
        Whether the map is spread to the size of the image, bilinearly; ``(n, h, w)`` of the layer otherwise.
    """
    name, found, slope = _activations(asked)
    weights = slope.mean(dim=(2, 3))
    return _explained(asked, "grad_cam", name, found, weights, relu, upsample)


def grad_cam_plus_plus(asked: Asked, relu: bool = True, upsample: bool = True) -> Explanation:
    """Explain by a layer's activations, each place weighed by its own slope (Chattopadhay et al., 2018).

    The weights are those of the paper for a score passed through the exponential: slope squared over twice its square
    plus the sum of activations times its cube.

    Parameters
    ----------
    relu, upsample
        As :func:`grad_cam` takes them.
    """
    name, found, slope = _activations(asked)
    squared, cubed = slope**2, slope**3
    below = 2 * squared + cubed * found.sum(dim=(2, 3), keepdim=True)
    share = torch.where(
        (squared > 0) & (below.abs() > 0), squared / torch.where(below == 0, torch.ones_like(below), below), 0
    )
    weights = (share * slope.relu()).sum(dim=(2, 3))
    return _explained(asked, "grad_cam_plus_plus", name, found, weights, relu, upsample)


def score_cam(asked: Asked, relu: bool = True, upsample: bool = True) -> Explanation:
    """Explain by a layer's activations, channels weighed by the score that they leave as masks (Wang et al., 2020).

    Each channel, spread to the size of the image and scaled to 0 to 1, masks the image; its weight is the softmax over
    channels of the scores of the masked images. Needs a run for each channel.

    Parameters
    ----------
    relu, upsample
        As :func:`grad_cam` takes them.
    """
    name, found, _ = _activations(asked)
    weights = []
    for image, channels, target in zip(asked.inputs, found, asked.target, strict=True):
        scores = [
            asked.subject.scores(image * F.interpolate(masks, image.shape[-2:], mode="bilinear", align_corners=False))
            for masks in torch.split(_unit(channels)[:, None].to(image), asked.subject.batch_size)
        ]
        weights.append(torch.cat(scores)[:, int(target)].softmax(dim=0))
    return _explained(asked, "score_cam", name, found, torch.stack(weights).to(found), relu, upsample)


def _unit(maps: Tensor) -> Tensor:
    """Return maps ``(c, h, w)`` scaled from 0 to 1 each; constant ones are 0."""
    low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
    return (maps - low) / (high - low + TINY)


def _explained(
    asked: Asked, method: str, layer: str, found: Tensor, weights: Tensor, relu: bool, upsample: bool
) -> Explanation:
    cam = (weights[:, :, None, None] * found).sum(dim=1)
    cam = cam.relu() if relu else cam
    empty = int((~cam.flatten(1).any(dim=1)).sum())
    which = "the map is" if len(cam) == 1 else f"{empty:,} of {len(cam):,} maps are"
    notes = (*asked.notes, f"{which} {ALL_ZERO}") if empty else asked.notes
    if upsample:
        cam = F.interpolate(cam[:, None], asked.inputs.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    return explained(asked, method, cam, diagnostics={"layer": layer}, notes=notes)


def _activations(asked: Asked) -> tuple[str, Tensor, Tensor]:
    """Return the layer's name, its activations ``(n, c, h, w)``, and the slope of the score with respect to them."""
    name = last_spatial_layer(asked) if asked.layer is None else asked.layer
    layer = asked.layer_module(name)
    size, parts = asked.subject.batch_size, []
    for at in range(0, len(asked.inputs), size):
        with torch.enable_grad(), seen(layer) as kept:
            x = asked.inputs[at : at + size].detach().clone().requires_grad_()
            score = row_scores(asked.subject.run(x * 1), asked.target[at : at + size])
            if not kept:
                raise ExplainError(f"layer {name!r} is never reached")
            slope = gradient_of(score, kept[-1])
        parts.append((_spatial(asked, name, kept[-1].detach()), _spatial(asked, name, slope)))
    found, slopes = (torch.cat(part) for part in zip(*parts, strict=True))
    return name, found, slopes


def _spatial(asked: Asked, name: str, found: Tensor) -> Tensor:
    shaped = asked.reshaped(found)
    if shaped.dim() != 4 or shaped.numel() == 0:
        raise ExplainError(
            f"layer {name!r} gives activations {tuple(found.shape)}, a map needs (n, c, h, w): give "
            "reshape=fn, for a transformer lambda a: a[:, 1:].transpose(1, 2).unflatten(2, (h, w)), or another layer"
        )
    return shaped


@contextmanager
def seen(layer: torch.nn.Module) -> Iterator[list[Tensor]]:
    """Keep what a layer gives while the body runs; what follows may write on it in place."""
    kept: list[Tensor] = []

    def keep(module: torch.nn.Module, given: object, output: object) -> object:
        # The layers of transformers give a tuple, with what they are after in front.
        first, *others = output if isinstance(output, tuple) and output else (output,)
        if not isinstance(first, Tensor):
            raise ExplainError(f"the layer gives {type(first).__name__}, no tensor: name another")
        kept.append(first)
        return (first.clone(), *others) if isinstance(output, tuple) else first.clone()

    hook = layer.register_forward_hook(keep)
    try:
        yield kept
    finally:
        hook.remove()


def last_spatial_layer(asked: Asked) -> str:
    """Return the last layer that gives maps ``(n, c, h, w)`` as fine as those of the last convolution.

    Pools behind it are left out: a map of four places says little. Without a convolution, the last with maps.
    """
    found: list[tuple[str, int]] = []
    finest = 0

    def look(name: str) -> object:
        def hook(module: torch.nn.Module, given: object, output: object) -> None:
            nonlocal finest
            if isinstance(output, Tensor) and output.dim() == 4 and (places := output.shape[2] * output.shape[3]) > 1:
                found.append((name, places))
                finest = places if isinstance(module, torch.nn.Conv2d) else finest

        return hook

    hooks = [
        module.register_forward_hook(look(name))
        for name, module in asked.module.named_modules()
        if name and next(module.children(), None) is None
    ]
    try:
        with torch.no_grad():
            asked.subject.run(asked.inputs[:1])
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        raise ExplainError(
            "no layer gives maps (n, c, h, w): name one with layer=, and for a transformer give reshape= too"
        )
    return next((name for name, places in reversed(found) if places >= finest), found[-1][0])
