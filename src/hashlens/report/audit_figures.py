"""The figures of an audit and of its parts: what each ranking goes by, and where its line is drawn."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hashlens.audit.audit import Audit
from hashlens.audit.audited_accuracy import AuditedAccuracy
from hashlens.audit.blind_spots import BlindSpots
from hashlens.audit.compare_models import ModelComparison
from hashlens.audit.coverage import Coverage
from hashlens.audit.duplicates import Duplicates
from hashlens.audit.label_issues import LabelIssues
from hashlens.audit.leaks import Leaks
from hashlens.audit.novel_items import NovelItems
from hashlens.data.labels import class_name
from hashlens.report.figures import Bars, Figure, Histogram, Intervals, Lines, Series

BINS = 50
POINTS = 60
"""Points of a line that is drawn through thousands of ranks."""
PAIRS = 10
"""Pairs of classes shown."""
Values = npt.NDArray[np.float64]


def audit_figures(audit: Audit) -> tuple[Figure, ...]:
    """Return the figure data of an audit: the accuracy first, then one figure for each ranking."""
    leaked = () if audit.leaks is None else leak_figures(audit.leaks)
    issues = audit.label_issues
    return (
        *accuracy_figures(audit.accuracy),
        *leaked,
        *label_figures(issues.test, "test labels"),
        *label_figures(issues.train, "training labels"),
        *blind_figures(audit.blind_spots, audit.class_names),
        *novel_figures(audit.novel),
    )


def accuracy_figures(accuracy: AuditedAccuracy) -> tuple[Figure, ...]:
    """Return the accuracy after each step with its interval."""
    steps = (*accuracy.steps, *([] if accuracy.estimate is None else [accuracy.estimate]))
    return (
        Intervals(
            f"Accuracy, with {accuracy.level:.0%} intervals",
            "accuracy",
            tuple(step.name for step in steps),
            tuple(step.accuracy for step in steps),
            tuple(step.interval for step in steps),
            "{:.4f}",
        ),
    )


def leak_figures(found: Leaks) -> tuple[Figure, ...]:
    """Return how the ratios of test examples lie beside those of ordinary ones."""
    return (_ratios("Local ratio of test examples", "test", found.ratios, found.threshold, found.expected),)


def duplicate_figures(found: Duplicates) -> tuple[Figure, ...]:
    """Return how the ratios of examples lie beside those of ordinary ones."""
    return (_ratios("Local ratio of examples", "found", found.ratios, found.threshold, found.expected),)


def _ratios(title: str, name: str, ratios: Values, threshold: float, expected: Values | None) -> Histogram:
    # What is suspected is a small share, which a logarithmic axis shows beside what is ordinary.
    edges = np.linspace(0, 1, BINS + 1)
    shares = [(name, _shares(ratios, edges))]
    if expected is not None and len(ratios):
        # Of each row it is known how many ordinary ones are as near or nearer; all are at a ratio of 1.
        order = np.argsort(ratios, kind="stable")
        below = np.searchsorted(ratios[order], edges, "right") - 1
        reached = np.where(below < 0, 0.0, expected[order][np.maximum(below, 0)] / len(ratios))
        reached[0], reached[-1] = 0.0, 1.0
        shares.append(("ordinary, as measured", tuple(np.diff(reached).tolist())))
    mark = None if np.isnan(threshold) else threshold
    return Histogram(
        title, "distance to the nearest / to the k-th nearest", tuple(edges.tolist()), tuple(shares),
        "share of examples", mark=mark, mark_name="suspected at or below", least=0.5 / max(1, len(ratios)),
    )  # fmt: skip


def label_figures(issues: LabelIssues, what: str = "labels") -> tuple[Figure, ...]:
    """Return the probability that a label is wrong, by rank."""
    if len(issues) == 0:
        return ()
    ranks = np.unique(np.geomspace(1, len(issues), POINTS).round().astype(np.int64))
    series = Series("probability", tuple(map(float, ranks)), tuple(issues.probability[ranks - 1].tolist()))
    title = f"Probability that {what} are wrong, by rank"
    return (Lines(title, "rank", "probability", (series,), mark=0.5, log_x=True),)


def blind_figures(spots: BlindSpots, names: Sequence[str] = ()) -> tuple[Figure, ...]:
    """Return what is taken for what most often, and how much of that is blind."""
    pairs = spots.pairs[:PAIRS]
    if not pairs:
        return ()
    told = tuple(f"{class_name(names, label)} → {class_name(names, predicted)}" for label, predicted, _, _ in pairs)
    groups = (
        ("mistakes", tuple(float(mistakes) for _, _, mistakes, _ in pairs)),
        ("blind", tuple(float(blind) for _, _, _, blind in pairs)),
    )
    return (Bars("Label → prediction, most mistaken first", "test examples", told, groups, number="{:.0f}"),)


def novel_figures(novel: NovelItems) -> tuple[Figure, ...]:
    """Return how the scores lie, and where novelty begins."""
    finite = novel.scores[np.isfinite(novel.scores)]
    if len(finite) == 0:
        return ()
    mark = novel.threshold if np.isfinite(novel.threshold) else None
    edges = np.linspace(0, 1.02 * max(float(finite.max()), mark or 0.0, 1e-9), BINS + 1)
    shares = (("examples", _shares(finite, edges)),)
    return (
        Histogram("Novelty scores", "score; 1 is ordinary", tuple(edges.tolist()), shares, "share of examples",
                  mark=mark, mark_name="novel above"),
    )  # fmt: skip


def coverage_figures(coverage: Coverage) -> tuple[Figure, ...]:
    """Return the saturation curve, and layer by layer what is never reached."""
    x = tuple(coverage.sample_sizes.astype(float).tolist())
    curve = (Series("codes", x, tuple(coverage.expected_distinct.tolist())), Series("a code each", x, x))
    layers = [at for at in coverage.layers if at.bits]
    lines = {
        "never on": [len(at.never_on) / at.bits for at in layers],
        "always on": [len(at.always_on) / at.bits for at in layers],
        "pattern of their own": [at.unseen_probability for at in layers],
    }
    if coverage.new is not None:
        lines["new patterns"] = [at.new_patterns for at in layers if at.new_patterns is not None]
    return (
        Lines("Saturation", "examples", "distinct codes", curve),
        _by_layer("What is not reached, layer by layer", "share of bits, or of examples", [at.name for at in layers],
                  lines),
    )  # fmt: skip


def comparison_figures(comparison: ModelComparison) -> tuple[Figure, ...]:
    """Return the agreement layer by layer, and how much of their neighbourhoods examples keep."""
    layers = comparison.layers
    lines = {
        "CKA": [at.cka for at in layers],
        f"{comparison.k} nearest in common": [at.overlap for at in layers],
        "Jaccard": [at.jaccard for at in layers],
        "in common by chance": [comparison.chance] * len(layers),
    }
    edges = np.linspace(0, 1, 21)
    shares = (("examples", _shares(comparison.overlap, edges)),)
    return (
        _by_layer(f"How alike {' and '.join(comparison.models)} are", "agreement", [at.name for at in layers], lines),
        Histogram("What examples keep of their neighbourhoods", "share of the nearest in common, over layers",
                  tuple(edges.tolist()), shares, "share of examples"),
    )  # fmt: skip


def _by_layer(title: str, y_label: str, names: Sequence[str], lines: dict[str, list[float]]) -> Lines:
    places = tuple(map(float, range(len(names))))
    series = []
    for name, values in lines.items():
        known = [(place, value) for place, value in zip(places, values, strict=True) if np.isfinite(value)]
        series.append(Series(name, tuple(place for place, _ in known), tuple(value for _, value in known)))
    return Lines(title, "layer", y_label, tuple(series), ticks=tuple(zip(places, names, strict=True)))


def _shares(values: Values, edges: Values) -> tuple[float, ...]:
    counts = np.histogram(values, edges)[0]
    return tuple((counts / max(1, len(values))).tolist())
