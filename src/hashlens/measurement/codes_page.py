"""The page of a folder of codes: layers, coverage, groups of rows with equal codes, and a map."""

import numpy as np

from hashlens.codes.codes import Codes
from hashlens.codes.page_parts import layer_table, origin_section, subtitle
from hashlens.data.examples import Examples
from hashlens.data.labels import ClassNames, class_name
from hashlens.data.thumbnails import thumbnails
from hashlens.measures.coverage import coverage
from hashlens.measures.determinism import Determinism, determinism
from hashlens.measures.projection import project
from hashlens.report.blocks import blocks
from hashlens.report.colours import FILLS
from hashlens.report.figures import Ints, Scatter
from hashlens.report.page import Chart, Gallery, Item, Page, Section, charts
from hashlens.report.sprite import Sprite
from hashlens.seeds import numpy_generator
from hashlens.tables import number, table

MAP_ROWS = 2000
LISTED, SHOWN = 60, 6
"""Largest number of groups with equal codes, and of rows shown of each."""
MAX_CLASSES = len(FILLS)


def codes_page(codes: Codes, examples: Examples | None = None, notes: tuple[str, ...] = ()) -> Page:
    """Return the page of codes, with images if the examples are passed.

    Parameters
    ----------
    codes : Codes
        n rows.
    examples : Examples, optional
        Examples of these rows, in the same order.
    notes : tuple of str
        Notes for the top of the page.
    """
    origin = codes.provenance
    title = f"{origin.model}: {len(codes):,} codes of {codes.code_bits:,} bits"
    if len(codes) == 0:
        return Page(title, subtitle(origin), "No rows.", "", (_layers(codes), origin_section(origin)), notes)
    sprite = Sprite()
    result = determinism(codes)
    notes = (*notes, origin.left_out_note) if origin.left_out else notes
    sections = (
        _layers(codes),
        _coverage_section(codes),
        _redundancy_section(codes, result, examples, sprite),
        _map(codes, examples, sprite),
        origin_section(origin),
    )
    shared = len(codes) - result.distinct
    verdict = f"Redundancy ratio {number(result.redundancy_ratio)}"
    reason = f"{result.distinct:,} of {len(codes):,} codes are distinct; {shared:,} repeat an earlier one."
    return Page(title, subtitle(origin), verdict, reason, sections, notes, sprite=sprite)


def _layers(codes: Codes) -> Section:
    return Section("Layers", (layer_table(codes.layers),))


def _coverage_section(codes: Codes) -> Section:
    result = coverage(codes)
    return Section("Coverage", (*charts(result.figures()), *blocks(result.__rich__())))


def _redundancy_section(codes: Codes, result: Determinism, examples: Examples | None, sprite: Sprite) -> Section:
    rows = [("rows", number(result.n)), ("distinct codes", number(result.distinct)),
            ("redundancy ratio R", number(result.redundancy_ratio)),
            ("collision probability", f"{result.collision_probability:.3g}")]  # fmt: skip
    if result.conflicting_groups is not None and result.conflicting_rows is not None:
        rows += [("codes shared by several classes", number(result.conflicting_groups)),
                 ("rows with such a code", number(result.conflicting_rows))]  # fmt: skip
    ordered = sorted(result.groups, key=lambda group: not group.conflicting)[:LISTED]
    items = []
    for group in ordered:
        ids = ", ".join(str(codes.ids[row]) for row in group.rows[:SHOWN])
        ellipsis = ", ..." if len(group.rows) > SHOWN else ""
        numbers = [] if codes.labels is None else np.unique(codes.labels[list(group.rows)]).tolist()
        names = [class_name(codes.class_names, label) for label in numbers]
        caption = f"{len(group.rows):,} rows: {ids}{ellipsis}" + (f"; labels {', '.join(names)}" if names else "")
        images = sprite.add_all(thumbnails(examples, np.array(group.rows[:SHOWN], np.int64)))
        items.append(Item(images, caption, (";".join(str(codes.ids[row]) for row in group.rows), ";".join(names))))
    note = f"{len(result.groups):,} in all; different labels first, then the most rows." if items else ""
    gallery = Gallery("Rows that share a code", ("ids", "labels"), tuple(items), note)
    return Section("Redundancy", (table("Distinct codes", ("", ""), rows), gallery))


def _map(codes: Codes, examples: Examples | None, sprite: Sprite) -> Section:
    rows = np.arange(len(codes))
    if len(rows) > MAP_ROWS:
        rows = np.sort(numpy_generator(0, "map").choice(len(rows), MAP_ROWS, replace=False))
    projection = project(codes[rows])
    first, second = projection.variance or (0.0, 0.0)
    group, names = _groups(None if codes.labels is None else codes.labels[rows], len(rows), codes.class_names)
    texts = tuple(
        str(name) if codes.labels is None else f"{name}: {_label_text(codes, int(row))}"
        for name, row in zip(codes.ids[rows], rows, strict=True)
    )
    x, y = projection.places.T
    images = sprite.add_all(thumbnails(examples, rows))
    figure = Scatter(
        f"Principal components of {len(rows):,} codes", f"component 1 ({first:.0%} of the variance)",
        f"component 2 ({second:.0%} of the variance)", x, y, group, names, texts, images,
    )  # fmt: skip
    drawn = "" if len(rows) == len(codes) else f" {len(rows):,} of {len(codes):,}, drawn at random."
    note = (
        "Points far apart differ in many bits. Points close together may differ too, because the map shows "
        f"only two dimensions.{drawn}"
    )
    return Section("Map of the codes", (Chart(figure),), note)


def _label_text(codes: Codes, row: int) -> str:
    assert codes.labels is not None
    label = int(codes.labels[row])
    named = class_name(codes.class_names, label)
    return f"label {named}" if named == str(label) else named


def _groups(labels: Ints | None, rows: int, class_names: ClassNames) -> tuple[Ints, tuple[str, ...]]:
    """Return the group of each row and the names of groups; the most frequent labels are groups, other rows have -1."""
    if labels is None:
        return np.full(rows, -1), ()
    present, counts = np.unique(labels, return_counts=True)
    chosen = np.sort(present[np.argsort(-counts, kind="stable")][:MAX_CLASSES])
    position = np.minimum(np.searchsorted(chosen, labels), len(chosen) - 1)
    group = np.where(chosen[position] == labels, position, -1)
    return group.astype(np.int64), tuple(class_name(class_names, label) for label in chosen.tolist())
