"""Explanation by the affine map of the linear region, which is exact inside the region."""

from typing import TYPE_CHECKING

import numpy as np
import torch

from hashlens.explanations.explain import explained, list_or_value
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.request import Request
from hashlens.nets.output import Output

if TYPE_CHECKING:
    from hashlens.regions.at import Region

Tensor = torch.Tensor


def region(request: Request) -> Explanation:
    """Explain by the affine map that the network equals in the linear region of the input.

    Inside the region the score is exactly the bias plus the sum over inputs of ``gradient * input``. The values are
    these products, in float64. ``diagnostics`` holds the radius of the largest ball in which no unit flips (2-norm and
    infinity-norm, in units of the input) and the unit that flips first. It also holds the share of the products in the
    sum of the absolute values of the products and the bias.

    It raises for networks that are not piecewise linear (:func:`hashlens.regions.at`).
    """
    from hashlens.regions.at import at

    result = at(request.scoring, request.inputs)
    values = region_gradients(result, request.target, request.output) * result.x
    score = region_scores(result, request.target, request.output).cpu().numpy()
    bias = score - values.flatten(1).sum(dim=1).cpu().numpy()
    size, rest = values.flatten(1).abs().sum(dim=1).cpu().numpy(), np.abs(bias)
    near, nearest = result.radius(), result.radius(np.inf)
    diagnostics = {
        "bias": bias.tolist(),
        "share_of_inputs": (size / np.where(size + rest > 0, size + rest, 1)).tolist(),
        "radius": near.distance.tolist(),
        "radius_infinity": nearest.distance.tolist(),
        "first_unit_to_flip": [None if unit is None else str(unit) for unit in near.units],
    }
    on = int((result.on_boundary > 0).sum())
    notes = (f"{on} of {len(result)} examples lie on a boundary, where the radius is 0",) if on else ()
    kept = {name: list_or_value(each) for name, each in diagnostics.items()}
    return explained(request, "region", values, diagnostics=kept, notes=(*request.notes, *notes), prediction=score)


def region_gradients(region: "Region", target: Tensor, output: Output) -> Tensor:
    """Return the gradient of each example's score in its region, ``(n, ...)``."""
    chosen = torch.zeros_like(region.output.reshape(len(region), -1))
    if output.binary and chosen.shape[1] == 1:
        chosen[:, 0] = 2.0 * target.to(chosen) - 1  # opposite sign for class 0
    else:
        chosen.scatter_(1, target.to(chosen.device)[:, None], 1.0)
    return region.affine.rmatvec(chosen.reshape(region.output.shape))


def region_scores(region: "Region", target: Tensor, output: Output) -> Tensor:
    """Return the score of each example's class, ``(n,)``."""
    scores = class_columns(region.output.reshape(len(region), -1), output)
    return scores.gather(1, target.to(scores.device)[:, None])[:, 0]


def class_columns(values: Tensor, output: Output) -> Tensor:
    """Return scores of each class, or their slopes; with a single logit, class 0 has the opposite sign."""
    return torch.cat([-values, values], dim=1) if output.binary and values.shape[1] == 1 else values
