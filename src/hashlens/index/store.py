"""An index on disk: a folder of codes, and the memory-mapped structure that FAISS searches.

::

    manifest.json     schema version, kind, options, size and xxh3-128 of every other file
    codes/            the rows, a folder of codes that Codes.load reads too
    lists.faiss       the inverted lists (ivf only), with a copy of the rows: a search maps these and not the codes
    graph.faiss       the graph (hnsw only), with a copy of the rows
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hashlens.codes.codes import Codes
from hashlens.codes.store import CODES_FOLDER, CodesWriter, open_codes
from hashlens.errors import IndexFault
from hashlens.files import atomic_write, output_path
from hashlens.index.graph import Graph
from hashlens.index.inverted_lists import InvertedLists
from hashlens.index.rows import Rows
from hashlens.index.searcher import Searcher
from hashlens.manifest import FolderKind

INDEX_FOLDER = FolderKind(
    format="hashlens-index",
    schema_version=2,
    files=("codes/manifest.json",),
    what="an index",
    made_with="Index.save or `hashlens index build`",
    remedy="build the index again",
    error=IndexFault,
)
FIRST_NAMES = {
    "ivf": {"lists": "nlist", "effort": "nprobe"},
    "hnsw": {"links": "M", "build_effort": "efConstruction", "effort": "efSearch"},
}
"""Names of options in manifests of schema version 1, with the names of FAISS."""
READERS: dict[str, Callable[..., Searcher]] = {"ivf": InvertedLists.read, "hnsw": Graph.read}


def save_index(rows: Rows, kind: str, searcher: Searcher | None, path: str | Path, overwrite: bool = False) -> Path:
    """Write an index as a folder, block by block, and return its path."""
    INDEX_FOLDER.require_replaceable(output_path(path))
    with atomic_write(path, overwrite=overwrite) as folder:
        folder.mkdir()
        _write_rows(rows, folder / "codes")
        if searcher is not None:
            searcher.write(folder, rows)
        options = {} if searcher is None else searcher.options()
        INDEX_FOLDER.write(folder, {"kind": kind, "options": options})
    return Path(path)


def load_index(path: str | Path, verify: bool = True) -> tuple[Rows, str, Searcher | None]:
    """Open a folder that :func:`save_index` wrote; return its rows, its kind and its searcher."""

    def opened(folder: Path, manifest: dict[str, Any]) -> tuple[Rows, str, Searcher | None]:
        rows_folder = replace(CODES_FOLDER, remedy=INDEX_FOLDER.remedy, error=IndexFault)
        codes: Codes = rows_folder.open(folder / "codes", verify, open_codes)
        rows, kind = Rows.of(codes), manifest["kind"]
        if kind == "exact":
            return rows, kind, None
        options = {FIRST_NAMES[kind].get(name, name): value for name, value in manifest["options"].items()}
        searcher: Searcher = READERS[kind](folder, rows, **options)
        return rows, kind, searcher

    return INDEX_FOLDER.open(path, verify, opened)


def _write_rows(rows: Rows, folder: Path) -> None:
    labels, ids, digests = rows.labels, rows.ids, rows.input_digests
    with CodesWriter(folder) as writer:
        if len(rows) == 0:
            writer.append(rows.layout.packed, labels, ids, digests=digests)
        for first, block in rows.blocks():
            place = slice(first, first + len(block))
            writer.append(
                block,
                None if labels is None else labels[place],
                ids[place],
                digests=None if digests is None else digests[place],
            )
        writer.finish(rows.layers, rows.parts[0].provenance, rows.class_names)
