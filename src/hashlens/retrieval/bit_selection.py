"""Bit selection: choose the bits of a short code."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Int64

from hashlens.arguments import excerpt, is_whole
from hashlens.codes.codes import CHUNK_BYTES, Codes
from hashlens.codes.layers import Positions
from hashlens.codes.packing import WORD_BITS, pack_bits, packed_bytes
from hashlens.errors import MeasureError, nearest
from hashlens.measures.classes import Classes, labelled_codes
from hashlens.measures.features import full_precision
from hashlens.seeds import numpy_generator

Selection = Literal["variance", "decorrelation", "depth", "random", "mutual_information"]
SUPERVISED: tuple[Selection, ...] = ("mutual_information",)
"""Methods that use labels."""
SAMPLE_ROWS = 2048
"""Number of rows used for decorrelation; the standard error of a correlation is then 0.02."""


def select_bits(
    codes: Codes,
    bits: int,
    method: Selection = "variance",
    *,
    labels: npt.ArrayLike | None = None,
    seed: int = 0,
) -> Bool[npt.NDArray[np.bool_], " {codes.code_bits}"]:
    """Choose some bits of a code, fitted on `codes`; ``Codes.keep`` applies the choice to other codes.

    Parameters
    ----------
    codes : Codes
        n rows, of the training data.
    bits : int
        Number of bits to choose, at most ``codes.code_bits``.
    method : {"variance", "decorrelation", "depth", "random", "mutual_information"}
        Method of selection. Unsupervised: ``variance``, the largest p(1 - p) of bits that are 1 with share p;
        ``decorrelation``, a greedy choice of the largest variance times 1 - the largest squared correlation with a bit
        chosen before (on a sample of 2,048 rows); ``depth``, the bits that vary, last layer first, within a layer by
        variance; ``random``. **Supervised**: ``mutual_information`` of bit and label.
    labels : array of int, optional
        ``(n,)``: labels, only for ``mutual_information``; those of `codes` by default.
    seed : int
        Seed of the sample of bits or rows.

    Returns
    -------
    numpy.ndarray
        bool ``(code_bits,)``: True for the chosen bits. A longer choice contains all shorter ones.

    Raises
    ------
    MeasureError
        If the arguments do not fit the codes, labels are missing, or labels are passed to an unsupervised method.

    Examples
    --------
    >>> codes = Codes.from_bits([[0, 0, 1], [0, 1, 1], [0, 1, 0], [1, 0, 0]], labels=[0, 0, 1, 1])
    >>> select_bits(codes, 1, "mutual_information").tolist()
    [False, False, True]
    """
    mask = np.zeros(codes.code_bits, np.bool_)
    mask[preferred_bits(codes, bits, method, labels=labels, seed=seed)] = True
    return mask


def preferred_bits(
    codes: Codes, bits: int, method: Selection, *, labels: npt.ArrayLike | None = None, seed: int = 0
) -> Int64[Positions, " {bits}"]:
    """Return the positions of the bits that :func:`select_bits` chooses, int64 ``(bits,)``, the best first."""
    if method not in get_args(Selection):
        raise MeasureError(f"no method {excerpt(method)} of bit selection: {nearest(method, get_args(Selection))}")
    if not is_whole(bits) or not 1 <= bits <= codes.code_bits:
        raise MeasureError(
            f"bits must be a whole number from 1 to the {codes.code_bits:,} of these codes, received {excerpt(bits)}"
        )
    if labels is not None and method not in SUPERVISED:
        raise MeasureError(f"{method!r} is unsupervised and uses no labels: leave labels= out")
    if len(codes) == 0:
        raise MeasureError("bit selection needs at least one row, received none")
    if method == "random":
        return numpy_generator(seed, "bit selection").permutation(codes.code_bits)[:bits]
    if method == "decorrelation":
        return _decorrelate(codes, bits, seed)
    if method == "mutual_information":
        labelled, classes, _ = labelled_codes(codes, labels, "supervised bit selection")
        worth = _mutual_information(labelled, Classes.of(classes, "supervised bit selection"))
    else:
        worth = _variance(codes)
    keys: list[npt.NDArray[np.generic]] = [-worth]
    if method == "depth":
        layers = np.repeat(np.arange(len(codes.layers)), [layer.bits for layer in codes.layers])
        # In the last layer of a trained network many bits are constant: these come last of all.
        keys += [-layers, worth == 0]
    return np.lexsort(keys)[:bits]


def _variance(codes: Codes) -> npt.NDArray[np.float64]:
    # Computed from counts, so that shares p and 1 - p give exactly the same variance.
    ones = _ones(codes, np.zeros(len(codes), np.int64), 1)[0]
    return np.asarray(ones * (len(codes) - ones)) / len(codes) ** 2


def _mutual_information(codes: Codes, classes: Classes) -> npt.NDArray[np.float64]:
    """Return the mutual information of each bit and the label, in nats, float64 ``(code_bits,)``."""
    on_counts = _ones(codes, classes.of_rows, len(classes))
    sizes = classes.counts[:, None]
    information = np.zeros(codes.code_bits)
    for joint in (on_counts, sizes - on_counts):
        expected = sizes * joint.sum(axis=0) / len(codes)
        ratio = np.divide(joint, expected, out=np.ones_like(joint), where=joint > 0)
        information += (joint / len(codes) * np.log(ratio)).sum(axis=0)
    return information


@full_precision()
def _ones(codes: Codes, of_rows: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float64]:
    """Return the number of rows of each class in which each bit is 1, float64 ``(classes, code_bits)``."""
    total = torch.zeros(classes, codes.code_bits, dtype=torch.float64)
    member = torch.nn.functional.one_hot(torch.from_numpy(of_rows), classes).float()
    for rows in codes.chunks(bytes_per_bit=5):  # counts of a chunk are exact in float32
        total += member[rows].T @ torch.from_numpy(codes.unpack(rows)).float()
    return total.numpy()


def _decorrelate(codes: Codes, bits: int, seed: int) -> Positions:
    from hashlens.retrieval.decorrelation import choose_decorrelated

    sample = codes
    if len(codes) > SAMPLE_ROWS:
        generator = numpy_generator(seed, "rows of bit selection")
        sample = codes[np.sort(generator.choice(len(codes), SAMPLE_ROWS, replace=False))]
    chosen = np.empty(bits, np.int64)
    choose_decorrelated(_columns(sample), len(sample), chosen)
    return chosen


def _columns(codes: Codes) -> npt.NDArray[np.uint64]:
    """Return each bit over all rows, 64 rows to a word: uint64 ``(code_bits, ceil(n / 64))``."""
    columns = np.zeros((codes.code_bits, packed_bytes(len(codes))), np.uint8)
    step = max(1, CHUNK_BYTES // (codes.code_bits * WORD_BITS)) * WORD_BITS
    for start in range(0, len(codes), step):
        bits = codes.unpack(slice(start, start + step))
        pack_bits(bits.T, out=columns[:, start // 8 : start // 8 + packed_bytes(len(bits))])
    return columns.view(np.uint64)
