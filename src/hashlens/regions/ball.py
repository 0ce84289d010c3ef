"""Ball: how far the nearest boundary is from an example, and the boundary of which unit that is.

The distance to the boundary of a unit is ``|z| / ||grad z||``, where the gradient's norm is dual to that of the ball.
Small inputs are swept: gradients of all units are pushed forward together, in as many directions as the input has
numbers. Large ones are sketched: few random directions say about how long each gradient is, which leaves a handful of
units that may be the nearest, and their gradients are computed backward. Either way the answer is computed, not
estimated; that a sketch hides the nearest unit has a probability below 1e-14.

References
----------
Indyk: Stable distributions, pseudorandom generators, embeddings, and data stream computation. Journal of the ACM 53
(2006).
"""

from math import inf, pi, prod

import torch

from hashlens.regions.program import Flow, Program
from hashlens.regions.transpose import pulled_back
from hashlens.regions.units import nearest_unit
from hashlens.seeds import torch_generator

Tensor = torch.Tensor
DUAL = {2: 2.0, inf: 1.0}
"""The norm of gradients that belongs to a ball's norm."""
SWEPT = 256
"""Numbers that an input may have to be swept."""
CACHE = 16
"""A pass takes one part in so many of the memory that it may have: small ones stay in the cache, and are faster."""
SKETCHES = 64
"""Random directions of a sketch."""
DOUBT = {2.0: 2.5, 1.0: 6.0}
"""How many times longer than its sketch a gradient is taken to be at most, by norm.

Normal directions give a chi-square variable of 64 degrees of freedom, which is below 64 / 2.5^2 with probability 1e-15.
Cauchy ones give the median of 64 Cauchy variables, which is below 1 / 6 with probability 3e-15.
"""
CANDIDATES = 16
"""Gradients that are computed backward at a time for each example."""


def nearest_boundary(program: Program, x: Tensor, states: list[Tensor], norm: float) -> tuple[Tensor, Tensor]:
    """Return the distance from each example to the nearest boundary, and the bit that flips there.

    Parameters
    ----------
    program : Program
        The network.
    x : torch.Tensor
        Examples ``(n, *input_shape)``, where and how the program computes.
    states : list of torch.Tensor
        Which piece every gate is on.
    norm : {2, inf}
        The norm of the ball.

    Returns
    -------
    torch.Tensor, torch.Tensor
        ``(n,)``, infinite where there is no boundary, and int64 ``(n,)``, -1 there.
    """
    inputs = prod(program.input_shape)
    distances, directions = (_swept, min(inputs, program.chunk())) if inputs <= SWEPT else (_sketched, SKETCHES)
    step = program.chunk(CACHE * directions)
    with torch.inference_mode(False), torch.no_grad():
        parts = []
        for start in range(0, len(x), step):
            rows = slice(start, start + step)
            parts.append(distances(program, x[rows], [of[rows] for of in states], DUAL[norm]))
        distance, bit = (torch.cat(of) for of in zip(*parts, strict=True))
    return distance.abs(), bit  # no -0 of a unit that is zero and off


def unit_vectors(program: Program, start: int, stop: int) -> Tensor:
    """Return unit vectors of the input as tangents that all rows share, ``(stop - start, 1, 1, *input)``."""
    unit = torch.zeros(stop - start, prod(program.input_shape), dtype=program.dtype, device=program.device)
    unit[torch.arange(stop - start), torch.arange(start, stop)] = 1
    return unit.reshape(stop - start, 1, *program.shapes[0])


def _swept(program: Program, x: Tensor, states: list[Tensor], order: float) -> tuple[Tensor, Tensor]:
    """Push all directions forward, as many at a time as the memory takes."""
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
            flow.bend(state)
        pairs = zip(norms, parts, strict=True) if norms else ()
        norms = [torch.linalg.vector_norm(torch.stack(at), order, dim=0) for at in pairs] or parts
    ratios = [torch.where(norm > 0, slack / norm, inf) for slack, norm in zip(slacks, norms, strict=True)]
    return nearest_unit(ratios, len(x), x)


def _sketched(program: Program, x: Tensor, states: list[Tensor], order: float) -> tuple[Tensor, Tensor]:
    """Compute gradients in the order of the least distances that their sketches allow, until none can be nearer."""
    slacks, least = _sketch(program, x, states, order)
    least, bits = least.sort(dim=1)
    distance, bit = x.new_full((len(x),), inf), torch.full((len(x),), -1, dtype=torch.int64, device=x.device)
    for first in range(0, bits.shape[1], CANDIDATES):
        unsettled = (least[:, first] < distance).nonzero()[:, 0]
        if len(unsettled) == 0:
            break
        for rows in torch.split(unsettled, program.chunk(CANDIDATES * len(states))):
            candidates = bits[rows, first : first + CANDIDATES]
            gradients = _gradients(program, [of[rows] for of in states], candidates)
            norm = torch.linalg.vector_norm(gradients.flatten(2), order, dim=2).mT
            ratio, position = torch.where(norm > 0, slacks[rows].gather(1, candidates) / norm, inf).min(dim=1)
            closer = ratio < distance[rows]
            distance[rows[closer]] = ratio[closer]
            bit[rows[closer]] = candidates.gather(1, position[:, None])[closer, 0]
    return distance, bit


def _sketch(program: Program, x: Tensor, states: list[Tensor], order: float) -> tuple[Tensor, Tensor]:
    """Return the slack of every bit, and the least distance to its boundary that its sketch allows, ``(n, bits)``."""
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
        flow.bend(state)
    return torch.cat(slacks, dim=1), torch.cat(least, dim=1)


def _random_directions(program: Program, order: float) -> Tensor:
    """Return directions in which a gradient's derivative is distributed as its norm times one random variable."""
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
        """Return the derivative of each slack along a tangent of its own, ``(m, n)``."""
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
            flow.bend(state)
        return chosen

    ones = torch.ones(m, n, dtype=program.dtype, device=program.device)
    return pulled_back(slack, ones, (m, n, *program.shapes[0]))
