"""Neighbour votes: class probabilities of each row from the labels of the nearest codes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hashlens.audit.local_ratio import nearest_others
from hashlens.codes.codes import Codes, concatenate
from hashlens.measures.classes import Labels
from hashlens.measures.grouping import group_rows
from hashlens.measures.knn import nearest_codes


@dataclass(frozen=True, eq=False)
class Votes:
    """Votes of the neighbours of n rows.

    Attributes
    ----------
    shares : numpy.ndarray
        float64 ``(n, c)``: weighted share of the k nearest codes that have each label.
    probabilities : numpy.ndarray
        float64 ``(n, c)``: the shares, smoothed by one more vote with the frequencies of the classes; never 0.
    collisions : numpy.ndarray
        int64 ``(n,)``: number of rows with an equal code and another label.
    """

    shares: npt.NDArray[np.float64]
    probabilities: npt.NDArray[np.float64]
    collisions: npt.NDArray[np.int64]


def neighbour_votes(
    codes: Codes, labels: Labels, reference: Codes | None, reference_labels: Labels, classes: int, k: int
) -> Votes:
    """Let the k nearest codes vote on the class of each row.

    A vote at distance d has the weight ``exp(-2 d / d_k)``: 1 for an equal code, 0.14 at the k-th distance d_k.

    Parameters
    ----------
    codes : Codes
        n rows to classify.
    labels : numpy.ndarray
        int64 ``(n,)``: their labels, 0 to `classes` - 1.
    reference : Codes or None
        m rows that vote; None for the other rows of `codes`.
    reference_labels : numpy.ndarray
        int64 ``(m,)``: labels of the rows that vote; without a reference, those of `codes`.
    classes : int
        Number of classes.
    k : int
        Number of neighbours, at most m, and less than n without a reference.
    """
    if reference is None:
        distances, rows = nearest_others(codes, np.arange(len(codes)), k)
        voters, voter_labels = codes, labels
    else:
        distances, rows = nearest_codes(codes, reference, k)
        voters, voter_labels = concatenate([codes, reference]), np.concatenate([labels, reference_labels])
    weights = np.exp(-2.0 * distances / np.maximum(distances[:, -1:], 1))
    cells = np.arange(len(codes))[:, None] * classes + reference_labels[rows]
    totals = np.bincount(cells.ravel(), weights.ravel(), len(codes) * classes).reshape(-1, classes)
    shares = totals / totals.sum(axis=1, keepdims=True)
    frequencies = np.bincount(reference_labels, minlength=classes) + 1.0
    smoothed = (k * shares + frequencies / frequencies.sum()) / (k + 1)
    return Votes(shares, smoothed, _collisions(voters, voter_labels, classes)[: len(codes)])


def _collisions(codes: Codes, labels: Labels, classes: int) -> npt.NDArray[np.int64]:
    """Return for each row the number of rows with an equal code and another label."""
    groups = group_rows(codes)
    group = groups.of_rows()
    _, kind, alike = np.unique(group * classes + labels, return_inverse=True, return_counts=True)
    conflicts: npt.NDArray[np.int64] = groups.sizes[group] - alike[kind]
    return conflicts
