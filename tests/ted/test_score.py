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


def test_its_page_has_confusions_and_the_surest_wrong_rows():
    model = TEDClassifier(GaussianNB()).fit(TABLE.rows, TABLE.labels, TABLE.E)
    score = model.score_ted(TABLE.rows, TABLE.labels, TABLE.E)
    titles = [section.title for section in score.page().sections]
    assert titles == ["Right answers", "Explanations that are confused", "Rows to look at"]
    probabilities = [row.probability for row in score.to_look_at]
    assert probabilities == sorted(probabilities, reverse=True)
    top = model.predict_explanation(TABLE.rows, top_k=1)
    assert score.sure == (top.probabilities >= 0.8).mean()
    first = score.to_look_at[0]
    assert TABLE.explanations[first.row] != top.explanations[first.row, 0]
    assert first.predicted_explanation == str(top.explanations[first.row, 0])


def test_a_score_without_explanations_is_of_labels_alone():
    model = TEDClassifier(GaussianNB()).fit(TABLE.rows, TABLE.labels, TABLE.E)
    score = model.score_ted(TABLE.rows, TABLE.labels, None)
    assert (score.explanation, score.pair, score.confusions) == (None, None, ())
    assert list(score.accuracies) == ["label (Y)"]
