"""Nearest neighbours by the neural codes of a network."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from hashlens.codes.codes import Codes
from hashlens.codes.encode import encode
from hashlens.index.index import Index
from hashlens.nets.load import load_model

Numbers = npt.NDArray[np.int64]


class CodeNeighbours(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """K-NN classifier by the Hamming distance of neural codes; its classes are pairs of label and explanation.

    The network is not trained. The k rows with the nearest codes vote on the pair of a row.

    Parameters
    ----------
    network : torch.nn.Module or str
        A trained network, or a name that :func:`hashlens.load_model` takes.
    k : int
        Number of neighbours that vote; fewer if there are fewer rows.
    """

    def __init__(self, network: Any, k: int) -> None:
        self.network = network
        self.k = k

    def fit(self, X: Any, y: Numbers, sample_weight: Any = None) -> Self:
        """Encode the rows, ``(n, ...)`` in the shape of the network's inputs; weights are those of votes."""
        self.network_ = load_model(self.network)
        codes = self._encode(X)
        self.classes_, self.pairs_ = np.unique(y, return_inverse=True)
        self.weights_ = np.ones(len(codes)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        self.index_ = Index(codes, ids=np.arange(len(codes)))
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the share of votes for each pair, ``(n, pairs)``."""
        check_is_fitted(self)
        result = self.index_.search(self._encode(X), k=min(self.k, len(self.index_))).ids
        votes = np.zeros((len(result), len(self.classes_)))
        for voter in result.T:
            votes[np.arange(len(result)), self.pairs_[voter]] += self.weights_[voter]
        total = votes.sum(axis=1, keepdims=True)
        shares: npt.NDArray[np.float64] = np.full_like(votes, 1 / votes.shape[1])
        np.divide(votes, total, out=shares, where=total > 0)
        return shares

    def predict(self, X: Any) -> Numbers:
        """Return the pair with the most votes, int64 ``(n,)``."""
        result: Numbers = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return result

    def _encode(self, X: Any) -> Codes:
        return encode(self.network_, np.asarray(X, np.float32))
