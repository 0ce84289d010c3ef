"""What separates an example from the nearest one of another class: bits of the code, and the change that flips them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.errors import ExplainError
from hashlens.explanations.asked import Asked
from hashlens.explanations.explain import explained
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.gradients import baselines_of
from hashlens.regions.along import Along, along
from hashlens.regions.at import at

Tensor = torch.Tensor
TOLD = 20
"""Units that are named."""
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
    input; ``image`` is the input after it. ``diagnostics`` name the units whose bits separate the two, those that flip
    before the answer turns, and the length of the change.
    """
    if asked.background is None:
        raise ExplainError(
            "contrast needs examples to set x against: give background=, (m, ...), some of another class"
        )
    background = baselines_of(asked)
    held = at(asked.module, background)
    here = at(asked.module, asked.inputs)
    theirs = held.output.reshape(len(held), -1).argmax(dim=1).cpu().numpy()
    found: list[dict[str, Any]] = []
    values = torch.zeros_like(here.x)
    for row in range(len(here)):
        own = int(here.output[row].reshape(-1).argmax())
        others = np.flatnonzero(theirs != own)
        if len(others) == 0:
            raise ExplainError(
                f"all {len(held)} background examples are predicted as class {own}, as x is: give others"
            )
        distances = _distances(here.code.packed[row], held.code.packed[others])
        nearest = int(others[np.argmin(distances)])
        way = along(here.program, here.x[row : row + 1], held.x[nearest : nearest + 1])
        turn = turning_point(way, own)
        values[row] = turn.share * (held.x[nearest] - here.x[row])
        found.append(_told(way, turn, nearest, float(values[row].norm())))
    numbers = found[0] if len(found) == 1 else {name: [each[name] for each in found] for name in found[0]}
    own_scores = here.output.reshape(len(here), -1).gather(1, asked.target.to(here.output.device)[:, None])[:, 0]
    changed = (here.x + values).cpu().numpy() if asked.kind == "image" else None
    return explained(
        asked, "contrast", values, image=changed, diagnostics=numbers, prediction=own_scores.cpu().numpy()
    )  # fmt: skip


def _distances(code: npt.NDArray[np.uint8], codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    import faiss

    distances, order = faiss.knn_hamming(code[None], np.ascontiguousarray(codes), len(codes))
    found = np.empty(len(codes), np.int64)
    found[order[0]] = distances[0]
    return found


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


def _told(way: Along, turn: Turn, nearest: int, length: float) -> dict[str, Any]:
    last = int(np.searchsorted(way.end, turn.share))
    last = min(last, len(way) - 1)
    bits = way.codes[[0, last, len(way) - 1]].unpack()
    differ, flipped = np.flatnonzero(bits[0] != bits[2]), np.flatnonzero(bits[0] != bits[1])
    ends = np.cumsum([layer.bits for layer in way.codes.layers])
    layers = np.searchsorted(ends, differ, side="right")
    counts = {layer.name: int((layers == at).sum()) for at, layer in enumerate(way.codes.layers)}
    return {
        "neighbour": nearest,
        "hamming_distance": len(differ),
        "bits_by_layer": counts,
        "bits_flipped_before_the_turn": len(flipped),
        "units_flipped": _names(way, flipped[:TOLD]),
        "share_of_the_way": turn.share,
        "turns_to_class": turn.following,
        "length_of_change": length,
    }


def _names(way: Along, bits: npt.NDArray[np.int64]) -> list[str]:
    from hashlens.regions.units import Units

    return [str(unit) for unit in Units(way.codes.layers, bits)]
