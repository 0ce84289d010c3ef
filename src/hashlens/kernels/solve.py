"""Solving a large kernel: by Cholesky in memory, or by conjugate gradients on disk."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt, is_number, require_whole
from hashlens.errors import KernelError, nearest
from hashlens.progress import bar

Array = npt.NDArray[Any]
Method = Literal["auto", "cholesky", "conjugate gradients"]
METHODS: tuple[Method, ...] = ("auto", "cholesky", "conjugate gradients")
DIRECT_UP_TO = 20_000
"""Largest number of examples that ``auto`` solves by Cholesky."""
LANDMARKS, ROWS = 1000, 2048
"""Largest number of columns of the preconditioner, and number of rows that are read at a time."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Solution of a regularised kernel for targets.

    Attributes
    ----------
    coefficients : numpy.ndarray
        ``(n, outputs)``: predictions are ``cross @ coefficients``.
    method : {"cholesky", "conjugate gradients"}
        Method of the solution.
    steps : int
        Number of steps of conjugate gradients (passes over the kernel); 0 for Cholesky.
    residual : float
        Largest relative residual over outputs.
    """

    coefficients: Array
    method: Method
    steps: int
    residual: float


def solve(
    kernel: Array,
    targets: Any,
    diag_reg: float = 0.0,
    *,
    method: Method = "auto",
    tolerance: float = 1e-6,
    steps: int = 1000,
) -> Solution:
    """Solve a kernel of training examples for targets, with one copy of it in memory, or on disk without a copy.

    Parameters
    ----------
    kernel : numpy.ndarray
        ``(n, n)``, such as :func:`kernel_on_disk` returns; it is not changed.
    targets : array_like
        ``(n,)`` or ``(n, outputs)``: targets.
    diag_reg : float
        Value that is added to the diagonal, as a share of its mean.
    method : {"auto", "cholesky", "conjugate gradients"}
        ``cholesky`` copies the kernel into memory and factorises it there. ``conjugate gradients`` passes over it in
        blocks of rows, preconditioned by at most 1,000 of its columns (Nyström). ``auto``: Cholesky up to 20,000
        examples, and conjugate gradients beyond.
    tolerance : float
        Relative residual at which conjugate gradients stop.
    steps : int
        Largest number of steps of conjugate gradients.

    Raises
    ------
    KernelError
        If shapes do not fit, the kernel is singular, or conjugate gradients do not reach the tolerance in `steps`
        steps.
    """
    n = len(kernel)
    if kernel.ndim != 2 or kernel.shape != (n, n):
        raise KernelError(f"the kernel of training examples must be square, received shape {kernel.shape}")
    wanted = np.asarray(targets, dtype=kernel.dtype)
    wanted = wanted[:, None] if wanted.ndim == 1 else wanted
    if wanted.ndim != 2 or len(wanted) != n:
        raise KernelError(f"targets must be ({n},) or ({n}, outputs) as the kernel, received {wanted.shape}")
    if not is_number(diag_reg) or not (math.isfinite(diag_reg) and diag_reg >= 0):
        raise KernelError(f"diag_reg must be a number, 0 or more, received {excerpt(diag_reg)}")
    if method not in METHODS:
        raise KernelError(f"unknown method {excerpt(method)}; {nearest(method, METHODS)}")
    require_whole(KernelError, "steps", steps)
    ridge = diag_reg * float(np.mean(np.diagonal(kernel), dtype=np.float64))
    if method == "cholesky" or (method == "auto" and n <= DIRECT_UP_TO):
        return _by_cholesky(kernel, wanted, ridge)
    return _by_conjugate_gradients(kernel, wanted, ridge, tolerance, steps)


def _by_cholesky(kernel: Array, targets: Array, ridge: float) -> Solution:
    from scipy.linalg import lapack

    copy = np.array(kernel, order="C")
    copy.flat[:: len(copy) + 1] += ridge
    factorise, back = lapack.get_lapack_funcs(("potrf", "potrs"), (copy,))
    # The rows of a symmetric matrix are its columns, so LAPACK can work in place.
    factor, failed = factorise(copy.T, lower=True, overwrite_a=True, clean=False)
    if failed:
        raise KernelError(
            f"the kernel of the training examples is singular in {kernel.dtype}: its leading part of {failed} examples "
            "has an eigenvalue that is not positive; examples may be there twice; give diag_reg=1e-6 or more"
        )
    found, _ = back(factor, targets, lower=True)
    return Solution(found, "cholesky", 0, _residual(kernel, found, targets, ridge))


def _multiply(kernel: Array, vectors: Array, ridge: float) -> Array:
    """Return the kernel plus a ridge, times vectors ``(n, outputs)``, in blocks of rows."""
    found = ridge * vectors
    for start in range(0, len(kernel), ROWS):
        rows = slice(start, start + ROWS)
        found[rows] += np.asarray(kernel[rows]) @ vectors
    return found


def _residual(kernel: Array, found: Array, targets: Array, ridge: float) -> float:
    """Return the largest relative residual over outputs."""
    left = np.linalg.norm(targets - _multiply(kernel, found, ridge), axis=0)
    return float(np.max(left / np.maximum(np.linalg.norm(targets, axis=0), np.finfo(kernel.dtype).tiny)))


class _NystromPreconditioner:
    """The inverse of an approximation of the kernel plus a ridge, by the Woodbury identity.

    The approximation has a low rank (Nyström): it is computed from the columns of some examples, the landmarks.
    """

    def __init__(self, kernel: Array, ridge: float) -> None:
        n = len(kernel)
        chosen = np.unique(np.linspace(0, n - 1, min(LANDMARKS, max(1, n // 5))).astype(np.int64))
        rows = np.stack([kernel[row] for row in chosen]).astype(np.float64)
        inner = rows[:, chosen]
        inner.flat[:: len(inner) + 1] += 1e-10 * np.trace(inner) / len(inner)
        half = np.linalg.solve(np.linalg.cholesky(inner), rows)
        small = half @ half.T
        self.half, self.ridge = half, max(ridge, 1e-10 * float(np.trace(small)) / n)
        small.flat[:: len(small) + 1] += self.ridge
        self.inner = np.linalg.inv(small)

    def __call__(self, vectors: Array) -> Array:
        found: Array = (vectors - self.half.T @ (self.inner @ (self.half @ vectors))) / self.ridge
        return found


def _by_conjugate_gradients(kernel: Array, targets: Array, ridge: float, tolerance: float, steps: int) -> Solution:
    precondition = _NystromPreconditioner(kernel, ridge)
    found, residuals = np.zeros(targets.shape), targets.astype(np.float64)
    norms = np.maximum(np.linalg.norm(residuals, axis=0), np.finfo(np.float64).tiny)
    direction = preconditioned = precondition(residuals)
    inner, relative_residual = (residuals * preconditioned).sum(0), 1.0
    with bar("conjugate gradients") as advance:
        for step in range(1, steps + 1):
            product = _multiply(kernel, direction, ridge)
            curvature = (direction * product).sum(0)
            length = np.divide(inner, curvature, out=np.zeros_like(inner), where=curvature > 0)
            found += length * direction
            residuals -= length * product
            relative_residual = float(np.max(np.linalg.norm(residuals, axis=0) / norms))
            advance(f"residual {relative_residual:.1e}")
            if relative_residual <= tolerance:
                exact = _residual(kernel, found, targets, ridge)
                return Solution(found.astype(kernel.dtype), "conjugate gradients", step, exact)
            preconditioned = precondition(residuals)
            before, inner = inner, (residuals * preconditioned).sum(0)
            ratio = np.divide(inner, before, out=np.zeros_like(inner), where=before > 0)
            direction = preconditioned + ratio * direction
    raise KernelError(
        f"conjugate gradients left {relative_residual:.1e} of the targets after {steps} passes over the kernel, above "
        f"{tolerance:.1e}: give a larger diag_reg or tolerance, or more steps"
    )
