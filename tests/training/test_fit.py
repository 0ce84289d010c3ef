from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from hashlens.errors import DataError, DeviceError, ModelError, OutputError
from hashlens.nets import build, load_model, parameters_digest
from hashlens.nets.folder import NetworkInfo
from hashlens.training import Recipe, accuracy, batch_order, find_recipe, fit

RECIPE = Recipe("quick", epochs=6, batch_size=64, learning_rate=1e-2, weight_decay=1e-6)


def make(**arguments) -> nn.Module:
    arguments = {"width": 12, "batch_norm": True, "dropout": 0.2, **arguments}
    return build("mlp", input_shape=(1, 8, 8), classes=10, **arguments)


class Interrupted(Exception):
    pass


def stop_after(epoch):
    def on_epoch(done):
        if done.number == epoch:
            raise Interrupted

    return on_epoch


def train_by_hand(network, examples, recipe, seed):
    """The plainest loop there is: no fused optimizer, no resident data, one item() per step."""
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    inputs, labels = examples.tensor(), torch.from_numpy(examples.labels)
    losses = []
    for epoch in range(1, recipe.epochs + 1):
        order, total = batch_order(len(examples), seed, epoch), 0.0
        for rows in (order[:64], order[64:128], order[128:]):
            loss = nn.functional.cross_entropy(network(inputs[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        losses.append(total / len(examples))
    return losses


def test_training_is_what_a_plain_loop_does(few):
    # 193 = 64 + 64 + 65: the example that is left over joins the last batch.
    # Without BatchNorm: the gradient of a bias before it is rounding noise, which Adam scales up.
    network, by_hand = (make(dropout=0.0, batch_norm=False) for _ in range(2))
    fitted = fit(network, few, recipe=RECIPE, seed=5)
    losses = train_by_hand(by_hand, few, RECIPE, seed=5)
    assert [epoch.loss for epoch in fitted.history] == pytest.approx(losses, rel=1e-4)
    for name, value in by_hand.state_dict().items():
        assert torch.allclose(network.state_dict()[name], value, rtol=1e-3, atol=1e-4), name


def test_digits_are_learned(digits):
    network = make(width=50, dropout=0.0)
    fitted = fit(network, digits, recipe=replace(RECIPE, epochs=15), validation=digits)
    assert accuracy(network, digits) > 0.99
    assert fitted.history[-1].validation_accuracy == accuracy(network, digits)
    assert [epoch.number for epoch in fitted.history] == list(range(1, 16))
    assert fitted.epochs == 15
    assert not fitted.stopped_early
    assert not network.training


@pytest.mark.parametrize("recipe", [RECIPE, replace(RECIPE, optimizer="sgd", schedule="cosine")])
def test_the_seed_decides_everything(few, recipe):
    digests = []
    for seed in (0, 0, 1):
        network = make()
        fit(network, few, recipe=recipe, epochs=2, seed=seed)
        digests.append(parameters_digest(network))
    assert digests[0] == digests[1] != digests[2]


def test_the_global_generator_neither_moves_nor_matters(few):
    digests = []
    for seed in (1, 2):
        network = make()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            before = torch.get_rng_state()
            fit(network, few, recipe=RECIPE, epochs=1)
            assert torch.equal(torch.get_rng_state(), before)
        digests.append(parameters_digest(network))
    assert digests[0] == digests[1]


@pytest.mark.parametrize("stopped_at", [1, 3, 5])
@pytest.mark.parametrize("recipe", [RECIPE, replace(RECIPE, optimizer="sgd", schedule="cosine")])
def test_an_interrupted_training_ends_as_if_it_had_never_stopped(few, tmp_path, recipe, stopped_at):
    whole, parts = make(), make()
    expected = fit(whole, few, recipe=recipe)
    with pytest.raises(Interrupted):
        fit(parts, few, recipe=recipe, out=tmp_path, on_epoch=stop_after(stopped_at))
    assert (tmp_path / "state.pt").exists()
    again = make()
    fitted = fit(again, few, recipe=recipe, out=tmp_path)
    assert parameters_digest(again) == parameters_digest(whole)
    assert [epoch.loss for epoch in fitted.history] == [epoch.loss for epoch in expected.history]
    assert fitted.resumed_at == stopped_at
    assert list(tmp_path.iterdir()) == []


def test_early_stopping_survives_an_interruption(few, tmp_path):
    recipe = replace(RECIPE, epochs=40, learning_rate=0.5, weight_decay=0.0, patience=2)
    expected = fit(make(), few, recipe=recipe)
    losses = [epoch.loss for epoch in expected.history]
    assert expected.stopped_early
    assert min(losses[-2:]) >= min(losses[:-2])
    assert all(min(losses[k - 2 : k]) < min(losses[: k - 2]) for k in range(3, len(losses)))
    with pytest.raises(Interrupted):
        fit(make(), few, recipe=recipe, out=tmp_path, on_epoch=stop_after(2))
    assert [epoch.loss for epoch in fit(make(), few, recipe=recipe, out=tmp_path).history] == losses


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "state.pt is of another run: its seed is 0, this one's is 1: train afresh"),
        ({"recipe": replace(RECIPE, learning_rate=0.5)}, "its learning_rate is 0.01, this one's is 0.5"),
        ({"epochs": 9}, "its epochs is 6, this one's is 9"),
        ({"recipe": replace(RECIPE, loss="mse")}, "its loss is cross-entropy, this one's is mse"),
        ({"network": make(width=3)}, "its initial network is"),
        ({"train": slice(0, 100)}, "its data is"),
    ],
)
def test_the_state_of_another_run_is_refused(few, tmp_path, change, message):
    with pytest.raises(Interrupted):
        fit(make(), few, recipe=RECIPE, out=tmp_path, on_epoch=stop_after(1))
    if "train" in change:
        change = {"train": few.select(change["train"])}
    with pytest.raises(ModelError, match=message) as caught:
        fit(**{"network": make(), "train": few, "recipe": RECIPE, "out": tmp_path, **change})
    assert "\n" not in str(caught.value)
    # Begun afresh, it is no obstacle.
    fit(**{"network": make(), "train": few, "recipe": RECIPE, "out": tmp_path, "resume": False, **change})


