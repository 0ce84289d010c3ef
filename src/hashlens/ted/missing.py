"""Missing explanations: which rows have none, at random, by class or by rule."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from hashlens.arguments import shortly
from hashlens.errors import TEDError, nearest
from hashlens.seeds import numpy_generator
from hashlens.ted.noise import check_share

Numbers = npt.NDArray[np.int64]
MissingKind = Literal["random", "by class", "by rule"]
MISSING_KINDS: tuple[MissingKind, ...] = get_args(MissingKind)
ODDS = 9.0
"""The odds of losing it in the group that loses most, over those in the group that loses least."""


def left_out(
    explanations: Numbers, labels: Numbers, share: float, kind: MissingKind = "random", seed: int = 0
) -> npt.NDArray[np.bool_]:
    """Return which rows lose their explanation.

    Exactly the share of rows loses it.

    Parameters
    ----------
    explanations, labels : numpy.ndarray
        int64 ``(n,)``.
    share : float
        Of rows that lose it, from 0 to 1.
    kind : {"random", "by class", "by rule"}
        ``random``: all rows are as likely. ``by class``, ``by rule``: all of one label, or of one explanation, are. The
        odds of labels (explanations) are spread evenly on a logarithmic scale, the largest 9 times the smallest, in an
        order that is drawn.
    seed : int
        What is drawn depends on it.

    Returns
    -------
    numpy.ndarray
        bool ``(n,)``.

    Raises
    ------
    TEDError
        If an argument is not what it must be.
    """
    check_share("missing", share)
    if kind not in MISSING_KINDS:
        raise TEDError(f"unknown missing_kind {shortly(kind)}; {nearest(kind, MISSING_KINDS)}")
    rng = numpy_generator(seed, "ted missing", kind)
    # A logistic number and a log odds: how often their sum is above a threshold is a logistic function of the odds.
    keys = rng.logistic(size=len(labels))
    if kind != "random":
        groups, of = np.unique(labels if kind == "by class" else explanations, return_inverse=True)
        keys += rng.permutation(np.linspace(0.0, np.log(ODDS), len(groups)))[of]
    lost = np.zeros(len(labels), bool)
    lost[np.argsort(-keys, kind="stable")[: round(share * len(labels))]] = True
    return lost
