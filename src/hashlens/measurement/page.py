"""The page of a measurement: the verdict first, then the numbers, then the examples to inspect."""

import numpy as np

from hashlens.codes.page_parts import origin_table
from hashlens.codes.provenance import Provenance
from hashlens.data.labels import class_name
from hashlens.data.thumbnails import thumbnails
from hashlens.measurement.exhibits import MAX_COLLISIONS, MAX_SHOWN, Collision, Exhibits
from hashlens.measurement.figures import (
    accuracies,
    code_map,
    distance_table,
    distances,
    layer_figures,
    redundancy,
    redundancy_by_bits,
)
from hashlens.measurement.measurement import Measurement, untrained_codes_as_accurate
from hashlens.measures.knn import Rows
from hashlens.report.page import Block, Chart, Gallery, Item, Page, Section, charts
from hashlens.report.sprite import Sprite
from hashlens.result import Split
from hashlens.tables import Table

ThumbnailIndices = dict[int, int]
"""For each row of the data that has a thumbnail, the index of the thumbnail in the sprite."""
MEANING = {
    "under-expressive": "the code is too coarse for this data",
    "critically-expressive": "the code is nearly enough for this data",
    "sufficiently-expressive": "nearly every example has its own code, and the codes tell the classes apart",
}


def measurement_page(measured: Measurement) -> Page:
    """Return the page of a measurement."""
    train, test = measured.provenance.train, measured.provenance.test
    kind = "soft code" if measured.soft else "code"
    sprite = Sprite()
    return Page(
        f"Neural code of {measured.model}",
        f"{measured.examples.train:,} examples of {train.data} and {measured.examples.test:,} of {test.data}; "
        f"a {kind} of {measured.code_bits:,} bits",
        _verdict(measured),
        _reason(measured),
        (*_number_sections(measured), *_example_sections(measured, sprite), _origin_section(measured)),
        measured.notes,
        measured.command,
        sprite,
    )


def _verdict(measured: Measurement) -> str:
    """Return the regime in words; if the network has not learnt, the signs of that come first."""
    regime = measured.regime
    verdict = regime.verdict if not regime.learnt else f"{regime.name}: {MEANING[regime.name]}"
    return verdict[:1].upper() + verdict[1:]


def _reason(measured: Measurement) -> str:
    """Return why the network is in this regime, what would change that, and any control that is as accurate."""
    reason = measured.regime.reason
    sentence = f"{reason[:1].upper()}{reason[1:]}. {measured.regime.thresholds.source}"
    encoder, _ = next(untrained_codes_as_accurate(measured.categorization, measured.controls), ("", 0.0))
    if not encoder:
        return sentence
    return (
        f"{sentence} Compare the controls: the code of {encoder} is as accurate here, so these accuracies say little "
        "about training."
    )


def _number_sections(measured: Measurement) -> tuple[Section, ...]:
    """Return the sections of numbers: comparison with controls, layers, distances."""
    code_table, accuracy_table, *layer_and_rounding_tables = measured.tables()
    layers = layer_figures(measured)
    separation = measured.separation
    return (
        Section(
            "Redundancy and categorization",
            (*charts((accuracies(measured), redundancy(measured))), code_table, accuracy_table),
        ),
        Section(
            "Layer by layer",
            (*charts(layers), layer_and_rounding_tables[0]) if layers else (),
        ),
        Section(
            "Distances",
            (Chart(distances(measured), distance_table(measured)), Chart(redundancy_by_bits(measured))),
            "Two examples of different classes are farther apart than two examples of the same class with probability "
            f"{separation.separability:.1%}; 50% would mean that the distance is unrelated to the class.",
        ),
    )


def _example_sections(measured: Measurement, sprite: Sprite) -> tuple[Section, ...]:
    """Return the sections of examples to inspect; empty if none were chosen."""
    exhibits = measured.exhibits
    if exhibits is None:
        return ()
    pictures = _pictures(measured, exhibits, sprite)
    # Neighbours and the map then use the values of channels, not bits.
    has_values = measured.provenance.train.granularity == "channel"
    return (
        _map_section(exhibits, pictures.test, has_values),
        Section(
            "Examples that share a code",
            tuple(
                _collision_gallery(exhibits, split, len(getattr(measured.conflicts, split)), getattr(pictures, split))
                for split in ("train", "test")
            ),
            "All examples in a box share one code: each unit is on for all of them, or off for all of them.",
        ),
        Section("Labels to check", (_label_gallery(exhibits, pictures.test),)),
        Section("Novel examples", (_novel_gallery(exhibits, pictures.test, has_values),)),
    )


def _pictures(measured: Measurement, exhibits: Exhibits, sprite: Sprite) -> Split[ThumbnailIndices]:
    """Make one thumbnail of every example shown, in one pass over each split."""

    def thumbnails_of(split: str, *rows: Rows) -> ThumbnailIndices:
        shown = np.unique(np.concatenate([*rows, *(group.rows for group in getattr(exhibits.collisions, split))]))
        positions = sprite.add_all(thumbnails(None if measured.data is None else getattr(measured.data, split), shown))
        return dict(zip(shown.tolist(), positions, strict=False))

    no_rows = np.empty(0, np.int64)
    return Split(
        thumbnails_of("train", no_rows),
        thumbnails_of("test", exhibits.map.rows, exhibits.labels.rows, exhibits.novel.rows),
    )


