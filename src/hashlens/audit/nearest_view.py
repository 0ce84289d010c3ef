"""The nearest codes of rows that are encoded in several views, each in the view with the lowest local ratio."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hashlens.audit.local_ratio import Rows, local_ratio, nearest_others
from hashlens.codes.codes import Codes
from hashlens.measures.knn import nearest_codes


def nearest_view(
    views: Sequence[Codes], reference: Codes, k: int, own_rows: Rows | None = None
) -> tuple[npt.NDArray[np.int32], Rows, Rows]:
    """Find the k codes nearest to each row, in the view with the lowest local ratio; in the first of equal ones.

    Parameters
    ----------
    views : sequence of Codes
        The same m rows, once for each view.
    reference : Codes
        n rows to search.
    k : int
        Number of neighbours.
    own_rows : numpy.ndarray, optional
        int64 ``(m,)``: the row of `reference` that each row is a view of; it is not counted as a neighbour.

    Returns
    -------
    distances, neighbours : numpy.ndarray
        int32 and int64 ``(m, k)``, as :func:`hashlens.measures.knn.nearest_codes` returns them.
    view : numpy.ndarray
        int64 ``(m,)``: index of the view.
    """
    if own_rows is None:
        searches = [nearest_codes(view, reference, k) for view in views]
    else:
        searches = [nearest_others(reference, own_rows, k, view) for view in views]
    best = np.stack([local_ratio(distances) for distances, _ in searches]).argmin(axis=0)
    rows = np.arange(len(best))
    distances, neighbours = (np.stack(part)[best, rows] for part in zip(*searches, strict=True))
    return distances, neighbours, best
