"""The training loop, by trainings that `fit` does not do."""

import itertools
import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from hashlens.errors import ModelError
from hashlens.seeds import numpy_generator, torch_generator
from hashlens.testing.step_contract import check_step
from hashlens.training import Journal, TrainingState, batch_order, run_loop, split_batches


def network(seed, *sizes, drop=0.0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [(nn.Linear(a, b), nn.ReLU(), nn.Dropout(drop)) for a, b in itertools.pairwise(sizes)]
    return nn.Sequential(*[module for group in layers for module in group][:-2])


@dataclass(frozen=True)
class GanStep:
    """A generator and a critic that learn from each other; the generator every second step."""

    images: torch.Tensor
    generator: nn.Module
    critic: nn.Module
    optimizers: dict
    latent: torch.Generator

    def __call__(self, rows):
        fakes = self.generator(torch.randn(len(rows), 8, generator=self.latent))
        values = {"critic loss": self.step("critic", self.images[rows], fakes.detach())}
        if rows[0] % 2 == 0:
            values["generator loss"] = self.step("generator", None, fakes)
        return values

    def step(self, name, real, fakes):
        loss = nn.functional.softplus(self.critic(fakes) * (1 if real is not None else -1)).mean()
        if real is not None:
            loss = loss + nn.functional.softplus(-self.critic(real)).mean()
        self.optimizers[name].zero_grad()
        loss.backward()
        self.optimizers[name].step()
        return loss


def gan(images):
    modules = {"generator": network(0, 8, 24, 64), "critic": network(1, 64, 24, 1, drop=0.3)}
    optimizers = {name: torch.optim.Adam(module.parameters(), lr=1e-2) for name, module in modules.items()}
    latent = torch_generator(3, "latent")
    state = TrainingState(modules, optimizers, {"critic": lambda epoch: 1e-2 / epoch}, {"latent": latent})
    return state, GanStep(images, modules["generator"], modules["critic"], optimizers, latent)


@dataclass(frozen=True)
class TwoHeads:
    """A trunk with a head for the digit and one for how much ink it has."""

    images: torch.Tensor
    labels: torch.Tensor
    modules: dict
    optimizer: torch.optim.Optimizer

    def __call__(self, rows):
        images, labels = self.images[rows], self.labels[rows]
        hidden = self.modules["trunk"](images).relu()
        digit, ink = self.modules["digit"](hidden), self.modules["ink"](hidden)
        losses = {
            "digit loss": nn.functional.cross_entropy(digit, labels),
            "ink loss": nn.functional.mse_loss(ink[:, 0], images.mean(1)),
        }
        self.optimizer.zero_grad()
        sum(losses.values()).backward()
        self.optimizer.step()
        return {**losses, "accuracy": digit.argmax(1) == labels}


def two_heads(examples):
    modules = {"trunk": network(0, 64, 20), "digit": network(1, 20, 10), "ink": network(2, 20, 1)}
    parameters = [parameter for module in modules.values() for parameter in module.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
    images, labels = examples.tensor().flatten(1), torch.from_numpy(examples.labels)
    return TrainingState(modules, {"all": optimizer}), TwoHeads(images, labels, modules, optimizer)


@dataclass(frozen=True)
class LeastSquares:
    """A step on all examples."""

    inputs: torch.Tensor
    targets: torch.Tensor
    model: nn.Module
    optimizer: torch.optim.Optimizer

    def __call__(self, rows):
        loss = nn.functional.mse_loss(self.model(self.inputs), self.targets)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": loss}


def least_squares(rate=0.5):
    random = numpy_generator(0, "least squares")
    inputs, targets = random.standard_normal((50, 6)), random.standard_normal((50, 3))
    model = network(0, 6, 3).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.5)
    step = LeastSquares(torch.from_numpy(inputs), torch.from_numpy(targets), model, optimizer)
    return TrainingState({"model": model}, {"model": optimizer}), step


def all_rows(epoch):
    return [torch.arange(50)] * 50


def in_batches(epoch):
    return split_batches(batch_order(193, 5, epoch), 64)


def test_two_networks_and_two_optimizers_go_on_where_they_were_stopped(few, tmp_path):
    images = few.tensor().flatten(1)
    check_step(lambda: gan(images), in_batches, tmp_path)


def test_a_trunk_with_two_heads_goes_on_where_it_was_stopped(few, tmp_path):
    check_step(lambda: two_heads(few), in_batches, tmp_path)


def test_what_is_not_in_the_state_is_found(few, tmp_path):
    images = few.tensor().flatten(1)

    def forgetful():
        state, step = gan(images)
        return TrainingState(state.modules, state.optimizers, state.schedules), step

    with pytest.raises(AssertionError, match="stopped after epoch 1 ends with other numbers: not everything"):
        check_step(forgetful, in_batches, tmp_path)


def test_full_batches_in_float64_converge_to_the_least_squares_solution(tmp_path):
    state, step = least_squares()
    done = run_loop(state, step, all_rows, 8)
    design = np.hstack([step.inputs.numpy(), np.ones((50, 1))])
    solution, *_ = np.linalg.lstsq(design, step.targets.numpy(), rcond=None)
    model = step.model[0]
    found = torch.cat([model.weight, model.bias[:, None]], dim=1).detach().numpy()
    assert np.abs(found.T - solution).max() < 1e-8
    residual = design @ solution - step.targets.numpy()
    assert done.history[-1].values["loss"] == pytest.approx((residual**2).mean(), rel=1e-12)
    check_step(least_squares, all_rows, tmp_path)


def test_values_are_means_over_the_examples(few):
    state, step = two_heads(few)
    batches, seen = in_batches(1), []
    done = run_loop(state, lambda rows: seen.append(step(rows)) or seen[-1], in_batches, 1)
    values = done.history[0].values
    assert values["accuracy"] == sum(int(batch["accuracy"].sum()) for batch in seen) / 193
    weighted = sum(batch["ink loss"].item() * len(rows) for batch, rows in zip(seen, batches, strict=True)) / 193
    assert values["ink loss"] == pytest.approx(weighted, rel=1e-6)
    assert done.history[0].learning_rates == {"all": 0.1}


def test_values_of_some_steps_are_means_over_those(few):
    state, _ = two_heads(few)

    def step(rows):
        return {"loss": torch.tensor(1.0), **({"rare": torch.tensor(3.0)} if 0 in rows else {})}

    assert run_loop(state, step, in_batches, 1).history[0].values == {"loss": 1.0, "rare": 3.0}


def test_schedules_set_the_learning_rates_of_their_optimizers(few):
    state, step = gan(few.tensor().flatten(1))
    rates = [epoch.learning_rates for epoch in run_loop(state, step, in_batches, 2).history]
    assert rates == [{"generator": 1e-2, "critic": 1e-2}, {"generator": 1e-2, "critic": 5e-3}]


def test_what_is_measured_joins_the_values_and_stops_the_training(few, tmp_path):
    state, step = two_heads(few)
    counts = iter((5, 4, 3, 2))
    kept, told = [], []
    done = run_loop(
        state,
        step,
        in_batches,
        9,
        measure=lambda: {"left": next(counts)},
        save=lambda history: kept.append(len(history)),
        on_epoch=lambda epoch: told.append(epoch.number),
        stop=lambda history: bool(history) and history[-1].values["left"] == 3,
    )
    assert [epoch.values["left"] for epoch in done.history] == [5, 4, 3]
    assert (done.stopped_early, kept, told) == (True, [0, 1, 2, 3], [1, 2, 3])


def test_a_loss_that_is_no_number_is_one_clear_line(few):
    state, step = least_squares(rate=1e3)
    with pytest.raises(ModelError, match=r"the training loss is (nan|inf) in epoch \d at learning rate 1000: lower"):
        run_loop(state, step, all_rows, 9)
    state, _ = gan(few.tensor().flatten(1))
    bad = lambda rows: {"critic loss": torch.tensor(1.0), "generator loss": torch.tensor(torch.inf)}  # noqa: E731
    with pytest.raises(ModelError, match=r"the training generator loss is inf in epoch 1 at learning rates 0.01 and"):
        run_loop(state, bad, in_batches, 1)


def test_a_step_that_fails_is_one_clear_line(few):
    state, step = gan(few.tensor())
    with pytest.raises(ModelError, match="training Sequential failed in epoch 1: mat1 and mat2 shapes") as caught:
        run_loop(state, step, in_batches, 1)
    assert "\n" not in str(caught.value)


def test_an_order_without_batches_is_one_clear_line(few):
    state, step = two_heads(few)
    with pytest.raises(ModelError, match="epoch 1 has no batch"):
        run_loop(state, step, lambda epoch: [], 1)


def test_a_schedule_without_an_optimizer_is_refused(few):
    state, _ = two_heads(few)
    with pytest.raises(ModelError, match="a schedule for 'al', but no optimizer of this name: did you mean 'all'"):
        TrainingState(state.modules, state.optimizers, {"al": lambda epoch: 0.1})


def test_the_journal_of_other_networks_is_refused(few, tmp_path):
    def stop(epoch):
        raise KeyboardInterrupt

    state, step = two_heads(few)
    with pytest.raises(KeyboardInterrupt):
        run_loop(state, step, in_batches, 2, journal=Journal(tmp_path, {}), on_epoch=stop)
    state, step = gan(few.tensor().flatten(1))
    message = "its list of generators is none, this one's is latent: train afresh"
    with pytest.raises(ModelError, match=message):
        run_loop(state, step, in_batches, 2, journal=Journal(tmp_path, {}))


KILLED = """
import os, signal, sys
from pathlib import Path

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from hashlens.data import load_data
from hashlens.nets import build, parameters_digest
from hashlens.training import Recipe, fit

EXAMPLES = load_data((torch.linspace(0, 1, 720).reshape(80, 9), [row % 3 for row in range(80)])).load()
RECIPE = Recipe("killed", epochs=2, batch_size=64, learning_rate=1e-2)

def train(folder):
    network = build("mlp", input_shape=(9,), classes=3, width=6, dropout=0.2, batch_norm=True)
    fit(network, EXAMPLES, recipe=RECIPE, checkpoints=[1], out=folder)
    return network

def forked(work, *arguments):
    child = os.fork()
    if not child:
        work(*arguments)
        os._exit(0)
    return os.waitpid(child, 0)[1]

def train_until(moment, folder):
    left = moment
    def pass_by():
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    def hook(event, arguments):
        if event in ("open", "os.rename", "os.remove", "os.mkdir") and str(folder) in str(arguments):
            pass_by()
    sys.addaudithook(hook)
    register_optimizer_step_pre_hook(lambda *_: pass_by())
    train(folder)

def go_on(folder):
    Path(f"{folder}.digest").write_text(parameters_digest(train(folder)))

root = Path(sys.argv[1])
# Here, so that children find loaded what a first training loads.
go_on(root / "whole")
for moment in range(1, 200):
    folder = root / str(moment)
    killed = forked(train_until, moment, folder)
    if not killed:
        break
    assert os.WTERMSIG(killed) == signal.SIGKILL
    assert not forked(go_on, folder)
    digest, left = Path(f"{folder}.digest").read_text(), sorted(path.name for path in folder.iterdir())
    assert digest == (root / "whole.digest").read_text(), moment
    assert left == ["checkpoints"], (moment, left)
    assert len(list((folder / "checkpoints").glob("epoch-*/network.json"))) == 1, moment
print(moment)
"""


@pytest.mark.slow
@pytest.mark.faults
def test_a_training_killed_at_any_moment_goes_on_to_the_same_weights(tmp_path):
    """Killed before every file operation and within every step; the last moment is past the end."""
    # One thread and no GPU: a process that has started threads cannot be forked.
    own = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run([sys.executable, "-c", KILLED, tmp_path], capture_output=True, text=True, env=own)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 20
