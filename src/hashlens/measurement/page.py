"""The page of a measurement: the verdict first, then the numbers, then the examples to inspect."""

import numpy as np

from hashlens.codes.page_parts import origin_table
from hashlens.codes.provenance import Provenance
from hashlens.data.labels import class_name
from hashlens.data.thumbnails import thumbnails
from hashlens.measurement.exhibits import COLLISIONS, SHOWN, Collision, Exhibits
from hashlens.measurement.figures import (
    accuracies,
    bits,
    code_map,
    distance_table,
    distances,
    layer_figures,
    redundancy,
)
from hashlens.measurement.measurement import Measurement
from hashlens.measures.knn import Rows
from hashlens.report.page import Block, Chart, Gallery, Item, Page, Section, charts
from hashlens.report.sprite import Sprite
from hashlens.result import Split
from hashlens.tables import Table

Pictures = dict[int, int]
"""Index in the sprite of each row."""
MEANING = {
    "under-expressive": "the code is too coarse for this data",
    "critically-expressive": "the code is nearly enough for this data",
    "sufficiently-expressive": "nearly every example has its own code, and the codes tell the classes",
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
        (*_numbers(measured), *_examples(measured, sprite), _origin(measured)),
        measured.notes,
        measured.command,
        sprite,
    )


def _verdict(measured: Measurement) -> str:
    """Return the regime in words, after any signs that the network has not learnt."""
    regime = measured.regime
    verdict = regime.verdict if not regime.learnt else f"{regime.name}: {MEANING[regime.name]}"
    return verdict[:1].upper() + verdict[1:]


def _reason(measured: Measurement) -> str:
    """Return the reason, what would change it, the origin of the thresholds, and any control that does as well."""
    reason = measured.regime.reason
    sentence = f"{reason[:1].upper()}{reason[1:]}. The thresholds are this project's."
    best = max(measured.categorization.knn, measured.categorization.logistic)
    for name, kind in (("untrained", "the untrained network"), ("random_hyperplanes", "a code of random hyperplanes")):
        control = measured.controls.get(name)
        if control is not None and control.available and max(control.knn or 0.0, control.logistic or 0.0) >= best:
            return f"{sentence} Compare the controls: {kind} does as well here, so this says little about training."
    return sentence


def _numbers(measured: Measurement) -> tuple[Section, ...]:
    """Return the sections of numbers: comparison with controls, layers, distances."""
    codes, accuracy, *rest = measured.tables()
    layers = layer_figures(measured)
    separation = measured.separation
    return (
        Section(
            "Redundancy and categorization", (*charts((accuracies(measured), redundancy(measured))), codes, accuracy)
        ),
        Section(
            "Layer by layer",
            (*charts(layers), rest[0]) if layers else (),
        ),
        Section(
            "Distances",
            (Chart(distances(measured), distance_table(measured)), Chart(bits(measured))),
            "A pair of different classes is farther apart than a pair of one class in "
            f"{separation.separability:.1%} of draws; 50% would mean that the distance is unrelated to the "
            "class.",
        ),
    )


def _examples(measured: Measurement, sprite: Sprite) -> tuple[Section, ...]:
    """Return the sections of examples to inspect; empty if none were chosen."""
    exhibits = measured.exhibits
    if exhibits is None:
        return ()
    pictures = _pictures(measured, exhibits, sprite)
    return (
        _map_section(exhibits, pictures.test),
        Section(
            "Examples that share a code",
            tuple(
                _collisions(exhibits, split, len(getattr(measured.conflicts, split)), getattr(pictures, split))
                for split in ("train", "test")
            ),
            "All examples in a box share one code: each unit is on for all of them, or off for all of them.",
        ),
        Section("Labels to check", (_labels(exhibits, pictures.test),)),
        Section("Novel examples", (_novel(exhibits, pictures.test),)),
    )


