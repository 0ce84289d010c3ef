"""What separates an example from the nearest one of another class: bits of the code, and the change that flips them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.codes.packing import hamming
from hashlens.errors import ExplainError
from hashlens.explanations.asked import Asked
from hashlens.explanations.explain import as_array, each_or_only, explained
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.gradients import baselines_of
from hashlens.explanations.region import region_scores
from hashlens.regions.along import Along, along
from hashlens.regions.at import Region, at
from hashlens.regions.units import Units

Tensor = torch.Tensor
TOLD = 20
"""Units that are named, the first to flip."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Turn:
    """Where the answer turns on the way to the other example: a share of the way, and the class that follows."""

    share: float
    following: int


def contrast(asked: Asked) -> Explanation:
    """Explain by the nearest example of another class, in the code of the network.

    Among the ``background``, the example of another predicted class whose code differs in the fewest bits is sought
    (Hamming distance), and the straight way there is cut where units flip (:func:`hashlens.regions.along`). The values
    are the smallest change of the input on that way after which the answer is another, ``(n, ...)`` in units of the
    input; ``image`` is the input after it. ``diagnostics`` name the units whose bits separate the two, in the order in
    which they flip and after which share of the way, and the length of the change.
    """
    if asked.background is None:
        raise ExplainError(
            "contrast needs examples to set x against: give background=, (m, ...), some of another class"
        )
    held = at(asked.module, baselines_of(asked))
    here = at(held.program, asked.inputs)
    own, theirs = _classes(here), _classes(held)
    if wrong := [row for row, target in enumerate(asked.target.tolist()) if target != own[row]]:
        raise ExplainError(
            f"contrast is of the class predicted, {own[wrong[0]]} for example {wrong[0]}: leave target out"
        )
    told: list[dict[str, Any]] = []
    values = torch.zeros_like(here.x)
    for row, mine in enumerate(own.tolist()):
        others = np.flatnonzero(theirs != mine)
        if len(others) == 0:
            raise ExplainError(
                f"all {len(held)} background examples are predicted as class {mine}, as x is: give others"
            )
        nearest = int(others[np.argmin(hamming(here.code.packed[row], held.code.packed[others]))])
        way = along(held.program, here.x[row : row + 1], held.x[nearest : nearest + 1])
        turn = turning_point(way, mine)
        values[row] = turn.share * (held.x[nearest] - here.x[row])
        told.append({"neighbour": nearest, **_told(way, turn), "length_of_change": float(values[row].norm())})
    changed = as_array(here.x + values) if asked.kind == "image" else None
    diagnostics = {name: each_or_only([each[name] for each in told]) for name in told[0]}
    score = region_scores(here, asked.target).cpu().numpy()
    return explained(asked, "contrast", values, image=changed, diagnostics=diagnostics, prediction=score)


def _classes(found: Region) -> npt.NDArray[np.int64]:
    return found.output.reshape(len(found), -1).argmax(dim=1).cpu().numpy()


def turning_point(way: Along, own: int) -> Turn:
    """Return the first place on a segment where another class has the largest score."""
    value, slope = (part.reshape(len(way), -1).cpu().numpy() for part in (way.value, way.slope))
    lead, fall = value[:, [own]] - value, slope[:, [own]] - slope
    begin, end = lead + way.start[:, None] * fall, lead + way.end[:, None] * fall
    begin[:, own] = end[:, own] = np.inf
    for piece in np.flatnonzero((np.minimum(begin, end) < 0).any(axis=1)).tolist():
        falling = np.flatnonzero(end[piece] < 0)
        # On a piece the lead is a straight line: it ends where the line meets zero.
        meets = [(_zero(way, piece, begin[piece, at], end[piece, at]), int(at)) for at in falling.tolist()]
        if meets:
            return Turn(*min(meets))
    raise ExplainError("the answer does not change on the way to the other example: x ties with it")


def _zero(way: Along, piece: int, begin: float, end: float) -> float:
    start, stop = float(way.start[piece]), float(way.end[piece])
    if begin <= 0:
        return start
    return float(start + (stop - start) * begin / (begin - end))


def _told(way: Along, turn: Turn) -> dict[str, Any]:
    """Return what separates the two ends."""
    first, last = way.codes[[0, len(way) - 1]].unpack()
    differ = np.flatnonzero(first != last)
    layers = np.searchsorted(np.cumsum([layer.bits for layer in way.codes.layers]), differ, side="right")
    shares = _settled(way, differ, last[differ])
    order = np.argsort(shares, kind="stable")[:TOLD]
    return {
        "hamming_distance": len(differ),
        "bits_by_layer": {layer.name: int((layers == at).sum()) for at, layer in enumerate(way.codes.layers)},
        "units_that_separate": [str(unit) for unit in Units(way.codes.layers, differ[order])],
        "flipped_after": shares[order].tolist(),
        "all_flipped_after": float(shares.max(initial=0.0)),
        "flipped_before_the_turn": int((shares <= turn.share).sum()),
        "share_of_the_way": turn.share,
        "turns_to_class": turn.following,
    }


def _settled(way: Along, bits: npt.NDArray[np.int64], last: npt.NDArray[np.bool_]) -> Floats:
    """Return after which share of the way each bit is what it is at the end."""
    found = np.zeros(len(bits))
    for rows in way.codes.chunks():
        unlike = way.codes.unpack(rows)[:, bits] != last
        latest = len(unlike) - 1 - unlike[::-1].argmax(axis=0)
        found = np.where(unlike.any(axis=0), way.end[rows][latest], found)
    return found
