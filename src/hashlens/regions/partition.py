"""Partition: cut a slice into linear regions, gate by gate.

The slice is a single face at first. Before each gate every face is cut along the lines where a unit flips, so that the
gate is linear on each part. The parts continue as rows that hold the affine map of the network on them.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch

from hashlens.codes.packing import Packed, pack_bits
from hashlens.errors import DataError
from hashlens.regions.mesh import Mesh
from hashlens.regions.program import Flow, Gate, Program
from hashlens.regions.rounding import noise_of, tolerances
from hashlens.regions.slices import Slice
from hashlens.regions.windows import WindowMax

Tensor = torch.Tensor
BUDGET = 1 << 22
"""Largest number of entries of the widest tensor of the processed rows; rows waiting at a gate take as much again."""


def _label_count(gate: Gate) -> int:
    """Return the largest number of lines that a gate may cut along."""
    window = gate.positions.shape[1] if isinstance(gate, WindowMax) else 1
    return int(gate.layer.bits) * window


def partition(
    program: Program, plane_slice: Slice, mesh: Mesh, most: int, advance: Callable[[str], None]
) -> Iterator[tuple[npt.NDArray[np.int64], Packed, Tensor, Tensor]]:
    """Cut the mesh of a slice into linear regions.

    Some faces are processed to the end of the network before the next ones are started, so that memory is limited to a
    chunk of rows for each gate.

    Yields
    ------
    faces, packed, value, slope
        Some finished faces, int64 ``(faces,)``; their packed codes, uint8 ``(faces, row_bytes)``; and the output on
        them, ``value + s * slope[0] + t * slope[1]`` at s, t relative to the center of the mesh, where `value` is
        ``(faces, *output)`` and `slope` is ``(2, faces, *output)``.

    Raises
    ------
    DataError
        If there are more than `most` regions.
    """
    origin, directions = (
        tensor.to(device=program.device, dtype=program.dtype)
        for tensor in (plane_slice.points(mesh.center[None]), plane_slice.directions)
    )
    whole = Flow(program, program.rows(origin), program.rows(directions)[:, None])
    labels = np.concatenate([[0], np.cumsum([_label_count(gate) for gate in program.gates])])
    chunk = max(1, BUDGET // (3 * program.width))
    work = [(whole, 0, np.zeros(1, np.int64), np.zeros((1, 0), np.uint8))]
    while work:
        flow, depth, faces, packed = work.pop()
        gate = next(iter(flow), None)
        if gate is None:
            yield faces, packed, flow.value, flow.tangent
            continue
        lines = gate.lines(flow.value, flow.tangent)
        parents, faces = mesh.cut(faces, *lines, int(labels[depth]), *tolerances(program.dtype))
        if mesh.counts[2] > most:
            raise DataError(f"more than {most:,} regions; give a smaller box, or a larger max_regions=")
        advance(f"{mesh.counts[2]:,}")
        for first in range(0, len(faces), chunk):
            some = slice(first, first + chunk)
            part = flow.part(torch.as_tensor(parents[some], device=program.device))
            bits = _pass_gate(part, gate, mesh.centers(faces[some]), mesh.extent)
            work.append((part, depth + 1, faces[some], np.concatenate([packed[parents[some]], bits], axis=1)))


def _pass_gate(flow: Flow, gate: Gate, inside: npt.NDArray[np.float64], extent: npt.NDArray[np.float64]) -> Packed:
    """Pass the next gate, in the state at points inside the faces, s and t ``(rows, 2)``; return the bits."""
    where = torch.as_tensor(inside).to(flow.value)
    s, t = (tensor.reshape(-1, *[1] * (flow.value.dim() - 1)) for tensor in where.T)
    value = flow.value + s * flow.tangent[0] + t * flow.tangent[1]
    # The mean of the corners is inside, where rounding cannot mistake a unit: it is zero only on the border. But the
    # elements of a window may be equal on all of the face, as in the dark of an image.
    if isinstance(gate, WindowMax):
        reach = extent[0] * flow.tangent[0].abs() + extent[1] * flow.tangent[1].abs()
        noise = noise_of(flow.value.flatten(1), reach.flatten(1), tolerances(value.dtype)[0])
        state = gate.state(value, noise.reshape(value.shape))
    else:
        state = gate.state(value)
    flow.pass_gate(state)
    return pack_bits(gate.bits(state).cpu().numpy())
