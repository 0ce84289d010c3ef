"""Strategies by networks: two heads, a learned embedding, and neural codes."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

import hashlens as hl
from hashlens.errors import TEDError
from hashlens.ted import TEDClassifier, Trunk, retention
from hashlens.ted.embedding import contrastive_loss

QUICK = Trunk(width=32, epochs=25, batch_size=64, learning_rate=0.02)
TABLE = retention(1500, seed=0, missing=0.3)
TRAIN, TEST = TABLE[:1200], TABLE[1200:]
SETTINGS = {"multitask": {"strategy": "multitask"}, "embedding": {"strategy": "embedding"}}

NOT_OURS = {
    "check_sample_weight_equivalence_on_dense_data": "batches are drawn, so that a row repeated is not a row weighted",
    "check_array_api_input": "scikit-learn runs it only where SCIPY_ARRAY_API is set",
}


@pytest.mark.slow
@pytest.mark.parametrize("strategy", SETTINGS)
def test_labels_and_explanations_are_learnt(strategy):
    model = TEDClassifier(QUICK, **SETTINGS[strategy]).fit(TRAIN.rows, TRAIN.labels, TRAIN.E)
    score = model.score_ted(TEST.rows, TEST.labels, TEST.explanations)
    assert score.label.value > 0.85
    assert score.pair.value > 0.75
    joint = model.predict_joint_proba(TEST.rows)
    np.testing.assert_allclose(joint.sum(axis=1), 1.0)
    again = clone(model).fit(TRAIN.rows, TRAIN.labels, TRAIN.E)
    assert (again.predict_joint_proba(TEST.rows) == joint).all()


@pytest.mark.slow
@pytest.mark.parametrize("strategy", SETTINGS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
def test_checks_of_scikit_learn(strategy):
    model = TEDClassifier(Trunk(width=24, epochs=60, batch_size=32, learning_rate=0.02), **SETTINGS[strategy])
    told = check_estimator(model, on_fail=None, on_skip=None)
    failed = {check["check_name"]: str(check["exception"]) for check in told if check["status"] != "passed"}
    assert {name: why for name, why in failed.items() if name not in NOT_OURS} == {}


@pytest.mark.parametrize("strategy", SETTINGS)
def test_global_generators_are_left_alone(strategy):
    before = torch.random.get_rng_state()
    TEDClassifier(Trunk(epochs=1), **SETTINGS[strategy]).fit(TRAIN.rows[:100], TRAIN.labels[:100], TRAIN.E[:100])
    assert torch.equal(before, torch.random.get_rng_state())


def test_rows_of_weight_0_are_not_learnt():
    X = np.repeat([[0.0, 0.0], [1.0, 1.0]], 40, axis=0)
    y, E = np.repeat([0, 1], 40), np.repeat(["a", "b"], 40).astype(object)
    y[40:60], E[40:60] = 0, "wrong"
    for settings in SETTINGS.values():
        model = TEDClassifier(QUICK, **settings).fit(X, y, E, sample_weight=np.repeat([1.0, 0.0, 1.0], [40, 20, 20]))
        assert model.predict_explain(X[-1:])[1].tolist() == ["b"]


def test_the_contrastive_loss_is_that_of_its_formula():
    outputs = torch.randn(7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pairs = torch.tensor([0, 1, 0, 1, 0, 2, 1])
    z = outputs / outputs.norm(dim=1, keepdim=True)
    for row, found in enumerate(contrastive_loss(outputs, pairs, 0.2)):
        others = [at for at in range(7) if at != row]
        total = sum(torch.exp(z[row] @ z[at] / 0.2) for at in others)
        alike = [at for at in others if pairs[at] == pairs[row]]
        losses = [-torch.log(torch.exp(z[row] @ z[at] / 0.2) / total) for at in alike]
        assert found == pytest.approx(sum(losses) / len(losses) if losses else 0.0)


@pytest.fixture(scope="module")
def network():
    return hl.train("mlp", (TRAIN.rows / 100, TRAIN.labels), epochs=5, width=64).network


def test_neighbours_by_codes_vote_as_counted_by_hand(network):
    X, queries = TRAIN.rows / 100, TEST.rows[:40] / 100
    model = TEDClassifier(network, strategy="embedding", embedding="codes", k=3)
    model.fit(X, TRAIN.labels, TRAIN.explanations)
    codes = hl.encode(network, X).unpack()
    joint = model.predict_joint_proba(queries)
    for row, query in enumerate(hl.encode(network, queries).unpack()):
        nearest = np.argsort((codes != query).sum(axis=1), kind="stable")[:3]
        expected = np.zeros(len(model.pairs_))
        for at in nearest:
            expected[model.pairs_.index((TRAIN.labels[at], TRAIN.explanations[at]))] += 1 / 3
        np.testing.assert_allclose(joint[row], expected)


def test_neighbours_by_codes_impute_and_are_cloned(network):
    model = clone(TEDClassifier(network, strategy="embedding", embedding="codes"))
    model.fit(TRAIN.rows / 100, TRAIN.labels, TRAIN.E)
    assert model.score(TEST.rows / 100, TEST.labels) > 0.7
    assert all(pair[1] is not None for pair in model.pairs_)


@pytest.mark.parametrize(
    ("estimator", "settings", "says"),
    [
        (TEST, {"strategy": "multitask"}, "strategy 'multitask' takes a hashlens.ted.Trunk as estimator"),
        (None, {"strategy": "embedding", "embedding": "codes"}, "embedding='codes' needs a network as estimator"),
        (None, {"strategy": "embedding", "embedding": "code"}, "did you mean 'codes'"),
        (None, {"strategy": "embedding", "k": 0}, "k must be a whole number"),
        (Trunk(width=0), {"strategy": "multitask"}, "Trunk: width must be a whole number"),
        (Trunk(learning_rate=-1), {"strategy": "multitask"}, "Trunk: learning_rate must be a number above 0"),
    ],
)
def test_wrong_arguments(estimator, settings, says):
    with pytest.raises(TEDError, match=says):
        TEDClassifier(estimator, **settings).fit(TRAIN.rows, TRAIN.labels, TRAIN.explanations)
