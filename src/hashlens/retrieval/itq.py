"""ITQ, iterative quantisation: binary codes of real-valued rows, by rotated principal components."""

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float32, Num

from hashlens.arguments import excerpt, is_whole, require_whole
from hashlens.codes.codes import Codes
from hashlens.codes.layers import Layer
from hashlens.codes.packing import pack_bits
from hashlens.codes.provenance import Provenance
from hashlens.errors import MeasureError
from hashlens.measures.features import Features, as_features, full_precision
from hashlens.seeds import numpy_generator, torch_generator

ROTATION_ROWS = 10_000
"""Largest number of rows, drawn at random, that the rotation is fitted on."""
FLIPPED = 1e-4
"""Share of changed signs below which the iteration stops."""


@full_precision()
def itq_codes(
    train_features: Num[Features, "n d"],
    test_features: Num[Features, "m d"],
    bits: int,
    *,
    train_labels: npt.ArrayLike | None = None,
    test_labels: npt.ArrayLike | None = None,
    seed: int = 0,
    iterations: int = 50,
) -> tuple[Codes, Codes]:
    """Encode rows by iterative quantisation (ITQ), fitted on train, without labels.

    Rows V are projected to their first `bits` principal components and rotated to lie close to the corners of a cube.
    Two steps alternate: compute the signs B of the rotated rows V R; find the rotation R that takes V closest to B
    (orthogonal Procrustes).

    Parameters
    ----------
    train_features, test_features : array
        ``(n, d)`` and ``(m, d)``: rows to encode.
    bits : int
        Number of bits of the code, at most d and n.
    train_labels, test_labels : array of int, optional
        ``(n,)`` and ``(m,)``: labels for the codes; the method does not use them.
    seed : int
        Seed of the first rotation and, with more than 10,000 rows, of the sample that it is fitted on.
    iterations : int
        Largest number of iterations, 50 as in the paper. It stops if fewer than one sign in 10,000 changes.

    Raises
    ------
    MeasureError
        If `bits` is larger than the number of columns or rows of train, or the numbers of columns differ.

    References
    ----------
    Gong, Lazebnik (2011): Iterative quantization: a Procrustean approach to learning binary codes. CVPR.
    """
    require_whole(MeasureError, "iterations", iterations)
    train, test = principal_components(train_features, test_features, bits)
    rotation = _rotation(train, iterations, seed)
    layer = Layer("itq", "sign", (bits,), bits=bits)
    provenance = Provenance(model="iterative quantisation", seed=seed)
    return tuple(  # type: ignore[return-value]
        Codes(
            pack_bits((rows @ rotation > 0).numpy()),
            (layer,),
            None if labels is None else np.asarray(labels, dtype=np.int64),
            provenance=provenance,
        )
        for rows, labels in ((train, train_labels), (test, test_labels))
    )


@full_precision()
def principal_components(
    train_features: Num[Features, "n d"], test_features: Num[Features, "m d"], components: int
) -> tuple[Float32[torch.Tensor, "n {components}"], Float32[torch.Tensor, "m {components}"]]:
    """Project rows, centred by the mean of train, to the first principal components of train.

    Parameters
    ----------
    train_features, test_features : array
        ``(n, d)`` and ``(m, d)``: the rows.
    components : int
        Number of components, at most n and d.

    Returns
    -------
    train, test : torch.Tensor
        float32 ``(n, components)`` and ``(m, components)``, the component with the largest variance first.
    """
    train, test = as_features(train_features), as_features(test_features)
    if train.shape[1] != test.shape[1]:
        raise MeasureError(f"train and test must have the same columns, not {train.shape[1]} and {test.shape[1]}")
    limit = min(train.shape)
    if not is_whole(components) or not 1 <= components <= limit:
        raise MeasureError(
            f"principal components, and ITQ bits, are from 1 to {limit:,} for {len(train):,} rows of "
            f"{train.shape[1]:,} columns, received {excerpt(components)}: lower the bits, or use hyperplane_codes"
        )
    centre = train.mean(dim=0)
    train, test = train - centre, test - centre
    axes = torch.linalg.eigh((train.T @ train).double()).eigenvectors.flip(1)[:, :components].float()
    return train @ axes, test @ axes


def _rotation(projected: torch.Tensor, iterations: int, seed: int) -> torch.Tensor:
    """Return the rotation ``(bits, bits)`` that takes rows closest to their signs."""
    rows = projected
    if len(rows) > ROTATION_ROWS:
        drawn = numpy_generator(seed, "itq rows").choice(len(rows), ROTATION_ROWS, replace=False, shuffle=False)
        rows = rows[torch.from_numpy(np.sort(drawn))]
    bits = rows.shape[1]
    rotation: torch.Tensor = torch.linalg.qr(torch.randn(bits, bits, generator=torch_generator(seed, "itq"))).Q
    previous = torch.zeros(len(rows), bits, dtype=torch.bool)
    for _ in range(iterations):
        positive = rows @ rotation > 0
        if (positive != previous).float().mean() < FLIPPED:
            break
        previous = positive
        left, _, right = torch.linalg.svd(rows.T @ (2 * positive.float() - 1))
        rotation = left @ right
    return rotation
