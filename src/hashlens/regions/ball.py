"""Ball: the distance from an example to the nearest boundary, and the unit that the boundary belongs to.

The distance to the boundary of a unit is ``|z| / ||grad z||``, where the gradient's norm is dual to that of the ball.
There are two algorithms. For small inputs ("swept"), the gradients of all units are computed forward, in one direction
for each number of the input. For large inputs ("sketched"), a few random directions give a rough estimate of the norm
of each gradient. This leaves a handful of units that may be the nearest, whose gradients are computed backward. Both
results are exact; the probability that a sketch excludes the nearest unit is below 1e-14.

References
----------
Indyk: Stable distributions, pseudorandom generators, embeddings, and data stream computation. Journal of the ACM 53
(2006).
"""

from math import inf, pi, prod

import torch

from hashlens.regions.program import Flow, Program
from hashlens.regions.transpose import apply_transpose
from hashlens.regions.units import nearest_unit
from hashlens.seeds import torch_generator

Tensor = torch.Tensor
DUAL = {2: 2.0, inf: 1.0}
"""Dual norm, for gradients, of each norm of a ball."""
SWEPT = 256
"""Largest number of input dimensions for which gradients of all units are computed forward."""
CACHE = 16
"""Divisor of the memory of a pass: smaller passes stay in the cache, and are faster."""
SKETCHES = 64
"""Number of random directions of a sketch."""
DOUBT = {2.0: 2.5, 1.0: 6.0}
"""Largest assumed ratio of the norm of a gradient to its sketch, by norm.

Normal directions give a chi-square variable of 64 degrees of freedom, which is below 64 / 2.5^2 with probability 1e-15.
Cauchy directions give the median of the magnitudes of 64 Cauchy variables, which is below 1 / 6 with probability 3e-15.
"""
CANDIDATES = 16
"""Number of gradients computed backward at a time for each example."""


def nearest_boundary(program: Program, x: Tensor, states: list[Tensor], norm: float) -> tuple[Tensor, Tensor]:
    """Return the distance from each example to the nearest boundary, and the bit that flips there.

    Parameters
    ----------
    program : Program
        The network.
    x : torch.Tensor
        ``(n, *input_shape)``: examples in the dtype and on the device of the program.
    states : list of torch.Tensor
        State of each gate.
    norm : {2, inf}
        Norm of the ball.

    Returns
    -------
    torch.Tensor, torch.Tensor
        Distances ``(n,)``, infinite if there is no boundary, and bits, int64 ``(n,)``, -1 if there is none.
    """
    inputs = prod(program.input_shape)
    distances, directions = (
        (_by_gradients, min(inputs, program.chunk())) if inputs <= SWEPT else (_sketch_gradients, SKETCHES)
    )
    step = program.chunk(CACHE * directions)
    with torch.inference_mode(False), torch.no_grad():
        parts = []
        for start in range(0, len(x), step):
            rows = slice(start, start + step)
            parts.append(distances(program, x[rows], [state[rows] for state in states], DUAL[norm]))
        distance, bit = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return distance.abs(), bit  # no -0 of a unit that is zero and off


def unit_vectors(program: Program, start: int, stop: int) -> Tensor:
    """Return unit vectors of the input as tangents shared by all rows, ``(stop - start, 1, 1, *input)``."""
    unit = torch.zeros(stop - start, prod(program.input_shape), dtype=program.dtype, device=program.device)
    unit[torch.arange(stop - start), torch.arange(start, stop)] = 1
    return unit.reshape(stop - start, 1, *program.shapes[0])


def _by_gradients(program: Program, x: Tensor, states: list[Tensor], order: float) -> tuple[Tensor, Tensor]:
    """Compute all gradients forward, as many directions at a time as the memory allows."""
    inputs = prod(program.input_shape)
    directions = min(inputs, program.chunk())
    norms: list[Tensor] = []
    for start in range(0, inputs, directions):
        flow = Flow(program, program.rows(x), unit_vectors(program, start, min(start + directions, inputs)))
        slacks, parts = [], []
        for position, (gate, state) in enumerate(zip(flow, states, strict=False)):
            slacks.append(gate.slack(state, flow.value))
            parts.append(gate.slack_norm(state, flow.tangent, order))
            if position + 1 == len(states):
                break
            flow.pass_gate(state)
        pairs = zip(norms, parts, strict=True) if norms else ()
        norms = [torch.linalg.vector_norm(torch.stack(pair), order, dim=0) for pair in pairs] or parts
    ratios = [torch.where(norm > 0, slack / norm, inf) for slack, norm in zip(slacks, norms, strict=True)]
    return nearest_unit(ratios, len(x), x)


