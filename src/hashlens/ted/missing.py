"""Missing explanations, generated at random, by class or by rule."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt
from hashlens.errors import TEDError, nearest
from hashlens.seeds import numpy_generator
from hashlens.ted.noise import check_share

Numbers = npt.NDArray[np.int64]
MissingKind = Literal["random", "by class", "by rule"]
MISSING_KINDS: tuple[MissingKind, ...] = get_args(MissingKind)
ODDS = 9.0
"""Ratio of the odds of losing an explanation between the groups that lose most and least."""


def draw_missing(
    explanations: Numbers, labels: Numbers, share: float, kind: MissingKind = "random", seed: int = 0
) -> npt.NDArray[np.bool_]:
    """Return which rows lose their explanation; their number is exactly `share` of all rows.

    Parameters
    ----------
    explanations, labels : numpy.ndarray
        int64 ``(n,)``: explanation and label of each row.
    share : float
        Share of rows that lose it, from 0 to 1.
    kind : {"random", "by class", "by rule"}
        ``random``: all rows have the same probability. ``by class``, ``by rule``: all rows with the same label, or the
        same explanation, have the same probability. The odds of the labels (explanations) are spaced evenly on a
        logarithmic scale in random order, the largest 9 times the smallest.
    seed : int
        Seed of the random choices.

    Returns
    -------
    numpy.ndarray
        bool ``(n,)``: True for rows without an explanation.

    Raises
    ------
    TEDError
        If an argument is invalid.
    """
    check_share("missing", share)
    if kind not in MISSING_KINDS:
        raise TEDError(f"unknown missing_kind {excerpt(kind)}; {nearest(kind, MISSING_KINDS)}")
    rng = numpy_generator(seed, "ted missing", kind)
    # With logistic noise, the odds that noise plus log odds is above a threshold keep their ratio.
    keys = rng.logistic(size=len(labels))
    if kind != "random":
        groups, group_of_row = np.unique(labels if kind == "by class" else explanations, return_inverse=True)
        keys += rng.permutation(np.linspace(0.0, np.log(ODDS), len(groups)))[group_of_row]
    is_lost = np.zeros(len(labels), bool)
    is_lost[np.argsort(-keys, kind="stable")[: round(share * len(labels))]] = True
    return is_lost