def _map_section(exhibits: Exhibits, pictures: ThumbnailIndices, has_values: bool) -> Section:
    code_map_ = exhibits.map
    drawn = "" if len(code_map_.rows) == code_map_.drawn_from else f", drawn at random from {code_map_.drawn_from:,}"
    meaning = (
        "points far apart have different channel values"
        if has_values
        else "examples with the same code are at the same point, and points far apart differ in many bits"
    )
    explanation = (
        f"Two principal components: {meaning}. Points close together may differ too, because the map shows only two "
        "dimensions."
        if code_map_.variance is not None
        else "UMAP keeps neighbours together; distances between groups, and their sizes, mean nothing."
    )
    chart = code_map(exhibits, _sprite_positions(pictures, code_map_.rows))
    note = f"Each point is a test example{drawn}, coloured by its label. {explanation}"
    return Section("Map of the codes", (Chart(chart),), note)


def _collision_gallery(exhibits: Exhibits, split: str, conflicts: int, pictures: ThumbnailIndices) -> Gallery:
    groups: tuple[Collision, ...] = getattr(exhibits.collisions, split)
    items = []
    for group in groups:
        names = [class_name(exhibits.class_names, int(label)) for label in group.labels]
        label_text = ", ".join(dict.fromkeys(names))
        agreement = "different labels" if group.conflicting else "one label"
        items.append(
            Item(
                _sprite_positions(pictures, group.rows),
                f"{group.size:,} examples, {agreement}: {label_text}",
                (split, ";".join(map(str, group.ids)), ";".join(names), str(group.size)),
            )
        )
    return Gallery(
        f"{split.capitalize()}: {conflicts:,} codes shared by several classes",
        ("split", "ids", "labels", "examples"),
        tuple(items),
        f"Codes shared by several classes come first, then those with the most examples. At most {MAX_COLLISIONS} "
        f"codes are shown, with at most {MAX_SHOWN} examples each."
        if groups
        else "",
    )


def _label_gallery(exhibits: Exhibits, pictures: ThumbnailIndices) -> Gallery:
    doubtful = exhibits.labels
    items = []
    for i in range(len(doubtful.rows)):
        label, suggested = (
            class_name(exhibits.class_names, int(doubtful.given[i])),
            class_name(exhibits.class_names, int(doubtful.suggested[i])),
        )
        items.append(
            Item(
                _sprite_positions(pictures, doubtful.rows[i : i + 1]),
                f"{doubtful.ids[i]}: {label}, or {suggested}? {doubtful.share[i]:.0%} of neighbours are {suggested}",
                (str(doubtful.ids[i]), label, suggested, f"{doubtful.share[i]:.4g}"),
            )
        )
    first_only = f" The first {len(items)} of {doubtful.found:,} are shown." if doubtful.found > len(items) else ""
    return Gallery(
        f"Test labels that differ from the labels of most of the {exhibits.k} nearest training codes: "
        f"{doubtful.found:,}",
        ("id", "label", "suggested", "share"),
        tuple(items),
        "Most of the neighbours have the suggested class: the label is wrong, or the network confuses the example "
        f"with that class. An audit estimates which of the two it is.{first_only}",
    )


def _novel_gallery(exhibits: Exhibits, pictures: ThumbnailIndices, has_values: bool) -> Gallery:
    novel = exhibits.novel
    items = [
        Item(
            _sprite_positions(pictures, novel.rows[i : i + 1]),
            f"{novel.ids[i]}: {class_name(exhibits.class_names, int(novel.labels[i]))}; "
            f"distance {novel.distances[i]:.4g}",
            (str(novel.ids[i]), class_name(exhibits.class_names, int(novel.labels[i])), f"{novel.distances[i]:.6g}"),
        )
        for i in range(len(novel.rows))
    ]
    space = f"Euclidean over {exhibits.bits:,} channels" if has_values else f"in {exhibits.bits:,} bits"
    return Gallery(
        "Test examples farthest from all training codes",
        ("id", "label", "distance"),
        tuple(items),
        f"Distance to the k-th nearest training code, k = {exhibits.k}, {space}; its "
        f"median over all test examples is {novel.median_distance:.4g}. Their labels need not be wrong: these are the "
        "examples least similar to the training data.",
    )


def _sprite_positions(pictures: ThumbnailIndices, rows: Rows) -> tuple[int, ...]:
    """Return the indices of the thumbnails of some rows; empty if the examples are not images."""
    return tuple(pictures[row] for row in rows.tolist()) if pictures else ()


def _origin_section(measured: Measurement) -> Section:
    """Return the section on provenance and on the effect of rounding."""
    provenance: Split[Provenance] = measured.provenance
    origin = origin_table({"train": provenance.train, "test": provenance.test})
    rounding_tables: tuple[Table, ...] = () if measured.floor is None else measured.tables()[-1:]
    return Section("Origin", tuple[Block, ...]((origin, *rounding_tables)))
