from dataclasses import replace

import numpy as np
import pytest
import torch

from hashlens.data.sources import load_data
from hashlens.data.subset import tile
from hashlens.nets import build
from hashlens.study.networks.cells import runs
from hashlens.study.networks.train_pack import noisy_examples, train_pack
from hashlens.study.spec import StudySpec
from hashlens.training import fit

TRAIN = load_data("digits[:300]").load()
LARGE = replace(TRAIN, inputs=TRAIN.inputs.repeat_interleave(2, -1).repeat_interleave(2, -2))
"""As lenet takes them: 16x16 pixels."""
DATA = {"mlp": TRAIN, "lenet": LARGE}


def spec(**given):
    given = {"training": {"epochs": 4}} | given
    return StudySpec(**given)


def trained(study, chosen=None, **changes):
    """The runs of a study, trained in one pack."""
    chosen = runs(study, len(TRAIN)) if chosen is None else chosen
    recipe = replace(study.recipe(), **changes)
    checkpoints = [epoch for epoch in study.checkpoints if epoch <= recipe.epochs]
    return train_pack(chosen, DATA[chosen[0].cell.architecture], 10, recipe, checkpoints)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


MIXED = {"width": [3, 9], "samples": [40, 300], "label_noise": [0, 0.5], "dropout": [0, 0.3], "epochs": [0, 1, 4]}


def test_checkpoints_are_the_weights_of_separate_shorter_trainings():
    study = spec(axes=MIXED)
    whole = trained(study)
    assert len(whole) == 16
    for epochs in (0, 1):
        for long, short in zip(whole, trained(study, epochs=epochs), strict=True):
            assert short.fitted.epochs == epochs
            with long.at_epoch(epochs) as network:
                assert same(network.state_dict(), short.network.state_dict())


def test_a_network_does_not_depend_on_the_others_of_its_pack():
    study = spec(axes=MIXED | {"weight_decay": [1e-3], "epochs": [2]})
    chosen = runs(study, len(TRAIN))
    together = trained(study, epochs=2)
    for at in (0, 7, 15):
        (alone,) = trained(study, chosen[at : at + 1], epochs=2)
        assert same(alone.network.state_dict(), together[at].network.state_dict())


def test_nor_on_the_threads_that_train_it():
    study, threads = spec(axes={"width": [4, 8, 12]}), torch.get_num_threads()
    weights = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            weights.append([one.network.state_dict() for one in trained(study)])
    finally:
        torch.set_num_threads(threads)
    assert all(map(same, *weights))


@pytest.mark.parametrize("architecture", ["mlp", "lenet"])
def test_epoch_zero_is_the_network_as_it_was_built(architecture):
    study = spec(network={"architecture": architecture}, axes={"epochs": [0, 1]}, training={"epochs": 1})
    (one,) = trained(study)
    built = build(
        architecture,
        input_shape=DATA[architecture].inputs.shape[1:],
        classes=10,
        seed=one.run.seed,
        init="glorot",
        **one.run.cell.arguments(),
    )
    assert not same(one.network.state_dict(), built.state_dict())
    with one.at_epoch(0) as network:
        assert same(network.state_dict(), built.state_dict())
    assert one.loss(0) is None


def test_a_convolutional_network_is_trained_as_fit_trains_it():
    study = spec(network={"architecture": "lenet"}, axes={"samples": [100], "epochs": [0, 1, 2]}, repeats=2,
                 training={"epochs": 2})  # fmt: skip
    told = []
    chosen = runs(study, len(TRAIN))
    found = [
        one for run in chosen
        for one in train_pack([run], LARGE, 10, study.recipe(), study.checkpoints,
                              on_epoch=lambda at, epoch: told.append((at, epoch.number)))
    ]  # fmt: skip
    assert told == [(0, 1), (0, 2)] * 2
    for one in found:
        plain = build("lenet", input_shape=(1, 16, 16), classes=10, seed=one.run.seed, init="glorot")
        fit(plain, tile(LARGE.narrow(0, 100), 300), recipe=study.recipe(), seed=one.run.seed, epochs=1)
        with one.at_epoch(1) as network:
            assert same(network.state_dict(), plain.state_dict())
    assert not same(*(one.network.state_dict() for one in found))


def test_at_puts_the_last_weights_back_whatever_happens():
    (one,) = trained(spec(axes={"epochs": [0, 4]}))
    last = {name: value.clone() for name, value in one.network.state_dict().items()}
    with pytest.raises(RuntimeError, match="in between"), one.at_epoch(0) as network:
        assert not same(network.state_dict(), last)
        raise RuntimeError("in between")
    assert same(one.network.state_dict(), last)


def test_early_stopping_is_told_by_what_was_reached():
    study = spec(training={"epochs": 60, "patience": 1, "learning_rate": 0.3}, axes={"epochs": [0, 1, 60]})
    (one,) = trained(study)
    stop = one.fitted.epochs
    assert 1 < stop < 60
    assert [one.last_epoch(epoch) for epoch in (0, 1, stop, 60)] == [0, 1, stop, stop]
    assert one.loss(60) == one.fitted.history[-1].loss
    with one.at_epoch(60) as network:
        last = {name: value.clone() for name, value in network.state_dict().items()}
    assert same(last, one.network.state_dict())


def test_label_noise_is_of_the_repeat_and_leaves_the_inputs_and_the_counts():
    study = spec(axes={"label_noise": [0.5], "samples": [200]}, repeats=2)
    first, second = (noisy_examples(TRAIN, run.cell, run.seed) for run in runs(study, len(TRAIN)))
    true = TRAIN.narrow(0, 200)
    for noisy in (first, second):
        assert torch.equal(noisy.inputs, true.inputs)
        assert np.array_equal(np.bincount(noisy.labels), np.bincount(true.labels))
        # 100 labels change places; a tenth or so come to their own class again.
        assert 70 < np.sum(noisy.labels != true.labels) <= 100
    assert not np.array_equal(first.labels, second.labels)
    again = noisy_examples(TRAIN, runs(study, len(TRAIN))[0].cell, runs(study, len(TRAIN))[0].seed)
    assert np.array_equal(first.labels, again.labels)


def test_the_noise_is_what_is_learnt():
    study = spec(
        axes={"label_noise": [1.0], "width": [64], "samples": [60]}, training={"epochs": 30, "learning_rate": 0.01}
    )
    (one,) = trained(study)
    noisy = noisy_examples(TRAIN, one.run.cell, one.run.seed)
    with torch.no_grad():
        named = one.network(noisy.tensor()).argmax(1).numpy()
    assert np.mean(named == noisy.labels) > 0.9
    assert np.mean(named == TRAIN.labels[:60]) < 0.3


@pytest.mark.parametrize("architecture", ["mlp", "lenet"])
def test_a_training_that_diverges_says_why(architecture):
    study = spec(network={"architecture": architecture}, training={"epochs": 2, "optimizer": "sgd",
                 "learning_rate": 1e30})  # fmt: skip
    (one,) = trained(study)
    assert one.failure.startswith("the training loss is nan in epoch")
