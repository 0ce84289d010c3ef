"""Faithfulness of values to the network: deletion, insertion, infidelity."""

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from hashlens.errors import ExplainError
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.subject import Subject
from hashlens.seeds import torch_generator

Tensor = torch.Tensor
Floats = npt.NDArray[np.float64]
STEPS = 20
PERTURBATIONS = 64
NOISE = 0.1
"""Standard deviation of perturbations, as a share of the range of an example."""
BLUR = 5.0
"""Standard deviation of the blur for the baseline, in pixels of an image of width 28; proportional to the width."""


def per_input(explanation: Explanation, shape: tuple[int, ...]) -> Tensor:
    """Return values of each number of the input, ``(n, *shape)``, for a `shape` such as ``(c, h, w)`` or ``(d,)``.

    The value of a map is divided evenly among the channels of a position, and the value of a segment among its pixels.
    So sums do not change.

    Raises
    ------
    ExplainError
        If the values do not belong to parts of the input.
    """
    values = torch.as_tensor(np.asarray(explanation.values, np.float64))
    if explanation.segments is not None:
        segments = torch.as_tensor(explanation.segments.astype(np.int64))
        sizes = torch.bincount(segments.flatten(), minlength=values.shape[1])
        values = (values / sizes.clamp(min=1))[:, segments]
    if values.shape[1:] == shape:
        return values
    if len(shape) > 1 and values.shape[1:] == shape[1:]:
        return values[:, None].expand(-1, *shape) / shape[0]
    raise ExplainError(
        f"{explanation.method} gives values {tuple(values.shape[1:])}, which do not match inputs {shape}"
    )


def importance(values: Tensor) -> Tensor:
    """Return the importance of each position, ``(n, positions)``; for an image, the sum over channels."""
    return values.sum(dim=1).flatten(1) if values.dim() == 4 else values.flatten(1)


def baseline_inputs(x: Tensor, name: str, background: Tensor | None = None) -> Tensor | None:
    """Return the values that replace removed positions; None if there are none.

    ``mean`` is the mean of each channel of an image or signal, or of each row of a spectrogram; for a table, the mean
    of the background or else of the rows, if there are several. ``blur`` is a blurred copy, for images only.
    """
    if x.dim() == 4:
        return _blur(x) if name == "blur" else x.mean(dim=(2, 3), keepdim=True).expand_as(x)
    if x.dim() == 3:
        return None if name == "blur" else x.mean(dim=2, keepdim=True).expand_as(x)
    rows = x if background is None else background.reshape(-1, *x.shape[1:])
    if name == "blur" or (background is None and len(rows) == 1):
        return None
    return rows.mean(dim=0, keepdim=True).expand_as(x)


def _blur(x: Tensor) -> Tensor:
    # scipy.ndimage's gaussian_filter, truncated at two deviations and mirrored, on the device of the inputs.
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
    """Return the probability of the target while positions are removed, most important first, ``(n, steps + 1)``.

    With `insertion`, positions of the example are added to the baseline instead.
    """
    order = importance(values).argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1).to(x.device)
    places = rank.shape[1]
    original, replacement = (baseline, x) if insertion else (x, baseline)
    curve = []
    for step in range(steps + 1):
        is_replaced = rank < round(places * step / steps)
        mask = is_replaced.reshape(len(x), 1, *x.shape[2:]) if x.dim() == 4 else is_replaced.reshape(x.shape)
        probability = subject.probabilities(torch.where(mask, replacement, original))
        curve.append(probability[torch.arange(len(x)), target].numpy())
    return np.stack(curve, axis=1)


def area(curve: Floats) -> Floats:
    """Return the area under curves ``(n, steps + 1)`` over shares from 0 to 1, by the trapezoidal rule."""
    result: Floats = (curve[:, 1:] + curve[:, :-1]).mean(axis=1) / 2
    return result


def infidelity(subject: Subject, x: Tensor, target: Tensor, values: Tensor, seed: int = 0) -> Floats:
    """Return the infidelity of values ``(n, ...)`` by Yeh et al. (2019), with values scaled to fit best.

    It is the mean squared difference between the predicted and the actual change of the score under small random
    perturbations, divided by the mean square of the actual change: 0 is perfect, 1 is no better than values of 0. The
    values are interpreted in two ways: as gradients, with noise of a tenth of the example's range, and as shares,
    with noise of a tenth of each input. The better result counts. It is NaN where the score does not change.
    """
    result = []
    for row, example in enumerate(x):
        drawn = torch.randn((PERTURBATIONS, *example.shape), generator=torch_generator(seed, "infidelity", row))
        noise = NOISE * drawn.to(x)
        slopes = noise * (example.max() - example.min())
        readings = [(slopes, slopes), (noise * example, noise)]
        own = [_unexplained_share(subject, example, int(target[row]), values[row], *reading) for reading in readings]
        result.append(min((one for one in own if one is not None), default=float("nan")))
    return np.array(result)


def _unexplained_share(
    subject: Subject, x: Tensor, target: int, values: Tensor, perturbations: Tensor, weighed: Tensor
) -> float | None:
    """Return the share of the mean squared change that values times `weights` do not predict."""
    scores = subject.scores(torch.cat([x[None], x - perturbations]))[:, target]
    lost = scores[0] - scores[1:]
    mean_square = float((lost**2).mean())
    if mean_square == 0:
        return None
    predicted = (weighed.double().cpu() * values.double()).flatten(1).sum(dim=1)
    size = float((predicted**2).sum())
    scale = max(float((predicted * lost).sum()) / size, 0.0) if size else 0.0
    return float(((scale * predicted - lost) ** 2).mean()) / mean_square
