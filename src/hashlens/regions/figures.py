"""The figure data of exact geometry: planes, segments and radii."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from hashlens.errors import DataError, nearest
from hashlens.regions.along import Along
from hashlens.regions.boundary import class_parts, decision_boundary
from hashlens.regions.plane import Plane
from hashlens.regions.predict_classes import no_classes
from hashlens.regions.slices import Box, Slice
from hashlens.report.colours import LEVELS, class_colours, code_colours, scale_colours
from hashlens.report.figures import Floats, Histogram, Ints, Mark, Pieces, Points, Polygons, Scale, Series

Colouring = Literal["gradient", "class", "code"]
COLOURINGS = ("gradient", "class", "code")
MAX_MARKS = 12
"""Largest number of examples drawn with names; more are drawn as points."""
MAX_LINES = 10
"""Largest number of outputs drawn as lines in a figure."""
TRIMMED = 0.01
"""Share of the area at either end of a colour scale that gets the colour of that end."""
ON_PLANE = 1e-6


def check_colouring(colour: str) -> None:
    """Raise DataError if `colour` is not a way to colour a plane."""
    if colour not in COLOURINGS:
        raise DataError(f"regions are not coloured by {colour!r}: {nearest(colour, COLOURINGS)}")


def plane_figure(
    plane: Plane,
    colour: Colouring = "gradient",
    *,
    marks: Sequence[str] | None = None,
    points: Any = None,
    labels: npt.ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    sampled: int | None = None,
) -> Polygons:
    """Return the figure data of a plane: its regions, the decision boundary, and examples.

    Parameters
    ----------
    plane : Plane
        Result of :func:`hashlens.regions.plane`.
    colour : {"gradient", "class", "code"}
        Colour of regions: by the norm of the output's gradient, by predicted class, or a different one for each code.
    marks : sequence of str, optional
        Names of the examples that define the plane, in their order; examples outside the box are left out.
    points : torch.Tensor or numpy.ndarray, optional
        Examples ``(n, *input)``, drawn at their projection on the plane; examples outside the box are left out.
    labels : array of int, optional
        ``(n,)``: classes of the points.
    class_names : sequence of str, optional
        Names of classes 0, 1, ...
    sampled : int, optional
        Number of regions found by sampling (:meth:`hashlens.regions.Plane.sampled_count`), shown beside the exact
        number.

    Raises
    ------
    DataError
        If `colour` is not known, or there are not as many names or labels as examples.
    """
    check_colouring(colour)
    sampled = plane.sampled if sampled is None else sampled
    if colour == "class" and not plane.has_classes:
        raise DataError(f"regions are not coloured by class: {no_classes(plane.read_as)}")
    classes = _class_names(plane, class_names)
    painted = _by_class(plane, classes) if colour == "class" else _by_face(plane, colour)
    x_label, y_label = _axis_labels(plane.slice)
    named = _marks(plane.slice, marks)
    regions = f"{plane.count:,} linear region{'s' if plane.count > 1 else ''}"
    return Polygons(
        title=regions if sampled is None else f"{regions} ({sampled:,} found by sampling)",
        x_label=x_label,
        y_label=y_label,
        box=plane.box,
        equal=_is_isometric(plane.slice),
        corners=painted.corners,
        starts=painted.starts,
        shade=painted.shade,
        face=painted.face,
        palette=painted.palette,
        names=painted.names,
        classes=classes,
        scale=painted.scale,
        edges=plane.vertices[plane.edges[1]],
        boundary=decision_boundary(plane).segments if plane.has_classes else np.zeros((0, 2, 2)),
        boundary_name=_boundary_name(plane),
        marks=named,
        points=None if points is None and named else _points(plane, points, labels, len(painted.names)),
    )


def along_figure(
    along: Along,
    segment: int = 0,
    *,
    ends: tuple[str, str] = ("a", "b"),
    class_names: Sequence[str] | None = None,
) -> Pieces:
    """Return the figure data of a segment: the outputs along it, linear on each piece.

    Parameters
    ----------
    along : Along
        Result of :func:`hashlens.regions.along`.
    segment : int
        Index of the segment.
    ends : tuple of str
        Names of its start and end.
    class_names : sequence of str, optional
        Names of outputs 0, 1, ...

    Raises
    ------
    DataError
        If there is no such segment.
    """
    if not 0 <= segment < len(along.a):
        raise DataError(f"there is no segment {segment}: segments are numbered from 0 to {len(along.a) - 1}")
    rows = np.flatnonzero(along.segment == segment)
    spans = np.stack([along.start[rows], along.end[rows]], axis=1)
    value, slope = (
        array[rows].reshape(len(rows), -1).cpu().numpy().astype(np.float64) for array in (along.value, along.slope)
    )
    shades = _hash(along.fingerprints[rows], len(code_colours()))
    return pieces_figure(spans, value, slope, shades, ends, class_names)


def pieces_figure(
    spans: Floats,
    value: Floats,
    slope: Floats,
    shades: Ints,
    ends: tuple[str, str],
    class_names: Sequence[str] | None,
) -> Pieces:
    """Return the figure data of one segment.

    Parameters
    ----------
    spans : numpy.ndarray
        float64 ``(pieces, 2)``: start and end of each piece, from 0 to 1.
    value, slope : numpy.ndarray
        float64 ``(pieces, outputs)``: at t the outputs are ``value + t * slope``.
    shades : numpy.ndarray
        int64 ``(pieces,)``: index of the colour of each piece in :func:`hashlens.report.colours.code_colours`.
    ends : tuple of str
        Names of its start and end.
    class_names : sequence of str or None
        Names of outputs 0, 1, ...
    """
    outputs = (value[:, None] + spans[:, :, None] * slope[:, None]).reshape(2 * len(spans), -1)
    # If there are too many outputs, those that come nearest to being the largest are drawn.
    deficit = (outputs.max(axis=1, keepdims=True) - outputs).min(axis=0)
    shown = np.sort(np.argsort(deficit, kind="stable")[:MAX_LINES]).tolist()
    count = outputs.shape[1]
    names = _output_names(count, class_names)
    x = tuple(spans.flatten().tolist())
    palette = code_colours()
    return Pieces(
        f"{len(spans):,} linear piece{'s' if len(spans) > 1 else ''}"
        + (f"; {len(shown)} of {count:,} outputs" if count > len(shown) else ""),
        f"from {ends[0]} at 0 to {ends[1]} at 1",
        "output",
        tuple(Series(names[i], x, tuple(outputs[:, i].tolist())) for i in shown),
        (*spans[:, 0].tolist(), float(spans[-1, 1])),
        tuple(palette[shade] for shade in shades),
    )


def radius_figure(radii: Mapping[str, npt.ArrayLike], norm: float = 2, bins: int = 40) -> Histogram:
    """Return a histogram of radii, the distances to the nearest boundary, for one or several samples of examples.

    Examples on a boundary (radius 0) and examples without a boundary (infinite radius) are only counted, in the name.

    Parameters
    ----------
    radii : mapping of str to array
        Radii ``(n,)`` of each sample by its name: ``distance`` of a result of :meth:`hashlens.regions.Region.radius`.
    norm : {2, inf}
        Norm of all radii.
    bins : int
        Number of bins of the histogram, evenly spaced in the logarithm.

    Raises
    ------
    DataError
        If no radius is positive and finite.
    """
    samples = {name: np.asarray(array, np.float64) for name, array in radii.items()}
    inner = {name: sample[(sample > 0) & (sample < inf)] for name, sample in samples.items()}
    known = np.concatenate([np.zeros(0), *inner.values()])
    if not len(known):
        raise DataError("no example has a radius to draw: all lie on a boundary, or no boundary is near any")
    low, high = float(known.min()), float(known.max())
    edges = np.geomspace(low, high if high > low else 2 * low, bins + 1)
    shares = []
    for name, sample in samples.items():
        left_out = len(sample) - len(inner[name])
        # Clipping keeps the largest radius in the last bin, also if its edge is rounded down.
        counts = np.histogram(np.clip(inner[name], edges[0], edges[-1]), edges)[0]
        series_name = f"{name} ({left_out:,} of {len(sample):,} on a boundary or far from any)" if left_out else name
        shares.append((series_name, tuple((counts / len(sample)).tolist())))
    kind = "infinity-norm" if norm == inf else "2-norm"
    return Histogram(
        "Distance to the nearest boundary", f"radius ({kind}, input units)", tuple(edges.tolist()), tuple(shares),
        y_label="share of examples", log_x=True,
    )  # fmt: skip


class _ColouredPolygons(NamedTuple):
    """Polygons, the face of each, and their colours."""

    corners: Floats
    starts: Ints
    face: Ints
    shade: Ints
    palette: tuple[str, ...]
    names: tuple[str, ...] = ()
    scale: Scale | None = None


def _by_face(plane: Plane, colour: str) -> _ColouredPolygons:
    corners, starts = plane.outlines
    polygons = plane.vertices[corners], starts, np.arange(plane.count)
    if colour == "code":
        palette = code_colours()
        return _ColouredPolygons(*polygons, _hash(plane.fingerprints, len(palette)), palette)
    shade, palette, scale = gradient_colours(plane.gradient_norms, plane.areas)
    return _ColouredPolygons(*polygons, shade, palette, scale=scale)


def gradient_colours(norms: Floats, areas: Floats) -> tuple[Ints, tuple[str, ...], Scale]:
    """Return the colours of faces by the norm of the gradient, as indices of a palette, with the palette's scale."""
    scale = _scale("norm of the gradient along the plane", norms, areas)
    share = (norms - scale.low) / (scale.high - scale.low)
    return np.clip(share * LEVELS, 0, LEVELS - 1).astype(np.int64), scale_colours(), scale


