"""Figures that several results of an audit share: from arrays."""

import numpy as np
import numpy.typing as npt

from hashlens.report.figures import Histogram, Rule

BINS = 50
Values = npt.NDArray[np.float64]


def ratio_histogram(title: str, name: str, ratios: Values, threshold: float, expected: Values | None) -> Histogram:
    """Return how local ratios lie beside those of ordinary examples.

    Parameters
    ----------
    title, name : str
        Of the picture, and of what the ratios are of.
    ratios : numpy.ndarray
        float64 ``(n,)``.
    threshold : float
        Ratios up to it are suspected; NaN where none is.
    expected : numpy.ndarray, optional
        float64 ``(n,)``: how many ordinary examples would be as near as each or nearer.
    """
    # What is suspected is a small share, which a logarithmic axis shows beside what is ordinary.
    edges = np.linspace(0, 1, BINS + 1)
    drawn = [(name, shares(ratios, edges))]
    if expected is not None and len(ratios):
        # Of each row it is known how many ordinary ones are as near or nearer; all are at a ratio of 1.
        order = np.argsort(ratios, kind="stable")
        position = np.searchsorted(ratios[order], edges, "right") - 1
        cumulative = np.where(position < 0, 0.0, expected[order][np.maximum(position, 0)] / len(ratios))
        cumulative[0], cumulative[-1] = 0.0, 1.0
        drawn.append(("ordinary, as measured", tuple(np.diff(cumulative).tolist())))
    rules = () if np.isnan(threshold) else (Rule("x", threshold, "suspected at or below"),)
    return Histogram(
        title, "distance to the nearest / to the k-th nearest", tuple(edges.tolist()), tuple(drawn),
        "share of examples", rules=rules, least=0.5 / max(1, len(ratios)),
    )  # fmt: skip


def shares(values: Values, edges: Values) -> tuple[float, ...]:
    """Return the share of all values in each bin."""
    counts = np.histogram(values, edges)[0]
    return tuple((counts / max(1, len(values))).tolist())
