"""A kernel on disk: computed tile by tile, resumed after an interruption, and memory-mapped."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xxhash

from hashlens.arguments import excerpt, require_whole
from hashlens.errors import KernelError, OutputError, nearest
from hashlens.files import output_path
from hashlens.kernels.compute import PRECISIONS, Precision, blocks, inputs_of
from hashlens.kernels.network import InfiniteNetwork
from hashlens.kernels.predict import PREDICTION_KERNELS, PredictionKernel
from hashlens.progress import bar

Array = npt.NDArray[Any]
TILE = 1024
"""Number of rows and columns of a tile."""


def kernel_on_disk(
    network: InfiniteNetwork,
    x1: Any,
    out: str | Path,
    x2: Any = None,
    kernel: PredictionKernel = "ntk",
    *,
    dtype: Precision = "float64",
    device: str | torch.device = "cpu",
    tile: int = TILE,
    overwrite: bool = False,
) -> Array:
    """Compute a kernel into a file, which may be larger than memory.

    After an interruption, the same call continues: finished tiles are not computed again. The disk space is reserved
    before the computation. Until the kernel is complete, it has a hidden name in the folder of `out`. The
    unfinished kernel of another call is not replaced: it is an error.

    Parameters
    ----------
    network, x1, x2, dtype, device
        As in :func:`compute`.
    out : str or Path
        The ``.npy`` file; ``numpy.load(out, mmap_mode="r")`` opens it.
    kernel : {"ntk", "nngp"}
        Kind of kernel.
    tile : int
        Number of rows and columns of a tile.
    overwrite : bool
        Whether to replace an existing file, and the unfinished kernel of another call.

    Returns
    -------
    numpy.memmap
        ``(n, m)``: the kernel, read-only.

    Raises
    ------
    KernelError
        If inputs do not fit.
    OutputError
        If the file exists, an unfinished kernel of another call exists, or the disk has too little space.
    """
    if kernel not in PREDICTION_KERNELS:
        raise KernelError(f"unknown kernel {excerpt(kernel)}; {nearest(kernel, PREDICTION_KERNELS)}")
    require_whole(KernelError, "tile", tile)
    target = output_path(out, overwrite)
    if target.suffix != ".npy":
        raise OutputError(f"{out}: a kernel is written as .npy")
    first, second = inputs_of(network, x1, x2, dtype, device)
    for _ in blocks(network, first[:1], None if second is None else second[:1], (kernel,)):
        pass  # a network that does not take such inputs is an error before a file is written
    shape = (len(first), len(first if second is None else second))
    beside = target.with_name(f".{target.name}.unfinished")
    digest = _digest(network, first, second, kernel, dtype, tile)
    values, done = _open_or_resume(beside, shape, dtype, digest, overwrite)
    starts = [(row, column) for row in range(0, shape[0], tile) for column in range(0, shape[1], tile)
              if second is not None or column >= row]  # fmt: skip
    with bar(f"{kernel} on disk", len(starts)) as advance, (beside / "done.txt").open("a") as journal:
        for row, column in starts:
            if (row, column) not in done:
                _compute(network, first, second, kernel, values, row, column, tile)
                values.flush()  # type: ignore[attr-defined]
                journal.write(f"{row} {column}\n")
                journal.flush()
            advance("")
    del values
    os.replace(beside / "kernel.npy", target)
    shutil.rmtree(beside)
    found: Array = np.load(target, mmap_mode="r")
    return found


def _compute(
    network: InfiniteNetwork, first: torch.Tensor, second: torch.Tensor | None, kernel: PredictionKernel, values: Array,
    row: int, column: int, tile: int,
) -> None:  # fmt: skip
    """Write one tile, and its mirror image in a symmetric kernel."""
    rows = slice(row, row + tile)
    columns = slice(column, column + tile)
    own = second is None and row == column
    others = None if own else (first if second is None else second)[columns]
    part = values[rows, columns]
    for above, beside, found in blocks(network, first[rows], others, (kernel,)):
        block = getattr(found, kernel)
        part[above, beside] = block
        if own:
            part[beside, above] = block.T
    if second is None and not own:
        values[columns, rows] = part.T


def _open_or_resume(
    beside: Path, shape: tuple[int, int], dtype: Precision, digest: str, overwrite: bool
) -> tuple[Array, set[tuple[int, int]]]:
    """Return the unfinished kernel, new or resumed, and the finished tiles."""
    state, place = beside / "kernel.json", beside / "kernel.npy"
    target = beside.with_name(beside.name[1:].removesuffix(".unfinished"))
    if state.exists() and (beside / "done.txt").exists():
        lines = (beside / "done.txt").read_text(encoding="utf-8").split("\n")[:-1]
        if json.loads(state.read_text(encoding="utf-8")).get("digest") == digest:
            return np.load(place, mmap_mode="r+"), {(int(a), int(b)) for a, b in map(str.split, lines)}
        if lines and not overwrite:
            raise OutputError(
                f"{target}: an unfinished kernel of another network, other inputs, or another kernel=, dtype= or tile= "
                f"is there ({len(lines):,} finished tiles): repeat the call that began it, choose another path, or "
                "give overwrite=True"
            )
    shutil.rmtree(beside, ignore_errors=True)
    needed = shape[0] * shape[1] * PRECISIONS[dtype].itemsize
    try:
        beside.mkdir(parents=True)
        values: Array = np.lib.format.open_memmap(place, "w+", dtype, shape)
        with place.open("r+b") as file:
            # Writing to a map of a file without space would kill the process.
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
        (beside / "done.txt").touch()
        state.write_text(json.dumps({"digest": digest}), encoding="utf-8")
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise OutputError(
            f"{target} cannot be written: {error.strerror or error}; the kernel needs "
            f"{needed / 1e9:.3g} GB: free some space, choose another path, or take dtype='float32'"
        ) from error
    return values, set()


def _digest(
    network: InfiniteNetwork,
    first: torch.Tensor,
    second: torch.Tensor | None,
    kernel: PredictionKernel,
    dtype: str,
    tile: int,
) -> str:
    """Return a digest that identifies this kernel."""
    hasher = xxhash.xxh3_128(f"{network!r} {kernel} {dtype} {tile}".encode())
    for inputs in (first, second):
        if inputs is not None:
            hasher.update(str(tuple(inputs.shape)).encode())
            hasher.update(np.ascontiguousarray(inputs.cpu().numpy()).data)
    return hasher.hexdigest()
