"""Imputation of missing explanations: for each label, from the explained rows of that label."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.errors import TEDError, TEDWarning
from hashlens.ted.explanations import NONE, unique_inverse

Codes = npt.NDArray[np.int64]
Fit = Callable[[Any, Codes, Any], Any]
"""Function from rows, classes and weights to a fitted model of these classes."""


def impute(X: Any, labels: Codes, explanations: Codes, weights: Any, fit: Fit, names: Sequence[Any]) -> Codes:
    """Return explanations with the missing ones imputed.

    For each label y a model of P(E | X, Y = y) is fitted on the explained rows of that label, and predicts the
    likeliest explanation for the others. So an explanation is never taken from another label. A label with a single
    explanation needs no model. Rows of a label without any explanation stay without one.

    Parameters
    ----------
    X : array_like
        n rows, in any form that scikit-learn takes.
    labels, explanations : numpy.ndarray
        int64 ``(n,)``: labels, and explanations with -1 for a missing one.
    weights : numpy.ndarray or None
        Weights of the rows.
    fit : callable
        Function that fits a model.
    names : sequence
        Names of the labels, for messages.

    Returns
    -------
    numpy.ndarray
        int64 ``(n,)``: explanations; -1 for rows of a label without any explanation.

    Warns
    -----
    TEDWarning
        If no row of a label has an explanation.

    Raises
    ------
    TEDError
        If a model cannot be fitted on the explained rows.
    """
    from sklearn.utils import _safe_indexing

    result = explanations.copy()
    for label, name in enumerate(names):
        rows = np.flatnonzero(labels == label)
        explained, unexplained = rows[explanations[rows] != NONE], rows[explanations[rows] == NONE]
        if not len(unexplained):
            continue
        values, codes = unique_inverse(explanations[explained])
        if not len(values):
            warn_unexplained(name)
        elif len(values) == 1:
            result[unexplained] = values[0]
        else:
            try:
                model = fit(_safe_indexing(X, explained), codes, None if weights is None else weights[explained])
                result[unexplained] = values[np.asarray(model.predict(_safe_indexing(X, unexplained)))]
            except ValueError as error:
                reason = " ".join(str(error).split())
                raise TEDError(
                    f"the explanations of label {name!r} cannot be imputed from its {len(explained):,} explained "
                    f"rows, of {len(values)} explanations: {reason}; explain more rows, or use missing='unknown'"
                ) from error
    return result


def warn_unexplained(name: Any) -> None:
    """Warn that no row of a label has an explanation."""
    warnings.warn(
        f"no row of label {name!r} has an explanation: if it is predicted, the explanation is None",
        TEDWarning, stacklevel=4,
    )  # fmt: skip
