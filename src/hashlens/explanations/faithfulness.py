"""Whether values name what the network goes by: deletion, insertion, infidelity."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from hashlens.errors import ExplainError
from hashlens.explanations.asked import Subject
from hashlens.explanations.explanation import Explanation
from hashlens.seeds import torch_generator

Tensor = torch.Tensor
Floats = npt.NDArray[np.float64]
STEPS = 20
PERTURBATIONS = 64
NOISE = 0.1
"""Standard deviation of perturbations, as a share of the range of an example."""
BLUR = 5.0
"""Standard deviation of the blurred baseline, in pixels of an image of 28; larger images more."""


def spread(explanation: Explanation, shape: tuple[int, ...]) -> Tensor:
    """Return values on the input, ``(n, *shape)`` of `shape` ``(c, h, w)`` or ``(d,)``, divided over what they share.

    Values of a map count for all channels of a place, values of a segment for all of its pixels: each part gets its
    share, so that sums stay what they are.

    Raises
    ------
    ExplainError
        If the values lie on no part of the input.
    """
    values = torch.as_tensor(np.asarray(explanation.values, np.float64))
    if explanation.segments is not None:
        segments = torch.as_tensor(explanation.segments.astype(np.int64))
        sizes = torch.bincount(segments.flatten(), minlength=values.shape[1])
        values = (values / sizes.clamp(min=1))[:, segments]
    if values.shape[1:] == shape:
        return values
    if len(shape) == 3 and values.shape[1:] == shape[1:]:
        return values[:, None].expand(-1, *shape) / shape[0]
    raise ExplainError(f"{explanation.method} gives values {tuple(values.shape[1:])}, which lie on no input {shape}")


def importance(values: Tensor) -> Tensor:
    """Return how much each place counts, ``(n, places)``: of an image, sums over channels."""
    return values.sum(dim=1).flatten(1) if values.dim() == 4 else values.flatten(1)


def baseline_inputs(x: Tensor, name: str) -> Tensor:
    """Return what removed places become: ``mean`` of each channel (of a table: of the rows), or ``blur``."""
    if name == "blur" and x.dim() == 4:
        return _blurred(x)
    if x.dim() == 4:
        return x.mean(dim=(2, 3), keepdim=True).expand_as(x)
    return x.mean(dim=0, keepdim=True).expand_as(x)


def _blurred(x: Tensor) -> Tensor:
    deviation = BLUR * x.shape[-1] / 28
    reach = min(int(2 * deviation), min(x.shape[-2:]) - 1)
    places = torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-(places**2) / (2 * deviation**2))
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, -1)
    across = F.conv2d(F.pad(x, (reach, reach, 0, 0), mode="reflect"), kernel[:, :, None, :], groups=x.shape[1])
    return F.conv2d(F.pad(across, (0, 0, reach, reach), mode="reflect"), kernel[:, :, :, None], groups=x.shape[1])


def removal_curve(
    subject: Subject, x: Tensor, target: Tensor, values: Tensor, baseline: Tensor, insertion: bool, steps: int = STEPS
) -> Floats:
    """Return the probability of the target as places go, most important first, ``(n, steps + 1)``.

    With `insertion`, places of the example come back into the baseline instead.
    """
    order = importance(values).argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1).to(x.device)
    places = rank.shape[1]
    whole, gone = (baseline, x) if insertion else (x, baseline)
    curve = []
    for step in range(steps + 1):
        taken = rank < round(places * step / steps)
        mask = taken.reshape(len(x), 1, *x.shape[2:]) if x.dim() == 4 else taken.reshape(x.shape)
        probability = subject.probabilities(torch.where(mask, gone, whole))
        curve.append(probability[torch.arange(len(x)), target].numpy())
    return np.stack(curve, axis=1)


def area(curve: Floats) -> Floats:
    """Return the area under curves ``(n, steps + 1)`` over shares from 0 to 1, by trapezoids."""
    found: Floats = (curve[:, 1:] + curve[:, :-1]).mean(axis=1) / 2
    return found


def infidelity(subject: Subject, x: Tensor, target: Tensor, values: Tensor, seed: int = 0) -> Floats:
    """Return the infidelity of values ``(n, ...)``: Yeh et al. (2019), with values scaled to fit best.

    The mean squared difference between what the values say that a random perturbation takes away and what it takes
    away, over the mean square of the latter: 0 is perfect, 1 no better than saying nothing. Perturbations are normal, a
    tenth of the example's range.
    """
    found = []
    for row in range(len(x)):
        generator = torch_generator(seed, "infidelity", row)
        reach = NOISE * (x[row].max() - x[row].min())
        drawn = reach * torch.randn((PERTURBATIONS, *x[row].shape), generator=generator).to(x)
        scores = subject.scores(torch.cat([x[row : row + 1], x[row] - drawn]))[:, int(target[row])]
        lost = scores[0] - scores[1:]
        said = (drawn.double().cpu() * values[row].double()).flatten(1).sum(dim=1)
        scale = (said * lost).sum() / (said**2).sum() if bool((said != 0).any()) else torch.zeros(())
        below = (lost**2).mean()
        found.append(float(((scale * said - lost) ** 2).mean() / below) if below > 0 else 0.0)
    return np.array(found)


def spearman(one: Any, other: Any) -> float:
    """Return Spearman's rank correlation of two arrays; 1 where both are constant, 0 where one is."""
    from scipy.stats import rankdata

    first, second = (rankdata(np.abs(np.asarray(of, np.float64)).ravel()) for of in (one, other))
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first**2).sum() * (second**2).sum()))
    if size == 0:
        return 1.0 if not first.any() and not second.any() else 0.0
    return float((first * second).sum() / size)
