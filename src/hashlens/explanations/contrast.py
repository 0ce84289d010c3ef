"""Contrast of an example with the nearest one of another class: the bits that differ, and what flips them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.arguments import require_whole
from hashlens.codes.codes import Codes, concatenate
from hashlens.codes.packing import hamming
from hashlens.errors import ExplainError
from hashlens.explanations.explain import as_array, explained, list_or_value
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.gradients import ROUNDING, baselines_of
from hashlens.explanations.region import class_columns, region_scores
from hashlens.explanations.request import Request
from hashlens.explanations.subject import Subject
from hashlens.nets.output import Output
from hashlens.regions.along import Along, along
from hashlens.regions.at import Region, at
from hashlens.regions.program import Program
from hashlens.regions.units import Units, require_network

Tensor = torch.Tensor
LISTED = 20
"""Number of units that are named: the first to flip."""
FEW_BITS, STEPS = 4096, 256
"""Codes of fewer bits are cut along the whole segment; for longer ones the segment has this number of steps."""
SMALLEST, DOUBLINGS = 2.0**-40, 41
"""Steps past the turning point: the smallest, as a share of the segment, and how often it is doubled, up to its end."""
TIES = "the prediction does not change on the line to the other example: the two classes are tied for x"
SAME_CLASS = (
    "the prediction does not change: because of rounding, the network still predicts the original class for "
    "the changed example {rows}"
)
Floats = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TurningPoint:
    """Point of the segment to the other example where the prediction changes, and the class after it."""

    share: float
    following: int


@dataclass(frozen=True)
class SegmentCodes:
    """Codes along the segment to the other example.

    Attributes
    ----------
    turn : TurningPoint
        Point where the prediction changes; always exact.
    codes : Codes
        Codes at the points examined, first to last.
    end : numpy.ndarray
        Share of the segment up to which each code represents it.
    """

    turn: TurningPoint
    codes: Codes
    end: Floats


def contrast(request: Request, steps: int | None = None) -> Explanation:
    """Explain by the nearest example of another class, by the code of the network.

    In the ``background``, the example of another predicted class whose code has the smallest Hamming distance is found.
    The straight segment to this example is cut where units flip (:func:`hashlens.regions.along`). The values are the
    smallest change of the input along this segment that changes the prediction, ``(n, ...)`` in units of the input;
    ``image`` is the changed input. The turning point is exact in float64. The change goes slightly past this point,
    until the network, in its own dtype, predicts another class, if possible by more than rounding;
    ``diagnostics["stepped_past"]`` is that extra step, as a share of the segment. If there is no point of another
    class, a note says so. ``diagnostics`` also names the first 20 units whose bits separate the two examples, in the
    order in which they flip, with the share of the segment after which each flips, and the length of the change.

    With a long code the segment has tens of thousands of pieces. It is then examined at 256 equal steps, and only the
    step in which the prediction changes is cut exactly. So it is not seen if the prediction changes and changes back
    within an earlier step, and the positions of flips are known only to one step.

    Parameters
    ----------
    request : Request
        The examples and the network to explain, and shared options.
    steps : int, optional
        Number of equal steps; 1 cuts the whole segment exactly. By default 1 if the code has fewer than 4,096 bits,
        otherwise 256.
    """
    if steps is not None:
        require_whole(ExplainError, "steps", steps)
    _require_classes_and_background(request)
    output = request.output
    background = at(request.scoring, baselines_of(request))
    own_regions = at(background.program, request.inputs)
    own_classes, background_classes = _classes(own_regions, output), _classes(background, output)
    if wrong := [row for row, target in enumerate(request.target.tolist()) if target != own_classes[row]]:
        raise ExplainError(
            f"contrast explains the predicted class, {own_classes[wrong[0]]} for example {wrong[0]}: leave target out"
        )
    each_row: list[dict[str, Any]] = []
    values, changed_inputs = torch.zeros_like(own_regions.x), request.inputs.detach().clone()
    for row, own_class in enumerate(own_classes.tolist()):
        nearest = _nearest_of_another_class(own_regions.code[[row]], own_class, background.code, background_classes)
        step_count = steps or (1 if own_regions.code.code_bits < FEW_BITS else STEPS)
        walk = _segment_codes(
            background.program, own_regions.x[row], background.x[nearest], own_class, step_count, output
        )
        changed_inputs[row], extra_step, next_class = _past_turning_point(
            request.subject, own_regions.x[row], background.x[nearest], walk.turn, own_class, output
        )
        values[row] = changed_inputs[row].to(values) - own_regions.x[row]
        each_row.append({"neighbour": nearest, **_segment_diagnostics(walk), "turns_to_class": next_class,
                         "stepped_past": extra_step, "length_of_change": float(values[row].norm()),
                         "steps": step_count})  # fmt: skip
    unturned = np.flatnonzero(
        class_columns(request.subject.scores(changed_inputs), output).argmax(dim=1).numpy() == own_classes
    )
    changed = as_array(changed_inputs) if request.kind != "table" else None
    diagnostics = {name: list_or_value([each[name] for each in each_row]) for name in each_row[0]}
    score = region_scores(own_regions, request.target, output).cpu().numpy()
    notes = (
        (*request.notes, SAME_CLASS.format(rows=", ".join(map(str, unturned[:LISTED]))))
        if len(unturned)
        else request.notes
    )
    return explained(request, "contrast", values, image=changed, diagnostics=diagnostics, prediction=score, notes=notes)


def _require_classes_and_background(request: Request) -> None:
    """Raise ExplainError if there is no background, or the classes do not exclude each other."""
    if request.background is None:
        raise ExplainError(
            "contrast needs examples to compare with x: give background=, (m, ...), some of another class"
        )
    if request.output.regression or request.output.multilabel:
        raise ExplainError(
            f"contrast needs classes that exclude each other, but the output is read as {request.output}: use region "
            "or integrated_gradients, or declare the output with output="
        )


def _nearest_of_another_class(own_code: Codes, own_class: int, background: Codes, classes: Classes) -> int:
    """Return the row of the background code with another class that is nearest to a single code."""
    others = np.flatnonzero(classes != own_class)
    if len(others) == 0:
        raise ExplainError(
            f"all {len(background)} background examples are predicted as class {own_class}, as x is: give others"
        )
    return int(others[np.argmin(hamming(own_code.packed[0], background.packed[others]))])


def _classes(region: Region, output: Output) -> Classes:
    return class_columns(region.output.reshape(len(region), -1), output).argmax(dim=1).cpu().numpy()


def _past_turning_point(
    subject: Subject, x: Tensor, other: Tensor, turn: TurningPoint, own: int, output: Output
) -> tuple[Tensor, float, int]:
    """Return the first example past the turning point with another predicted class, its distance, and the class.

    The example is in the network's dtype. If possible, the score of the other class is larger by more than rounding.
    """
    distances = torch.tensor([0.0, *(SMALLEST * 2.0**i for i in range(DOUBLINGS))], dtype=x.dtype, device=x.device)
    shares = (turn.share + distances).clamp(max=1.0)
    candidates = (x + shares.reshape(-1, *[1] * x.dim()) * (other - x)).to(subject.like)
    own_scores, *candidate_scores = class_columns(
        subject.scores(torch.cat([x[None].to(candidates), candidates])), output
    )
    scores = torch.stack(candidate_scores)
    lead = scores.max(dim=1).values - scores[:, own]
    # At the turning point the single score of two classes is nearly 0, but its rounded terms are not small.
    rounding = ROUNDING * torch.finfo(candidates.dtype).eps * torch.maximum(own_scores.abs().max(), scores.abs().max())
    turned = torch.nonzero(lead > rounding).flatten().tolist() or torch.nonzero(lead > 0).flatten().tolist()
    index = turned[0] if turned else len(candidates) - 1
    return (
        candidates[index],
        float(shares[index]) - turn.share,
        int(scores[index].argmax()) if turned else turn.following,
    )


def _segment_codes(program: Program, x: Tensor, other: Tensor, own: int, steps: int, output: Output) -> SegmentCodes:
    """Return the codes along the segment between two examples, cut exactly where the prediction changes."""
    if steps == 1:
        segment = along(program, x[None], other[None])
        return SegmentCodes(
            find_turning_point(segment, own, output), require_network(segment.codes, "this segment"), segment.end
        )
    shares = torch.linspace(0, 1, steps + 1, dtype=x.dtype, device=x.device)
    points = x + shares.reshape(-1, *[1] * x.dim()) * (other - x)
    parts = [at(program, part) for part in torch.split(points, program.chunk(64))]
    classes = np.concatenate([_classes(part, output) for part in parts])
    codes = concatenate([part.code for part in parts])
    turned = np.flatnonzero(classes != own)
    if len(turned) == 0:
        raise ExplainError(TIES)
    first = int(turned[0])
    turn_in_step = find_turning_point(along(program, points[first - 1 : first], points[first : first + 1]), own, output)
    turn = TurningPoint((first - 1 + turn_in_step.share) / steps, turn_in_step.following)
    # A bit that differs from the end at one point, and not at the next, has flipped between them.
    return SegmentCodes(turn, codes, np.minimum(np.arange(1, steps + 2) / steps, 1.0))


def find_turning_point(segment: Along, own: int, output: Output) -> TurningPoint:
    """Return the first place on a segment where another class has the largest score."""
    parts = (part.reshape(len(segment), -1) for part in (segment.value, segment.slope))
    value, slope = (class_columns(part, output).cpu().numpy() for part in parts)
    lead, fall = value[:, [own]] - value, slope[:, [own]] - slope
    begin, end = lead + segment.start[:, None] * fall, lead + segment.end[:, None] * fall
    begin[:, own] = end[:, own] = np.inf
    for piece in np.flatnonzero((np.minimum(begin, end) < 0).any(axis=1)).tolist():
        falling = np.flatnonzero(end[piece] < 0)
        # On a piece the lead of the class is linear: it ends where the line meets zero.
        meets = [(_zero_of_lead(segment, piece, begin[piece, c], end[piece, c]), int(c)) for c in falling.tolist()]
        if meets:
            return TurningPoint(*min(meets))
    raise ExplainError(TIES)


def _zero_of_lead(segment: Along, piece: int, begin: float, end: float) -> float:
    start, stop = float(segment.start[piece]), float(segment.end[piece])
    if begin <= 0:
        return start
    return float(start + (stop - start) * begin / (begin - end))


def _segment_diagnostics(codes_on_segment: SegmentCodes) -> dict[str, Any]:
    """Return the diagnostics: the units that separate the two examples, and where they flip."""
    first, last = codes_on_segment.codes[[0, len(codes_on_segment.codes) - 1]].unpack()
    differ = np.flatnonzero(first != last)
    layers = np.searchsorted(np.cumsum([layer.bits for layer in codes_on_segment.codes.layers]), differ, side="right")
    shares = _last_flips(codes_on_segment, differ, last[differ])
    order = np.argsort(shares, kind="stable")[:LISTED]
    return {
        "hamming_distance": len(differ),
        "bits_by_layer": {
            layer.name: int((layers == i).sum()) for i, layer in enumerate(codes_on_segment.codes.layers)
        },
        "units_that_separate": [str(unit) for unit in Units(codes_on_segment.codes.layers, differ[order])],
        "flipped_after": shares[order].tolist(),
        "all_flipped_after": float(shares.max(initial=0.0)),
        "flipped_before_the_turn": int((shares <= codes_on_segment.turn.share).sum()),
        "share_of_the_way": codes_on_segment.turn.share,
    }


def _last_flips(codes_on_segment: SegmentCodes, bits: npt.NDArray[np.int64], last: npt.NDArray[np.bool_]) -> Floats:
    """Return the share of the segment after which each bit keeps its final value."""
    result = np.zeros(len(bits))
    for rows in codes_on_segment.codes.chunks():
        unlike = codes_on_segment.codes.unpack(rows)[:, bits] != last
        latest = len(unlike) - 1 - unlike[::-1].argmax(axis=0)
        result = np.where(unlike.any(axis=0), codes_on_segment.end[rows][latest], result)
    return result
