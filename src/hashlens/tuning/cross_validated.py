"""The cross-validated score of a scikit-learn estimator as an objective."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from hashlens.arguments import excerpt, is_whole
from hashlens.errors import TuningError, nearest
from hashlens.tuning.report_folds import report_folds

if TYPE_CHECKING:
    from optuna.trial import Trial


class CrossValidated:
    """Objective: the cross-validated score of an estimator with the hyperparameters of a trial.

    Parameters
    ----------
    estimator : scikit-learn estimator
        Estimator to fit; it is cloned.
    data : (X, y)
        Data to fit it to.
    cv : int or splitter
        Splits of the data. An integer is a number of folds, stratified for a classifier and shuffled with `seed`, the
        same in each trial.
    scoring : str or callable, optional
        Score, as in scikit-learn; by default the estimator's own.
    test : (X, y), optional
        Test data: in each trial, the estimator is fitted to all of `data` and scored on them. They are not used for
        tuning.
    seed : int
        Seed of the folds.
    """

    def __init__(
        self, estimator: Any, data: tuple[Any, Any], cv: Any = 10, scoring: Any = None, test: Any = None, seed: int = 0
    ) -> None:
        from sklearn.base import is_classifier
        from sklearn.metrics import check_scoring
        from sklearn.model_selection import KFold, StratifiedKFold, check_cv

        self.estimator, (self.inputs, self.labels) = estimator, _require_pair("data", data)
        self.test = None if test is None else _require_pair("test", test)
        if is_whole(cv):
            if cv < 2:
                raise TuningError(f"cv must be 2 folds or more, received {cv}")
            kind = StratifiedKFold if is_classifier(estimator) else KFold
            cv = kind(int(cv), shuffle=True, random_state=seed)
        try:
            self.cv = check_cv(cv, self.labels, classifier=is_classifier(estimator))
            next(iter(self.cv.split(self.inputs, self.labels)))
        except (ValueError, TypeError) as error:
            raise TuningError(f"cv: {_one_line(error)}") from error
        try:
            self.scorer = check_scoring(estimator, scoring=scoring)
        except (ValueError, TypeError) as error:
            raise TuningError(f"scoring: {_one_line(error)}") from error

    def require_hyperparameters(self, names: Iterable[str]) -> None:
        """Raise TuningError if there are no hyperparameters, or the estimator lacks one of these names."""
        known = self.estimator.get_params()
        names = list(names)
        if not names:
            raise TuningError("space is empty: give each hyperparameter to tune, such as {'C': (0.1, 10.0, 'log')}")
        for name in names:
            if name not in known:
                raise TuningError(
                    f"space: {type(self.estimator).__name__} has no hyperparameter {name!r}; {nearest(name, known)}"
                )

    def __call__(self, trial: "Trial") -> float:
        """Return the mean score over folds; store the score of each fold and of the test data in the trial."""
        from sklearn.base import clone
        from sklearn.model_selection import cross_val_score

        candidate, test = clone(self.estimator).set_params(**trial.params), None
        try:
            scores = cross_val_score(candidate, self.inputs, self.labels, cv=self.cv, scoring=self.scorer,
                                     error_score="raise")  # fmt: skip
            if self.test is not None:
                test = float(self.scorer(candidate.fit(self.inputs, self.labels), *self.test))
        except (ValueError, TypeError) as error:
            name = type(self.estimator).__name__
            raise TuningError(f"trial {trial.number}: {name} failed with {trial.params}: {_one_line(error)}") from error
        return report_folds(trial, np.asarray(scores), test)


def _require_pair(name: str, given: Any) -> tuple[Any, Any]:
    """Return inputs and labels; raise TuningError unless they are a pair of the same length."""
    from sklearn.utils import check_consistent_length

    if not isinstance(given, tuple | list) or len(given) != 2:
        raise TuningError(f"{name} must be a pair (X, y), received {excerpt(given)}")
    try:
        check_consistent_length(*given)
    except (ValueError, TypeError) as error:
        raise TuningError(f"{name} must be a pair (X, y) with one label for each row: {_one_line(error)}") from error
    return given[0], given[1]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
