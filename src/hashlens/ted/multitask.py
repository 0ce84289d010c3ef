"""Multi-task learning: one trunk with a head for the label and a head for the explanation."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch.nn.functional import cross_entropy

from hashlens.ted.pairs import Pairs
from hashlens.ted.trunk import Standardiser, Trunk, normalised_weights

Codes = npt.NDArray[np.int64]


class TwoHeads(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A trunk with two heads; its classes are pairs of label and explanation.

    The loss is the sum of the cross-entropies of both heads. The probability of a pair is that of its label by one
    head, times that of its explanation by the other head, normalised over the explanations of the label.

    Parameters
    ----------
    trunk : Trunk
        The network and its training.
    pairs : Pairs
        The pairs, in the order of classes.
    """

    def __init__(self, trunk: Trunk, pairs: Pairs) -> None:
        self.trunk = trunk
        self.pairs = pairs

    def fit(self, X: Any, y: Codes, sample_weight: Any = None) -> Self:
        """Train on pairs, int64 ``(n,)``."""
        self.trunk.check()
        X = validate_data(self, X, dtype=np.float64)
        self.classes_ = np.arange(len(self.pairs))
        self.labels_ = int(self.pairs.labels.max()) + 1
        own = np.unique(self.pairs.explanations)
        self.reasons_ = np.searchsorted(own, self.pairs.explanations)
        self.network_ = self.trunk.network(X.shape[1], self.labels_ + len(own))
        device = next(self.network_.parameters()).device
        self.scale_ = Standardiser(X)
        labels = torch.from_numpy(self.pairs.labels[y]).to(device)
        reasons = torch.from_numpy(self.reasons_[y]).to(device)

        def loss(outputs: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            of_label, of_reason = outputs[:, : self.labels_], outputs[:, self.labels_ :]
            return cross_entropy(of_label, labels[rows], reduction="none") + cross_entropy(
                of_reason, reasons[rows], reduction="none"
            )

        self.trunk.train(self.network_, self.scale_(X, device), normalised_weights(sample_weight, len(X), device), loss)
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the probability of each pair, ``(n, pairs)``."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        with torch.no_grad():
            outputs = self.network_(self.scale_(X, next(self.network_.parameters()).device)).double()
        of_label = outputs[:, : self.labels_].softmax(dim=1).cpu().numpy()
        of_reason = outputs[:, self.labels_ :].cpu().numpy()[:, self.reasons_]
        joint = np.zeros((len(X), len(self.pairs)))
        for label, (start, stop) in enumerate(zip(self.pairs.starts[:-1], self.pairs.starts[1:], strict=True)):
            own = of_reason[:, start:stop]
            shares = np.exp(own - own.max(axis=1, keepdims=True))
            joint[:, start:stop] = of_label[:, [label]] * shares / shares.sum(axis=1, keepdims=True)
        return joint

    def predict(self, X: Any) -> Codes:
        """Return the likeliest pair of each row, int64 ``(n,)``."""
        codes: Codes = self.predict_proba(X).argmax(axis=1)
        return codes
