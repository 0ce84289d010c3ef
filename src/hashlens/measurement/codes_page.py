"""The page of a folder of codes: layers, coverage, groups of rows that share a code, and a map of the codes."""

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

MAX_MAP_ROWS = 2000
"""Largest number of rows on the map; of more rows, a random sample is drawn."""
MAX_GROUPS = 60
"""Largest number of groups of rows that share a code in the gallery."""
MAX_GROUP_ROWS = 6
"""Largest number of rows of a group whose images and ids are visible."""
MAX_CLASSES = len(FILLS)
"""Largest number of classes with a colour of their own on the map."""


def codes_page(codes: Codes, examples: Examples | None = None, notes: tuple[str, ...] = ()) -> Page:
    """Return the page of codes, with images if `examples` are images.

    Parameters
    ----------
    codes : Codes
        n rows.
    examples : Examples, optional
        The examples that were encoded, in the order of the rows.
    notes : tuple of str
        Notes for the top of the page.
    """
    origin = codes.provenance
    title = f"{origin.model}: {len(codes):,} codes of {codes.code_bits:,} bits"
    if len(codes) == 0:
        return Page(title, subtitle(origin), "No rows.", "", (_layer_section(codes), origin_section(origin)), notes)
    sprite = Sprite()
    result = determinism(codes)
    notes = (*notes, origin.left_out_note) if origin.left_out else notes
    sections = (
        _layer_section(codes),
        _coverage_section(codes),
        _redundancy_section(codes, result, examples, sprite),
        _map_section(codes, examples, sprite),
        origin_section(origin),
    )
    repeated = len(codes) - result.distinct
    verdict = f"Redundancy ratio {number(result.redundancy_ratio)}"
    reason = f"{result.distinct:,} of {len(codes):,} codes are distinct; {repeated:,} repeat an earlier one."
    return Page(title, subtitle(origin), verdict, reason, sections, notes, sprite=sprite)


def _layer_section(codes: Codes) -> Section:
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
    conflicts_first = sorted(result.groups, key=lambda group: not group.conflicting)
    items = []
    for group in conflicts_first[:MAX_GROUPS]:
        ids = ", ".join(str(codes.ids[row]) for row in group.rows[:MAX_GROUP_ROWS])
        ellipsis = ", ..." if len(group.rows) > MAX_GROUP_ROWS else ""
        labels = [] if codes.labels is None else np.unique(codes.labels[list(group.rows)]).tolist()
        names = [class_name(codes.class_names, label) for label in labels]
        caption = f"{len(group.rows):,} rows: {ids}{ellipsis}" + (f"; labels {', '.join(names)}" if names else "")
        images = sprite.add_all(thumbnails(examples, np.array(group.rows[:MAX_GROUP_ROWS], np.int64)))
        items.append(Item(images, caption, (";".join(str(codes.ids[row]) for row in group.rows), ";".join(names))))
    listed = f"{len(items):,} of {len(result.groups):,} groups."
    note = f"{listed} Those with different labels come first, then the others, both by size." if items else ""
    gallery = Gallery("Rows that share a code", ("ids", "labels"), tuple(items), note)
    return Section("Redundancy", (table("Distinct codes", ("", ""), rows), gallery))


def _map_section(codes: Codes, examples: Examples | None, sprite: Sprite) -> Section:
    rows = np.arange(len(codes))
    if len(rows) > MAX_MAP_ROWS:
        rows = np.sort(numpy_generator(0, "map").choice(len(rows), MAX_MAP_ROWS, replace=False))
    projection = project(codes[rows])
    first, second = projection.variance or (0.0, 0.0)
    labels = None if codes.labels is None else codes.labels[rows]
    group, group_names = _class_groups(labels, len(rows), codes.class_names)
    texts = tuple(
        str(identifier) if codes.labels is None else f"{identifier}: {_label_text(codes, int(row))}"
        for identifier, row in zip(codes.ids[rows], rows, strict=True)
    )
    x, y = projection.places.T
    images = sprite.add_all(thumbnails(examples, rows))
    figure = Scatter(
        f"Principal components of {len(rows):,} codes", f"component 1 ({first:.0%} of the variance)",
        f"component 2 ({second:.0%} of the variance)", x, y, group, group_names, texts, images,
    )  # fmt: skip
    sample_note = (
        "" if len(rows) == len(codes) else f" {len(rows):,} of {len(codes):,} rows are shown, chosen at random."
    )
    note = (
        "Points far apart differ in many bits. Points close together may differ too, because the map shows "
        f"only two dimensions.{sample_note}"
    )
    return Section("Map of the codes", (Chart(figure),), note)


def _label_text(codes: Codes, row: int) -> str:
    assert codes.labels is not None
    label = int(codes.labels[row])
    name = class_name(codes.class_names, label)
    return f"label {name}" if name == str(label) else name


def _class_groups(labels: Ints | None, rows: int, class_names: ClassNames) -> tuple[Ints, tuple[str, ...]]:
    """Return the class of each row as a group of the map, and the names of the groups.

    The most frequent classes are the groups, in the order of their numbers. Rows of other classes have -1.
    """
    if labels is None:
        return np.full(rows, -1), ()
    present, counts = np.unique(labels, return_counts=True)
    chosen = np.sort(present[np.argsort(-counts, kind="stable")][:MAX_CLASSES])
    position = np.minimum(np.searchsorted(chosen, labels), len(chosen) - 1)
    group = np.where(chosen[position] == labels, position, -1)
    return group.astype(np.int64), tuple(class_name(class_names, label) for label in chosen.tolist())
