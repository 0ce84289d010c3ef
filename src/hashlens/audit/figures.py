"""Figures that several results of an audit share."""

import numpy as np
import numpy.typing as npt

from hashlens.report.figures import Histogram, Rule

BINS = 50
Values = npt.NDArray[np.float64]


def ratio_histogram(title: str, name: str, ratios: Values, threshold: float, expected: Values | None) -> Histogram:
    """Return a histogram of local ratios, beside that expected of ordinary examples.

    Parameters
    ----------
    title, name : str
        Title of the figure, and legend entry of the ratios.
    ratios : numpy.ndarray
        float64 ``(n,)``: the local ratios.
    threshold : float
        Largest suspected ratio; NaN where none is suspected.
    expected : numpy.ndarray, optional
        float64 ``(n,)``: number of examples expected by chance to have each ratio or a lower one.
    """
    # The suspected examples are a small share: the axis is logarithmic so that they are visible.
    edges = np.linspace(0, 1, BINS + 1)
    drawn = [(name, shares(ratios, edges))]
    if expected is not None and len(ratios):
        # `expected` is the cumulative count of ordinary rows at each ratio; it reaches n at a ratio of 1.
        order = np.argsort(ratios, kind="stable")
        position = np.searchsorted(ratios[order], edges, "right") - 1
        cumulative = np.where(position < 0, 0.0, expected[order][np.maximum(position, 0)] / len(ratios))
        cumulative[0], cumulative[-1] = 0.0, 1.0
        drawn.append(("ordinary examples (measured)", tuple(np.diff(cumulative).tolist())))
    rules = () if np.isnan(threshold) else (Rule("x", threshold, "suspected at or below"),)
    return Histogram(
        title, "distance to the nearest / to the k-th nearest", tuple(edges.tolist()), tuple(drawn),
        "share of examples", rules=rules, least=0.5 / max(1, len(ratios)),
    )  # fmt: skip


def shares(values: Values, edges: Values) -> tuple[float, ...]:
    """Return the share of all values in each bin."""
    counts = np.histogram(values, edges)[0]
    return tuple((counts / max(1, len(values))).tolist())
