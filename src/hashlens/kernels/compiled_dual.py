"""The dual of piecewise linear activations on a CPU: one compiled loop instead of a dozen passes over memory.

With ``h`` the product of both standard deviations, the tangent of half the angle between u and v is
``t = sqrt((h - cov) / (h + cov))``, and the sine of the angle is ``t (h + cov) / h``. So a root, a division and a
polynomial give the dual and its derivative. Importing this module imports numba.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from numpy.polynomial import Chebyshev, Polynomial

from hashlens.compiling import compiled

Array = npt.NDArray[np.floating]
TERMS = 12
"""Number of terms of the polynomial for the arc tangent, which is a quarter of the angle; the error is 2e-16."""
REACH = 3 - 2 * np.sqrt(2)
"""Largest argument of the polynomial: the square of the tangent of 22.5 degrees, a quarter of 90."""


@cache
def constants(name: str) -> Array:
    """Return the constants of the loops in their precision: coefficients of ``2 arctan(x) / (pi x)``, then others.

    Parameters
    ----------
    name : {"float32", "float64"}
        Precision of the loop.
    """

    def ratio(square: Array) -> Array:
        root = np.sqrt(np.maximum(square, 1e-300))
        found: Array = 2 * np.arctan(root) / (np.pi * root)
        return found

    fitted = Chebyshev.interpolate(ratio, TERMS - 1, domain=[0.0, REACH]).convert(kind=Polynomial).coef
    return np.array([*fitted, 0.5, 1.0, 0.5 / np.pi, np.finfo(name).tiny], dtype=name)


def _dual(k, h, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, half, one, turn, tiny):  # type: ignore[no-untyped-def]
    """Return the dual of a ReLU and its derivative, of a covariance and the product of both standard deviations."""
    a = min(abs(k), h)
    d = h + a + tiny
    t2 = (h - a) / d
    t = np.sqrt(t2)
    x = t / (one + np.sqrt(one + t2))
    u = x * x
    # A quarter of the angle divided by a quarter of the circle is half of the share of units active for one input only.
    part = x * (c0 + u * (c1 + u * (c2 + u * (c3 + u * (c4 + u * (c5 + u * (
        c6 + u * (c7 + u * (c8 + u * (c9 + u * (c10 + u * c11)))))))))))  # fmt: skip
    share = half - part if k >= 0 else part
    return turn * t * d + share * k, share


_compiled_dual = compiled(_dual, fastmath={"contract", "reassoc", "nsz", "arcp"})


def _dual_of_all_pairs(cov, ntk, first, second, bend, slope, with_ntk, c):  # type: ignore[no-untyped-def]
    """Replace ``cov[i, j, p, q]`` by the dual; deviations are ``first[i, p]`` and ``second[j, q]``."""
    c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11 = (
        c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10], c[11])  # fmt: skip
    half, one, turn, tiny = c[12], c[13], c[14], c[15]
    for i in range(cov.shape[0]):
        for j in range(cov.shape[1]):
            for p in range(cov.shape[2]):
                deviation = first[i, p]
                for q in range(cov.shape[3]):
                    k = cov[i, j, p, q]
                    dual, share = _compiled_dual(k, deviation * second[j, q], c0, c1, c2, c3, c4, c5, c6, c7, c8, c9,
                                                 c10, c11, half, one, turn, tiny)  # fmt: skip
                    cov[i, j, p, q] = bend * dual + slope * k
                    if with_ntk:
                        ntk[i, j, p, q] *= bend * share + slope


def _dual_of_equal_positions(cov, ntk, first, second, bend, slope, with_ntk, c):  # type: ignore[no-untyped-def]
    """Replace ``cov[i, j, p]`` by the dual; deviations are ``first[i, p]`` and ``second[j, p]``."""
    c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11 = (
        c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10], c[11])  # fmt: skip
    half, one, turn, tiny = c[12], c[13], c[14], c[15]
    for i in range(cov.shape[0]):
        for j in range(cov.shape[1]):
            for p in range(cov.shape[2]):
                k = cov[i, j, p]
                dual, share = _compiled_dual(k, first[i, p] * second[j, p], c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10,
                                             c11, half, one, turn, tiny)  # fmt: skip
                cov[i, j, p] = bend * dual + slope * k
                if with_ntk:
                    ntk[i, j, p] *= bend * share + slope


dual_of_all_pairs = compiled(_dual_of_all_pairs, fastmath={"contract", "reassoc", "nsz", "arcp"})
dual_of_equal_positions = compiled(_dual_of_equal_positions, fastmath={"contract", "reassoc", "nsz", "arcp"})


def replace_by_dual(
    cov: torch.Tensor,
    ntk: torch.Tensor | None,
    first: torch.Tensor,
    second: torch.Tensor,
    slope: float,
    pairs_of_positions: bool,
) -> None:
    """Replace covariances by the dual of a leaky ReLU, and multiply tangent kernels by its derivative, in place.

    Parameters
    ----------
    cov, ntk : torch.Tensor
        ``(n, m, *positions)``, contiguous and on the CPU.
    first, second : torch.Tensor
        Standard deviations ``(n, *positions)`` and ``(m, *positions)``.
    slope : float
        Slope for negative inputs.
    pairs_of_positions : bool
        Whether covariances are stored for all pairs of positions.
    """
    values, one, other = cov.numpy(), first.contiguous().numpy(), second.contiguous().numpy()
    n, m, loop = len(one), len(other), dual_of_equal_positions
    one, other = one.reshape(n, -1), other.reshape(m, -1)
    shape: tuple[int, ...] = (n, m, one.shape[1])
    if pairs_of_positions:
        shape, loop = (*shape, one.shape[1]), dual_of_all_pairs
    elif values.ndim == 2:
        # Vectors: the second inputs are what a row of the loop runs over.
        shape, loop, other = (n, 1, 1, m), dual_of_all_pairs, other.reshape(1, m)
    values = values.reshape(shape)
    tangents = values if ntk is None else ntk.numpy().reshape(shape)
    number = values.dtype.type
    loop(
        values,
        tangents,
        one,
        other,
        number((1 - slope) ** 2),
        number(slope),
        ntk is not None,
        constants(values.dtype.name),
    )
