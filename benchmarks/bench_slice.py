"""Exact geometry: planes against regioncam, segments against a sweep of Jacobian-vector products, and radii.

    pip install 'hashlens[bench]'
    python benchmarks/bench_slice.py

Planes: default-initialised perceptrons 2-32x3-1, 2-64x3-1 and 2-128x3-1 on [-1, 1]^2; hashlens in float64 and regioncam
in float32 take turns. Segments: all breakpoints of one segment and of a hundred through 784-256-256-10, against a
simple script that finds the next breakpoint from each one by a Jacobian-vector product. Radii: the distance of a
hundred inputs to the nearest boundary, in the same network. Times are medians of the rounds; networks are traced and
loops compiled before.
"""

import argparse
import statistics
import time
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import torch
from rich.console import Console

from hashlens import regions
from hashlens.tables import table

SIZES = ([2, 32, 32, 32, 1], [2, 64, 64, 64, 1], [2, 128, 128, 128, 1])
WIDE = [784, 256, 256, 10]
STEP = 1e-9


def stack(sizes, seed=0):
    torch.manual_seed(seed)
    layers = [part for pair in pairwise(sizes) for part in (torch.nn.Linear(*pair), torch.nn.ReLU())]
    return torch.nn.Sequential(*layers[:-1]).requires_grad_(False)


def regioncam_plane(network):
    """Return the number of faces that regioncam finds."""
    import regioncam

    camera = regioncam.Regioncam(1.0)
    for layer in network:
        if isinstance(layer, torch.nn.Linear):
            weight, bias = layer.weight.detach().numpy().T, layer.bias.detach().numpy()
            camera.add(regioncam.nn.Linear(np.ascontiguousarray(weight), bias))
        else:
            camera.add(regioncam.nn.ReLU())
    return camera.num_faces


def swept(network, a, b):
    """Return the breakpoints of one segment, going from each to the next by a Jacobian-vector product."""
    linears = [layer for layer in network if isinstance(layer, torch.nn.Linear)]

    def gates(t):
        x, found = a + t * (b - a), []
        for layer in linears[:-1]:
            x = layer(x)
            found.append(x)
            x = torch.relu(x)
        return torch.cat(found)

    t, breakpoints, one = torch.zeros((), dtype=torch.float64), [], torch.ones((), dtype=torch.float64)
    while True:
        heights, slopes = torch.func.jvp(gates, (t,), (one,))
        ahead = torch.where(slopes != 0, -heights / slopes, torch.inf)
        ahead = ahead[ahead > STEP]
        step = float(ahead.min()) if len(ahead) else torch.inf
        if float(t) + step >= 1:
            return np.array(breakpoints)
        t = t + step
        breakpoints.append(float(t))
        t = t + STEP / 10


def timed(rounds, *works):
    """Return the result and the median seconds of each of `works`, which take turns."""
    results = [work() for work in works]
    seconds = [[] for _ in works]
    for _ in range(rounds):
        for position, work in enumerate(works):
            started = time.perf_counter()
            work()
            seconds[position].append(time.perf_counter() - started)
    return results, [statistics.median(of) for of in seconds]


def planes(rounds):
    rows = []
    if find_spec("regioncam") is None:
        print("regioncam is not installed: planes are timed without it")
    for sizes in SIZES:
        network = stack(sizes)
        if find_spec("regioncam") is None:
            (plane,), (ours,) = timed(rounds, lambda net=network: regions.plane(net))
            rows.append((f"2-{sizes[1]}x{len(sizes) - 2}-1", f"{plane.count:,}", "–", f"{ours * 1e3:.1f}", "–", "–"))
            continue
        (plane, faces), (ours, theirs) = timed(
            rounds, lambda net=network: regions.plane(net), lambda net=network: regioncam_plane(net)
        )
        name = f"2-{sizes[1]}x{len(sizes) - 2}-1"
        milliseconds = (f"{ours * 1e3:.1f}", f"{theirs * 1e3:.1f}")
        rows.append((name, f"{plane.count:,}", f"{faces:,}", *milliseconds, f"{ours / theirs:.2f}"))
    columns = ("network", "regions", "regioncam", "ms", "regioncam ms", "ratio")
    return table("The partition of [-1, 1]^2: float64, beside regioncam 0.5.2 in float32", columns, rows)


def segments(rounds):
    network = stack(WIDE).double()
    x = torch.rand(101, WIDE[0], dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    a, b = x[:-1], x[1:]
    program = regions.trace(network, a)
    works = (
        lambda: regions.along(network, a[:1], b[:1]),
        lambda: swept(network, a[0], b[0]),
        lambda: regions.along(program, a[:1], b[:1]),
        lambda: regions.along(program, a, b),
    )
    (pieces, breakpoints, _, many), (one, sweep, again, hundred) = timed(rounds, *works)
    assert np.allclose(pieces.breakpoints, breakpoints, atol=1e-7), "the sweep finds other breakpoints"
    ways = (
        ("jvp sweep, one segment", len(breakpoints), sweep),
        ("along, one segment, network traced anew", len(pieces.breakpoints), one),
        ("along, one segment", len(pieces.breakpoints), again),
        ("along, 100 segments, each", len(many.breakpoints) / 100, hundred / 100),
    )
    rows = [(name, f"{count:.0f}", f"{at * 1e3:.2f}", f"{sweep / at:.0f}") for name, count, at in ways]
    return table("All breakpoints of a segment through 784-256-256-10", ("", "breakpoints", "ms", "times faster"), rows)


def radii(rounds):
    network = stack(WIDE)
    x = torch.rand(100, WIDE[0], generator=torch.Generator().manual_seed(1))
    started = time.perf_counter()
    regions.at(network, x).radius()
    first = time.perf_counter() - started
    _, (again,) = timed(rounds, lambda: regions.at(network, x).radius())
    rows = [("first call", f"{first:.2f}"), ("again", f"{again:.2f}")]
    return table("Radius of 100 inputs of 784-256-256-10", ("", "seconds"), rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    console = Console(width=110)
    for measured in (radii, planes, segments):
        console.print(measured(rounds))


if __name__ == "__main__":
    main()
