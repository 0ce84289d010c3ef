"""Kernels of infinite width, against the same formulas in plain PyTorch, on one core in float32.

    python benchmarks/bench_kernels.py [fc vec gap near]

It prints the microseconds per pair for the NNGP and the NTK together at depth 3, measured in one run; the number of
operations per pair; and the difference of both kernels from float64 for distant pairs, near copies and the diagonal.
"""

import math
import sys
import time

import numpy as np
import torch
from torch.nn.functional import avg_pool2d, pad

from hashlens.kernels import Conv, Dense, Flatten, GlobalAvgPool, ReLU, compute, serial

SW2, SB2, DEPTH = 2.0, 0.01, 3
DENSE, CONV = Dense(None, SW2, SB2), Conv(None, 3, weight_variance=SW2, bias_variance=SB2)
NETWORKS = {
    "FC, n = 2,000": serial(*(DENSE, ReLU()) * DEPTH, DENSE),
    "VEC, 32x32": serial(*(CONV, ReLU()) * DEPTH, Flatten(), DENSE),
    "GAP, 8x8": serial(*(CONV, ReLU()) * DEPTH, GlobalAvgPool(), DENSE),
}


def dual(cov, first, second):
    product = first * second
    sine = (product - cov**2).clamp(min=0).sqrt()
    slope = (math.pi - torch.atan2(sine, cov)) / (2 * math.pi)
    return sine / (2 * math.pi) + slope * cov, slope


def plain_fc(x):
    """Return both kernels of vectors by the formulas as they are written."""
    cov = SW2 * (x @ x.T) / x.shape[1] + SB2
    tangent = cov
    for _ in range(DEPTH):
        variance = cov.diagonal()
        moments, slope = dual(cov, variance[:, None], variance[None])
        cov = SW2 * moments + SB2
        tangent = cov + SW2 * slope * tangent
    return cov, tangent


def box(values):
    """Return means over 3x3 windows of images ``(n, m, h, w)``."""
    return avg_pool2d(values.flatten(0, 1)[:, None], 3, 1, 1)[:, 0].view_as(values)


def plain_vec(x):
    """Return both kernels of images whose positions are flattened."""
    cov = torch.einsum("nchw,mchw->nmhw", x, x) / x.shape[1]
    variance, tangent = (x**2).mean(1), torch.zeros_like(cov)
    for _ in range(DEPTH):
        cov, tangent = SW2 * box(cov) + SB2, SW2 * box(tangent)
        tangent = tangent + cov
        variance = SW2 * avg_pool2d(variance[:, None], 3, 1, 1)[:, 0] + SB2
        cov, slope = dual(cov, variance[:, None], variance[None])
        tangent, variance = slope * tangent, variance / 2
    return finished(cov.mean((2, 3)), tangent.mean((2, 3)))


def both_box(values):
    """Return means over 3x3 windows of which both positions of ``(n, m, h, w, h', w')`` are shifted together."""
    h, w = values.shape[2:4]
    padded = pad(values, (1, 1, 1, 1, 1, 1, 1, 1))
    shifted = (padded[:, :, i : i + h, j : j + w, i : i + h, j : j + w] for i in range(3) for j in range(3))
    return sum(shifted) / 9


def plain_gap(x):
    """Return both kernels of images whose positions are averaged."""
    cov = torch.einsum("nchw,mcuv->nmhwuv", x, x) / x.shape[1]
    variance, tangent = (x**2).mean(1), torch.zeros_like(cov)
    for _ in range(DEPTH):
        cov, tangent = SW2 * both_box(cov) + SB2, SW2 * both_box(tangent)
        tangent = tangent + cov
        variance = SW2 * avg_pool2d(variance[:, None], 3, 1, 1)[:, 0] + SB2
        cov, slope = dual(cov, variance[:, None, :, :, None, None], variance[None, :, None, None])
        tangent, variance = slope * tangent, variance / 2
    return finished(cov.mean((2, 3, 4, 5)), tangent.mean((2, 3, 4, 5)))


def finished(cov, tangent):
    return SW2 * cov + SB2, SW2 * cov + SB2 + SW2 * tangent


PLAIN = {"FC, n = 2,000": (plain_fc, (2000, 784)), "VEC, 32x32": (plain_vec, (48, 3, 32, 32)),
         "GAP, 8x8": (plain_gap, (16, 3, 8, 8))}  # fmt: skip