def _by_class(plane: Plane, classes: tuple[str, ...]) -> _ColouredPolygons:
    """Return polygons of one class each: faces that the decision boundary crosses are cut along it."""
    parts = class_parts(plane)
    corners, starts = parts.mesh.outlines()
    palette = class_colours(len(classes))
    return _ColouredPolygons(parts.mesh.vertices[corners], starts, parts.faces, parts.classes, palette, classes)


def _scale(name: str, values: Floats, areas: Floats) -> Scale:
    """Return a scale whose ends a few small faces do not determine."""
    order = np.argsort(values)
    share = np.cumsum(areas[order]) / areas.sum()
    low, high = (float(values[order[np.searchsorted(share, quantile)]]) for quantile in (TRIMMED, 1 - TRIMMED))
    if high - low <= 1e-9 * abs(high):
        low, high = (low - 0.5 * abs(low), high + 0.5 * abs(high)) if high else (0.0, 1.0)
    return Scale(name, low, high, bool(values.min() < low), bool(values.max() > high))


def _hash(fingerprints: npt.NDArray[np.uint64], count: int) -> Ints:
    """Return a number below `count` for each code, the same in every figure."""
    return (fingerprints[:, 0] % np.uint64(count)).astype(np.int64)


def _class_names(plane: Plane, names: Sequence[str] | None) -> tuple[str, ...]:
    if not plane.has_classes:
        return ()
    if not _is_single(plane):
        return _output_names(plane.value[0].numel(), names)
    cut = f"{plane.read_as.threshold:g}"
    return tuple(names) if names is not None and len(names) == 2 else (f"output ≤ {cut}", f"output > {cut}")


