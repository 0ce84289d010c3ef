"""The figures of a measurement."""

import numpy as np

from hashlens.data.labels import class_name
from hashlens.measurement.exhibits import Exhibits
from hashlens.measurement.measurement import Measurement
from hashlens.report.figures import Bars, Figure, Histogram, Lines, Rule, Scatter, Series
from hashlens.tables import Table, number, table

MAX_CLASSES = 15
"""Largest number of classes with a colour on a map; with more classes, the most frequent ones have a colour."""


def measurement_figures(measured: Measurement) -> tuple[Figure, ...]:
    """Return the figure data of a measurement: accuracies, redundancy, layers, distances, bits to determinism, map."""
    return (
        accuracies(measured),
        redundancy(measured),
        *layer_figures(measured),
        distances(measured),
        redundancy_by_bits(measured),
        *(() if measured.exhibits is None else (code_map(measured.exhibits),)),
    )


def accuracies(measured: Measurement) -> Bars:
    """Return a figure of the accuracies of the codes and of the available controls."""
    codes = measured.categorization
    rows: list[tuple[str, float | None, float | None]] = [("codes", codes.knn, codes.logistic)]
    rows += [
        (as_words(control.name), control.knn, control.logistic)
        for control in measured.controls.values()
        if control.available
    ]
    return Bars(
        "Accuracy from the codes, beside controls",
        "accuracy on test",
        tuple(name for name, _, _ in rows),
        (("K-NN", tuple(knn for _, knn, _ in rows)), ("logistic", tuple(logistic for _, _, logistic in rows))),
    )


def redundancy(measured: Measurement) -> Bars:
    """Return a figure of the redundancy ratio of the codes and of the controls."""
    rows: list[tuple[str, float | None, float | None]] = [
        ("codes", measured.redundancy_ratio.train, measured.redundancy_ratio.test)
    ]
    for control in (*measured.controls.values(), measured.random_inputs):
        if control.redundancy_ratio is not None:
            rows.append((as_words(control.name), control.redundancy_ratio.train, control.redundancy_ratio.test))
    return Bars(
        "Redundancy of the codes, beside controls",
        "redundancy ratio R",
        tuple(name for name, _, _ in rows),
        (("train", tuple(train for _, train, _ in rows)), ("test", tuple(test for _, _, test in rows))),
    )


def layer_figures(measured: Measurement) -> tuple[Lines, ...]:
    """Return figures of the measures of each layer over the depth; empty if there is only one layer."""
    layers = measured.layers
    if not layers:
        return ()
    depth = tuple(float(layer + 1) for layer in range(len(layers)))
    ticks = tuple((x, layer.name) for x, layer in zip(depth, layers, strict=True))

    def lines(title: str, y_label: str, *drawn: tuple[str, tuple[float, ...]]) -> Lines:
        return Lines(title, "layer", y_label, tuple(Series(name, depth, y) for name, y in drawn), ticks=ticks)

    return (
        lines(
            "Each layer alone: accuracy and redundancy",
            "accuracy, and share of examples",
            ("K-NN accuracy", tuple(layer.knn for layer in layers)),
            ("R train", tuple(layer.redundancy_ratio.train for layer in layers)),
            ("R test", tuple(layer.redundancy_ratio.test for layer in layers)),
        ),
        lines(
            "Each layer alone: distances within and between classes",
            "mean Hamming distance / bits",
            ("same class", tuple(layer.within for layer in layers)),
            ("different classes", tuple(layer.between for layer in layers)),
        ),
    )


def redundancy_by_bits(measured: Measurement) -> Lines:
    """Return a figure of R on train over the number of bits."""
    result = measured.bits_to_determinism
    x, y = tuple(float(count) for count, _ in result.curve), tuple(ratio for _, ratio in result.curve)
    return Lines(
        "Redundancy of a sample of the bits", "randomly chosen bits", "R on train", (Series("R", x, y),),
        rules=(Rule("y", result.threshold),), log_x=True,
    )  # fmt: skip


def distances(measured: Measurement) -> Histogram:
    """Return a figure of the Hamming distances within and between classes."""
    separation = measured.separation
    return Histogram(
        "Distance between the codes of two test examples",
        "Hamming distance / bits",
        tuple(separation.edges.tolist()),
        (
            ("same class", tuple(separation.within_histogram.tolist())),
            ("different classes", tuple(separation.between_histogram.tolist())),
        ),
    )


def distance_table(measured: Measurement) -> Table:
    """Return the histogram of Hamming distances in bits, as a table."""
    separation = measured.separation
    edges = np.round(separation.edges * separation.overall.bits + 0.5).astype(int)
    rows = [
        (
            number(int(low)) if high - low == 1 else f"{low:,} to {high - 1:,}",
            number(float(same)),
            number(float(different)),
        )
        for low, high, same, different in zip(
            edges[:-1], edges[1:], separation.within_histogram, separation.between_histogram, strict=True
        )
    ]
    note = f"Shares of {separation.pairs:,} sampled pairs of each kind, in {separation.overall.bits:,} bits."
    return table("Distance between codes", ("bits that differ", "same class", "different classes"), rows, note)


def code_map(exhibits: Exhibits, images: tuple[int, ...] = ()) -> Scatter:
    """Return the map of the codes; `images` are the indices of the examples in the sprite of a page."""
    code_map_ = exhibits.map
    present, counts = np.unique(code_map_.labels, return_counts=True)
    chosen = np.sort(present[np.argsort(-counts, kind="stable")][:MAX_CLASSES])
    others = ("other classes",) if len(chosen) < len(present) else ()
    position = np.searchsorted(chosen, code_map_.labels)
    listed = chosen[np.minimum(position, len(chosen) - 1)] == code_map_.labels
    return Scatter(
        f"{'PCA' if code_map_.method == 'pca' else 'UMAP'} of the codes of {len(code_map_.rows):,} test examples",
        *_axes(exhibits),
        code_map_.x,
        code_map_.y,
        np.where(listed, position, len(chosen)),
        (*(class_name(exhibits.class_names, int(label)) for label in chosen), *others),
        tuple(
            f"{name}: {class_name(exhibits.class_names, int(label))}"
            for name, label in zip(code_map_.ids, code_map_.labels, strict=True)
        ),
        images,
    )  # fmt: skip


def _axes(exhibits: Exhibits) -> tuple[str, str]:
    shares = exhibits.map.variance
    if shares is None:
        return "UMAP 1", "UMAP 2"
    first, second = (f"component {axis + 1} ({share:.0%} of the variance)" for axis, share in enumerate(shares))
    return first, second


def as_words(name: str) -> str:
    """Return the name of a control or a field with spaces in place of underscores."""
    return name.replace("_", " ")
