"""IVF: approximate search in the inverted lists of the nearest centres."""

from collections.abc import Iterator
from math import sqrt
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from hashlens.codes.fingerprint import hash_rows
from hashlens.codes.packing import Packed
from hashlens.errors import IndexFault
from hashlens.index.exact import Distances, Numbers
from hashlens.index.library import load_faiss
from hashlens.index.rows import Rows
from hashlens.index.searcher import checked_options
from hashlens.progress import track
from hashlens.seeds import numpy_generator

FILE = "lists.faiss"
ROWS_PER_CENTRE, MAX_ROWS_PER_CENTRE, ROUNDS = 64, 256, 10
SAMPLE_BYTES = 1 << 28
ROW_NUMBER_BYTES = 8


class InvertedLists:
    """Rows in inverted lists, a ``faiss.IndexBinaryIVF``.

    Parameters
    ----------
    index : faiss.IndexBinaryIVF
        The lists with their centres.
    nprobe : int
        Number of lists that a search visits.
    seed : int
        Seed of the centres.
    """

    parameter = "nprobe"

    def __init__(self, index: Any, nprobe: int, seed: int) -> None:
        self.index, self.value, self.seed = index, nprobe, seed
        self.mapped = False

    @classmethod
    def trained(cls, rows: Rows, **arguments: Any) -> "InvertedLists":
        """Return empty lists with centres of the rows.

        Parameters
        ----------
        rows : Rows
            n rows; the centres are computed from a sample of them.
        nlist : int, optional
            Number of lists; ``sqrt(n)`` by default.
        nprobe : int, optional
            Number of lists that a search visits; 1 in 16 by default.
        seed : int, optional
            Seed of the sample and of the first centres.
        """
        faiss = load_faiss()

        options = checked_options("ivf", arguments, {"nlist": 1, "nprobe": 1, "seed": 0})
        if len(rows) == 0:
            raise IndexFault(
                "an index of kind 'ivf' finds its centres among its rows, received none: give codes of one row or more"
            )
        nlist, seed = options["nlist"] or round(sqrt(len(rows))), options["seed"] or 0
        if nlist > len(rows):
            raise IndexFault(f"nlist must be at most the {len(rows):,} rows, received {nlist:,}")
        centres = find_centres(rows, nlist, seed)
        bits = rows.row_bytes * 8
        quantizer = faiss.IndexBinaryFlat(bits)
        quantizer.add(centres)
        index = faiss.IndexBinaryIVF(quantizer, bits, len(centres))
        quantizer.this.disown()
        index.own_fields, index.is_trained = True, True
        return cls(index, options["nprobe"] or -(-len(centres) // 16), seed)

    @property
    def most(self) -> int:
        """Largest useful value of `nprobe`: the number of lists."""
        return int(self.index.nlist)

    def add(self, packed: Packed) -> None:
        """Add rows to the lists of their nearest centres, in memory."""
        if self.mapped:
            self._read_into_memory()
        self.index.add(packed)

    def search(self, queries: Packed, k: int, value: int) -> tuple[Distances, Numbers]:
        """Search the lists of the nearest centres; see :class:`~hashlens.index.searcher.Searcher`."""
        self.index.nprobe = min(value, self.most)
        distances, numbers = self.index.search(queries, k)
        return distances, numbers

    def options(self) -> dict[str, int]:
        """Return the options: `nlist`, `nprobe` and the seed."""
        return {"nlist": self.most, "nprobe": self.value, "seed": self.seed}

    def write(self, folder: Path, rows: Rows) -> None:
        """Write the lists in the format of FAISS, block by block of `rows`, with memory for one block.

        If the lists are empty, all rows are written into them; so an index larger than memory can be built.
        """
        assignment = self._assignment(len(rows)) if self.index.ntotal else self._assign(rows)
        with (folder / FILE).open("wb") as file:
            _write_lists(file, self.index, rows, assignment)

    @classmethod
    def read(cls, folder: Path, rows: Rows, nprobe: int, seed: int, **_: int) -> "InvertedLists":
        """Map the lists of a folder into memory."""
        faiss = load_faiss()

        index = faiss.read_index_binary(str(folder / FILE), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        if (index.ntotal, index.d) != (len(rows), rows.row_bytes * 8):
            raise ValueError("its lists and its rows contradict each other")
        inverted_lists = cls(index, nprobe, seed)
        inverted_lists.mapped = True
        return inverted_lists

    def _assign(self, rows: Rows) -> npt.NDArray[np.int32]:
        """Return the list of each row: that of the nearest centre."""
        assignment = np.empty(len(rows), np.int32)
        for first, block in track(rows.blocks(), "lists"):
            assignment[first : first + len(block)] = self.index.quantizer.search(block, 1)[1][:, 0]
        return assignment

    def _assignment(self, n: int) -> npt.NDArray[np.int32]:
        """Return the list of each row."""
        faiss = load_faiss()

        assignment = np.empty(n, np.int32)
        lists = self.index.invlists
        for i in range(self.most):
            if size := lists.list_size(i):
                assignment[faiss.rev_swig_ptr(lists.get_ids(i), size)] = i
        return assignment

    def _read_into_memory(self) -> None:
        """Replace memory-mapped lists, which are read-only, by copies."""
        faiss = load_faiss()

        mapped = self.index.invlists
        copies = faiss.ArrayInvertedLists(self.most, self.index.code_size)
        for i in range(self.most):
            copies.add_entries(i, mapped.list_size(i), mapped.get_ids(i), mapped.get_codes(i))
        self.index.replace_invlists(copies, True)
        copies.this.disown()
        self.mapped = False


def find_centres(rows: Rows, count: int, seed: int = 0) -> Packed:
    """Return centres of the rows by K-Means in Hamming distance, where a centre is the majority of each bit.

    Parameters
    ----------
    rows : Rows
        n rows; a sample of 64 for each centre is used, at most 256 MiB.
    count : int
        Number of centres; fewer if there are not enough distinct rows.
    seed : int
        Seed of the sample and of the first centres.

    Returns
    -------
    numpy.ndarray
        uint8 ``(centres, row_bytes)``: the centres.

    References
    ----------
    Grana, Borghesani, Manfredi, Cucchiara, "A fast approach for integrating ORB descriptors in the bag of words
    model", 2013 (k-majority).
    """
    faiss = load_faiss()

    generator = numpy_generator(seed, "index", "centres")
    size = min(len(rows), max(count, min(ROWS_PER_CENTRE * count, SAMPLE_BYTES // rows.row_bytes)))
    sample = rows.take(np.sort(generator.choice(len(rows), size, replace=False)))
    different = np.unique(hash_rows(sample), axis=0, return_index=True)[1]
    first = generator.choice(different, min(count, len(different)), replace=False)
    centres: Packed = sample[np.sort(first)]
    assignment = np.full(len(sample), -1)
    for _ in track(range(ROUNDS), "centres"):
        nearest = faiss.knn_hamming(sample, centres, 1)[1][:, 0]
        if (nearest == assignment).all():
            break
        assignment = nearest
        for list_number, members in _lists_of(assignment):
            part = sample[members[:: -(-len(members) // MAX_ROWS_PER_CENTRE)]]
            ones = np.unpackbits(part, axis=1).sum(axis=0, dtype=np.int32)
            centres[list_number] = np.packbits(2 * ones > len(part))
    return centres


def _lists_of(assignment: npt.NDArray[Any]) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Yield each list that is not empty with its row positions, ascending."""
    order = np.argsort(assignment, kind="stable")
    lists, starts = np.unique(assignment[order], return_index=True)
    yield from zip(lists.tolist(), np.split(order, starts[1:]), strict=True)


def _write_lists(file: BinaryIO, index: Any, rows: Rows, assignment: npt.NDArray[np.int32]) -> None:
    """Write an index with filled lists in the format of ``faiss.write_index_binary``, without having it in memory.

    FAISS writes the header, for the same centres with empty lists; then each list follows: its codes and row numbers.
    """
    faiss = load_faiss()

    empty = faiss.IndexBinaryIVF(index.quantizer, index.d, index.nlist)
    empty.is_trained, empty.ntotal = True, len(rows)
    head = faiss.serialize_index_binary(empty).tobytes()
    head = head[: head.rindex(b"ilar")]
    sizes = np.bincount(assignment, minlength=index.nlist)
    lists, code_size = (number.to_bytes(8, "little") for number in (index.nlist, index.code_size))
    file.write(head + b"ilar" + lists + code_size + b"full" + lists + sizes.astype("<u8").tobytes())
    lengths = sizes * (index.code_size + ROW_NUMBER_BYTES)
    codes_at = file.tell() + np.cumsum(lengths) - lengths
    numbers_at = codes_at + sizes * index.code_size
    for first, block in track(rows.blocks(), "writing lists"):
        for list_number, members in _lists_of(assignment[first : first + len(block)]):
            file.seek(codes_at[list_number])
            codes_at[list_number] += file.write(block[members].data)
            file.seek(numbers_at[list_number])
            numbers_at[list_number] += file.write((members + first).data)