def _boundary_name(plane: Plane) -> str:
    if not plane.has_classes:
        return ""
    return f"decision boundary: output = {plane.read_as.threshold:g}" if _is_single(plane) else "decision boundary"


def _output_names(count: int, class_names: Sequence[str] | None) -> tuple[str, ...]:
    if class_names is not None and len(class_names) == count:
        return tuple(class_names)
    return ("output",) if count == 1 else tuple(map(str, range(count)))


def _is_single(plane: Plane) -> bool:
    return plane.value[0].numel() == 1


def _is_isometric(plane_slice: Slice) -> bool:
    """Return whether the directions are orthogonal and of equal length."""
    basis = plane_slice.directions.flatten(1).numpy()
    gram = basis @ basis.T
    return bool(np.allclose(gram, gram[0, 0] * np.eye(2), rtol=1e-6, atol=1e-9 * gram[0, 0]))


def _is_through(plane_slice: Slice) -> bool:
    """Return whether a slice passes through three examples: the first is the origin, the second on the s axis."""
    spread = np.abs(plane_slice.marks).max(initial=0.0)
    return len(plane_slice.marks) == 3 and bool(
        (np.abs(plane_slice.marks[[0, 0, 1], [0, 1, 1]]) <= 1e-9 * spread).all()
    )


def _axis_labels(plane_slice: Slice) -> tuple[str, str]:
    if _is_through(plane_slice):
        return "s: towards the second example (input units)", "t: at a right angle, towards the third"
    if len(plane_slice.marks):
        return "s: first principal component (input units)", "t: second principal component"
    if (
        plane_slice.origin.shape == (2,)
        and bool((plane_slice.directions == torch.eye(2)).all())
        and not bool(plane_slice.origin.any())
    ):
        return "s: first input", "t: second input"
    return "s: steps of the first direction", "t: steps of the second direction"


def _marks(plane_slice: Slice, names: Sequence[str] | None) -> tuple[Mark, ...]:
    if names is not None and len(names) != len(plane_slice.marks):
        raise DataError(f"the plane goes through {len(plane_slice.marks)} examples, but received {len(names)} names")
    if names is None and _is_through(plane_slice):
        names = ("first", "second", "third")
    if names is None or len(names) > MAX_MARKS:
        return ()
    inside = _inside(plane_slice.box, plane_slice.marks)
    named = zip(names, plane_slice.marks.tolist(), inside, strict=True)
    return tuple(Mark(name, s, t) for name, (s, t), shown in named if shown)


def _inside(box: Box, places: Floats) -> npt.NDArray[np.bool_]:
    left, right, bottom, top = box
    inside = (places >= (left, bottom)) & (places <= (right, top))
    return np.asarray(inside.all(axis=1))


def _points(plane: Plane, points: Any, labels: npt.ArrayLike | None, classes: int) -> Points | None:
    if points is None:
        if not len(plane.slice.marks):
            return None
        places, name = plane.slice.marks, "examples, projected"
    else:
        places, distance = plane.slice.project(points)
        name = "examples"
        if float(np.median(distance)) > ON_PLANE:
            name += f", projected (median distance {np.median(distance):.3g})"
    shade = np.full(len(places), -1)
    if labels is not None:
        numbers = np.asarray(labels)
        if numbers.shape != shade.shape:
            raise DataError(f"labels must be ({len(shade)},), one for each point, received {numbers.shape}")
        shade = np.where((numbers >= 0) & (numbers < classes), numbers, -1)
    inside = _inside(plane.box, places)
    return Points(name, places[inside], shade[inside].astype(np.int64))
