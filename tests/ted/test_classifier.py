"""TEDClassifier: pairs, marginals and reasons against what is counted by hand, in the tools of scikit-learn."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import check_estimator

import hashlens as hl
from hashlens.errors import TEDError, TEDWarning
from hashlens.ted import MultiLabel, TEDClassifier, retention

TABLE = retention(1200, seed=0)
TRAIN, TEST = TABLE[:1000], TABLE[1000:]


def tree():
    return DecisionTreeClassifier(random_state=0)


def fitted(estimator=None, table=TRAIN, **settings):
    return TEDClassifier(tree() if estimator is None else estimator, **settings).fit(table.rows, table.labels, table.E)


@pytest.mark.slow
@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("estimator", [LogisticRegression(), LinearSVC()], ids=["probabilities", "none"])
def test_all_checks_of_scikit_learn_pass(routing, estimator):
    with sklearn.config_context(enable_metadata_routing=routing):
        told = check_estimator(TEDClassifier(estimator), on_fail=None, on_skip=None)
    assert {check["check_name"] for check in told if check["status"] != "passed"} == {"check_array_api_input"}
    assert len(told) > 50


def test_it_is_in_hashlens():
    assert hl.TEDClassifier is TEDClassifier
    assert hl.ted.retention is retention


def test_pairs_are_decoded_and_labels_are_sums_over_explanations():
    model = fitted(RandomForestClassifier(20, random_state=0))
    joint = model.predict_joint_proba(TEST.rows)
    assert joint.shape == (200, len(model.pairs_))
    assert len(model.pairs_) == len(set(zip(TRAIN.labels.tolist(), TRAIN.explanations.tolist(), strict=True)))
    for place, label in enumerate(model.classes_):
        own = [column for column, pair in enumerate(model.pairs_) if pair[0] == label]
        np.testing.assert_allclose(model.predict_proba(TEST.rows)[:, place], joint[:, own].sum(axis=1))
    labels, reasons = model.predict_explain(TEST.rows)
    for row in range(50):
        sums = {
            label: sum(joint[row, at] for at, pair in enumerate(model.pairs_) if pair[0] == label) for label in (0, 1)
        }
        assert labels[row] == max(sums, key=sums.get)
        own = {pair[1]: joint[row, at] for at, pair in enumerate(model.pairs_) if pair[0] == labels[row]}
        assert reasons[row] == max(own, key=own.get)
    assert (model.predict(TEST.rows) == labels).all()
    assert (model.predict_explanation(TEST.rows) == reasons).all()


def test_the_label_may_be_another_than_that_of_the_likeliest_pair():
    class Fixed(GaussianNB):
        def predict_proba(self, X):
            return np.tile([[0.4, 0.35, 0.25]], (len(X), 1))

    X = np.arange(6.0)[:, None]
    model = TEDClassifier(Fixed()).fit(X, [0, 0, 1, 1, 1, 1], ["x", "x", "y", "y", "z", "z"])
    assert model.pairs_ == [(0, "x"), (1, "y"), (1, "z")]
    labels, reasons = model.predict_explain(X)
    assert (labels.tolist(), reasons.tolist()) == ([1] * 6, ["y"] * 6)
    top = model.predict_explanation(X[:1], top_k=3)
    assert top.explanations.tolist() == [["y", "z", None]]
    np.testing.assert_allclose(top.probabilities, [[0.35 / 0.6, 0.25 / 0.6, 0.0]])


ESTIMATORS = [
    RandomForestClassifier(10, random_state=0), GradientBoostingClassifier(n_estimators=2, max_depth=2),
    HistGradientBoostingClassifier(max_iter=2), LogisticRegression(), SVC(), LinearSVC(tol=0.1),
    KNeighborsClassifier(3), MLPClassifier((16,), max_iter=60, learning_rate_init=0.01, random_state=0),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_estimators_of_scikit_learn(estimator):
    table = TRAIN.corrupt_explanations(0, missing=0.5)
    model = TEDClassifier(make_pipeline(StandardScaler(), estimator)).fit(table.rows, table.labels, table.E)
    assert model.score(TEST.rows, TEST.labels) > 0.6
    of_label = {label: {pair[1] for pair in model.pairs_ if pair[0] == label} for label in (0, 1)}
    labels, reasons = model.predict_explain(TEST.rows)
    assert all(reason in of_label[label] for label, reason in zip(labels, reasons, strict=True))
    assert model.decision_ == ("marginal" if hasattr(estimator, "predict_proba") else "pair")
    assert hasattr(model, "predict_proba") == (model.decision_ == "marginal")
    assert model.score_ted(TEST.rows, TEST.labels, TEST.explanations).decision == model.decision_


def test_lightgbm():
    lightgbm = pytest.importorskip("lightgbm")
    table = TRAIN.corrupt_explanations(0, missing=0.5)
    estimator = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1)
    model = TEDClassifier(estimator).fit(pd.DataFrame(table.rows), table.labels, table.E)
    score = model.score_ted(pd.DataFrame(TEST.rows), TEST.labels, TEST.explanations)
    assert score.label.value > 0.75


def test_without_probabilities_a_pair_is_predicted_and_told():
    model = fitted(make_pipeline(StandardScaler(), LinearSVC(tol=0.1)))
    codes = model.estimator_.predict(TEST.rows)
    expected = [model.pairs_[code] for code in codes]
    assert list(zip(*(part.tolist() for part in model.predict_explain(TEST.rows)), strict=True)) == expected
    with pytest.raises(TEDError, match=r"Pipeline has no predict_proba.*CalibratedClassifierCV"):
        model.predict_explanation(TEST.rows, top_k=2)
    assert "no probabilities" in str(model.score_ted(TEST.rows, TEST.labels, TEST.explanations))


def test_missing_ones_are_imputed_within_their_label_and_then_all_pairs_are_learnt():
    table = TRAIN.corrupt_explanations(0, missing=0.6)
    known = np.array([value is not None for value in table.E])
    expected = table.E.copy()
    for label in (0, 1):
        rows, lost = (table.labels == label) & known, (table.labels == label) & ~known
        own = tree().fit(table.rows[rows], table.E[rows].astype(int))
        expected[lost] = own.predict(table.rows[lost])
    model = fitted(table=table)
    by_hand = TEDClassifier(tree()).fit(table.rows, table.labels, expected)
    assert model.pairs_ == by_hand.pairs_
    assert (model.predict_joint_proba(TEST.rows) == by_hand.predict_joint_proba(TEST.rows)).all()
    assert (model.missing_, by_hand.missing_) == (600, 0)


def test_missing_ones_are_dropped():
    table = TRAIN.corrupt_explanations(0, missing=0.6)
    known = np.array([value is not None for value in table.E])
    by_hand = TEDClassifier(tree()).fit(table.rows[known], table.labels[known], table.E[known])
    model = fitted(table=table, missing="drop")
    assert (model.predict_joint_proba(TEST.rows) == by_hand.predict_joint_proba(TEST.rows)).all()


def test_missing_ones_are_a_class_of_each_label_that_is_never_predicted():
    table = TRAIN.corrupt_explanations(0, missing=0.6)
    model = fitted(RandomForestClassifier(20, random_state=0), table=table, missing="unknown")
    assert model.pairs_[0] == (0, None)
    assert [pair for pair in model.pairs_ if pair[1] is None] == [(0, None), (1, None)]
    joint = model.predict_joint_proba(TEST.rows)
    labels, reasons = model.predict_explain(TEST.rows)
    silent = np.array([joint[row, [at for at, pair in enumerate(model.pairs_) if pair[0] == labels[row] and
                                   pair[1] is not None]].sum() == 0 for row in range(len(TEST))])  # fmt: skip
    assert ((reasons == None) == silent).all()  # noqa: E711
    assert silent.mean() < 0.2


def test_without_explanations_it_is_the_bare_estimator():
    model = TEDClassifier(tree()).fit(TRAIN.rows, TRAIN.labels)
    bare = tree().fit(TRAIN.rows, TRAIN.labels)
    assert (model.predict_proba(TEST.rows) == bare.predict_proba(TEST.rows)).all()
    assert model.predict_explanation(TEST.rows).tolist() == [None] * len(TEST)


def test_sets_of_reasons():
    X = np.arange(6.0)[:, None]
    E = [MultiLabel(["a", "b"]), MultiLabel(["b", "a"]), MultiLabel(["a"]), None, MultiLabel(["c"]), MultiLabel(["c"])]
    model = TEDClassifier(tree()).fit(X, [1, 1, 1, 1, 0, 0], E)
    assert model.predict_explanation(X)[[0, 2, 4]].tolist() == [E[0], E[2], E[4]]


def test_strings_and_categories_come_out_as_they_went_in():
    E = pd.Series(TABLE.explanations).map(lambda place: f"rule {place}").astype("category")
    model = TEDClassifier(tree()).fit(TRAIN.rows, np.array(["stays", "leaves"])[TRAIN.labels], E[:1000])
    labels, reasons = model.predict_explain(TRAIN.rows[:5])
    assert labels.tolist() == np.array(["stays", "leaves"])[TRAIN.labels[:5]].tolist()
    assert reasons.tolist() == E[:5].tolist()


def test_data_frames_with_categories_go_through_the_pipeline_of_the_user():
    frame = pd.DataFrame(TABLE.rows, columns=TABLE.columns)
    frame["position"] = frame["position"].map({1: "one", 2: "two", 3: "three", 4: "four"}).astype("category")
    encoder = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["position"]), remainder="passthrough")
    table = TRAIN.corrupt_explanations(0, missing=0.5)
    model = TEDClassifier(make_pipeline(encoder, tree())).fit(frame[:1000], table.labels, table.E)
    assert list(model.feature_names_in_) == list(TABLE.columns)
    unseen = frame[1000:].assign(position="five")
    assert len(model.predict(unseen)) == 200


def test_weights_reach_the_estimator_and_the_imputation():
    table = TRAIN.corrupt_explanations(0, missing=0.5)
    weights = np.random.default_rng(0).integers(0, 3, len(table))
    several = np.repeat(np.arange(len(table)), weights)
    for estimator in (GaussianNB(), make_pipeline(StandardScaler(with_mean=False, with_std=False), GaussianNB())):
        weighted = TEDClassifier(estimator).fit(table.rows, table.labels, table.E, sample_weight=weights + 1e-12)
        repeated = TEDClassifier(estimator).fit(table.rows[several], table.labels[several], table.E[several])
        theirs = [repeated.pairs_.index(pair) for pair in weighted.pairs_ if pair in repeated.pairs_]
        ours = [weighted.pairs_.index(repeated.pairs_[at]) for at in theirs]
        assert len(ours) > 15
        np.testing.assert_allclose(
            weighted.predict_joint_proba(TEST.rows)[:, ours].argmax(1),
            repeated.predict_joint_proba(TEST.rows)[:, theirs].argmax(1),
        )


def test_explanations_are_routed_through_pipeline_search_and_cross_validation():
    table = TABLE.corrupt_explanations(0, missing=0.5)
    with sklearn.config_context(enable_metadata_routing=True):
        ted = TEDClassifier(tree()).set_fit_request(E=True)
        pipeline = make_pipeline(StandardScaler(), ted).fit(table.rows, table.labels, E=table.E)
        assert len(pipeline[-1].explanations_) > 15
        grid = {"tedclassifier__estimator__max_depth": [1, 12]}
        search = GridSearchCV(make_pipeline(StandardScaler(), clone(ted)), grid, cv=3)
        search.fit(table.rows, table.labels, E=table.E)
        assert search.best_params_ == {"tedclassifier__estimator__max_depth": 12}
        assert len(search.best_estimator_[-1].explanations_) > 15
        found = cross_val_predict(clone(ted), table.rows, table.labels, cv=3, params={"E": table.E})
        assert (found == table.labels).mean() > 0.85
    # As before routing: parameters of fit.
    search = GridSearchCV(TEDClassifier(tree()), {"estimator__max_depth": [3, 12]}, cv=3)
    assert len(search.fit(table.rows, table.labels, E=table.E).best_estimator_.explanations_) > 15


def test_scores_are_counted_and_have_exact_intervals():
    model = fitted()
    E = TEST.E.copy()
    E[:20] = None
    score = model.score_ted(TEST.rows, TEST.labels, E)
    labels, reasons = model.predict_explain(TEST.rows)
    assert score.label.value == pytest.approx((labels == TEST.labels).mean())
    right = reasons[20:] == TEST.explanations[20:]
    assert (score.explanation.value, score.explanation.rows) == (pytest.approx(right.mean()), 180)
    assert score.pair.value == pytest.approx((right & (labels == TEST.labels)[20:]).mean())
    from scipy.stats import binomtest

    exact = binomtest(int(right.sum()), 180).proportion_ci(0.95, "exact")
    assert (score.explanation.low, score.explanation.high) == pytest.approx((exact.low, exact.high))
    assert sum(at.rows for at in score.confusions) == (~right).sum()
    weighted = model.score_ted(TEST.rows, TEST.labels, E, sample_weight=np.arange(200))
    assert weighted.label.value == pytest.approx(np.average(labels == TEST.labels, weights=np.arange(200)))
    assert weighted.label.high - weighted.label.low > score.label.high - score.label.low


class TestBadInputs:
    X = np.arange(8.0)[:, None]
    y = (0, 0, 0, 0, 1, 1, 1, 1)

    def fit(self, y, E, **settings):
        return TEDClassifier(tree(), **settings).fit(self.X, y, E)

    @pytest.mark.parametrize(
        ("settings", "E", "says"),
        [
            ({}, [1, 2, -1, 1, 3, 3, 3, -1], "E has -1 in 2 rows, the first of them row 2"),
            (
                {"missing": "drop"},
                ["a"] * 4 + [None] * 4,
                "no row of label 1 has an explanation, so missing='drop'",
            ),
            ({"strategy": "cartesien"}, None, "did you mean 'cartesian'"),
            ({"missing": "inpute"}, None, "did you mean 'impute'"),
            ({}, ["a"] * 7, "E has 7 explanations and X has 8 rows"),
        ],
    )
    def test_are_refused(self, settings, E, says):
        with pytest.raises(TEDError, match=says) as told:
            self.fit(self.y, E, **settings)
        assert "\n" not in str(told.value)

    def test_an_estimator_is_needed(self):
        with pytest.raises(TEDError, match="'cartesian' needs an estimator"):
            TEDClassifier().fit(self.X, self.y)

    @pytest.mark.parametrize(
        "wrong", [DecisionTreeRegressor(), DecisionTreeClassifier, make_pipeline(LinearRegression())]
    )
    def test_what_is_no_classifier_is_refused(self, wrong):
        with pytest.raises(TEDError, match="'cartesian' needs a classifier"):
            TEDClassifier(wrong).fit(self.X, self.y)

    def test_a_declared_marker_is_missing(self):
        model = self.fit(self.y, [1, 1, -1, 1, 3, 3, 3, -1], marker=-1)
        assert (model.explanations_.tolist(), model.missing_) == ([1, 3], 2)

    def test_one_class_and_one_explanation(self):
        model = self.fit([7] * 8, ["only"] * 8)
        assert (model.predict(self.X).tolist(), set(model.predict_explanation(self.X))) == ([7] * 8, {"only"})
        assert model.predict_proba(self.X).tolist() == [[1.0]] * 8

    def test_one_class_of_several_explanations(self):
        model = self.fit([7] * 8, list("aaaabbbb"))
        assert model.predict_explanation(self.X).tolist() == list("aaaabbbb")

    def test_one_explanation_of_all_labels_is_no_error(self):
        model = self.fit(self.y, ["same"] * 8)
        assert (model.predict(self.X).tolist(), set(model.predict_explanation(self.X))) == (list(self.y), {"same"})
        assert model.contradictions_ == ["same"]

    def test_an_explanation_that_contradicts_its_label_is_a_pair_of_its_own_and_named(self):
        model = self.fit(self.y, list("aaabbbbb"))
        assert model.pairs_ == [(0, "a"), (0, "b"), (1, "b")]
        assert model.contradictions_ == ["b"]
        assert model.predict_explain(self.X)[1].tolist() == list("aaabbbbb")

    @pytest.mark.parametrize("missing", ["impute", "unknown"])
    def test_a_label_without_any_explanation_is_told_and_predicted_without_one(self, missing):
        with pytest.warns(TEDWarning, match="no row of label 1 has an explanation: if it is predicted"):
            model = self.fit(self.y, list("aabb") + [None] * 4, missing=missing)
        labels, reasons = model.predict_explain(self.X)
        assert labels.tolist() == list(self.y)
        assert reasons.tolist() == [*"aabb", None, None, None, None]
        assert model.predict_explanation(self.X, top_k=1).explanations[-1].tolist() == [None]

    def test_explanations_that_cannot_be_imputed_are_told_with_their_label(self):
        with pytest.raises(
            TEDError, match=r"label 0 cannot be imputed from its 2 explained rows, of 2 explanations: .*unknown"
        ):
            TEDClassifier(KNeighborsClassifier(3)).fit(self.X, list(self.y), ["a", "b", None, None, "c", "c", "c", "c"])

    def test_an_explanation_of_the_test_that_was_never_taught_is_wrong(self):
        score = self.fit(self.y, list("aabbccdd")).score_ted(self.X, self.y, list("aabbccdz"))
        assert score.pair.value == 7 / 8
        assert [(at.first, at.second, at.rows) for at in score.confusions] == [("z", "d", 1)]

    def test_wrong_arguments_of_predictions(self):
        model = self.fit(self.y, list("aabbccdd"))
        with pytest.raises(TEDError, match="top_k must be a whole number"):
            model.predict_explanation(self.X, top_k=0)
        with pytest.raises(TEDError, match="sure must be a share"):
            model.score_ted(self.X, self.y, list("aabbccdd"), sure=2)
