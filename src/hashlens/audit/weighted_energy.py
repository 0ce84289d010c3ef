"""Weighted energy: novelty from the network's scores and the votes of the nearest training codes together."""

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64

from hashlens.arguments import require_whole
from hashlens.codes.codes import Codes, require_same_code
from hashlens.errors import AuditError
from hashlens.measures.classes import labelled_codes
from hashlens.measures.knn import nearest_codes

Scores = npt.NDArray[np.float64]


def weighted_energy(
    codes: Codes, new_codes: Codes, scores: npt.ArrayLike, k: int = 20, *, bits: int = 1024, seed: int = 0
) -> Float64[Scores, " {len(new_codes)}"]:
    """Return a novelty score of each new example, from the network's scores and its neighbours; higher is more novel.

    The score is the energy ``-log sum_c exp(s_c)`` (Liu et al., 2020) with each class weighted by its share v_c of the
    votes of the k nearest training codes, over all layers: ``-log sum_c v_c exp(s_c)``. It is low where the network is
    confident **and** the nearest training examples of each layer are of the predicted class. The unit is that of the
    network's scores, and only the order has a meaning. Take a quantile of the scores of held-out known examples as a
    threshold.

    Parameters
    ----------
    codes : Codes
        n training codes with labels 0, 1, ..., of one layer or of several; rows without a label do not vote.
    new_codes : Codes
        m codes of the same bits.
    scores : array of float
        ``(m, c)``: logits of the network.
    k : int
        Number of neighbours that vote in each layer.
    bits : int
        Largest number of bits compared of a layer, a sample drawn with `seed`.
    seed : int
        Seed of the sample of bits.

    Raises
    ------
    AuditError
        If labels are missing, or scores do not fit the codes.
    CodesError
        If the codes are not the same bits of the same network.

    References
    ----------
    Liu, Wang, Owens, Li (2020): Energy-based out-of-distribution detection. NeurIPS.
    """
    from scipy.special import logsumexp

    require_whole(AuditError, "k", k)
    require_whole(AuditError, "bits", bits)
    require_same_code(codes, new_codes)
    if codes.labels is None:
        raise AuditError("the nearest training codes vote with their labels: encode labelled data")
    codes, labels, _ = labelled_codes(codes, None, "novelty")
    if len(codes) < k:
        raise AuditError(f"k={k} needs at least {k:,} training codes, received {len(codes):,}: lower k")
    values = np.asarray(scores, np.float64)
    if values.ndim != 2 or len(values) != len(new_codes) or not np.isfinite(values).all():
        raise AuditError(f"scores must be finite, one row of classes for each of {len(new_codes):,} new codes")
    if int(labels.max()) >= values.shape[1]:
        raise AuditError(f"scores have {values.shape[1]} classes, but training codes have label {int(labels.max())}")
    votes = np.zeros_like(values)
    for layer in codes.layers:
        training, queries = (part.layer(layer.name).sample_bits(bits, seed) for part in (codes, new_codes))
        nearest = labels[nearest_codes(queries, training, k)[1]]
        for number in range(values.shape[1]):
            votes[:, number] += (nearest == number).sum(axis=1)
    # One more vote for every class, so that no class has the share 0.
    share = (votes + 1) / (votes.sum(axis=1, keepdims=True) + values.shape[1])
    return np.asarray(-logsumexp(values, axis=1, b=share))