def test_a_state_of_version_1_goes_on(few, tmp_path):
    """As it was written when a journal held one network and its optimizer."""
    whole, again = make(), make()
    expected = fit(whole, few, recipe=RECIPE, validation=few)
    with pytest.raises(Interrupted):
        fit(make(), few, recipe=RECIPE, validation=few, out=tmp_path, on_epoch=stop_after(2))
    now = torch.load(tmp_path / "state.pt", weights_only=True)
    run = {key: value for key, value in now["run"].items() if key != "loss"}
    history = [
        {"number": e["number"], "seconds": 0.1, "learning_rate": e["learning_rates"]["network"], **e["values"]}
        for e in now["history"]
    ]
    then = {
        "schema_version": 1,
        "run": run,
        "network": now["modules"]["network"],
        "optimizer": now["optimizers"]["network"],
        "history": history,
    }
    torch.save(then, tmp_path / "state.pt")
    fitted = fit(again, few, recipe=RECIPE, validation=few, out=tmp_path)
    assert fitted.resumed_at == 2
    assert parameters_digest(again) == parameters_digest(whole)
    assert [replace(e, seconds=0) for e in fitted.history] == [replace(e, seconds=0) for e in expected.history]


class Planted:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"schema_version": 99, "run": {}}, "has schema version 99, this hashlens reads 2"),
        ({"run": {}}, r"state.pt is damaged \(KeyError\)"),
        ("planted", r"state.pt is damaged \(UnpicklingError\)"),
    ],
)
def test_a_damaged_state_is_refused_and_never_run(few, tmp_path, content, message):
    torch.save(Planted(tmp_path / "touched") if content == "planted" else content, tmp_path / "state.pt")
    with pytest.raises(ModelError, match=message):
        fit(make(), few, recipe=RECIPE, out=tmp_path)
    assert not (tmp_path / "touched").exists()


def test_checkpoints_are_networks_of_their_own(few, tmp_path):
    network = make()
    initial = parameters_digest(network)
    info = NetworkInfo("mlp", (1, 8, 8), 10, {"width": 12, "batch_norm": True, "dropout": 0.2})
    fitted = fit(network, few, recipe=RECIPE, checkpoints=(0, 2, 6), out=tmp_path, info=info)
    assert [path.name for path in fitted.checkpoints] == ["epoch-0000", "epoch-0002", "epoch-0006"]
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"]
    digests = [parameters_digest(load_model(path)) for path in fitted.checkpoints]
    shorter = make()
    fit(shorter, few, recipe=RECIPE, epochs=2)
    assert digests == [initial, parameters_digest(shorter), parameters_digest(network)]


