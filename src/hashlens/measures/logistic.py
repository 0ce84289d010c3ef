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
    """A fitted classifier.

    Attributes
    ----------
    method : {"multinomial", "one-vs-one"}
        As fitted; two classes are one pair.
    names : numpy.ndarray
        int64 ``(c,)``: the classes, ascending.
    coefficients : numpy.ndarray
        float64 ``(m, d)``: m = c for multinomial; c (c - 1) / 2 for one-vs-one, pairs in the order (0, 1), (0, 2), ...,
        positive towards the second class.
    intercepts : numpy.ndarray
        float64 ``(m,)``.
    iterations : int
        Newton steps.
    class_names : tuple of str, or None
        Name of class 0, 1, ..., where the labels were names or the codes have some.
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

        One-vs-one: the class with most votes; of those, the one with the largest sum of scores, squashed below one
        vote.
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
        """Return the share of rows whose predicted class is their label; rows without a label are left out.

        Labels that are names are those of the classes that it was fitted to.
        """
        expected, rows, _ = named_rows(labels, len(features), "logistic regression", self.class_names)
        return float((self.predict(features)[rows] == expected).mean())


@full_precision()
def accuracy_tolerance(rows: int) -> float:
    """Return the tolerance that is enough for accuracies: 1e-5 nats an example, from where they change no more."""
    return 1e-5 * rows


def logistic_regression(
    features: Num[Features, "n d"] | Codes,
    labels: npt.ArrayLike | None = None,
    method: LogisticMethod = "multinomial",
    strength: float = 1.0,
    tolerance: float = 1e-5,
) -> LogisticModel:
    """Fit logistic regression with an L2 penalty, as scikit-learn's ``LogisticRegression`` with its defaults.

    Minimises ``|w|**2 / 2 + strength * sum(loss)``, intercepts not penalised. One-vs-one fits all pairs of classes at
    once. With two classes, multinomial too is the one sigmoid. Rows without a label are left out.

    Parameters
    ----------
    features : Codes or array
        n rows: codes as 0 and 1, or ``(n, d)``.
    labels : array of int, optional
        ``(n,)``; those of the codes by default.
    method : {"multinomial", "one-vs-one"}
        How more than two classes are told apart.
    strength : float
        Inverse of regularisation, scikit-learn's C.
    tolerance : float
        Newton steps stop when the last one was expected to lower the objective by less than half of this. As the
        penalty makes the objective strongly convex, coefficients were then within ``sqrt(tolerance)`` of the optimum
        before that step, and, as Newton's method converges quadratically, are far nearer after it.

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
