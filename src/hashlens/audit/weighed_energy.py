"""Weighed energy: novelty from the network's scores and from what the nearest training codes say, together."""

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64

from hashlens.arguments import require_whole
from hashlens.codes.codes import Codes, require_same_code
from hashlens.errors import AuditError
from hashlens.measures.classes import labelled_codes
from hashlens.measures.knn import nearest_codes

Scores = npt.NDArray[np.float64]


def weighed_energy(
    codes: Codes, new_codes: Codes, scores: npt.ArrayLike, k: int = 20, *, bits: int = 1024, seed: int = 0
) -> Float64[Scores, " {len(new_codes)}"]:
    """Return how novel each new example is, by its scores and its neighbours: more is farther from what is known.

    The energy ``-log sum_c exp(s_c)`` (Liu et al., 2020) with each class weighed by the share of votes that the k
    nearest training codes give it, over all layers: ``-log sum_c v_c exp(s_c)``. An example is known where the network
    is sure **and** the training examples nearest to it, layer by layer, are of that class. The unit is that of the
    scores; only the order means something, and a threshold is a quantile of scores of held-out known examples.

    Parameters
    ----------
    codes : Codes
        n training codes with labels from 0 on, of one layer or of several; those without a label do not vote.
    new_codes : Codes
        m codes of the same bits.
    scores : array of float
        ``(m, c)``: what the network gives before softmax.
    k : int
        Neighbours that vote, in each layer.
    bits : int
        Bits of a layer that are compared at most, a sample drawn with `seed`.
    seed : int
        Of that sample.

    Raises
    ------
    AuditError
        If labels are missing, or scores do not fit.
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
        raise AuditError(f"scores name {values.shape[1]} classes, and training codes have label {int(labels.max())}")
    votes = np.zeros_like(values)
    for layer in codes.layers:
        training, queries = (part.layer(layer.name).sample_bits(bits, seed) for part in (codes, new_codes))
        nearest = labels[nearest_codes(queries, training, k)[1]]
        for number in range(values.shape[1]):
            votes[:, number] += (nearest == number).sum(axis=1)
    # One more vote for every class: none is ruled out by too few neighbours.
    share = (votes + 1) / (votes.sum(axis=1, keepdims=True) + values.shape[1])
    return np.asarray(-logsumexp(values, axis=1, b=share))
