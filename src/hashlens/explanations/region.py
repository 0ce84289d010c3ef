"""The network itself, where it is affine: the only explanation that leaves nothing out, and how far it holds."""

import numpy as np
import torch

from hashlens.explanations.asked import Asked
from hashlens.explanations.explain import explained
from hashlens.explanations.explanation import Explanation

Tensor = torch.Tensor


def region(asked: Asked) -> Explanation:
    """Explain by the affine map that the network is around the input.

    Inside its linear region the score **is** ``bias + sum of slope * input``: the values are the addends, in float64,
    and nothing is left out. ``diagnostics`` say how far that holds: the radius of the largest ball in which no unit
    flips (2-norm and infinity-norm, in units of the input), the unit that flips first, and which share of the score the
    inputs account for rather than the bias.

    Networks that are not piecewise linear are refused (:func:`hashlens.regions.at`).
    """
    from hashlens.regions.at import at

    found = at(asked.module, asked.inputs)
    rows = torch.arange(len(found))
    chosen = torch.zeros_like(found.output.reshape(len(found), -1))
    chosen[rows, asked.target.to(chosen.device)] = 1
    slope = found.affine.rmatvec(chosen.reshape(found.output.shape))
    values = slope * found.x
    score = (found.output.reshape(len(found), -1) * chosen).sum(dim=1).cpu().numpy()
    given = values.flatten(1).sum(dim=1).cpu().numpy()
    size = values.flatten(1).abs().sum(dim=1).cpu().numpy()
    bias = score - given
    near, nearest = found.radius(), found.radius(np.inf)
    diagnostics = {
        "bias": bias.tolist(),
        "share_of_inputs": [float(a / (a + abs(b))) if a + abs(b) else 0.0 for a, b in zip(size, bias, strict=True)],
        "radius": near.distance.tolist(),
        "radius_infinity": nearest.distance.tolist(),
        "first_unit_to_flip": [None if unit is None else str(unit) for unit in near.units],
    }
    on = int((found.on_boundary > 0).sum())
    told = (f"{on} of {len(found)} examples lie on a boundary, where the radius is 0",) if on else ()
    kept = {name: value[0] if len(found) == 1 else value for name, value in diagnostics.items()}
    return explained(asked, "region", values, diagnostics=kept, notes=(*asked.notes, *told), prediction=score)
