"""Projection of codes to two dimensions, for a map of examples."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from hashlens.arguments import excerpt
from hashlens.codes.codes import Codes
from hashlens.errors import MeasureError
from hashlens.measures.features import as_features
from hashlens.result import Result

ProjectionMethod = Literal["pca", "umap"]
PROJECTION_BITS = 4096
"""Largest number of bits used; of wider codes a sample is drawn, which is enough for two dimensions."""
NEIGHBOURS = 15


@dataclass(frozen=True, eq=False)
class Projection(Result):
    """Coordinates of n rows in two dimensions.

    Attributes
    ----------
    method : {"pca", "umap"}
        Method of projection.
    places : numpy.ndarray
        float64 ``(n, 2)``: coordinates.
    variance : tuple of float or None
        Share of the variance along each axis; None for UMAP, whose axes have no such meaning.
    """

    method: ProjectionMethod
    places: npt.NDArray[np.float64]
    variance: tuple[float, float] | None


def check_projection(method: str) -> None:
    """Raise MeasureError if `method` is not known, or its package is not installed."""
    if method not in get_args(ProjectionMethod):
        raise MeasureError(f"projection must be 'pca' or 'umap', received {excerpt(method)}")
    if method == "umap":
        from importlib.util import find_spec

        if find_spec("umap") is None:
            raise MeasureError("projection='umap' needs UMAP: pip install umap-learn, or use projection='pca'")


def project(rows: Codes | torch.Tensor, method: ProjectionMethod = "pca", seed: int = 0) -> Projection:
    """Project rows to two dimensions.

    Parameters
    ----------
    rows : Codes or torch.Tensor
        n codes, or features ``(n, d)``.
    method : {"pca", "umap"}
        Principal components, which preserve large distances; or UMAP, which preserves neighbourhoods, takes longer, and
        needs the package umap-learn. Fewer than four rows are projected by principal components in any case.
    seed : int
        Seed of the sample of bits of wide codes, and of the methods.

    Raises
    ------
    MeasureError
        If the method is unknown or not installed.

    References
    ----------
    McInnes, Healy, Melville (2018): UMAP: uniform manifold approximation and projection for dimension reduction. arXiv
    1802.03426.
    """
    check_projection(method)
    narrow = rows.sample_bits(PROJECTION_BITS, seed) if isinstance(rows, Codes) else rows
    features = as_features(narrow).numpy()
    if method == "umap" and len(features) > 3:
        return Projection("umap", _umap(features, isinstance(rows, Codes), seed), None)
    return _principal_components(features, seed)


def _principal_components(features: npt.NDArray[np.float32], seed: int) -> Projection:
    from sklearn.decomposition import PCA

    places, shares = np.zeros((len(features), 2)), np.zeros(2)
    if len(features) and (features != features[0]).any():
        components = min(2, *features.shape)
        # The iterative solver can only find fewer axes than there are rows and columns.
        pca = PCA(components, svd_solver="arpack" if components < min(features.shape) else "full", random_state=seed)
        places[:, :components] = pca.fit_transform(features)
        shares[:components] = pca.explained_variance_ratio_
    return Projection("pca", places, (float(shares[0]), float(shares[1])))


def _umap(features: npt.NDArray[np.float32], binary: bool, seed: int) -> npt.NDArray[np.float64]:
    import warnings
    from importlib import import_module

    with warnings.catch_warnings():
        # UMAP warns about optional packages, and that a seed limits it to one thread.
        warnings.simplefilter("ignore")
        umap: Any = import_module("umap")
        reducer = umap.UMAP(
            n_neighbors=min(NEIGHBOURS, len(features) - 1),
            metric="hamming" if binary else "euclidean",
            init="pca",
            random_state=seed,
            n_jobs=1,
        )
        return np.asarray(reducer.fit_transform(features), dtype=np.float64)
