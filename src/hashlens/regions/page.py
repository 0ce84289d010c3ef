"""The page of a plane: an interactive map of its regions."""

from collections.abc import Sequence
from importlib.resources import files

import numpy as np

from hashlens.regions.plane import Plane
from hashlens.regions.saved_plane import SavedPlane
from hashlens.report.blocks import blocks
from hashlens.report.figures import Floats, Polygons
from hashlens.report.page import Page, Prose, Section, Widget
from hashlens.report.polygon_traces import is_image, plane_traces
from hashlens.tables import Table, table

MAX_OUTPUTS = 3
"""Number of outputs whose affine map is shown: those that are largest in the middle of the region."""
NO_CLASS = "–"
LARGEST = 100
"""Number of regions in the table."""


def plane_page(plane: Plane, figure: Polygons) -> Page:
    """Return the page of a plane.

    Pointing at a region shows its code, area, class, gradient and affine map. With more than 20,000 polygons the
    regions are drawn as an image, and the decision boundary as lines.

    Parameters
    ----------
    plane : Plane
        Result of :func:`hashlens.regions.plane`.
    figure : Polygons
        Its figure data (:func:`hashlens.regions.figures.plane_figure`).
    """
    notes = [] if is_image(figure) else region_notes(plane, figure.classes)
    names = _predictions(plane, figure.classes)
    largest = _largest(plane.code_names, plane.areas, names, plane.gradient_norms)
    return _page(plane, figure, notes, largest)


def saved_plane_page(saved: SavedPlane) -> Page:
    """Return the page of a plane that was read from its JSON file, without affine maps."""
    regions = saved.regions
    notes = [_facts(region.code, region.area, str(region.predicted), region.gradient_norm) for region in regions]
    codes = [region.code for region in regions]
    areas, norms = (np.array([getattr(region, name) for region in regions]) for name in ("area", "gradient_norm"))
    largest = _largest(codes, areas, [str(region.predicted) for region in regions], norms)
    (figure,) = saved.figures()
    return _page(saved, figure, notes, largest)


def _page(plane: Plane | SavedPlane, figure: Polygons, notes: Sequence[str], largest: Table) -> Page:
    shown = blocks(plane.__rich__())
    tables = tuple(block for block in shown if isinstance(block, Table))
    prose = tuple(block.text for block in shown if isinstance(block, Prose))
    return Page(figure.title, "", "", "", (_map(figure, notes, largest), Section("Numbers", tables)), prose)


def _map(figure: Polygons, notes: Sequence[str], largest: Table) -> Section:
    description = (
        "There are too many regions for an interactive drawing, so they are drawn as an image. Use a smaller "
        "box for fewer regions."
        if is_image(figure)
        else "Point at a region to see its details. Arrow keys move through the regions, the largest first. "
        "Scroll or pinch to zoom."
    )
    data = {"chart": plane_traces(figure), "box": list(figure.box), "notes": list(notes)}
    title = "Linear regions on the plane"
    return Section(
        "Regions", (Widget(title, _text("plane.html.jinja"), _text("plane.js"), data, largest),), description
    )


def _largest(codes: Sequence[str], areas: Floats, classes: Sequence[str], norms: Floats) -> Table:
    order = np.argsort(-areas, kind="stable")[:LARGEST]
    rows = [
        (str(rank), codes[i], f"{areas[i]:.4g}", classes[i], f"{norms[i]:.4g}")
        for rank, i in enumerate(order.tolist(), start=1)
    ]
    title = f"The {len(rows)} largest regions" if len(rows) < len(codes) else "All regions, the largest first"
    return table(title, ("rank", "code", "area", "class in the middle", "gradient"), rows, names=2)


def region_notes(plane: Plane, class_names: Sequence[str]) -> list[str]:
    """Return the descriptions of all regions, a line for each property."""
    codes = plane.code_names
    flat = plane.value.reshape(plane.count, -1), plane.slope.reshape(2, plane.count, -1)
    value, slope = (tensor.cpu().numpy().astype(np.float64) for tensor in flat)
    middle = plane.output(plane.centers, np.arange(plane.count)).reshape(plane.count, -1).cpu().numpy()
    largest = np.argsort(-middle, axis=1, kind="stable")[:, :MAX_OUTPUTS]
    single = value.shape[1] == 1
    names, notes = _predictions(plane, class_names), []
    for face in range(plane.count):
        lines = [_facts(codes[face], float(plane.areas[face]), names[face], float(plane.gradient_norms[face]))]
        for index in largest[face]:
            across, upward = slope[:, face, index]
            output = "output" if single else f"output {index}"
            lines.append(f"{output} = {value[face, index]:.4g} {_signed(across)} s {_signed(upward)} t")
        if value.shape[1] > MAX_OUTPUTS:
            lines.append(f"and {value.shape[1] - MAX_OUTPUTS:,} more outputs")
        notes.append("\n".join(lines))
    return notes


def _facts(code: str, area: float, name: str, gradient: float) -> str:
    line = f"class     {name} (in the middle)\n" if name != NO_CLASS else ""
    return f"code      {code}\narea      {area:.4g}\n{line}gradient  {gradient:.4g}"


def _predictions(plane: Plane, class_names: Sequence[str]) -> list[str]:
    """Return the name of the class in the middle of each region; a dash if the network predicts none."""
    return [class_names[at] for at in plane.classes] if plane.has_classes else [NO_CLASS] * plane.count


def _signed(number: float) -> str:
    return f"{'-' if number < 0 else '+'} {abs(number):.4g}"


def _text(name: str) -> str:
    return files("hashlens.regions").joinpath(name).read_text(encoding="utf-8")
