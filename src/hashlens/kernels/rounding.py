"""Rounding of kernels to a lower precision: its noise, and the size at which a kernel stops being positive definite."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from hashlens.errors import KernelError, nearest

Array = npt.NDArray[Any]
Precision = Literal["float64", "float32", "bfloat16", "float16"]
DTYPES: dict[str, torch.dtype] = {
    "float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16,
}  # fmt: skip


def rounded(kernel: Array, precision: Precision) -> Array:
    """Return a kernel rounded to a precision, in float64."""
    if precision not in DTYPES:
        raise KernelError(f"unknown precision {precision!r}; {nearest(precision, DTYPES)}")
    return np.asarray(torch.as_tensor(kernel, dtype=torch.float64).to(DTYPES[precision]).double().numpy())


def rounding_noise(kernel: Array, precision: Precision) -> float:
    """Return the root mean square of the rounding error of an entry.

    The error of an entry is assumed to be uniform over one unit in the last place (the last bit of the mantissa).
    """
    digits = -np.log2(torch.finfo(DTYPES[precision]).eps)
    unit = np.exp2(np.frexp(np.abs(kernel))[1] - 1 - digits)
    return float(np.sqrt(np.mean(np.where(kernel == 0, 0.0, unit) ** 2 / 12)))


def tolerated_noise(values: Array) -> float:
    """Return the root mean square, per entry, of symmetric noise that lets the smallest eigenvalue of a matrix reach 0.

    `values` are the eigenvalues of the matrix without noise. If independent noise of variance v is added to the entries
    of a large matrix, its new spectrum is the free convolution of the old one with a semicircle. The lower edge of the
    new spectrum is the maximum, over x below the smallest eigenvalue, of ``x - v sum 1 / (eigenvalue - x)``. The edge
    is above 0 as long as v is below the maximum of ``x / sum 1 / (eigenvalue - x)``.

    References
    ----------
    Biane (1997): On the free convolution with a semi-circular distribution. Indiana University Mathematics Journal 46.
    """
    least = float(values.min())
    if not least > 0:
        return 0.0
    # The trial values are denser towards 0 and towards the smallest eigenvalue.
    trial_x = least * np.concatenate([np.geomspace(1e-4, 0.5, 40), 1 - np.geomspace(1e-6, 0.5, 80)])
    sums = (1 / (values[None] - trial_x[:, None])).sum(1)
    return float(np.sqrt(np.max(trial_x / sums)))


@dataclass(frozen=True)
class CriticalSize:
    """Number of examples at which a rounded kernel is no longer positive definite.

    Attributes
    ----------
    predicted : float
        Number of examples at which the rounding noise is as large as the kernel tolerates: where a power law fitted to
        `ratio` reaches 1, inside or beyond the measured sizes. Infinite if the ratio does not grow.
    sizes : numpy.ndarray
        Measured numbers of examples.
    ratio : numpy.ndarray
        Rounding noise at each size, as a share of the noise that the kernel tolerates.
    """

    predicted: float
    sizes: npt.NDArray[np.int64]
    ratio: npt.NDArray[np.float64]


def critical_size(kernel: Array, precision: Precision, diag_reg: float = 0.0, upto: int | None = None) -> CriticalSize:
    """Predict from the spectrum the number of examples at which a kernel in lower precision fails.

    It fails where rounding makes its smallest eigenvalue negative; see :func:`tolerated_noise`.

    Parameters
    ----------
    kernel : numpy.ndarray
        float64 ``(n, n)``, of examples in random order.
    precision : {"float64", "float32", "bfloat16", "float16"}
        Precision to which the kernel is rounded.
    diag_reg : float
        Value that is added to the diagonal, as a share of the diagonal's mean.
    upto : int, optional
        Largest size whose spectrum is computed; by default n.
    """
    most = len(kernel) if upto is None else min(upto, len(kernel))
    sizes = np.unique(np.geomspace(max(most // 16, 2), most, 9).astype(np.int64))
    ratio = []
    for size in sizes:
        part = kernel[:size, :size]
        ridge = diag_reg * float(np.mean(np.diagonal(part)))
        tolerated = tolerated_noise(np.linalg.eigvalsh(part) + ridge)
        ratio.append(rounding_noise(part, precision) / max(tolerated, np.finfo(np.float64).tiny))
    ratios = np.array(ratio)
    slope, intercept = np.polyfit(np.log(sizes), np.log(ratios), 1)
    predicted = float(np.exp(-intercept / slope)) if slope > 0 else float("inf")
    return CriticalSize(predicted, sizes, ratios)
