"""Linear CKA of codes: the similarity of two geometries of the same examples, without a matrix of all pairs."""

import numpy as np
import numpy.typing as npt
import torch

from hashlens.codes.codes import Codes
from hashlens.errors import AuditError
from hashlens.measures.features import full_precision

MIN_ROWS = 4


@full_precision()
def linear_cka(a: Codes, b: Codes) -> float:
    """Return the debiased linear CKA of two codes of the same n examples, bits taken as -1 and 1.

    It is 1 if all distances agree up to one factor, and 0 on average if the codes are unrelated, whatever their numbers
    of bits. It is NaN if a code hardly varies. The n by n Gram matrices are never formed: for p and q bits the cost is
    ``n p q`` multiplications and ``4 p q`` bytes.

    Parameters
    ----------
    a, b : Codes
        n rows each, at least 4, of the same examples in the same order; p and q bits.

    Raises
    ------
    AuditError
        If the two have different numbers of rows, or fewer than 4.

    References
    ----------
    Kornblith, Norouzi, Lee, Hinton (2019): Similarity of neural network representations revisited. ICML.
    Song, Smola, Gretton, Bedo, Borgwardt (2012): Feature selection via dependence maximization. JMLR 13 (the unbiased
    estimator of HSIC that stands in for the biased one).

    Examples
    --------
    >>> codes = Codes.from_bits([[0, 0, 1], [0, 1, 1], [1, 0, 0], [1, 1, 0], [1, 1, 1]])
    >>> turned = Codes.from_bits([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0], [0, 0, 0]])
    >>> round(linear_cka(codes, turned), 12)
    1.0
    """
    if len(a) != len(b) or len(a) < MIN_ROWS:
        raise AuditError(f"CKA needs two codes of the same examples, {MIN_ROWS} or more, not {len(a)} and {len(b)}")
    first, second = _Kernel(a), _Kernel(b)
    self_similarity = _hsic(first, first), _hsic(second, second)
    return (
        _hsic(first, second) / (self_similarity[0] * self_similarity[1]) ** 0.5
        if min(self_similarity) > 0
        else float("nan")
    )


class _Kernel:
    """Row sums of the Gram matrix K of codes as -1 and 1, with zeros on its diagonal."""

    def __init__(self, codes: Codes) -> None:
        self.codes = codes
        sums = sum(self.signs(rows).sum(dim=0, dtype=torch.float64) for rows in codes.chunks(4))
        assert isinstance(sums, torch.Tensor)
        parts = [self.signs(rows).double() @ sums - codes.code_bits for rows in codes.chunks(8)]
        self.row_sums: npt.NDArray[np.float64] = torch.cat(parts).numpy()

    def signs(self, rows: slice) -> torch.Tensor:
        return torch.from_numpy(self.codes.unpack(rows)).float().mul_(2).sub_(1)


def _hsic(a: _Kernel, b: _Kernel) -> float:
    """Return the unbiased estimate of HSIC; tr(KL) is the squared norm of the p by q product of the codes."""
    n, bits = len(a.codes), (a.codes.code_bits, b.codes.code_bits)
    # The entries are integers below 2**24, which float32 holds exactly.
    product = torch.zeros(bits)
    step = max(1, (1 << 24) // max(1, sum(bits)))
    for start in range(0, n, step):
        rows = slice(start, start + step)
        product += a.signs(rows).T @ b.signs(rows)
    trace = float(product.double().square().sum()) - n * bits[0] * bits[1]
    sums = a.row_sums.sum() * b.row_sums.sum() / ((n - 1) * (n - 2))
    crossed = 2 / (n - 2) * float(a.row_sums @ b.row_sums)
    return float(trace + sums - crossed) / (n * (n - 3))
