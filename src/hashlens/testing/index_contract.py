"""The contract of a kind of index: correct distances and order, also in batches, after additions, saved and loaded."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from hashlens.codes.codes import Codes
from hashlens.codes.encode import encode
from hashlens.errors import CodesError, IndexFault, OutputError
from hashlens.index import Index

ROWS, QUERIES, K = 400, 40, 6


def check_index(
    make: Callable[[Codes], Index], folder: str | Path, load: Callable[[Path], Index] = Index.load, recall: float = 0.9
) -> None:
    """Assert that a kind of index finds the same neighbours as comparing all pairs of codes.

    Parameters
    ----------
    make : callable
        Function from codes of 400 rows to an index of them: ``functools.partial(Index, kind="hnsw")``, or your own
        class with the methods of :class:`hashlens.Index`.
    folder : str or Path
        An empty folder for output.
    load : callable
        Function that opens an index from the folder that ``save`` wrote.
    recall : float
        Share of the six nearest neighbours that must be found with default settings; 1.0 for exact search.

    Raises
    ------
    AssertionError
        If distances are wrong or unsorted, rows repeat or are missing, ids do not belong to their rows, rows added
        later are not found, too few neighbours are found, a loaded index gives other results, ``save`` overwrites a
        folder, or codes of another network or an impossible k raise no error.
    """
    codes, queries = _codes(ROWS, 0), _codes(QUERIES, 1)
    distances = (queries.unpack()[:, None] != codes.unpack()[None]).sum(axis=2)
    nearest = np.sort(distances, axis=1)[:, :K]
    index = make(codes)
    assert len(index) == ROWS, f"{len(index)} rows of {ROWS} are there"
    neighbours = index.search(queries, K)
    _check_found(index, queries, codes, distances)
    reached = float((neighbours.distances <= nearest[:, -1:]).mean())
    assert reached >= recall, f"{reached:.3f} of the nearest are found, {recall} are required"
    if recall == 1.0:
        order = np.lexsort((np.broadcast_to(np.arange(ROWS), distances.shape), distances), axis=1)[:, :K]
        assert np.array_equal(neighbours.rows, order), "rows at equal distance are not in order of their numbers"
    part = make(codes[: ROWS // 2])
    part.add(codes[ROWS // 2 :])
    _check_found(part, queries, codes, distances)
    own = part.search(codes[-20:], 1)
    assert (own.distances == 0).mean() >= recall, "rows that were added are not found"
    _check_saving(index, queries, Path(folder) / "index", load)
    _check_refusals(index, queries)


def _check_found(index: Index, queries: Codes, codes: Codes, distances: npt.NDArray[np.int64]) -> None:
    neighbours = index.search(queries, K)
    assert neighbours.rows.shape == neighbours.distances.shape == neighbours.ids.shape == (len(queries), K), (
        "not k for each query"
    )
    assert ((neighbours.rows >= 0) & (neighbours.rows < len(codes))).all(), "row numbers are out of range"
    assert all(len(set(row)) == K for row in neighbours.rows.tolist()), "a row is found twice"
    assert np.array_equal(neighbours.distances, np.take_along_axis(distances, neighbours.rows, axis=1)), (
        "distances are wrong"
    )
    assert (np.diff(neighbours.distances, axis=1) >= 0).all(), "the nearest do not come first"
    assert np.array_equal(neighbours.ids, codes.ids[neighbours.rows]), "ids are those of other rows"
    assert np.array_equal(neighbours.query_ids, queries.ids), "the ids of the queries are lost"


def _check_saving(index: Index, queries: Codes, path: Path, load: Callable[[Path], Index]) -> None:
    index.save(path)
    result, again = index.search(queries, K), load(path).search(queries, K)
    assert np.array_equal(result.ids, again.ids), "a loaded index finds other rows"
    assert np.array_equal(result.distances, again.distances), "a loaded index finds other distances"
    refused = ""
    try:
        index.save(path)
    except OutputError as error:
        refused = str(error)
    assert "overwrite=True" in refused, "save wrote over a folder, or its error does not name overwrite=True"
    index.save(path, overwrite=True)
    assert len(load(path)) == len(index), "save with overwrite=True wrote another index"


def _check_refusals(index: Index, queries: Codes) -> None:
    other = _codes(3, 2, widths=(9,))
    faults: Sequence[tuple[str, Codes, int, type[Exception]]] = (
        ("codes of another network", other, 1, CodesError),
        ("more neighbours than rows", queries, len(index) + 1, IndexFault),
        ("no neighbours", queries, 0, IndexFault),
    )
    for problem, query_codes, k, error in faults:
        refused = ""
        try:
            index.search(query_codes, k)
        except error as refusal:
            refused = str(refusal)
        assert refused, f"{problem}: not refused"
        assert "\n" not in refused, f"{problem}: refused in several lines"


def _codes(rows: int, seed: int, widths: tuple[int, ...] = (24, 40)) -> Codes:
    """Return the codes of examples around some centres, of a network with random weights."""
    generator = torch.Generator().manual_seed(0)
    layers: list[torch.nn.Module] = []
    before = 8
    for width in widths:
        linear = torch.nn.Linear(before, width, device="meta").to_empty(device="cpu")
        with torch.no_grad():
            linear.weight.copy_(torch.randn(width, before, generator=generator) / before**0.5)
            linear.bias.zero_()
        layers += [linear, torch.nn.ReLU()]
        before = width
    centres = 2 * torch.randn(20, 8, generator=generator)
    own = torch.Generator().manual_seed(100 + seed)
    chosen = centres[torch.randint(20, (rows,), generator=own)] + torch.randn(rows, 8, generator=own)
    codes: Codes = encode(torch.nn.Sequential(*layers), chosen)
    return codes
