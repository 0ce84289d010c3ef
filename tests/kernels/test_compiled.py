"""Compiled loops against the same formulas in PyTorch."""

import numpy as np
import pytest
import torch

from hashlens.kernels import AvgPool, Conv, Dense, Flatten, GlobalAvgPool, LeakyReLU, ReLU, compute, serial
from hashlens.kernels import activations as activation_module
from hashlens.kernels.layers import Windows

generator = np.random.default_rng(0)
VECTORS, IMAGES = generator.standard_normal((40, 6)), generator.standard_normal((8, 2, 5, 6))
VECTORS[3] = VECTORS[2] * (1 + 1e-9)
VECTORS[5] = -VECTORS[4]
VECTORS[6] = 0
DENSE, CONV = Dense(None, 1.5, 0.1), Conv(None, 3, weight_variance=1.5, bias_variance=0.1)
NETWORKS = {
    "perceptron": (serial(DENSE, ReLU(), DENSE, LeakyReLU(0.3), DENSE), VECTORS),
    "without biases": (serial(Dense(), ReLU(), Dense(), ReLU(), Dense()), VECTORS),
    "vec": (serial(CONV, ReLU(), Conv(size=(1, 3), stride=2), ReLU(), Flatten(), DENSE, ReLU(), DENSE), IMAGES),
    "gap": (serial(CONV, ReLU(), CONV, ReLU(), GlobalAvgPool(), DENSE), IMAGES),
    "pooled": (serial(CONV, ReLU(), AvgPool(2), CONV, ReLU(), Flatten(), DENSE), IMAGES),
}


def both(monkeypatch, run):
    """Return what compiled loops and what PyTorch give."""
    found = []
    for least in (1, 1 << 40):
        monkeypatch.setattr(activation_module, "COMPILED_FROM", least)
        found.append(run())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("dtype", "error"), [("float64", 1e-13), ("float32", 3e-6)])
def test_kernels_are_those_of_the_formulas(monkeypatch, name, dtype, error):
    network, x = NETWORKS[name]
    for second in (None, x[::2] + 0.1):
        compiled, plain = both(monkeypatch, lambda second=second: compute(network, x, second, dtype=dtype))
        near = 1e-7 if dtype == "float64" else 1e-3
        for kind in ("nngp", "ntk"):
            one, other = getattr(compiled, kind), getattr(plain, kind)
            scale = np.abs(other).max()
            apart = np.ones(one.shape, bool)
            if x is VECTORS and second is None:
                # A near copy and a mirror image, whose angle is lost in rounding however it is taken.
                for pair in ((2, 3), (3, 2), (4, 5), (5, 4)):
                    apart[pair] = False
            assert np.abs(one - other)[apart].max() <= error * scale, kind
            assert np.abs(one - other).max() <= near * scale, kind
            if second is None:
                assert np.array_equal(one, one.T)
                # Of all pairs of positions, a diagonal has those of an image with itself: they are rounded as others.
                assert x is IMAGES or np.array_equal(one.diagonal(), other.diagonal())


@pytest.mark.parametrize("windows", [((3, 3), (1, 1), (1, 1)), ((2, 3), (2, 1), (0, 1)), ((3, 1), (2, 2), (1, 0))])
def test_means_over_windows_are_those_of_pooling(windows):
    made = Windows(*windows)
    values = torch.from_numpy(generator.standard_normal((2, 3, 7, 6)))
    pooled = torch.nn.functional.avg_pool2d(values, made.size, made.stride, made.padding)
    assert torch.allclose(made.means_shifted_together(values.clone(), False), pooled, rtol=0, atol=1e-15)


@pytest.mark.parametrize("shape", [(3, 40, 9, 11), (2, 3, 60, 1, 7)], ids=["images", "one row"])
@pytest.mark.parametrize("size", [(3, 3), (1, 5), (5, 3)], ids=str)
def test_means_over_windows_are_those_of_shifted_sums(shape, size):
    from hashlens.kernels.compiled_windows import window_means
    from hashlens.kernels.moments import window_sums

    values = torch.from_numpy(np.random.default_rng(0).standard_normal(shape))
    expected = values
    for axis, length in zip((-2, -1), size, strict=True):
        expected = window_sums(expected, (axis,), length, 1, length // 2)
    assert torch.allclose(window_means(values.clone(), size), expected / (size[0] * size[1]), rtol=1e-13, atol=1e-14)