FLOPS = {"FC, n = 2,000": 2 * 784 + DEPTH * 50, "VEC, 32x32": DEPTH * 1024 * (50 + 24), "GAP, 8x8": DEPTH * 4096 * 74}
"""Additions, multiplications, roots and divisions of one pair: products of features, windows, 50 for a dual."""


def seconds(run, repeats=5):
    """Return the least processor time of a few runs. One run before them, which compiles, is not counted.

    A busy machine changes the least time little.
    """
    run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def speed(name):
    plain, shape = PLAIN[name]
    x = torch.from_numpy(np.random.default_rng(0).random(shape, dtype=np.float32))
    n = len(x)
    with torch.no_grad():
        theirs = seconds(lambda: plain(x)) / n**2 * 1e6
        others = seconds(lambda: compute(NETWORKS[name], x, x.clone(), dtype="float32")) / n**2 * 1e6
        ours = seconds(lambda: compute(NETWORKS[name], x, dtype="float32")) / n**2 * 1e6
        exact = compute(NETWORKS[name], x)
        found, formula = compute(NETWORKS[name], x, dtype="float32"), plain(x)
    worst = max(np.abs(found.ntk / exact.ntk - 1).max(), np.abs(found.nngp / exact.nngp - 1).max())
    formula_worst = np.abs(formula[1].numpy() / exact.ntk - 1).max()
    print(f"{name}: plain {theirs:.3f} us a pair, hashlens {ours:.3f} with itself ({theirs / ours:.1f}x), {others:.3f} "
          f"with others ({theirs / others:.1f}x); {FLOPS[name] / others / 1e3:.1f} Gflop/s; error at most {worst:.1e} "
          f"(plain {formula_worst:.1e})", flush=True)  # fmt: skip


def near():
    """Print the errors of pairs by how far they are apart."""
    rng, network = np.random.default_rng(0), NETWORKS["FC, n = 2,000"]
    x = rng.standard_normal((200, 784))
    print("angle    float32 NNGP  float32 NTK  float64 NTK")
    for angle in (0.0, 1e-6, 1e-4, 1e-3, 1e-2, 0.05, 0.2):
        other = rng.standard_normal(x.shape)
        other -= (other * x).sum(1, keepdims=True) / (x * x).sum(1, keepdims=True) * x
        other *= np.linalg.norm(x, axis=1, keepdims=True) / np.linalg.norm(other, axis=1, keepdims=True)
        y = math.cos(angle) * x + math.sin(angle) * other
        exact = ntk_at(angle, np.mean(x**2, axis=1))
        errors = []
        for dtype, kind in (("float32", "nngp"), ("float32", "ntk"), ("float64", "ntk")):
            found = np.diagonal(getattr(compute(network, x, y, dtype=dtype), kind))
            errors.append(np.abs(found / exact[kind] - 1).max())
        print(f"{angle:7g}  " + "  ".join(f"{error:11.1e}" for error in errors))
    same = compute(network, x, dtype="float32")
    exact = ntk_at(0.0, np.mean(x**2, axis=1))
    print(f"diagonal of x with itself, float32: {np.abs(same.ntk.diagonal() / exact['ntk'] - 1).max():.1e}")


def ntk_at(angle, norms):
    """Return both kernels of pairs of equal norms at an angle, in numbers of 50 digits."""
    import mpmath as mp

    mp.mp.dps = 50
    found = {"nngp": [], "ntk": []}
    for norm in norms:
        variance, cov = SW2 * mp.mpf(norm) + SB2, SW2 * mp.mpf(norm) * mp.cos(mp.mpf(angle)) + SB2
        tangent = cov
        for _ in range(DEPTH):
            sine = mp.sqrt(max(variance**2 - cov**2, 0))
            slope = (mp.pi - mp.atan2(sine, cov)) / (2 * mp.pi)
            cov = SW2 * (sine / (2 * mp.pi) + slope * cov) + SB2
            variance = SW2 * variance / 2 + SB2
            tangent = cov + SW2 * slope * tangent
        found["nngp"].append(float(cov))
        found["ntk"].append(float(tangent))
    return {kind: np.array(values) for kind, values in found.items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    chosen = sys.argv[1:] or ["fc", "vec", "gap", "near"]
    for name in NETWORKS:
        if name.split(",")[0].lower() in chosen:
            speed(name)
    if "near" in chosen:
        near()
