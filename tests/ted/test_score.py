import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC

from hashlens.ted import TEDClassifier, retention
from hashlens.testing.result_contract import check_result

TABLE = retention(600, seed=0)


def test_a_score_is_a_result(tmp_path):
    for estimator in (GaussianNB(), LinearSVC(tol=0.1)):
        (tmp_path / type(estimator).__name__).mkdir()
        model = TEDClassifier(estimator).fit(TABLE.rows, TABLE.labels, TABLE.E)
        score = model.score_ted(TABLE.rows, TABLE.labels, TABLE.E)
        check_result(score, tmp_path / type(estimator).__name__)
        assert "to_look_at" in score.to_dict()  # the key of earlier files


def test_its_page_has_confusions_and_the_surest_wrong_rows():
    model = TEDClassifier(GaussianNB()).fit(TABLE.rows, TABLE.labels, TABLE.E)
    score = model.score_ted(TABLE.rows, TABLE.labels, TABLE.E)
    titles = [section.title for section in score.page().sections]
    assert titles == [
        "Right answers", "How far to trust the probabilities", "Explanations that are confused", "Rows to check",
    ]  # fmt: skip
    probabilities = [row.probability for row in score.rows_to_check]
    assert probabilities == sorted(probabilities, reverse=True)
    top = model.predict_explanation(TABLE.rows, top_k=1)
    assert score.sure == (top.probabilities[:, 0] * top.label_probabilities >= 0.8).mean()
    first = score.rows_to_check[0]
    assert TABLE.explanations[first.row] != top.explanations[first.row, 0]
    assert first.predicted_explanation == str(top.explanations[first.row, 0])


def test_a_score_without_explanations_is_of_labels_alone():
    model = TEDClassifier(GaussianNB()).fit(TABLE.rows, TABLE.labels, TABLE.E)
    score = model.score_ted(TABLE.rows, TABLE.labels, None)
    assert (score.explanation, score.pair, score.confusions) == (None, None, ())
    assert list(score.accuracies) == ["label (Y)"]


def mixture(rows, seed):
    """Return points of four Gaussians, each a pair of a label and an explanation: naive Bayes knows the truth."""
    generator = np.random.default_rng(seed)
    pairs = generator.integers(4, size=rows)
    centres = np.array([[0.0, 0.0], [1.5, 0.0], [0.0, 1.0], [2.0, 2.0]])
    X = generator.normal(size=(rows, 2)) + centres[pairs]
    return X, np.array(["no", "no", "yes", "yes"])[pairs], np.array(["a", "b", "c", "d"], object)[pairs]


def test_a_sure_row_is_right_as_often_as_its_probability_where_the_posterior_is_known():
    model = TEDClassifier(GaussianNB()).fit(*mixture(20_000, 0))
    X, y, E = mixture(20_000, 1)
    score = model.score_ted(X, y, E, sure=0.8)
    assert score.reliability.expected_calibration_error < 0.02
    top = model.predict_explanation(X, top_k=1)
    pair = model.predict_joint_proba(X)
    rows, names = np.arange(len(y)), [explanation for _, explanation in model.pairs_]
    chosen = pair[rows, [names.index(name) for name in top.explanations[:, 0]]]
    np.testing.assert_allclose(top.pair_probabilities[:, 0], chosen)
    sure = chosen >= 0.8
    assert score.sure == sure.mean() < 0.5
    assert score.right_if_sure == pytest.approx(chosen[sure].mean(), abs=0.02)
    assert score.right_if_unsure == pytest.approx(chosen[~sure].mean(), abs=0.02)
    # Given the label far more rows look sure, and the label may be wrong.
    assert (top.probabilities[:, 0] >= 0.8).mean() > sure.mean() + 0.1


def test_an_overconfident_model_is_seen_in_its_reliability():
    X, y, E = mixture(5_000, 2)
    twice = np.hstack([X, X, X, X])
    model = TEDClassifier(GaussianNB()).fit(twice, y, E)
    assert model.score_ted(twice, y, E).reliability.expected_calibration_error > 0.1
