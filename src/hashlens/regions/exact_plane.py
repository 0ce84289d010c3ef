"""Exact plane: cut a plane into the linear regions of a network, gate by gate."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from hashlens.codes.codes import Codes
from hashlens.codes.fingerprint import hash_rows
from hashlens.errors import DataError
from hashlens.nets.output import OutputLike
from hashlens.progress import bar
from hashlens.regions.mesh import Mesh
from hashlens.regions.partition import partition
from hashlens.regions.plane import Plane
from hashlens.regions.plane_arguments import program_and_slice
from hashlens.regions.program import Program
from hashlens.regions.windows import WindowMax

MAX_REGIONS = 1_000_000


def plane(
    model: torch.nn.Module | Program,
    box: Sequence[float] | None = None,
    *,
    origin: Any = None,
    directions: Any = None,
    through: Any = None,
    pca: Any = None,
    dtype: torch.dtype = torch.float64,
    max_regions: int = MAX_REGIONS,
    output: OutputLike = None,
) -> Plane:
    """Return the exact partition of a plane into linear regions.

    The plane is defined by ``origin`` and ``directions``, by three examples ``through`` which it passes, or as the
    principal plane of many examples (``pca``). A network with two inputs needs none of these.

    Parameters
    ----------
    model : torch.nn.Module or Program
        A piecewise linear network, or one already traced.
    box : sequence of float, optional
        ``(left, right, bottom, top)``: bounds of the coordinates s and t on the plane. By default -1 to 1, or a box
        around the examples.
    origin, directions : torch.Tensor or numpy.ndarray, optional
        ``input`` and ``(2, *input)``, floating point; s and t are then multiples of the directions.
    through : torch.Tensor or numpy.ndarray, optional
        Three examples ``(3, *input)``, floating point; s and t are then in units of the input.
    pca : torch.Tensor or numpy.ndarray, optional
        Examples ``(n, *input)``, floating point; s and t are then in units of the input.
    dtype : torch.dtype
        Dtype of the computation: float64 or float32. A program keeps its own.
    max_regions : int
        Largest number of regions; with more an error is raised.
    output : str or callable, optional
        How the network's output is read, as in :func:`hashlens.regions.trace`. A program keeps its own.

    Raises
    ------
    ModelError
        If the network is not piecewise linear, or rejects the examples.
    DataError
        If the arguments do not define a plane or a box, or there are more regions than `max_regions`.

    Examples
    --------
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False), torch.nn.ReLU())
    >>> _ = torch.nn.init.eye_(net[0].weight)
    >>> plane(net, box=(-1, 1, -1, 1)).count
    4
    """
    if not isinstance(max_regions, int) or max_regions < 1:
        raise DataError(f"max_regions must be a whole number from 1 on, received {max_regions!r}")
    from hashlens.compiling import compiling

    with torch.no_grad():
        program, plane_slice = program_and_slice(model, box, origin, directions, through, pca, dtype, output)
        mesh = Mesh.rectangle(*plane_slice.box)
        with bar("regions") as advance, compiling():
            leaves = list(partition(program, plane_slice, mesh, max_regions, advance))
    faces, packed, values, slopes = zip(*leaves, strict=True)
    order = np.argsort(np.concatenate(faces))
    codes = program.codes([np.concatenate(packed)[order]], len(order))
    middle = torch.cat(values).cpu()[order].reshape(len(order), *program.output_shape)
    slope = torch.cat(slopes, dim=1).cpu()[:, order].reshape(2, len(order), *program.output_shape)
    kind, reason = program.read_as.kind, program.read_as.reason
    whole = Plane(
        plane_slice, mesh, middle, slope, hash_rows(codes.packed), codes, program,
        output_kind=kind, output_reason=reason,
    )  # fmt: skip
    return _join(whole, codes) if any(isinstance(gate, WindowMax) for gate in program.gates) else whole


def _join(whole: Plane, codes: Codes) -> Plane:
    """Return the plane with faces of equal code joined: max-pools also cut where a third element wins."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    one, other = whole.adjacency.T
    same = (codes.packed[one] == codes.packed[other]).all(axis=1)
    links = coo_array((np.ones(int(same.sum())), (one[same], other[same])), shape=(len(whole), len(whole)))
    count, group = connected_components(links, directed=False)
    if count == len(whole):
        return whole
    # The largest part represents each group, since its affine map has the smallest rounding error.
    order = np.lexsort((-whole.areas, group))
    chosen = order[np.searchsorted(group[order], np.arange(count))]
    mesh = whole.mesh.merged(group.astype(np.int64))
    middle, slope = whole.middle[chosen], whole.slope[:, chosen]
    return replace(
        whole, mesh=mesh, middle=middle, slope=slope, fingerprints=whole.fingerprints[chosen], codes=codes[chosen]
    )
