"""Connected components of rows that are linked by pairs."""

import numpy as np

from hashlens.audit.local_ratio import Rows


def linked(pairs: Rows, rows: int) -> tuple[Rows, ...]:
    """Return the connected components with two or more rows of the graph with edges `pairs`, largest first.

    Components of the same size are in the order of their first row.

    Parameters
    ----------
    pairs : numpy.ndarray
        int64 ``(2, p)``: the two rows of each pair.
    rows : int
        Number of rows.

    >>> [part.tolist() for part in linked(np.array([[0, 5, 3], [4, 3, 1]]), 7)]
    [[1, 3, 5], [0, 4]]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(pairs.shape[1], np.bool_), (pairs[0], pairs[1])), shape=(rows, rows))
    _, parts = connected_components(graph, directed=False)
    members = np.unique(pairs)
    order = members[np.argsort(parts[members], kind="stable")]
    starts = np.flatnonzero(np.diff(parts[order])) + 1
    groups = [group for group in np.split(order, starts) if len(group) > 1]
    return tuple(sorted(groups, key=lambda group: (-len(group), int(group[0]))))
