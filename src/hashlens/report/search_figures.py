"""The figures of what a search finds and of how good it is."""

import numpy as np

from hashlens.index.neighbours import Neighbours
from hashlens.report.figures import Figure, Histogram, Lines, Series
from hashlens.retrieval.curve import QualityCurve
from hashlens.retrieval.quality import RetrievalQuality

BINS = 40


def neighbour_figures(found: Neighbours) -> tuple[Figure, ...]:
    """Return how far the nearest and the last of the rows found lie."""
    m, k = found.distances.shape
    if m == 0 or k == 0:
        return ()
    most = float(found.distances.max())
    # Whole distances: no bin is narrower than a bit.
    bins = BINS if found.distances.dtype.kind == "f" else min(BINS, int(most) + 1)
    edges = np.linspace(0, most + (0 if found.distances.dtype.kind == "f" and most else 1), bins + 1)
    ranks = {"nearest": 0} if k == 1 else {"nearest": 0, f"number {k}": k - 1}
    shares = tuple(
        (name, tuple((np.histogram(found.distances[:, rank], edges)[0] / m).tolist())) for name, rank in ranks.items()
    )
    return (Histogram("Distances of what was found", "distance", tuple(edges.tolist()), shares, "share of queries"),)


def quality_figures(quality: RetrievalQuality) -> tuple[Figure, ...]:
    """Return precision, recall and mAP at every cut."""
    k = tuple(map(float, quality.k))
    lines = (
        ("precision", quality.precision), ("recall", quality.recall), ("mAP at k", quality.mean_average_precision_at),
    )  # fmt: skip
    series = tuple(Series(name, k, values) for name, values in lines)
    whole = f"Retrieval: mAP {quality.mean_average_precision:.4f} of whole rankings"
    return (Lines(whole, "first k", "share", series, log_x=True),)


def curve_figures(curve: QualityCurve) -> tuple[Figure, ...]:
    """Return mAP against bits, one line for each way to make codes; what is no code at all is a single point."""
    ways = dict.fromkeys((point.source, point.coding) for point in curve.points)
    series = []
    for source, coding in ways:
        found = curve.of(source, coding)
        if found:
            values = [found[bits].mean_average_precision for bits in sorted(found)]
            series.append(Series(f"{source}, {coding}", tuple(map(float, sorted(found))), tuple(values)))
    return (Lines("Retrieval against bits", "bits", "mAP", tuple(series), log_x=True),)
