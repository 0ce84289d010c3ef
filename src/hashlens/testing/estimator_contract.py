"""The contract of a scikit-learn estimator: scikit-learn's own checks, clones, data frames and metadata."""

from typing import Any

import numpy as np
import numpy.typing as npt


def check_sklearn(estimator: Any) -> None:
    """Assert that all of scikit-learn's own checks pass, with no expected failures.

    Parameters
    ----------
    estimator : sklearn.base.BaseEstimator
        An estimator that accepts inputs with any number of features, because it differs between the checks.

    Raises
    ------
    AssertionError
        If a check fails or is skipped, or 40 checks or fewer run. Only ``check_array_api_input`` may be skipped,
        because it needs further packages.
    """
    from sklearn.utils.estimator_checks import check_estimator

    checks = check_estimator(estimator, on_fail=None, on_skip=None)
    failed = [
        check
        for check in checks
        if check["status"] != "passed"
        and (check["check_name"], check["status"]) != ("check_array_api_input", "skipped")
    ]
    if failed:
        names = sorted({check["check_name"] for check in failed})
        raise AssertionError(
            f"{type(estimator).__name__}: these checks of scikit-learn do not pass: {names}"
        ) from failed[0]["exception"]
    # The tags of an estimator can switch checks off.
    assert len(checks) > 40, f"only {len(checks)} checks ran"


def check_in_pipelines(estimator: Any, X: npt.NDArray[Any], y: npt.NDArray[Any]) -> None:
    """Assert that an estimator can be cloned and accepts data frames, and that a transformer passes metadata on.

    Parameters
    ----------
    estimator : sklearn.base.BaseEstimator
        An estimator that is not fitted and accepts `X`.
    X : numpy.ndarray
        Features ``(n, d)``.
    y : numpy.ndarray
        Classes ``(n,)``.

    Raises
    ------
    AssertionError
        If a clone is fitted, has other parameters, or gives other results than a second clone; if a data frame gives
        other results than its array, or the names and order of its columns are not checked; or if the estimator is not
        a classifier, and sample weights do not reach the step after it in a pipeline.
    """
    from sklearn.base import clone, is_classifier

    name = type(estimator).__name__
    copy = clone(estimator)
    assert copy is not estimator, f"{name}: clone returns the same object"
    assert copy.get_params().keys() == estimator.get_params().keys(), f"{name}: a clone has other parameters"
    expected = _output_of(clone(estimator).fit(X, y), X)
    fitted = copy.fit(X, y)
    assert not hasattr(clone(fitted), "n_features_in_"), f"{name}: a clone is fitted"
    assert np.array_equal(_output_of(fitted, X), expected), f"{name}: a clone gives other results"
    _check_frames(name, clone(estimator), X, y, expected)
    if not is_classifier(estimator):
        _check_metadata(name, clone(estimator), X, y, expected)


def _check_frames(name: str, estimator: Any, X: Any, y: Any, expected: Any) -> None:
    import pandas as pd

    columns = [f"column {i}" for i in range(X.shape[1])]
    frame = pd.DataFrame(X, columns=columns)
    fitted = estimator.fit(frame, y)
    assert np.array_equal(_output_of(fitted, frame), expected), (
        f"{name}: a data frame gives other results than its array"
    )
    assert list(fitted.feature_names_in_) == columns, f"{name}: the names of the columns are not kept"
    refused = ""
    try:
        _output_of(fitted, frame[columns[::-1]])
    except ValueError as error:
        refused = str(error)
    assert refused, f"{name}: columns in another order than in the fit are accepted"


def _check_metadata(name: str, estimator: Any, X: Any, y: Any, expected: Any) -> None:
    """Assert that sample weights reach the step after the estimator, which requests them."""
    from sklearn import config_context
    from sklearn.naive_bayes import BernoulliNB
    from sklearn.pipeline import make_pipeline

    weights = np.where(np.arange(len(y)) % 3 == 0, 5.0, 0.5)
    with config_context(enable_metadata_routing=True):
        last = BernoulliNB().set_fit_request(sample_weight=True)
        fitted = make_pipeline(estimator, last).fit(X, y, sample_weight=weights)
    alone = BernoulliNB().fit(expected, y, sample_weight=weights)
    same = np.allclose(fitted[-1].feature_log_prob_, alone.feature_log_prob_)
    assert same, f"{name}: weights do not reach the next step unchanged"


def _output_of(fitted: Any, X: Any) -> Any:
    return np.asarray(fitted.predict(X) if hasattr(fitted, "predict") else fitted.transform(X))
