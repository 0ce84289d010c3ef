"""Faithfulness of the values of an explanation to the network: deletion, insertion, infidelity."""

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
"""Number of steps in which all positions are removed or added: 5 % of them in each."""
PERTURBATIONS = 64
"""Number of perturbations of each example for the infidelity."""
NOISE = 0.1
"""Standard deviation of perturbations, as a share of the range of an example, or of each of its numbers."""
BLUR = 5.0
"""Standard deviation of the blur in pixels, for images 28 pixels wide (MNIST); it is proportional to the width."""


def expand_values(explanation: Explanation, shape: tuple[int, ...]) -> Tensor:
    """Return the values of an explanation in the shape of its inputs, ``(n, *shape)``.

    The value of a position is divided evenly among its channels, and the value of a segment among its pixels. So sums
    do not change.

    Parameters
    ----------
    explanation : Explanation
        Explanation of n inputs.
    shape : tuple of int
        Shape of one input, such as ``(c, h, w)`` or ``(d,)``.

    Raises
    ------
    ExplainError
        If the values have neither this shape nor, for each position, a value for all channels together.
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


def baseline_inputs(x: Tensor, baseline: str, background: Tensor | None = None) -> Tensor | None:
    """Return the values that replace removed positions, in the shape of `x`; None if they are not defined.

    The baseline ``mean`` is the mean of each channel of an image or signal, or of each row of a spectrogram. For a
    table it is the mean of each column over the background, or else over the rows of `x`; it is not defined if there is
    no background and `x` has a single row. The baseline ``blur`` is a blurred copy of an image, and is not defined for
    other inputs.
    """
    if x.dim() == 4:
        return _blur(x) if baseline == "blur" else x.mean(dim=(2, 3), keepdim=True).expand_as(x)
    if x.dim() == 3:
        return None if baseline == "blur" else x.mean(dim=2, keepdim=True).expand_as(x)
    rows = x if background is None else background.reshape(-1, *x.shape[1:])
    if baseline == "blur" or (background is None and len(rows) == 1):
        return None
    return rows.mean(dim=0, keepdim=True).expand_as(x)


def _blur(x: Tensor) -> Tensor:
    # As scipy.ndimage's gaussian_filter, truncated at two deviations and mirrored, on the device of the inputs.
    deviation = BLUR * x.shape[-1] / 28
    radius = min(int(2 * deviation), min(x.shape[-2:]) - 1)
    offsets = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-(offsets**2) / (2 * deviation**2))
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, -1)
    rows = F.conv2d(F.pad(x, (radius, radius, 0, 0), mode="reflect"), kernel[:, :, None, :], groups=x.shape[1])
    return F.conv2d(F.pad(rows, (0, 0, radius, radius), mode="reflect"), kernel[:, :, :, None], groups=x.shape[1])


def removal_curve(
    subject: Subject, x: Tensor, target: Tensor, values: Tensor, baseline: Tensor, insertion: bool, steps: int = STEPS
) -> Floats:
    """Return the probability of the target while positions are removed, most important first, ``(n, steps + 1)``.

    A removed position gets the values of the baseline. With `insertion`, the curve starts at the baseline, and
    positions get the values of the example.
    """
    order = importance(values).argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1).to(x.device)
    positions = rank.shape[1]
    start, end = (baseline, x) if insertion else (x, baseline)
    curve = []
    for step in range(steps + 1):
        is_replaced = rank < round(positions * step / steps)
        mask = is_replaced.reshape(len(x), 1, *x.shape[2:]) if x.dim() == 4 else is_replaced.reshape(x.shape)
        probability = subject.probabilities(torch.where(mask, end, start))
        curve.append(probability[torch.arange(len(x)), target].numpy())
    return np.stack(curve, axis=1)


def area(curve: Floats) -> Floats:
    """Return the area under curves ``(n, steps + 1)`` over the share of replaced positions, by the trapezoidal rule."""
    result: Floats = (curve[:, 1:] + curve[:, :-1]).mean(axis=1) / 2
    return result


def infidelity(subject: Subject, x: Tensor, target: Tensor, values: Tensor, seed: int = 0) -> Floats:
    """Return the infidelity of values ``(n, ...)``, after Yeh et al. (2019), float64 ``(n,)``.

    The inputs are changed by small random perturbations, and the values predict the change of the score. The infidelity
    is the mean squared error of this prediction, divided by the mean square of the actual change. 0 is perfect, 1 is no
    better than values of 0. The values are first multiplied by the factor, at least 0, that gives the smallest error.
    So their unit does not matter.

    The smaller infidelity of two interpretations is returned. Values that are gradients predict the sum of value times
    perturbation; the noise is then a tenth of the example's range. Values that are shares of the score predict the sum
    of value times relative perturbation; the noise is then a tenth of each number of the example. The result is
    NaN where the score does not change.
    """
    result = []
    for row, example in enumerate(x):
        drawn = torch.randn((PERTURBATIONS, *example.shape), generator=torch_generator(seed, "infidelity", row))
        relative = NOISE * drawn.to(x)
        absolute = relative * (example.max() - example.min())
        as_gradients, as_shares = (absolute, absolute), (relative * example, relative)
        errors = [
            _unexplained_share(subject, example, int(target[row]), values[row], *interpretation)
            for interpretation in (as_gradients, as_shares)
        ]
        result.append(min((error for error in errors if error is not None), default=float("nan")))
    return np.array(result)


def _unexplained_share(
    subject: Subject, x: Tensor, target: int, values: Tensor, perturbations: Tensor, weights: Tensor
) -> float | None:
    """Return the share of the mean squared change of the score that the sum of values times `weights` does not predict.

    It is None if the score does not change.
    """
    scores = subject.scores(torch.cat([x[None], x - perturbations]))[:, target]
    changes = scores[0] - scores[1:]
    mean_square = float((changes**2).mean())
    if mean_square == 0:
        return None
    predicted = (weights.double().cpu() * values.double()).flatten(1).sum(dim=1)
    sum_of_squares = float((predicted**2).sum())
    factor = max(float((predicted * changes).sum()) / sum_of_squares, 0.0) if sum_of_squares else 0.0
    return float(((factor * predicted - changes) ** 2).mean()) / mean_square
