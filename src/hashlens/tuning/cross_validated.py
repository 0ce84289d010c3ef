"""The cross-validated score of a scikit-learn estimator as an objective."""

from typing import TYPE_CHECKING, Any

import numpy as np

from hashlens.errors import TuningError
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
        Splits of the data; an integer is a number of folds shuffled with `seed`, the same in each trial.
    scoring : str or callable, optional
        Score, as in scikit-learn; by default the estimator's own.
    test : (X, y), optional
        Test data that are not used for tuning, on which a fit to all of `data` is scored.
    seed : int
        Seed of the folds.
    """

    def __init__(
        self, estimator: Any, data: tuple[Any, Any], cv: Any = 10, scoring: Any = None, test: Any = None, seed: int = 0
    ) -> None:
        from sklearn.base import is_classifier
        from sklearn.metrics import check_scoring
        from sklearn.model_selection import KFold, StratifiedKFold, check_cv

        self.estimator, self.test, (self.inputs, self.labels) = estimator, test, data
        if isinstance(cv, int):
            if cv < 2:
                raise TuningError(f"cv must be 2 folds or more, received {cv}")
            kind = StratifiedKFold if is_classifier(estimator) else KFold
            cv = kind(cv, shuffle=True, random_state=seed)
        self.cv = check_cv(cv, self.labels, classifier=is_classifier(estimator))
        self.scorer = check_scoring(estimator, scoring=scoring)

    def __call__(self, trial: "Trial") -> float:
        """Return the mean score over folds; store the score of each fold and of the test data in the trial."""
        from sklearn.base import clone
        from sklearn.model_selection import cross_val_score

        candidate = clone(self.estimator)
        try:
            candidate.set_params(**trial.params)
        except ValueError as error:
            raise TuningError(f"space: {' '.join(str(error).split())[:200]}") from error
        scores = cross_val_score(candidate, self.inputs, self.labels, cv=self.cv, scoring=self.scorer,
                                 error_score="raise")  # fmt: skip
        test = None
        if self.test is not None:
            test = float(self.scorer(candidate.fit(self.inputs, self.labels), *self.test))
        return report_folds(trial, np.asarray(scores), test)