def test_zero_epochs_change_nothing(few):
    network = make()
    before = parameters_digest(network)
    assert fit(network, few, recipe=RECIPE, epochs=0).history == ()
    assert parameters_digest(network) == before


def test_float64_inputs_and_networks_train(few):
    as_given = replace(few, inputs=few.tensor().double(), scale=1.0)
    plain, double = make(dropout=0.0), make(dropout=0.0)
    fit(plain, few, recipe=RECIPE, epochs=1)
    fit(double, as_given, recipe=RECIPE, epochs=1)
    assert parameters_digest(plain) == parameters_digest(double)
    wide = make(dropout=0.0).double()
    fit(wide, as_given, recipe=RECIPE, epochs=1)
    assert wide.head.weight.dtype == torch.float64
    assert torch.allclose(wide.head.weight.float(), plain.head.weight, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"train": slice(0, 0)}, DataError, "digits is empty: training needs at least one example"),
        ({"labels": None}, DataError, "digits has no labels: training needs them"),
        ({"labels": 11}, DataError, "labels must be 0 to 9 for a network with 10 outputs, received 0 to 11"),
        (
            {"labels": -1},
            DataError,
            r"1 of 193 examples have no label \(-1\), and training needs one for each: leave them out",
        ),
        ({"network": "narrow"}, ModelError, r"MLP rejects examples of shape \(1, 8, 8\) from digits: mat1 and mat2"),
        (
            {"network": nn.Identity()},
            ModelError,
            r"Identity must return logits .batch, classes., received \(1, 1, 8, 8\)",
        ),
        ({"recipe": "figure"}, ModelError, "did you mean 'figures'"),
        (
            {"recipe": replace(RECIPE, learning_rate=1e38)},
            ModelError,
            "training loss is nan in epoch . at learning rate",
        ),
        ({"inputs": float("nan")}, DataError, "digits: 193 of 193 train examples hold numbers that are not finite"),
        ({"epochs": -1}, ModelError, "epochs must be a whole number, 0 or more, received -1"),
        ({"checkpoints": [1]}, ModelError, "checkpoints need a folder to be written to: give out"),
        (
            {"checkpoints": 1, "out": "x"},
            ModelError,
            r"checkpoints must be a list of epochs, such as \[6\], received 1",
        ),
        ({"checkpoints": ["1"], "out": "x"}, ModelError, "checkpoints must be epochs from 0 to 6, received '1'"),
        ({"out": 3}, OutputError, "a path is text or a pathlib.Path, received 3"),
        ({"checkpoints": [7], "out": "x"}, ModelError, "checkpoints must be epochs from 0 to 6, received 7"),
        ({"device": "gpu"}, DeviceError, "unknown device 'gpu'"),
    ],
)
def test_what_cannot_be_trained_is_one_clear_line(few, tmp_path, monkeypatch, arguments, error, message):
    monkeypatch.chdir(tmp_path)
    examples = few.select(arguments.pop("train", slice(None)))
    if "labels" in arguments:
        wrong = arguments.pop("labels")
        labels = None if wrong is None else np.where(np.arange(len(few)) == 3, wrong, few.labels)
        examples = replace(examples, labels=labels)
    if "inputs" in arguments:
        examples = replace(examples, inputs=few.tensor() + arguments.pop("inputs"), scale=1.0)
    if arguments.get("network") == "narrow":
        arguments["network"] = build("mlp", input_shape=(9,), classes=10)
    with pytest.raises(error, match=message) as caught:
        fit(**{"network": make(), "train": examples, "recipe": RECIPE, **arguments})
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_one_example_with_batch_norm_is_one_clear_line(few):
    with pytest.raises(ModelError, match="training MLP failed in epoch 1: Expected more than 1 value per channel"):
        fit(make(), few.select(slice(0, 1)), recipe=RECIPE)


def test_an_unwritable_folder_is_one_clear_line(few, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot be written: .*; free some space"):
        fit(make(), few, recipe=RECIPE, out=tmp_path / "file" / "inner")


def test_the_history_prints_as_a_table(few):
    text = str(fit(make(), few, recipe=find_recipe("figures"), epochs=2))
    assert "2 epochs" in text
    assert "loss (nats)" in text
    assert "0.001" in text


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_training_on_a_gpu_comes_back_to_the_cpu(few):
    network, before = make(), torch.cuda.get_rng_state()
    fit(network, few, recipe=RECIPE, device="cuda")
    assert network.head.weight.device.type == "cpu"
    assert torch.equal(torch.cuda.get_rng_state(), before)
