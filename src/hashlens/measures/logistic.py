"""Logistic regression on features, multinomial or one-vs-one, by Newton's method with conjugate gradients."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float32, Int64, Num

from hashlens.codes.codes import Codes
from hashlens.data.labels import ClassNames
from hashlens.errors import MeasureError, nearest
from hashlens.measures.classes import Classes, Labels, labelled_codes, named_rows
from hashlens.measures.features import Features, as_features, full_precision
from hashlens.measures.logistic_loss import LogisticLoss, MultinomialLoss, PairwiseLoss
from hashlens.measures.newton import minimise

LogisticMethod = Literal["multinomial", "one-vs-one"]
METHODS: tuple[LogisticMethod, ...] = get_args(LogisticMethod)


@dataclass(frozen=True, eq=False)
class LogisticModel:
    """A fitted logistic regression.

    Attributes
    ----------
    method : {"multinomial", "one-vs-one"}
        Kind of regression; two classes are fitted as one pair.
    names : numpy.ndarray
        int64 ``(c,)``: the classes, ascending.
    coefficients : numpy.ndarray
        float64 ``(m, d)``: m = c for multinomial. For one-vs-one m = c (c - 1) / 2, the pairs in the order (0, 1),
        (0, 2), ..., with positive scores for the second class.
    intercepts : numpy.ndarray
        float64 ``(m,)``: the intercepts.
    iterations : int
        Number of Newton steps.
    class_names : tuple of str, or None
        Names of classes 0, 1, ..., if the labels were names or the codes have names.
    """

    method: LogisticMethod
    names: Labels
    coefficients: npt.NDArray[np.float64]
    intercepts: npt.NDArray[np.float64]
    iterations: int
    class_names: ClassNames = None

    @full_precision()
    def decisions(
        self, features: Num[Features, "k d"] | Codes
    ) -> Float32[npt.NDArray[np.float32], "{len(features)} {len(self.intercepts)}"]:
        """Return the linear scores, float32 ``(k, m)``."""
        weights, intercepts = torch.from_numpy(self.coefficients).float(), torch.from_numpy(self.intercepts).float()
        scores: npt.NDArray[np.float32] = torch.nn.functional.linear(as_features(features), weights, intercepts).numpy()
        return scores

    def predict(self, features: Num[Features, "k d"] | Codes) -> Int64[Labels, " {len(features)}"]:
        """Return the predicted classes, int64 ``(k,)``.

        For one-vs-one it is the class with the most votes; ties are broken by the largest sum of scores.
        """
        scores = self.decisions(features)
        if self.method == "multinomial":
            return np.asarray(self.names[scores.argmax(axis=1)])
        totals = np.zeros((2, len(scores), len(self.names)), np.float32)
        votes, sums = totals
        for pair, (first, second) in enumerate(zip(*np.triu_indices(len(self.names), 1), strict=True)):
            won = scores[:, pair] > 0
            votes[:, second] += won
            votes[:, first] += ~won
            sums[:, second] += scores[:, pair]
            sums[:, first] -= scores[:, pair]
        return np.asarray(self.names[(votes + sums / (3 * (np.abs(sums) + 1))).argmax(axis=1)])

    def accuracy(self, features: Num[Features, "k d"] | Codes, labels: npt.ArrayLike) -> float:
        """Return the accuracy: the share of labelled rows that are predicted correctly.

        Labels that are names are matched with the names of the fitted classes.
        """
        expected, rows, _ = named_rows(labels, len(features), "logistic regression", self.class_names)
        return float((self.predict(features)[rows] == expected).mean())


def accuracy_tolerance(rows: int) -> float:
    """Return a tolerance that is enough for accuracies, 1e-5 nats per example: a smaller one does not change them."""
    return 1e-5 * rows


@full_precision()
def logistic_regression(
    features: Num[Features, "n d"] | Codes,
    labels: npt.ArrayLike | None = None,
    method: LogisticMethod = "multinomial",
    strength: float = 1.0,
    tolerance: float = 1e-5,
) -> LogisticModel:
    """Fit logistic regression with an L2 penalty, like scikit-learn's ``LogisticRegression`` with its defaults.

    It minimises ``|w|**2 / 2 + strength * sum(loss)``; intercepts are not penalised. One-vs-one fits all pairs of
    classes at once. With two classes both kinds are the same single sigmoid. Rows without a label are left out.

    Parameters
    ----------
    features : Codes or array
        n codes, as 0 and 1, or features ``(n, d)``.
    labels : array of int, optional
        ``(n,)``: labels; those of the codes by default.
    method : {"multinomial", "one-vs-one"}
        Kind of regression for more than two classes.
    strength : float
        Inverse of the regularisation, scikit-learn's C.
    tolerance : float
        The iteration stops when a Newton step is expected to lower the objective by less than half of this. The penalty
        makes the objective strongly convex, so the coefficients were within ``sqrt(tolerance)`` of the optimum before
        that step. Newton's method converges quadratically, so after it they are far nearer.

    Raises
    ------
    MeasureError
        If the method is unknown, labels are missing, or there is only one class.
    """
    if method not in METHODS:
        raise MeasureError(f"unknown logistic regression {method!r}: {nearest(method, METHODS)}")
    if isinstance(features, Codes):
        features, class_numbers, _ = labelled_codes(features, labels, "logistic regression")
        names = features.class_names
    else:
        class_numbers, kept, names = named_rows(labels, len(features), "logistic regression")
        features = as_features(features)[kept]
    classes = Classes.of(class_numbers, "logistic regression")
    in_order = bool((class_numbers[:-1] <= class_numbers[1:]).all())
    if isinstance(features, Codes):
        rows = as_features(features if in_order else features[classes.order])
    else:
        rows = as_features(features)
        rows = rows if in_order else rows[torch.from_numpy(classes.order)]
    loss: LogisticLoss
    if method == "multinomial" and len(classes) > 2:
        loss = MultinomialLoss(rows, classes, strength)
    else:
        loss = PairwiseLoss(rows, classes, strength)
    weights, iterations = minimise(loss, tolerance)
    coefficients, intercepts = weights[:, :-1].numpy(), weights[:, -1].numpy()
    return LogisticModel(
        method if len(classes) > 2 else "one-vs-one", classes.names, coefficients, intercepts, iterations, names
    )
