"""Agreement of clusters with classes: majority-vote purity and Hungarian matching."""

import numpy as np
import numpy.typing as npt

from hashlens.errors import MeasureError


def purity(assignment: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Return the share of rows that belong to the majority class of their cluster.

    It is optimistic, since several clusters may share a class: ten clusters of two classes can reach 1.

    Parameters
    ----------
    assignment, labels : array of int
        ``(n,)``: cluster and class of each row.

    Raises
    ------
    MeasureError
        If there are no rows, or not one cluster and one class for each.

    >>> purity([0, 0, 1, 1], [5, 5, 5, 5])
    1.0
    """
    table = contingency(assignment, labels)
    return float(table.max(axis=1).sum() / table.sum())


def hungarian_accuracy(assignment: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Return the share of rows whose class is matched to their cluster, in the best one-to-one matching.

    Parameters
    ----------
    assignment, labels : array of int
        ``(n,)``: cluster and class of each row.

    Raises
    ------
    MeasureError
        If there are no rows, or not one cluster and one class for each.

    References
    ----------
    Kuhn (1955): The Hungarian method for the assignment problem. Naval Research Logistics Quarterly 2.

    >>> hungarian_accuracy([0, 0, 1, 1], [5, 5, 5, 5])
    0.5
    """
    from scipy.optimize import linear_sum_assignment

    table = contingency(assignment, labels)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / table.sum())


def contingency(assignment: npt.ArrayLike, labels: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the number of rows of each cluster and class, int64 ``(clusters, classes)``."""
    assigned, known = np.asarray(assignment), np.asarray(labels)
    if assigned.shape != known.shape or assigned.ndim != 1 or len(known) == 0:
        raise MeasureError(
            f"clusters and labels must be one for each of the same rows, received {assigned.shape} and {known.shape}"
        )
    clusters, rows = np.unique(assigned, return_inverse=True)
    classes, columns = np.unique(known, return_inverse=True)
    cells = np.bincount(rows * len(classes) + columns, minlength=len(clusters) * len(classes))
    return cells.reshape(len(clusters), len(classes))
