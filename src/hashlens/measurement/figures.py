"""The figures of a measurement."""

import numpy as np

from hashlens.data.labels import class_name
from hashlens.measurement.exhibits import Exhibits
from hashlens.measurement.measurement import Measurement
from hashlens.report.figures import Bars, Figure, Histogram, Lines, Rule, Scatter, Series
from hashlens.tables import Table, number, table

MOST_CLASSES = 15
"""Classes with a colour of their own on a map: of more, those with the most examples on it."""


def measurement_figures(measured: Measurement) -> tuple[Figure, ...]:
    """Return the figure data of a measurement: accuracies, redundancy, layers, distances, bits to determinism, map."""
    return (
        accuracies(measured),
        redundancy(measured),
        *layer_figures(measured),
        distances(measured),
        bits(measured),
        *(() if measured.exhibits is None else (code_map(measured.exhibits),)),
    )


def accuracies(measured: Measurement) -> Bars:
    """Return accuracies of the codes beside those of the controls that could be measured."""
    own = measured.categorization
    rows: list[tuple[str, float | None, float | None]] = [("codes", own.knn, own.logistic)]
    rows += [(spoken(at.name), at.knn, at.logistic) for at in measured.controls.values() if at.available]
    return Bars(
        "Classes from the codes, beside controls",
        "accuracy on test",
        tuple(name for name, _, _ in rows),
        (("K-NN", tuple(knn for _, knn, _ in rows)), ("logistic", tuple(logistic for _, _, logistic in rows))),
    )


def redundancy(measured: Measurement) -> Bars:
    """Return the redundancy ratio of the codes beside that of their controls."""
    rows: list[tuple[str, float | None, float | None]] = [
        ("codes", measured.redundancy_ratio.train, measured.redundancy_ratio.test)
    ]
    for control in (*measured.controls.values(), measured.random_inputs):
        if control.redundancy_ratio is not None:
            rows.append((spoken(control.name), control.redundancy_ratio.train, control.redundancy_ratio.test))
    return Bars(
        "Examples that share a code, beside controls",
        "redundancy ratio R",
        tuple(name for name, _, _ in rows),
        (("train", tuple(train for _, train, _ in rows)), ("test", tuple(test for _, _, test in rows))),
    )


def layer_figures(measured: Measurement) -> tuple[Lines, ...]:
    """Return what each layer's bits say alone, over the depth; nothing where there is one layer."""
    layers = measured.layers
    if not layers:
        return ()
    depth = tuple(float(at + 1) for at in range(len(layers)))
    ticks = tuple((place, at.name) for place, at in zip(depth, layers, strict=True))

    def lines(title: str, y_label: str, *drawn: tuple[str, tuple[float, ...]]) -> Lines:
        return Lines(title, "layer", y_label, tuple(Series(name, depth, y) for name, y in drawn), ticks=ticks)

    return (
        lines(
            "Each layer alone: what it keeps",
            "accuracy, and share of examples",
            ("K-NN accuracy", tuple(at.knn for at in layers)),
            ("R train", tuple(at.redundancy_ratio.train for at in layers)),
            ("R test", tuple(at.redundancy_ratio.test for at in layers)),
        ),
        lines(
            "Each layer alone: how far classes lie apart",
            "mean Hamming distance / bits",
            ("same class", tuple(at.within for at in layers)),
            ("different classes", tuple(at.between for at in layers)),
        ),
    )


def bits(measured: Measurement) -> Lines:
    """Return R on train over the number of bits read."""
    found = measured.bits_to_determinism
    x, y = tuple(float(count) for count, _ in found.curve), tuple(ratio for _, ratio in found.curve)
    return Lines(
        "How few bits tell examples apart", "randomly chosen bits", "R on train", (Series("R", x, y),),
        rules=(Rule("y", found.threshold),), log_x=True,
    )  # fmt: skip


def distances(measured: Measurement) -> Histogram:
    """Return Hamming distances within and between classes."""
    apart = measured.separation
    return Histogram(
        "Distance between the codes of two test examples",
        "Hamming distance / bits",
        tuple(apart.edges.tolist()),
        (
            ("same class", tuple(apart.within_histogram.tolist())),
            ("different classes", tuple(apart.between_histogram.tolist())),
        ),
    )


def distance_table(measured: Measurement) -> Table:
    """Return the same in bits: each bin of the histogram holds whole distances."""
    apart = measured.separation
    edges = np.round(apart.edges * apart.overall.bits + 0.5).astype(int)
    rows = [
        (number(int(low)) if high - low == 1 else f"{low:,} to {high - 1:,}", number(float(near)), number(float(far)))
        for low, high, near, far in zip(
            edges[:-1], edges[1:], apart.within_histogram, apart.between_histogram, strict=True
        )
    ]
    note = f"Shares of {apart.pairs:,} sampled pairs of each kind, in {apart.overall.bits:,} bits."
    return table("Distance between codes", ("bits that differ", "same class", "different classes"), rows, note)


def code_map(shown: Exhibits, images: tuple[int, ...] = ()) -> Scatter:
    """Return the map of the codes; `images` are the places of the examples in the sprite of a page."""
    found = shown.map
    present, counts = np.unique(found.labels, return_counts=True)
    chosen = np.sort(present[np.argsort(-counts, kind="stable")][:MOST_CLASSES])
    rest = ("other classes",) if len(chosen) < len(present) else ()
    place = np.searchsorted(chosen, found.labels)
    known = chosen[np.minimum(place, len(chosen) - 1)] == found.labels
    return Scatter(
        f"{'PCA' if found.method == 'pca' else 'UMAP'} of the codes of {len(found.rows):,} test examples",
        *_axes(shown),
        found.x,
        found.y,
        np.where(known, place, len(chosen)),
        (*(class_name(shown.class_names, int(label)) for label in chosen), *rest),
        tuple(
            f"{name}: {class_name(shown.class_names, int(label))}"
            for name, label in zip(found.ids, found.labels, strict=True)
        ),
        images,
    )  # fmt: skip


def _axes(shown: Exhibits) -> tuple[str, str]:
    shares = shown.map.variance
    if shares is None:
        return "UMAP 1", "UMAP 2"
    first, second = (f"component {axis + 1} ({share:.0%} of the variance)" for axis, share in enumerate(shares))
    return first, second


def spoken(name: str) -> str:
    """Return the name of a control or a field as words."""
    return name.replace("_", " ")