def _pictures(measured: Measurement, exhibits: Exhibits, sprite: Sprite) -> Split[Pictures]:
    """Make one thumbnail of every example shown, in one pass over each split."""

    def thumbnails_of(split: str, *rows: Rows) -> Pictures:
        listed = np.unique(np.concatenate([*rows, *(group.rows for group in getattr(exhibits.collisions, split))]))
        positions = sprite.add_all(thumbnails(None if measured.data is None else getattr(measured.data, split), listed))
        return dict(zip(listed.tolist(), positions, strict=False))

    no_rows = np.empty(0, np.int64)
    return Split(
        thumbnails_of("train", no_rows),
        thumbnails_of("test", exhibits.map.rows, exhibits.labels.rows, exhibits.novel.rows),
    )


def _map_section(exhibits: Exhibits, pictures: Pictures) -> Section:
    code_map_ = exhibits.map
    drawn = "" if len(code_map_.rows) == code_map_.drawn_from else f", drawn at random from {code_map_.drawn_from:,}"
    explanation = (
        "Two principal components: examples with the same code are at the same point, and points far apart "
        "differ in many bits. Points close together may differ too, because the map shows only two "
        "dimensions."
        if code_map_.variance is not None
        else "UMAP keeps neighbours together; distances between groups, and their sizes, mean nothing."
    )
    chart = code_map(exhibits, _sprite_positions(pictures, code_map_.rows))
    note = f"Each point is a test example{drawn}, coloured by its label. {explanation}"
    return Section("Map of the codes", (Chart(chart),), note)


def _collisions(exhibits: Exhibits, split: str, conflicts: int, pictures: Pictures) -> Gallery:
    groups: tuple[Collision, ...] = getattr(exhibits.collisions, split)
    items = []
    for group in groups:
        names = [class_name(exhibits.class_names, int(label)) for label in group.labels]
        label_text = ", ".join(dict.fromkeys(names))
        head = "different labels" if group.conflicting else "one label"
        items.append(
            Item(
                _sprite_positions(pictures, group.rows),
                f"{group.size:,} examples, {head}: {label_text}",
                (split, ";".join(map(str, group.ids)), ";".join(names), str(group.size)),
            )
        )
    return Gallery(
        f"{split.capitalize()}: {conflicts:,} codes shared by several classes",
        ("split", "ids", "labels", "examples"),
        tuple(items),
        f"Different labels first, then the most examples; at most {COLLISIONS} codes, and {SHOWN} examples of each."
        if groups
        else "",
    )


def _labels(exhibits: Exhibits, pictures: Pictures) -> Gallery:
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
    listed = f" The first {len(items)} of {doubtful.found:,}." if doubtful.found > len(items) else ""
    return Gallery(
        f"Test labels that differ from most of the {exhibits.k} nearest training codes: {doubtful.found:,}",
        ("id", "label", "suggested", "share"),
        tuple(items),
        "Most of the neighbours have another class: the label is wrong, or the network confuses the example "
        f"with this class. An audit estimates which.{listed}",
    )


def _novel(exhibits: Exhibits, pictures: Pictures) -> Gallery:
    novel = exhibits.novel
    items = [
        Item(
            _sprite_positions(pictures, novel.rows[i : i + 1]),
            f"{novel.ids[i]}: {class_name(exhibits.class_names, int(novel.labels[i]))}; {novel.distances[i]:.4g} away",
            (str(novel.ids[i]), class_name(exhibits.class_names, int(novel.labels[i])), f"{novel.distances[i]:.6g}"),
        )
        for i in range(len(novel.rows))
    ]
    return Gallery(
        "Test examples farthest from all training codes",
        ("id", "label", "distance"),
        tuple(items),
        f"Distance to the k-th nearest training code, k = {exhibits.k}, in {exhibits.bits:,} bits; the "
        f"median of test is {novel.ordinary:.4g}. Their labels need not be wrong: these are the examples "
        "least similar to the training data.",
    )


def _sprite_positions(pictures: Pictures, rows: Rows) -> tuple[int, ...]:
    """Return the indices of the thumbnails of some rows; empty if the examples are not images."""
    return tuple(pictures[row] for row in rows.tolist()) if pictures else ()


def _origin(measured: Measurement) -> Section:
    """Return the section on provenance and on the effect of rounding."""
    provenance: Split[Provenance] = measured.provenance
    origin = origin_table({"train": provenance.train, "test": provenance.test})
    floors: tuple[Table, ...] = () if measured.floor is None else measured.tables()[-1:]
    return Section("Origin", tuple[Block, ...]((origin, *floors)))
