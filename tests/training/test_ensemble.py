"""An ensemble trains every member as `fit` trains it alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hashlens.data.examples import ArrayExamples
from hashlens.data.noise import shuffle_labels
from hashlens.data.subset import tile
from hashlens.errors import DataError, ModelError
from hashlens.nets import build
from hashlens.seeds import numpy_generator
from hashlens.training import RECIPES, fit
from hashlens.training.ensemble import fit_ensemble
from hashlens.training.member import Member, MemberProgress
from hashlens.training.stacked import train_stacked

TOTAL = 193
SHORT = replace(RECIPES["figures"], epochs=3, batch_size=32)


def member(data, *, width=7, depth=1, seed=0, samples=None, noise=0.0, recipe=SHORT, checkpoints=(), **arguments):
    examples = data if samples is None else data.narrow(0, samples)
    if noise:
        examples = shuffle_labels(examples, noise, numpy_generator(seed, "label noise"))
    network = build("mlp", input_shape=(1, 8, 8), classes=10, seed=seed, width=width, depth=depth, **arguments)
    return Member(network.double(), examples, recipe, seed, TOTAL, checkpoints)


def copies(members):
    """Members again with networks of their own, at the same weights."""
    import copy

    return [replace(one, network=copy.deepcopy(one.network)) for one in members]


def alone(one, tmp_path=None):
    return fit(one.network, tile(one.train, one.examples_per_epoch), recipe=one.recipe, seed=one.seed)


def train_on_cpu_stacked(members):
    progresses = [MemberProgress(one) for one in members]
    train_stacked(progresses, torch.device("cpu"))
    return tuple(progress.result() for progress in progresses)


ENGINES = {"side by side": fit_ensemble, "stacked": train_on_cpu_stacked}

MIXES = {
    "widths, seeds and noise": lambda data: [
        member(data, width=3, seed=1),
        member(data, width=12, seed=2, noise=0.4),
        member(data, width=40, seed=2),
        member(data, width=5, seed=4, samples=60),
        member(data, width=5, seed=5, samples=10, recipe=replace(SHORT, weight_decay=1e-2)),
    ],
    "depths": lambda data: [member(data, depth=depth, width=6 + depth, seed=depth) for depth in (1, 2, 3, 2)],
    "batch norm": lambda data: [
        member(data, width=width, depth=2, seed=width, batch_norm=True, init="glorot",
               recipe=replace(RECIPES["scripts"], epochs=3, batch_size=48, decay_every=1))
        for width in (4, 9)
    ],
    "dropout": lambda data: [
        member(data, width=width, depth=2, seed=3, dropout=drop) for width, drop in ((8, 0.5), (5, 0.2), (6, 0))
    ],
    "sgd": lambda data: [
        member(data, width=width, recipe=replace(RECIPES["cifar"], epochs=3, batch_size=64)) for width in (4, 11)
    ],
    "squared error": lambda data: [
        member(data, width=width, noise=noise, batch_norm=norm, recipe=replace(SHORT, loss="mse", learning_rate=0.01))
        for width, noise, norm in ((4, 0, False), (11, 0.4, False), (6, 0, True))
    ],
    "both losses": lambda data: [member(data, recipe=replace(SHORT, loss=loss)) for loss in ("mse", "cross-entropy")],
    "one example left over": lambda data: [member(data, batch_norm=True, recipe=replace(SHORT, batch_size=96))],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize("mix", MIXES.values(), ids=MIXES)
def test_a_member_equals_the_same_network_trained_alone(few, mix, engine):
    members = mix(few)
    lone = copies(members)
    found = engine(members)
    for one, other, result in zip(members, lone, found, strict=True):
        expected = alone(other)
        for (name, got), want in zip(
            one.network.state_dict().items(), other.network.state_dict().values(), strict=True
        ):
            assert torch.allclose(got.double(), want.double(), rtol=1e-9, atol=1e-9), name
        for epoch, reference in zip(result.fitted.history, expected.history, strict=True):
            assert epoch.number == reference.number
            assert epoch.learning_rate == reference.learning_rate
            assert epoch.accuracy == reference.accuracy
            assert epoch.loss == pytest.approx(reference.loss, abs=1e-9)
        assert not one.network.training


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_early_stopping_is_each_members_own(few, engine):
    recipe = replace(SHORT, epochs=12, patience=1, learning_rate=0.5)
    members = [member(few, width=w, seed=w, recipe=recipe, checkpoints=(12,)) for w in (2, 5, 30)]
    members.append(member(few, width=9, recipe=replace(SHORT, epochs=5)))
    lone = copies(members)
    found = engine(members)
    expected = [alone(other) for other in lone]
    assert [result.fitted.epochs for result in found] == [result.epochs for result in expected]
    assert [result.fitted.stopped_early for result in found] == [result.stopped_early for result in expected]
    assert found[0].fitted.stopped_early
    assert found[3].fitted.epochs == 5
    assert all((12 in result.checkpoints) == (result.fitted.epochs == 12) for result in found)
    for one, other in zip(members, lone, strict=True):
        assert torch.allclose(one.network.head.weight, other.network.head.weight, atol=1e-9)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_checkpoints_are_the_weights_of_shorter_trainings(few, engine):
    whole = member(few, width=8, checkpoints=(0, 1, 3), batch_norm=True)
    untrained = {name: value.clone() for name, value in whole.network.state_dict().items()}
    shorter = replace(copies([whole])[0], recipe=replace(SHORT, epochs=1))
    (found,) = engine([whole])
    alone(shorter)
    assert sorted(found.checkpoints) == [0, 1, 3]
    for name, value in shorter.network.state_dict().items():
        assert torch.equal(found.checkpoints[0][name], untrained[name])
        assert torch.allclose(found.checkpoints[1][name].double(), value.double(), atol=1e-9), name
        assert torch.equal(found.checkpoints[3][name], whole.network.state_dict()[name])


def test_the_company_changes_nothing(few):
    """On the CPU to the last bit, in float32 too, whatever the number of threads."""
    together = [member(few, width=width, seed=width) for width in (3, 20, 50)]
    for one in together:
        one.network.float()
    lonely = copies(together)
    fit_ensemble(together, threads=2)
    for one in lonely:
        fit_ensemble([one], threads=1)
    for one, other in zip(together, lonely, strict=True):
        for got, want in zip(one.network.parameters(), other.network.parameters(), strict=True):
            assert torch.equal(got, want)


def test_float32_follows_fit_for_a_few_steps(few):
    one = member(few, width=16, recipe=replace(SHORT, epochs=1))
    one.network.float()
    other = copies([one])[0]
    fit_ensemble([one])
    alone(other)
    for got, want in zip(one.network.parameters(), other.network.parameters(), strict=True):
        assert torch.allclose(got, want, atol=1e-5)


def test_repeats_see_their_examples_in_orders_of_their_own(few):
    first, second = (member(few, width=6, seed=seed) for seed in (0, 1))
    second = replace(second, network=copies([first])[0].network)
    fit_ensemble([first, second])
    assert not torch.allclose(first.network.head.weight, second.network.head.weight)


@pytest.mark.slow
def test_inputs_of_other_kinds_are_taken_as_fit_takes_them(few):
    for inputs, scale in ((few.tensor(), 1.0), (few.tensor().double(), 1.0), (few.inputs.int(), 1 / 16)):
        examples = ArrayExamples(inputs, few.labels, few.ids, "digits", None, scale)
        one = member(examples, recipe=replace(SHORT, epochs=1))
        other = copies([one])[0]
        fit_ensemble([one])
        alone(other)
        assert torch.allclose(one.network.head.weight, other.network.head.weight, atol=1e-9)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_views_that_begin_at_one_address_are_told_apart(few, engine):
    halves = [
        replace(few, inputs=part, labels=few.labels[rows], ids=few.ids[rows])
        for part, rows in ((few.inputs[:96], slice(96)), (few.inputs[:192:2], slice(0, 192, 2)))
    ]
    members = [member(half, recipe=replace(SHORT, epochs=1)) for half in halves]
    lone = copies(members)
    engine(members)
    for one, other in zip(members, lone, strict=True):
        alone(other)
        assert torch.allclose(one.network.head.weight, other.network.head.weight, atol=1e-9)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_one_network_that_diverges_leaves_the_others_alone(few, engine):
    wild = member(few, recipe=replace(RECIPES["cifar"], epochs=3, learning_rate=1e200))
    tame = member(few, recipe=replace(RECIPES["cifar"], epochs=3))
    found = engine([wild, tame])
    assert "loss is" in found[0].failure
    assert "lower the learning rate" in found[0].failure
    assert not found[0].fitted.stopped_early
    assert found[1].failure is None
    assert found[1].fitted.epochs == 3


def test_what_on_epoch_raises_ends_the_training(few):
    seen = []

    def stop(position, epoch):
        seen.append((position, epoch.number))
        if epoch.number == 2:
            raise KeyboardInterrupt

    members = [member(few, width=width, recipe=replace(SHORT, epochs=500)) for width in (4, 5)]
    with pytest.raises(KeyboardInterrupt):
        fit_ensemble(members, threads=2, on_epoch=stop)
    assert len(seen) < 20


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"network": torch.nn.Linear(64, 10)}, ModelError, "ensembles train hashlens.nets.MLP, received a Linear"),
        ({"checkpoints": (4,)}, ModelError, "checkpoints must be epochs from 0 to 3, received 4"),
        ({"checkpoints": 2}, ModelError, "checkpoints must be a list of epochs, such as [3], received 2"),
        ({"checkpoints": ["2"]}, ModelError, "checkpoints must be epochs from 0 to 3, received '2'"),
        ({"recipe": "figures"}, ModelError, "must be a Recipe, such as find_recipe('figures'), received 'figures'"),
        ({"train": "digits"}, DataError, "must be ArrayExamples, such as load_data('digits').load(), received a str"),
        ({"epoch_size": "500"}, ModelError, "epoch_size must be a whole number, 1 or more, received '500'"),
        ({"epoch_size": 5}, ModelError, "has 193 examples and epoch_size=5"),
    ],
)  # fmt: skip
def test_bad_members(few, change, kind, message):
    members = [member(few), replace(member(few), **change)]
    before = members[0].network.head.weight.clone()
    with pytest.raises(kind) as caught:
        fit_ensemble(members)
    assert str(caught.value).startswith("member 1 of the ensemble: ")
    assert message in str(caught.value)
    assert torch.equal(before, members[0].network.head.weight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threads": 0}, "threads must be a whole number, 1 or more, received 0"),
        ({"threads": -1}, "threads must be a whole number, 1 or more, received -1"),
        ({"threads": "2"}, "threads must be a whole number, 1 or more, received '2'"),
        ({"threads": True}, "threads must be a whole number, 1 or more, received True"),
        ({"members": None}, "members must be a list of Member, received a NoneType"),
        ({"members": [3]}, "member 0 of the ensemble: expected a Member, received 3"),
    ],
)
def test_bad_ensembles(few, change, message):
    one = member(few)
    before = one.network.head.weight.clone()
    with pytest.raises(ModelError) as caught:
        fit_ensemble(**{"members": [one], **change})
    assert str(caught.value) == message
    assert torch.equal(before, one.network.head.weight)


def test_labels_the_network_has_no_output_for(few):
    wrong = replace(few, labels=np.full(len(few), 10))
    with pytest.raises(DataError, match="labels must be 0 to 9"):
        fit_ensemble([member(wrong)])
    one = member(few)
    with pytest.raises(ModelError, match="members 0 and 2 of the ensemble are one network: give each a network"):
        fit_ensemble([one, member(few), replace(one, seed=1)])


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("mix", [mix for name, mix in MIXES.items() if name != "dropout"])
def test_on_a_gpu_members_equal_networks_trained_alone_there(few, mix):
    members = mix(few)
    lone = copies(members)
    fit_ensemble(members, device="cuda")
    for one, other in zip(members, lone, strict=True):
        fit(other.network, tile(other.train, other.examples_per_epoch), recipe=other.recipe, seed=other.seed,
            device="cuda")  # fmt: skip
        for got, want in zip(one.network.parameters(), other.network.parameters(), strict=True):
            assert torch.allclose(got, want, atol=1e-9)
