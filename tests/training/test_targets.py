"""Networks trained by mean squared error: on classes, and on the numbers of a regression."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from hashlens.errors import DataError, ModelError
from hashlens.nets import build, parameters_digest
from hashlens.seeds import numpy_generator
from hashlens.training import Recipe, accuracy, fit

RECIPE = Recipe("squares", epochs=20, batch_size=64, learning_rate=1e-2, loss="mse")


def mlp(outputs=10, **arguments):
    return build("mlp", input_shape=(1, 8, 8), classes=outputs, width=30, **arguments)


def test_classes_are_learned_by_squared_error(digits):
    network = mlp()
    fitted = fit(network, digits, recipe=RECIPE, epochs=6, validation=digits)
    assert accuracy(network, digits) == fitted.history[-1].validation_accuracy > 0.95
    assert fitted.loss == "mse"
    assert "loss (mse)" in str(fitted)
    assert fitted.history[-1].accuracy > 0.95


def test_the_loss_of_classes_is_that_to_centred_one_hot_targets(few):
    """Of one batch, so that the loss is that before training."""
    network = mlp().double()
    with torch.no_grad():
        outputs = network(few.tensor().double()).numpy()
    targets = np.eye(10)[few.labels] - 0.1
    fitted = fit(network, few, recipe=replace(RECIPE, batch_size=193), epochs=1)
    assert fitted.history[0].loss == pytest.approx(((outputs - targets) ** 2).mean(), rel=1e-12)
    assert fitted.history[0].accuracy == (outputs.argmax(1) == few.labels).mean()


def test_a_regression_converges_to_the_least_squares_solution(few):
    random = numpy_generator(0, "regression")
    inputs, targets = random.standard_normal((60, 5)), random.standard_normal((60, 2))
    examples = replace(few.select(slice(0, 60)), inputs=torch.from_numpy(inputs), labels=None, scale=1.0)
    with torch.random.fork_rng():
        network = nn.Linear(5, 2).double()
    recipe = Recipe("full", epochs=250, batch_size=60, learning_rate=0.3, optimizer="sgd", loss="mse")
    fitted = fit(network, examples, recipe=recipe, targets=targets)
    design = np.hstack([inputs, np.ones((60, 1))])
    solution, *_ = np.linalg.lstsq(design, targets, rcond=None)
    found = torch.cat([network.weight, network.bias[:, None]], dim=1).detach().numpy()
    assert np.abs(found.T - solution).max() < 1e-8
    assert fitted.history[-1].accuracy is None
    assert fitted.history[-1].loss == pytest.approx(((design @ solution - targets) ** 2).mean(), rel=1e-12)


def test_an_interrupted_regression_goes_on_with_its_targets_alone(few, tmp_path):
    targets = few.tensor().flatten(1).mean(1)

    def stop(epoch):
        raise KeyboardInterrupt

    whole, parts, other = mlp(1), mlp(1), mlp(1)
    fit(whole, few, recipe=RECIPE, epochs=3, targets=targets)
    with pytest.raises(KeyboardInterrupt):
        fit(parts, few, recipe=RECIPE, epochs=3, targets=targets, out=tmp_path, on_epoch=stop)
    with pytest.raises(ModelError, match="is of another run: its targets is"):
        fit(other, few, recipe=RECIPE, epochs=3, targets=targets + 1, out=tmp_path)
    again = mlp(1)
    assert fit(again, few, recipe=RECIPE, epochs=3, targets=targets, out=tmp_path).resumed_at == 1
    assert parameters_digest(again) == parameters_digest(whole)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"recipe": "figures"}, DataError, "targets are for a recipe with loss='mse', that of 'figures' is 'cross-ent"),
        ({"targets": np.zeros((193, 3))}, DataError, r"targets must be \(193, 2\): .* received \(193, 3\)"),
        ({"targets": np.zeros(193)}, DataError, r"targets must be \(193, 2\): .* received \(193,\)"),
        ({"targets": np.full((193, 2), np.nan)}, DataError, "targets of 193 of 193 examples are not finite"),
        ({"targets": ["a"] * 193}, DataError, r"targets must be numbers \(n, outputs\), received a list"),
        (
            {"validation": "few"},
            ModelError,
            "measures the accuracy of classes, but targets= are not classes",
        ),
        ({"train": "none"}, DataError, "digits is empty"),
    ],
)
def test_targets_that_do_not_fit_are_one_clear_line(few, arguments, error, message):
    if "validation" in arguments:
        arguments = {"validation": few}
    if "train" in arguments:
        arguments = {"train": few.select(slice(0, 0))}
    with pytest.raises(error, match=message) as caught:
        fit(**{"network": mlp(2), "train": few, "recipe": RECIPE, "targets": np.zeros((193, 2)), **arguments})
    assert "\n" not in str(caught.value)
