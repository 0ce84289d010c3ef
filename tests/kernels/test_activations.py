import math

import numpy as np
import pytest
import torch
from scipy.special import erf

from hashlens.errors import KernelError
from hashlens.kernels import GELU, Abs, Erf, LeakyReLU, ReLU, Sin

FUNCTIONS = {
    ReLU(): (lambda u: np.maximum(u, 0), lambda u: (u > 0) * 1.0),
    LeakyReLU(0.2): (lambda u: np.where(u > 0, u, 0.2 * u), lambda u: np.where(u > 0, 1.0, 0.2)),
    Abs(): (np.abs, np.sign),
    Erf(): (erf, lambda u: 2 / np.sqrt(np.pi) * np.exp(-(u**2))),
    GELU(): (
        lambda u: u * (1 + erf(u / np.sqrt(2))) / 2,
        lambda u: (1 + erf(u / np.sqrt(2))) / 2 + u * np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi),
    ),
    Sin(): (np.sin, np.cos),
}


def means(function, first, second, cov):
    """Return the mean of f(u) f(v) by integration: along rays in polar coordinates, where kinks are at angles."""
    angle = math.acos(cov / math.sqrt(first * second))
    kinks = sorted({x % (2 * math.pi) for x in (math.pi / 2, -math.pi / 2, angle + math.pi / 2, angle - math.pi / 2)})
    nodes, weights = np.polynomial.legendre.leggauss(60)
    # The radius has density r exp(-r^2 / 2); beyond 12 there is nothing.
    radius, radial = 6 * (nodes + 1), 6 * weights
    total = 0.0
    for start, end in zip(kinks, [*kinks[1:], kinks[0] + 2 * math.pi], strict=True):
        turn = start + (end - start) * (nodes + 1) / 2
        r, phi = radius[:, None], turn[None]
        u, v = math.sqrt(first) * r * np.cos(phi), math.sqrt(second) * r * np.cos(phi - angle)
        values = function(u) * function(v) * r * np.exp(-(r**2) / 2) / (2 * math.pi)
        total += (radial[:, None] * values * weights[None] * (end - start) / 2).sum()
    return total


@pytest.mark.parametrize("activation", FUNCTIONS, ids=repr)
@pytest.mark.parametrize(("first", "second", "cov"), [(1.0, 1.0, 0.3), (0.4, 2.5, -0.9), (1.7, 0.2, 0.0)])
def test_duals_are_the_means_that_they_stand_for(activation, first, second, cov):
    function, derivative = FUNCTIONS[activation]
    found = activation.dual(*(torch.tensor(x, dtype=torch.float64) for x in (cov, first, second)))
    assert float(found[0]) == pytest.approx(means(function, first, second, cov), abs=1e-10)
    assert float(found[1]) == pytest.approx(means(derivative, first, second, cov), abs=1e-10)


@pytest.mark.parametrize("activation", FUNCTIONS, ids=repr)
def test_the_dual_of_equal_inputs_is_the_limit_of_near_ones(activation):
    variance = torch.tensor([0.0, 0.3, 2.0], dtype=torch.float64)
    own = activation.dual_of_equal(variance)
    near = activation.dual(variance * (1 - 1e-14), variance, variance)
    assert torch.allclose(own[0], near[0], rtol=0, atol=1e-7)
    if isinstance(activation, LeakyReLU):
        # The derivative at 0 counts for half, as the mean of both sides.
        near = (near[0][1:], near[1][1:])
        own = (own[0][1:], own[1][1:])
    assert torch.allclose(own[1], near[1], rtol=0, atol=1e-6)


def test_arguments_that_mean_nothing_are_refused():
    with pytest.raises(KernelError, match="slope must be a number, received nan"):
        LeakyReLU(math.nan)
    with pytest.raises(KernelError, match="use LeakyReLU"):
        ReLU(0.1)
