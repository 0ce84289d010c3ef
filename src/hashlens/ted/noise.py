"""Noise: wrong explanations, modelled on three kinds of mistakes of people."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt, is_number, require_whole
from hashlens.errors import TEDError, nearest
from hashlens.seeds import numpy_generator

Numbers = npt.NDArray[np.int64]
NoiseKind = Literal["within label", "across labels", "by annotator"]
NOISE_KINDS: tuple[NoiseKind, ...] = get_args(NoiseKind)


def add_noise(
    explanations: Numbers, labels: Numbers, share: float, kind: NoiseKind = "within label", seed: int = 0, *,
    annotators: int = 5,
) -> Numbers:  # fmt: skip
    """Return explanations of which a share is wrong.

    A share of the rows is drawn, and each gets a different explanation. If a label has a single explanation, its rows
    keep it, except for ``across labels``.

    Parameters
    ----------
    explanations, labels : numpy.ndarray
        int64 ``(n,)``: explanation and label of each row.
    share : float
        Share of rows drawn, from 0 to 1.
    kind : {"within label", "across labels", "by annotator"}
        ``within label``: another explanation of the same label, uniformly. ``across labels``: an explanation that no
        row of this label has, so that it contradicts the label. ``by annotator``: rows are divided among annotators;
        each annotator always replaces an explanation by the same wrong one of the same label.
    seed : int
        Seed of the random choices.
    annotators : int
        Number of annotators.

    Returns
    -------
    numpy.ndarray
        int64 ``(n,)``: the explanations.

    Raises
    ------
    TEDError
        If an argument is invalid.
    """
    check_share("noise", share)
    require_whole(TEDError, "annotators", annotators)
    if kind not in NOISE_KINDS:
        raise TEDError(f"unknown noise_kind {excerpt(kind)}; {nearest(kind, NOISE_KINDS)}")
    rng = numpy_generator(seed, "ted noise", kind)
    drawn = np.zeros(len(labels), bool)
    drawn[rng.permutation(len(labels))[: round(share * len(labels))]] = True
    person = rng.integers(annotators, size=len(labels))
    result = explanations.copy()
    for label in np.unique(labels):
        of_label = labels == label
        own = np.unique(explanations[of_label])
        rows = np.flatnonzero(of_label & drawn)
        if kind == "across labels":
            others = np.setdiff1d(explanations, own)
            if len(others):
                result[rows] = rng.choice(others, len(rows))
            continue
        if len(own) < 2:
            continue
        # Offsets to the wrong explanations; an annotator has one fixed offset for each explanation.
        places = np.searchsorted(own, explanations[rows])
        habits = rng.integers(1, len(own), (annotators, len(own)))
        steps = rng.integers(1, len(own), len(rows)) if kind == "within label" else habits[person[rows], places]
        result[rows] = own[(places + steps) % len(own)]
    return result


def check_share(name: str, share: object) -> None:
    """Raise TEDError if `share` is not a number from 0 to 1."""
    if not is_number(share) or not 0 <= share <= 1:  # type: ignore[operator]
        raise TEDError(f"{name} must be a share from 0 to 1, received {excerpt(share)}")
