"""Embedding: a trunk that learns to place rows of the same pair near each other, with a K-NN classifier."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.validation import check_is_fitted, validate_data
from torch.nn.functional import normalize

from hashlens.ted.trunk import Standardiser, Trunk, normalised_weights

Codes = npt.NDArray[np.int64]


class LearnedEmbedding(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """K-NN classifier in an embedding learnt by a trunk; its classes are pairs of label and explanation.

    The loss is the supervised contrastive loss: rows of the same pair should be nearer to each other, by cosine
    similarity, than to other rows of their batch. The nearest training rows vote on the pair of a row.

    Parameters
    ----------
    trunk : Trunk
        The network and its training.
    k : int
        Number of neighbours that vote; fewer if there are fewer rows.

    References
    ----------
    Khosla, Teterwak, Wang, Sarna, Tian, Isola, Maschinot, Liu, Krishnan (2020): Supervised contrastive learning.
    """

    def __init__(self, trunk: Trunk, k: int) -> None:
        self.trunk = trunk
        self.k = k

    def fit(self, X: Any, y: Codes, sample_weight: Any = None) -> Self:
        """Train on pairs, int64 ``(n,)``."""
        self.trunk.check()
        X = validate_data(self, X, dtype=np.float64)
        self.network_ = self.trunk.network(X.shape[1], self.trunk.dimensions)
        device = next(self.network_.parameters()).device
        self.scale_ = Standardiser(X)
        pairs = torch.from_numpy(np.asarray(y)).to(device)

        def loss(outputs: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            return contrastive_loss(outputs, pairs[rows], self.trunk.temperature)

        weights = normalised_weights(sample_weight, len(X), device)
        self.trunk.train(self.network_, self.scale_(X, device), weights, loss)
        kept = (weights > 0).cpu().numpy()
        self.voters_ = KNeighborsClassifier(min(self.k, int(kept.sum())))
        self.voters_.fit(self._embed(X[kept]), np.asarray(y)[kept])
        self.classes_ = self.voters_.classes_
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the share of votes for each pair, ``(n, pairs)``."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        votes: npt.NDArray[np.float64] = self.voters_.predict_proba(self._embed(X))
        return votes

    def predict(self, X: Any) -> Codes:
        """Return the pair with the most votes, int64 ``(n,)``."""
        codes: Codes = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return codes

    def _embed(self, X: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        with torch.no_grad():
            result = normalize(self.network_(self.scale_(X, next(self.network_.parameters()).device)), dim=1)
        return result.cpu().numpy()


def contrastive_loss(outputs: torch.Tensor, pairs: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the supervised contrastive loss of each row of a batch; 0 if no other row has the same pair.

    Parameters
    ----------
    outputs : torch.Tensor
        ``(b, dimensions)``: vectors of any length.
    pairs : torch.Tensor
        int64 ``(b,)``: the pair of each row.
    temperature : float
        Temperature that cosine similarities are divided by.
    """
    embedded = normalize(outputs, dim=1)
    itself = torch.eye(len(outputs), dtype=torch.bool, device=outputs.device)
    alike = (pairs[:, None] == pairs) & ~itself
    logits = (embedded @ embedded.T / temperature).masked_fill(itself, -torch.inf)
    logs = logits.log_softmax(dim=1).masked_fill(~alike, 0.0)
    return -logs.sum(dim=1) / alike.sum(dim=1).clamp(min=1)
