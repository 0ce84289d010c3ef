"""The local ratio d1 / dk of the distances to the nearest and the k-th nearest code, and its null distribution."""

from dataclasses import dataclass
from math import expm1, log, log1p

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64, Int, Int32, Int64

from hashlens.codes.codes import Codes
from hashlens.errors import AuditError
from hashlens.measures.knn import nearest_codes
from hashlens.result import Result

Ratios = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def local_ratio(distances: Int[npt.NDArray[np.int32], "m k"]) -> Float64[Ratios, " m"]:
    """Return the distance to the nearest code divided by that to the k-th, float64 ``(m,)``, between 0 and 1.

    An identical code has the ratio 0, even if the k-th code is identical too.

    Parameters
    ----------
    distances : numpy.ndarray
        ``(m, k)``: distances to the k nearest codes, ascending, in bits.

    >>> local_ratio(np.array([[2, 4, 8], [0, 3, 3], [0, 0, 0]])).tolist()
    [0.25, 0.0, 0.0]
    """
    nearest, last = distances[:, 0], distances[:, -1]
    return np.divide(nearest, last, out=np.zeros(len(distances)), where=last > 0)


def pair_ratios(distances: Int[npt.NDArray[np.int32], "m k"]) -> Float64[Ratios, "m k"]:
    """Return the distance to each of the k nearest codes divided by that to the k-th, float64 ``(m, k)``."""
    last = distances[:, -1:]
    return np.divide(distances, last, out=np.zeros(distances.shape), where=last > 0)


def nearest_others(
    codes: Codes, rows: Int64[Rows, " m"], k: int, view: Codes | None = None
) -> tuple[Int32[npt.NDArray[np.int32], "m {k}"], Int64[Rows, "m {k}"]]:
    """Find the k codes nearest to each of `rows` among all other rows of the same codes.

    Parameters
    ----------
    codes : Codes
        n rows to search.
    rows : numpy.ndarray
        int64 ``(m,)``: rows of `codes`, none of which is its own neighbour.
    k : int
        Number of neighbours, less than n.
    view : Codes, optional
        m rows: the codes of `rows` in another view of the images, which are then the queries.

    Returns
    -------
    distances : numpy.ndarray
        int32 ``(len(rows), k)``, ascending, in bits.
    neighbours : numpy.ndarray
        int64 ``(len(rows), k)``, rows of `codes`.
    """
    distances, neighbours = nearest_codes(codes[rows] if view is None else view, codes, k + 1)
    others = neighbours != rows[:, None]
    # A row with k + 1 equal codes in lower rows is not among its own neighbours: then the last neighbour is dropped.
    others[others.all(axis=1), k] = False
    return distances[others].reshape(-1, k), neighbours[others].reshape(-1, k)


@dataclass(frozen=True)
class OrdinaryRatios(Result):
    """Distribution of the local ratio among ordinary rows: P(ratio <= t) = 1 - (1 - t**a)**b.

    If rows are spread evenly in a space of m dimensions, the number of neighbours within a distance d is a Poisson
    process in d**m. Then the ratio to the power m is the smallest of k - 1 uniform numbers, so a = m and b = k - 1
    exactly. The dimension of real data varies from place to place, which widens the distribution. So a and b are fitted
    to the lower and the upper quartile, which a minority of duplicates hardly moves (an empirical null).

    Attributes
    ----------
    dimension : float
        The exponent a: the dimension of the neighbourhoods.
    neighbours : float
        The exponent b: at most about k - 1, lower the more the dimension varies.

    References
    ----------
    Efron (2004): Large-scale simultaneous hypothesis testing: the choice of a null hypothesis. JASA 99.
    Facco, d'Errico, Rodriguez, Laio (2017): Estimating the intrinsic dimension of datasets by a minimal neighborhood
    information. Scientific Reports 7 (for the Poisson process and ratios of distances).
    """

    dimension: float
    neighbours: float

    @classmethod
    def fit(cls, ratios: Ratios) -> "OrdinaryRatios":
        """Fit the distribution to the quartiles of ratios, float ``(n,)``.

        Raises
        ------
        AuditError
            If the quartiles are 0, 1 or equal: too few bits differ between these rows.
        """
        low, high = (float(quartile) for quartile in np.quantile(ratios, (0.25, 0.75)))
        if low == 0:
            raise AuditError("a quarter of the rows or more share their code with another row")
        if high >= 1:
            raise AuditError("a quarter of the rows or more have all neighbours at the same distance")
        if low == high:
            raise AuditError("half of the rows or more have the same ratio of distances")
        # At the quartiles, log(1 - high**a) / log(1 - low**a) = log(1/4) / log(3/4); the left side grows with a from 1.
        target = log(log(1 / 4) / log(3 / 4))

        def gap(dimension: float) -> float:
            return _log_hazard(high, dimension) - _log_hazard(low, dimension) - target

        from scipy.optimize import brentq

        upper = 1.0
        while gap(upper) < 0:
            upper *= 2
        dimension = float(brentq(gap, 0.0, upper)) if gap(0.0) < 0 else 0.0
        return cls(dimension, log(4 / 3) / float(np.exp(_log_hazard(low, dimension))))

    def probability(self, ratios: npt.ArrayLike) -> Ratios:
        """Return the probability that an ordinary row has such a ratio or a lower one."""
        with np.errstate(divide="ignore"):
            hazard = np.log1p(-np.power(np.asarray(ratios, np.float64), self.dimension))
        return np.asarray(-np.expm1(self.neighbours * hazard))

    def ratio(self, probability: float) -> float:
        """Return the quantile: the ratio that an ordinary row is below with this probability."""
        if probability >= 1:
            return 1.0
        return float((-expm1(log1p(-probability) / self.neighbours)) ** (1 / self.dimension))


def _log_hazard(ratio: float, dimension: float) -> float:
    """Return log(-log(1 - ratio**dimension)), also where the power is too small to be subtracted from 1."""
    power = dimension * log(ratio)
    if power < -30:
        return power
    return log(-log1p(-min(np.exp(power), 1 - 1e-15)))