def _sketch_gradients(program: Program, x: Tensor, states: list[Tensor], order: float) -> tuple[Tensor, Tensor]:
    """Compute gradients in the order of the smallest possible distances by their sketches, until none can be nearer."""
    slacks, least = _sketch(program, x, states, order)
    least, bits = least.sort(dim=1)
    distance, bit = x.new_full((len(x),), inf), torch.full((len(x),), -1, dtype=torch.int64, device=x.device)
    for first in range(0, bits.shape[1], CANDIDATES):
        unsettled = (least[:, first] < distance).nonzero()[:, 0]
        if len(unsettled) == 0:
            break
        for rows in torch.split(unsettled, program.chunk(CANDIDATES * len(states))):
            candidates = bits[rows, first : first + CANDIDATES]
            gradients = _gradients(program, [state[rows] for state in states], candidates)
            norm = torch.linalg.vector_norm(gradients.flatten(2), order, dim=2).mT
            ratio, position = torch.where(norm > 0, slacks[rows].gather(1, candidates) / norm, inf).min(dim=1)
            closer = ratio < distance[rows]
            distance[rows[closer]] = ratio[closer]
            bit[rows[closer]] = candidates.gather(1, position[:, None])[closer, 0]
    return distance, bit


def _sketch(program: Program, x: Tensor, states: list[Tensor], order: float) -> tuple[Tensor, Tensor]:
    """Return the slack of every bit, and a lower bound of the distance to its boundary by its sketch, ``(n, bits)``."""
    flow = Flow(program, program.rows(x), _random_directions(program, order))
    slacks, least = [x.new_zeros(len(x), 0)], [x.new_zeros(len(x), 0)]
    for position, (gate, state) in enumerate(zip(flow, states, strict=False)):
        slack = gate.slack(state, flow.value)
        if order == 2:
            length = gate.slack_norm(state, flow.tangent, order) / SKETCHES**0.5
        else:
            length = gate.slack_tangents(state, flow.tangent).abs().median(dim=0).values
        slacks.append(slack)
        least.append(torch.where(length > 0, slack / (DOUBT[order] * length), inf))
        if position + 1 == len(states):
            break
        flow.pass_gate(state)
    return torch.cat(slacks, dim=1), torch.cat(least, dim=1)


def _random_directions(program: Program, order: float) -> Tensor:
    """Return random directions: the derivative along one is the norm of the gradient times a fixed random variable."""
    generator = torch_generator(0, "radius")
    shape = (SKETCHES, 1, *program.shapes[0])
    if order == 2:
        drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
    else:
        drawn = torch.tan(pi * (torch.rand(shape, generator=generator, dtype=torch.float64) - 0.5))
    return drawn.to(dtype=program.dtype, device=program.device)


def _gradients(program: Program, states: list[Tensor], bits: Tensor) -> Tensor:
    """Return the gradient of the slack of each of `bits`, int64 ``(n, m)``, as ``(m, n, *input)``."""
    n, m = bits.shape

    def slack(tangent: Tensor) -> Tensor:
        """Return the derivative of each slack along its own tangent, ``(m, n)``."""
        flow, start, chosen = Flow(program, tangent=tangent), 0, tangent.new_zeros(m, n)
        for position, (gate, state) in enumerate(zip(flow, states, strict=False)):
            place = (bits - start).mT
            here = (place >= 0) & (place < gate.layer.bits)
            if bool(here.any()):
                speed = gate.slack_tangents(state, flow.tangent)
                chosen = chosen + here * speed.gather(2, place.clamp(0, gate.layer.bits - 1)[..., None])[..., 0]
            start += gate.layer.bits
            if position + 1 == len(states):
                break
            flow.pass_gate(state)
        return chosen

    ones = torch.ones(m, n, dtype=program.dtype, device=program.device)
    return apply_transpose(slack, ones, (m, n, *program.shapes[0]))
