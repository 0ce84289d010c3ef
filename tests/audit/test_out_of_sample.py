from functools import partial

import numpy as np
import pytest
import torch

import hashlens as hl
from hashlens.audit.label_issues import label_issues
from hashlens.audit.out_of_sample import out_of_sample
from hashlens.audit.predictions import class_probabilities, predict
from hashlens.data import load_data, subset, uniform_labels
from hashlens.errors import HashlensError
from hashlens.nets import build
from hashlens.nets.output import Output
from hashlens.seeds import numpy_generator
from hashlens.training import Recipe

DIGITS = load_data("digits").load()
SMALL = subset(DIGITS, 200)
SETTINGS = {"epochs": 3, "width": 20}


def untrained(examples, seed):
    return build("mlp", input_shape=(1, 8, 8), classes=10, seed=seed, width=20)


def test_every_example_is_held_out_once_from_training():
    given = []

    def remember(examples, seed):
        given.append((examples.ids.tolist(), seed))
        return untrained(examples, seed)

    sample = out_of_sample(remember, DIGITS, folds=4)
    held = [fold.rows.tolist() for fold in sample.folds]
    assert sorted(row for rows in held for row in rows) == list(range(len(DIGITS)))
    for (ids, _), rows, fold in zip(given, held, sample.folds, strict=True):
        assert sorted(ids + rows) == list(range(len(DIGITS)))
        assert fold.codes.ids.tolist() == rows
        assert fold.reference.ids.tolist() == ids == fold.others.tolist()
    assert len({seed for _, seed in given}) == 4


def test_classes_are_spread_evenly():
    sample = out_of_sample(untrained, DIGITS, folds=4)
    shares = np.array([np.bincount(DIGITS.labels[fold.rows], minlength=10) for fold in sample.folds])
    assert np.ptp(shares, axis=0).max() <= 1


def test_probabilities_and_codes_are_those_of_the_network_that_did_not_see_the_row():
    sample = out_of_sample("mlp", SMALL, folds=3, **SETTINGS)
    for fold in sample.folds:
        with torch.no_grad():
            expected = fold.network(SMALL.tensor(fold.rows)).softmax(dim=1)
        assert sample.probabilities[fold.rows] == pytest.approx(expected.double().numpy(), abs=1e-5)
        assert np.array_equal(fold.codes.packed, hl.encode(fold.network, SMALL.select(fold.rows)).packed)
        assert np.array_equal(fold.reference.packed, hl.encode(fold.network, SMALL.select(fold.others)).packed)


def test_a_name_trains_what_hashlens_train_would():
    named = out_of_sample("mlp", SMALL, folds=2, **SETTINGS)
    called = out_of_sample(partial(hl.train, "mlp", **SETTINGS), SMALL, folds=2)
    assert named.probabilities == pytest.approx(called.probabilities, abs=1e-4)


def test_architectures_other_than_perceptrons_train_too():
    sample = out_of_sample(
        "lenet",
        load_data((torch.linspace(0, 1, 20 * 784).reshape(20, 1, 28, 28), np.arange(20) % 2)),
        folds=2,
        epochs=1,
    )
    assert sample.probabilities.shape == (20, 2)
    assert type(sample.folds[0].network).__name__ == "LeNet"


def test_the_same_seed_gives_the_same_and_another_gives_others():
    first, again, other = (out_of_sample("mlp", SMALL, folds=2, seed=seed, **SETTINGS) for seed in (1, 1, 2))
    assert np.array_equal(first.probabilities, again.probabilities)
    assert not np.array_equal(first.folds[0].rows, other.folds[0].rows)


def test_no_more_bits_than_asked():
    sample = out_of_sample("mlp", SMALL, folds=2, bits=12, **SETTINGS)
    assert {part.code_bits for fold in sample.folds for part in (fold.codes, fold.reference)} == {12}


@pytest.mark.slow
def test_a_class_with_one_example_has_an_output_in_every_network():
    labels = SMALL.labels.copy() % 3
    labels[7] = 3
    sample = out_of_sample("mlp", load_data((SMALL.tensor(), labels)), folds=3, **SETTINGS)
    assert sample.probabilities.shape == (200, 4)


@pytest.mark.slow
def test_a_network_that_learnt_wrong_labels_by_heart_counts_too_few_and_those_that_never_saw_them_do_not():
    clean = subset(DIGITS, 600)
    noisy = uniform_labels(clean, 0.1, numpy_generator(0, "noise"))
    wrong = noisy.labels != clean.labels
    settings = {"recipe": Recipe("by heart", epochs=60, batch_size=32, learning_rate=3e-3), "width": 100}
    learnt = predict(hl.train("mlp", noisy, **settings).network, noisy)
    inside = label_issues(learnt.codes, noisy.labels, probabilities=learnt.probabilities)
    outside = label_issues(out_of_sample("mlp", noisy, folds=3, **settings))
    assert inside.expected < wrong.sum() / 2
    assert outside.expected == pytest.approx(wrong.sum(), rel=0.25)
    assert wrong[outside.rows[: outside.likely]].mean() > 0.9


def test_scores_become_probabilities():
    def found(scores, kind):
        return class_probabilities(torch.tensor(scores), Output(kind, "as declared"))

    assert found([[0.0, np.log(3)], [-20.0, 20.0]], "logits")[0] == pytest.approx([0.25, 0.75])
    assert found([[0.1, 0.9], [1.0, 0.0]], "probabilities") == pytest.approx(np.array([[0.1, 0.9], [1, 0]]))
    assert found([[0.25], [1.0]], "binary_probability") == pytest.approx(np.array([[0.75, 0.25], [0, 1]]))
    assert found([[0.0], [50.0]], "binary_logit") == pytest.approx(np.array([[0.5, 0.5], [0, 1]]))
    # Two decimals: the row adds up to 1 again, and the odds stay.
    assert found([[0.33, 0.33, 0.33]], "probabilities") == pytest.approx(np.full((1, 3), 1 / 3))
    with pytest.raises(HashlensError, match="scores of 1 of 2 examples are not finite"):
        found([[0.0, 1.0], [np.nan, 0.0]], "logits")
    with pytest.raises(HashlensError, match="some rows are not probabilities: give output='logits'"):
        found([[-0.5, 1.5]], "probabilities")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"folds": 1}, "folds must be a whole number, 2 or more, received 1"),
        ({"folds": 101}, "101 folds need at least 202 examples, received 200"),
        ({"data": SMALL.tensor()}, "has no labels to check"),
        ({"train_network": "mpl"}, "did you mean 'mlp'"),
        ({"train_network": lambda examples, seed: 3}, "train_network must return a torch.nn.Module, received 3"),
        ({"train_network": untrained, "width": 3}, "a function sets its own"),
        (
            {"train_network": lambda examples, seed: build("mlp", input_shape=(1, 8, 8), classes=4)},
            "the labels have 10 classes, but the network has 4",
        ),
        (
            {"train_network": lambda examples, seed: torch.nn.ReLU()},
            "must give one row of scores for each example, received \\(200, 1, 8, 8\\)",
        ),
    ],
)
def test_bad_input_meets_one_line(arguments, message):
    arguments = {"train_network": "mlp", "data": SMALL, "folds": 2, **arguments}
    with pytest.raises(HashlensError, match=message) as caught:
        out_of_sample(**arguments)
    assert "\n" not in str(caught.value)
