"""The nearest codes of rows that were encoded in several views, each in the view that brings it nearest."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hashlens.audit.local_ratio import Rows, local_ratio, nearest_others
from hashlens.codes.codes import Codes
from hashlens.measures.knn import nearest_codes


def nearest_view(
    views: Sequence[Codes], reference: Codes, k: int, own_rows: Rows | None = None
) -> tuple[npt.NDArray[np.int32], Rows, Rows]:
    """Find the k codes nearest to each row, in the view in which its local ratio is lowest; of equal ones the first.

    Parameters
    ----------
    views : sequence of Codes
        The same m rows, once for each view.
    reference : Codes
        n rows.
    k : int
        Neighbours.
    own_rows : numpy.ndarray, optional
        int64 ``(m,)``: the row of `reference` that each row is a view of, which is no neighbour of it.

    Returns
    -------
    distances, neighbours : numpy.ndarray
        int32 and int64 ``(m, k)``, as :func:`hashlens.measures.knn.nearest_codes` gives them.
    view : numpy.ndarray
        int64 ``(m,)``: the place of the view.
    """
    if own_rows is None:
        searches = [nearest_codes(view, reference, k) for view in views]
    else:
        searches = [nearest_others(reference, own_rows, k, view) for view in views]
    best = np.stack([local_ratio(distances) for distances, _ in searches]).argmin(axis=0)
    rows = np.arange(len(best))
    distances, neighbours = (np.stack(part)[best, rows] for part in zip(*searches, strict=True))
    return distances, neighbours, best
