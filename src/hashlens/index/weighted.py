"""Weighted layers: candidates of the unweighted search, ranked again by weighted Hamming distance."""

import sys
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt, is_number
from hashlens.codes.packing import Packed
from hashlens.errors import IndexFault, nearest
from hashlens.index.exact import Numbers
from hashlens.index.rows import BLOCK_BYTES, Rows

Weights = npt.NDArray[np.float64]
LARGEST = sys.float_info.max


def layer_weights(rows: Rows, weights: Mapping[str, float]) -> Weights:
    """Return the weight of each layer of `rows`, float64 ``(layers,)``; 1 for layers that are not named.

    Raises
    ------
    IndexFault
        If a layer does not exist, or a weight is negative or not finite.
    """
    if not isinstance(weights, Mapping):
        raise IndexFault(f"weights must be a dict of layer names and numbers, received {excerpt(weights)}")
    names = [layer.name for layer in rows.layers]
    for name, weight in weights.items():
        if name not in names:
            raise IndexFault(f"weights name a layer {excerpt(name)} that is not searched: {nearest(name, names)}")
        if not is_number(weight) or not 0 <= weight <= LARGEST:
            raise IndexFault(
                f"the weight of layer {name!r} must be a finite number, 0 or more, received {excerpt(weight)}"
            )
    return np.array([float(weights.get(name, 1)) for name in names])


def weighted_distances(rows: Rows, queries: Packed, numbers: Numbers, weights: Weights) -> npt.NDArray[np.float64]:
    """Return the weighted Hamming distance of each query to each of its candidates.

    Parameters
    ----------
    rows : Rows
        n rows.
    queries : numpy.ndarray
        uint8 ``(m, row_bytes)``: packed queries.
    numbers : numpy.ndarray
        int64 ``(m, c)``: row numbers of the candidates.
    weights : numpy.ndarray
        float64 ``(layers,)``: weights of the layers.

    Returns
    -------
    numpy.ndarray
        float64 ``(m, c)``: sum over layers of the weight times the number of differing bits.
    """
    distances = np.zeros(numbers.shape)
    step = max(1, BLOCK_BYTES // max(1, numbers.shape[1] * rows.row_bytes))
    for start in range(0, len(queries), step):
        asked, wanted = queries[start : start + step], numbers[start : start + step]
        known = rows.take(wanted.ravel()).reshape(*wanted.shape, rows.row_bytes)
        differing = np.bitwise_count((known ^ asked[:, None]).view(np.uint64))
        for layer, weight in zip(rows.layers, weights, strict=True):
            words = slice(layer.byte_slice.start // 8, layer.byte_slice.stop // 8)
            distances[start : start + step] += weight * differing[..., words].sum(axis=-1, dtype=np.int64)
    return distances


def rerank(
    rows: Rows, queries: Packed, plain: npt.NDArray[np.int32], numbers: Numbers, weights: Weights, k: int
) -> tuple[npt.NDArray[np.float64], Numbers, npt.NDArray[np.bool_]]:
    """Return the k best candidates by weighted distance, ties by row number, and for which queries this is proven.

    A row that is not a candidate of an exact search is at least as far, in bits, as the last candidate. So its weighted
    distance is at least that distance times the smallest weight. If all k results are nearer than this bound, no
    other row is nearer.
    """
    distances = weighted_distances(rows, queries, numbers, weights)
    order = np.lexsort((numbers, distances), axis=1)[:, :k]
    best = np.take_along_axis(distances, order, axis=1)
    complete = numbers.shape[1] == len(rows)
    proven = complete | (best[:, -1] < plain[:, -1] * weights.min())
    return best, np.take_along_axis(numbers, order, axis=1), proven
