"""Gradients, integrated gradients and SmoothGrad."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.arguments import excerpt, is_number, require_whole
from hashlens.errors import ExplainError
from hashlens.explanations.explain import explained, list_or_value
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.request import Request
from hashlens.explanations.subject import Subject
from hashlens.seeds import torch_generator

Tensor = torch.Tensor
ROUNDING = 16
"""Rounding error of scores, in units in the last place."""
POINTS_PER_PIECE = 4
"""Number of points on each piece of a path."""
GradientFunction = Callable[[Subject, Tensor, Tensor], Tensor]


def input_gradients(subject: Subject, x: Tensor, target: Tensor) -> Tensor:
    """Return the gradient of each row's score with respect to its inputs, ``(n, ...)``, in batches."""
    return torch.cat([_batch_gradients(subject, *rows) for rows in _batches(subject, x, target)])


def _batches(subject: Subject, x: Tensor, target: Tensor) -> list[tuple[Tensor, Tensor]]:
    size = subject.batch_size
    return [(x[start : start + size], target[start : start + size]) for start in range(0, len(x), size)]


def _batch_gradients(subject: Subject, x: Tensor, target: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        # In-place operators may not modify a leaf.
        score = row_scores(subject.run(leaf * 1), target)
        return gradient_of(score, leaf)


def row_scores(scores: Tensor, target: Tensor) -> Tensor:
    """Return the sum of the scores of each row's class; rows are independent, so its gradient is that of each row."""
    return scores.gather(1, target.to(scores.device)[:, None]).sum()


def gradient_of(score: Tensor, leaf: Tensor) -> Tensor:
    """Return the gradient; zeros if the score does not depend on the leaf."""
    if not (score.requires_grad and leaf.requires_grad):
        return torch.zeros_like(leaf)
    try:
        (result,) = torch.autograd.grad(score, leaf, allow_unused=True)
    except RuntimeError as error:
        raise ExplainError(_autograd_message(error)) from error
    return torch.zeros_like(leaf) if result is None else result


def _autograd_message(error: RuntimeError) -> str:
    """Return in one line why autograd finds no gradient, and what to do."""
    first = str(error).split("\n")[0]
    if "inplace operation" in first:
        first = "the network overwrites in place a tensor that its gradient needs"
    return f"no gradient: {first}: change the network (training would fail too), or use kernel_shap or lime"


def gradient(request: Request) -> Explanation:
    """Explain by the gradient of the score at the input (Simonyan, Vedaldi, Zisserman, 2014).

    Values are in score per unit of the input. Inside a linear region the gradient is constant; see ``method="region"``.
    """
    return explained(request, "gradient", input_gradients(request.subject, request.inputs, request.target))


def smooth_grad(request: Request, samples: int = 50, noise: float = 0.15) -> Explanation:
    """Explain by the mean gradient over noisy copies (Smilkov et al., 2017).

    Parameters
    ----------
    request : Request
        The examples and the network to explain, and shared options.
    samples : int
        Number of noisy copies of each example.
    noise : float
        Standard deviation of the noise, as a share of the range of the example's values.
    """
    return explained(request, "smooth_grad", mean_noisy_gradients(request, input_gradients, samples, noise))


def mean_noisy_gradients(request: Request, gradient_function: GradientFunction, samples: int, noise: float) -> Tensor:
    """Return mean gradients over noisy copies; the noise of a row does not depend on the batch."""
    require_whole(ExplainError, "samples", samples)
    if not is_number(noise) or not 0 <= noise < inf:
        raise ExplainError(f"noise must be a number, 0 or more, received {excerpt(noise)}")
    result = []
    for row, (x, target) in enumerate(zip(request.inputs, request.target, strict=True)):
        generator = torch_generator(request.seed, "smooth", row)
        drawn = torch.randn((samples, *x.shape), generator=generator).to(x)
        copies = x + float(noise) * (x.max() - x.min()) * drawn
        result.append(gradient_function(request.subject, copies, target.expand(samples)).mean(dim=0))
    return torch.stack(result)


def integrated_gradients(
    request: Request, steps: int = 64, max_steps: int = 512, tolerance: float = 0.01, exact: bool = False
) -> Explanation:
    """Explain by each input's share of the change of the score from a baseline (Sundararajan, Taly, Yan, 2017).

    The baseline is ``background``: one row, or several whose results are averaged; zeros by default. The integral is
    computed at Gauss-Legendre points. The completeness gap is the difference between the sum of the shares and the
    change of the score, relative to that change. If it is larger than `tolerance`, the path is cut into pieces, and the
    pieces with the largest gaps are halved until the total gap is small enough, or `max_steps` points are used.
    ``diagnostics["completeness_gap"]`` holds the remaining gap; a note says if it is larger than `tolerance`.

    Parameters
    ----------
    request : Request
        The examples and the network to explain, and shared options.
    steps, max_steps : int
        First and largest number of points on the path, for each example and baseline.
    tolerance : float
        Largest completeness gap.
    exact : bool
        Whether to integrate exactly, over each linear piece (:func:`hashlens.regions.along`) in float64; the gap is
        then only rounding. It raises for networks that are not piecewise linear.
    """
    return explained(
        request, "integrated_gradients", **integrate(request, input_gradients, steps, max_steps, tolerance, exact)
    )


def integrate(
    request: Request,
    gradient_function: GradientFunction,
    steps: int,
    max_steps: int,
    tolerance: float,
    exact: bool = False,
) -> dict[str, Any]:
    """Return values and diagnostics of integrated gradients, by any gradient function."""
    for name, value in (("steps", steps), ("max_steps", max_steps)):
        require_whole(ExplainError, name, value)
    if not is_number(tolerance) or not tolerance >= 0:
        raise ExplainError(f"tolerance must be a number, 0 or more, received {excerpt(tolerance)}")
    x, baselines = request.inputs, baselines_of(request)
    values = torch.zeros_like(x, dtype=torch.float64 if exact else x.dtype)
    gaps, used = [], []
    own, theirs = request.subject.scores(x), request.subject.scores(baselines)
    for row, target in enumerate(request.target):
        changes = own[row, int(target)] - theirs[:, int(target)]
        size = max(float(own[row, int(target)].abs()), float(theirs[:, int(target)].abs().max()))
        mean, total, rounding = float(changes.mean()), 0.0, ROUNDING * torch.finfo(x.dtype).eps * size
        for baseline, change in zip(baselines, changes.tolist(), strict=True):
            # With many baselines the gap is also relative to the mean change, because a single change may be 0.
            allowed = max(tolerance * max(abs(change), abs(mean)), rounding)
            path = _Path(request.subject, baseline, x[row], target, gradient_function)
            result, points = (
                _integrate_pieces(request, x[row], baseline, target)
                if exact
                else path.integrate(steps, max_steps, change, allowed)
            )
            values[row] += (result / len(baselines)).to(values)
            total += float(result.double().sum()) / len(baselines)
            used.append(points)
        gaps.append(completeness_gap(total, mean, rounding))
    diagnostics = {"completeness_gap": list_or_value(gaps), "steps": max(used), "baselines": len(baselines)}
    notes = request.notes
    if max(gaps) > tolerance:
        notes += (
            f"completeness gap: after {max(used)} steps, the sum of the values differs from the change of "
            f"the score by up to {max(gaps):.1%} of it (tolerance {tolerance:.1%}): raise max_steps, or give "
            "exact=True",
        )
    return {"values": values, "diagnostics": diagnostics, "notes": notes}


def baselines_of(request: Request) -> Tensor:
    """Return baselines ``(m, ...)``: the background, or zeros."""
    x, background = request.inputs, request.background
    if background is None:
        return torch.zeros_like(x[:1])
    if background.dim() == x.dim() - 1:
        background = background[None]
    if background.shape[1:] != x.shape[1:] or not len(background):
        raise ExplainError(
            f"background must be (m, {', '.join(map(str, x.shape[1:]))}), received {tuple(background.shape)}"
        )
    return background


@dataclass(frozen=True, eq=False)
class _Path:
    """The straight path from a baseline to an example, and the share of each input in the change of the score."""

    subject: Subject
    start: Tensor
    end: Tensor
    target: Tensor
    gradient_function: GradientFunction

    def integrate(self, steps: int, most: int, change: float, allowed: float) -> tuple[Tensor, int]:
        """Return shares whose gap is at most `allowed`, or the best with `most` steps, and the number of steps used."""
        (result,), used = self._shares([(0.0, 1.0)], steps), steps
        count = max(steps // POINTS_PER_PIECE, 1)
        if abs(float(result.double().sum()) - change) <= allowed or used + count * POINTS_PER_PIECE > most:
            return result, used
        pieces = self._pieces([(i / count, (i + 1) / count) for i in range(count)])
        used += count * POINTS_PER_PIECE
        while abs(sum(float(piece.shares.double().sum()) for piece in pieces) - change) > allowed:
            halved = min(max(len(pieces) // 4, 1), (most - used) // (2 * POINTS_PER_PIECE))
            if halved <= 0:
                break
            pieces.sort(key=lambda piece: -piece.gap)
            halves = [half for piece in pieces[:halved] for half in piece.halves]
            pieces = [*pieces[halved:], *self._pieces(halves)]
            used += len(halves) * POINTS_PER_PIECE
        return torch.stack([piece.shares for piece in pieces]).sum(dim=0), used

    def _pieces(self, spans: list[tuple[float, float]]) -> list["_Piece"]:
        ends = torch.tensor(spans, dtype=torch.float64).flatten()
        scores = self.subject.scores(self._points(ends))[:, int(self.target)].reshape(-1, 2)
        shares = self._shares(spans, POINTS_PER_PIECE)
        changes = scores.diff(dim=1).flatten().tolist()
        return [_Piece(*span, share, abs(float(share.double().sum()) - change))
                for span, share, change in zip(spans, shares, changes, strict=True)]  # fmt: skip

    def _shares(self, spans: list[tuple[float, float]], points: int) -> Tensor:
        """Return the shares on each part of the path, ``(spans, ...)``, with `points` points on each."""
        nodes, weight = (torch.as_tensor(array) for array in _gauss_legendre(points))
        low, high = torch.tensor(spans, dtype=torch.float64).T[:, :, None]
        path = self._points((low + nodes * (high - low)).flatten())
        weights = (weight * (high - low)).to(path).reshape(-1, *[1] * self.end.dim())
        gradients: Tensor = weights * self.gradient_function(self.subject, path, self.target.expand(len(path)))
        return gradients.reshape(len(spans), points, *self.end.shape).sum(dim=1) * (self.end - self.start)

    def _points(self, shares: Tensor) -> Tensor:
        return self.start + shares.to(self.end).reshape(-1, *[1] * self.end.dim()) * (self.end - self.start)


@dataclass(frozen=True, eq=False)
class _Piece:
    low: float
    high: float
    shares: Tensor
    gap: float

    @property
    def halves(self) -> tuple[tuple[float, float], tuple[float, float]]:
        middle = (self.low + self.high) / 2
        return (self.low, middle), (middle, self.high)


@cache
def _gauss_legendre(points: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return Gauss-Legendre points between 0 and 1 and their weights; computing many takes seconds."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return (nodes + 1) / 2, weights / 2


def _integrate_pieces(request: Request, x: Tensor, baseline: Tensor, target: Tensor) -> tuple[Tensor, int]:
    """Integrate over the linear pieces between baseline and input."""
    from hashlens.explanations.region import region_gradients
    from hashlens.regions.along import along
    from hashlens.regions.at import at
    from hashlens.regions.units import require_network

    if torch.equal(x, baseline):
        return torch.zeros_like(x, dtype=torch.float64), 1
    pieces = along(request.scoring, baseline[None], x[None])
    # On a piece the gradient is constant: it is taken in the middle, farthest from the breakpoints.
    program = require_network(pieces.program, "this segment")
    gradient = region_gradients(at(program, pieces.middles()), target.expand(len(pieces)), request.output)
    width = torch.as_tensor(pieces.end - pieces.start).to(gradient)
    result = (width.reshape(-1, *[1] * x.dim()) * gradient).sum(dim=0) * (pieces.b - pieces.a)[0]
    return result, len(pieces)


def completeness_gap(total: float, change: float, rounding: float = 1e-12) -> float:
    """Return the gap between the sum of shares and the change of the score, relative to it; 0 if it is rounding."""
    gap = abs(total - change)
    if gap <= rounding:
        return 0.0
    return gap / abs(change) if change else inf
