import copy
import json
from importlib import import_module

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import hashlens as hl
from hashlens.errors import CaptureError, CodesError, HashlensError, MeasureError, ModelError
from hashlens.integrations import CodeMonitor
from hashlens.nets.class_names import declare_classes
from hashlens.result import Split


def monitor_of(**settings):
    return CodeMonitor(
        "digits#train", "digits#test", **{"every": 10, "time_budget": None, "probe_size": (300, 150), **settings}
    )


def trained(network, digits, steps, after):
    """Train with batches in order, calling ``after(network)`` after each step."""
    inputs, labels = digits
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    with torch.random.fork_rng():  # for dropout
        torch.manual_seed(1)
        for step in range(steps):
            rows = torch.arange(32 * step, 32 * step + 32) % len(inputs)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(inputs[rows]), labels[rows]).backward()
            optimizer.step()
            after(network)
    return network


@pytest.mark.slow
def test_readings_in_a_plain_loop_equal_what_measure_says_of_the_same_probe_and_weights(
    network, digits, as_measured, told
):
    monitor, weights = monitor_of(), []

    def after(model):
        if monitor.step(model) is not None:
            weights.append(copy.deepcopy(model.state_dict()))

    monitor(network)
    weights.append(copy.deepcopy(network.state_dict()))
    trained(network, digits, 35, after)
    assert [reading.step for reading in monitor.history] == [0, 10, 20, 30]
    for reading, state in zip(monitor.history, weights, strict=True):
        network.load_state_dict(state)
        assert told(reading) == as_measured(network, monitor.probe)
    assert monitor.history[3].knn > monitor.history[0].knn


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"k": 1},
        {"layers": "2*"},
        {"granularity": "channel"},
        {"bits": 7, "seed": 3},
        {"batch_size": 100},
        {"memory_budget": 4 * 450 * 9},  # nine bits fit: those that K-NN uses are a sample
    ],
)
def test_every_setting_means_what_it_means_to_measure(settings, as_measured, told):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(64, 20), torch.nn.ReLU(), torch.nn.Linear(20, 15), torch.nn.Tanh(),
            torch.nn.Linear(15, 10),
        )  # fmt: skip
    monitor = monitor_of(**settings)
    assert told(monitor(network)) == as_measured(network, monitor.probe, **settings)


def test_a_monitored_training_is_the_training_without_a_monitor(network, digits):
    alone = trained(copy.deepcopy(network), digits, 12, lambda model: None)
    monitor = monitor_of(every=3)
    watched = trained(network, digits, 12, monitor.step)
    assert len(monitor.history) == 4
    for name, value in alone.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name
    assert all(module.training for module in watched.modules())
    assert all(parameter.grad is not None for parameter in watched.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in watched.modules())


@pytest.mark.parametrize(
    ("numbers", "read"),
    [
        (None, [5, 10, 15, 20]),
        ([1, 2, 3, 4, 5, 5, 5, 6, 7, 9, 11, 30], [5, 11, 30]),  # accumulated gradients repeat, several optimizers skip
        ([507, 508, 510, 511], [510]),  # taken up again
    ],
)
def test_a_reading_is_due_at_each_multiple_of_every(network, numbers, read):
    monitor = monitor_of(every=5)
    for number in numbers or [None] * 22:
        monitor.step(network, number)
    assert [reading.step for reading in monitor.history] == read


def test_the_probe_is_spread_evenly_over_larger_data_and_kept():
    inputs = torch.arange(2000.0)[:, None].expand(-1, 3)
    labels = torch.arange(2000) // 200
    monitor = CodeMonitor((inputs, labels), TensorDataset(inputs, labels), every=1, probe_size=(100, 50))
    assert monitor.probe.train.ids.tolist() == list(range(0, 2000, 20))
    assert monitor.probe.test.ids.tolist() == list(range(0, 2000, 40))
    for part in monitor.probe.train, monitor.probe.test:
        batches = list(part.batches(64))
        assert np.concatenate([batch.ids for batch in batches]).tolist() == part.ids.tolist()
        assert torch.cat([batch.inputs for batch in batches])[:, 0].tolist() == part.ids.tolist()
        assert np.bincount(part.labels).tolist() == [len(part) // 10] * 10


def test_a_streamed_source_gives_runs_of_consecutive_examples():
    transformed = hl.load_data("digits#train", transform=lambda inputs: inputs * 2)
    monitor = CodeMonitor(transformed, "digits#test", every=1, probe_size=(250, 150))
    whole = hl.load_data("digits#train").load()
    part = monitor.probe.train
    assert len(part) == 250 == len(set(part.ids.tolist()))
    assert part.ids[-1] > 0.95 * len(whole)
    assert torch.equal(part.tensor(), 2 * whole.tensor()[np.searchsorted(whole.ids, part.ids)])


class Stream(IterableDataset):
    def __iter__(self):
        return ((torch.full((4,), float(i)), i % 3) for i in range(500))


def test_of_a_stream_the_first_batches_are_kept():
    monitor = CodeMonitor(DataLoader(Stream(), 32), DataLoader(Stream(), 32), every=1, probe_size=(100, 64))
    assert len(monitor.probe.train) == 128
    assert len(monitor.probe.test) == 64


class Tokens(Dataset):
    """Examples as dicts, of two inputs that only a ``forward=`` can put together."""

    def __len__(self):
        return 400

    def __getitem__(self, i):
        return {"left": torch.tensor([i % 7, 1.0]), "right": torch.tensor([float(i % 3), 2.0]), "labels": i % 3}


def test_batches_that_are_dicts_are_read_by_forward(as_measured, told):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))

    def forward(model, batch):
        return model(torch.cat([batch["left"], batch["right"]], dim=1))

    monitor = CodeMonitor(Tokens(), DataLoader(Tokens(), 50), every=1, probe_size=(120, 90), forward=forward)
    assert told(monitor(network)) == as_measured(network, monitor.probe, forward=forward)


def test_the_probe_is_loaded_once():
    loads = []

    class Counted(Tokens):
        def __getitem__(self, i):
            loads.append(i)
            return {"x": torch.tensor([i % 7, i % 5, 1.0]), "label": i % 3}

    network = torch.nn.Sequential(torch.nn.utils.skip_init(torch.nn.Linear, 3, 4), torch.nn.ReLU())
    torch.nn.init.eye_(network[0].weight)
    torch.nn.init.zeros_(network[0].bias)
    monitor = CodeMonitor(
        Counted(),
        Counted(),
        every=1,
        probe_size=(40, 20),
        time_budget=None,
        forward=lambda model, batch: model(batch["x"]),
    )
    assert len(loads) == 60
    for _ in range(3):
        monitor.step(network)
    assert len(loads) == 60
    assert len(monitor.history) == 3


class Writer:
    """As TensorBoard's SummaryWriter."""

    def __init__(self):
        self.scalars = []

    def add_scalar(self, name, value, step):
        self.scalars.append((name, value, step))


def test_metrics_go_to_a_callable_or_a_summary_writer(network):
    called, writer = [], Writer()
    for log in (lambda metrics, step: called.append((metrics, step))), writer:
        reading = monitor_of(log=log)(network, 7)
    expected = {
        "hashlens/redundancy_train": reading.redundancy_ratio.train,
        "hashlens/redundancy_test": reading.redundancy_ratio.test,
        "hashlens/knn": reading.knn,
        "hashlens/accuracy_train": reading.network_accuracy.train,
        "hashlens/accuracy_test": reading.network_accuracy.test,
        "hashlens/informative_bits": float(reading.informative_bits),
    }
    assert called == [(expected, 7)]
    assert writer.scalars == [(name, value, 7) for name, value in expected.items()]
    assert set(monitor_of(prefix="probe")(network).metrics("probe")) == {
        n.replace("hashlens", "probe") for n in expected
    }


def test_history_is_plain_data_a_table_and_a_figure(network):
    monitor = monitor_of()
    for step in (0, 10, 20):
        monitor(network, step)
    body = json.loads(json.dumps(monitor.history.to_dict()))
    assert [reading["step"] for reading in body["readings"]] == [0, 10, 20]
    assert len(str(monitor.history).splitlines()) >= 6
    ratio, accuracy = monitor.history.figures()
    assert ratio.series[0].x == (0.0, 10.0, 20.0)
    assert accuracy.series[0].y == tuple(reading.knn for reading in monitor.history)
    assert len(monitor.history.plot().axes) == 2


class Clock:
    """A clock that goes on by a hundredth of a second each time it is looked at, however busy the machine is."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        self.now += 0.01
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """Return the clock that monitors look at."""
    clock = Clock()
    monkeypatch.setattr(import_module("hashlens.integrations.monitor"), "time", clock)
    return clock


def test_readings_keep_to_the_budget_and_say_once_that_some_are_left_out(network, clock, caplog):
    ends = []
    monitor = monitor_of(every=1, time_budget=0.5, log=lambda metrics, step: ends.append(clock.now))
    for _ in range(60):
        monitor.step(network)
    readings = monitor.history.readings
    assert 3 < len(readings) < 60
    for before, end, after, later in zip(readings, ends, readings[1:], ends[1:], strict=False):
        assert later - after.seconds - end >= before.seconds / 0.5 - 1e-9
    assert len([record for record in caplog.records if "some are skipped" in record.message]) == 1


def test_a_pause_makes_room_for_one_reading(network, clock):
    monitor = monitor_of(every=1, time_budget=0.1)
    monitor.step(network)
    clock.now += 0.5  # five readings of a hundredth of a second would fit a tenth of it
    for _ in range(5):
        monitor.step(network)
    assert [reading.step for reading in monitor.history] == [1, 2]
    assert monitor.history.readings[1].seconds == pytest.approx(0.01)


def test_classes_are_compared_by_the_names_that_the_network_declares(as_measured, told):
    names = ("ant", "bee", "cat", "dog")
    inputs, numbers = 4 * torch.eye(4).repeat(20, 1), torch.arange(4).repeat(20)
    with torch.random.fork_rng():
        network = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 4))
    with torch.no_grad():
        for layer in network[0], network[2]:
            layer.weight.copy_(torch.eye(4))
            layer.bias.zero_()
    declare_classes(network, names)
    kept = numbers != 1  # without bees, cats are number 1 of the data and 2 of the network
    part = inputs[kept], [names[at] for at in numbers[kept].tolist()]
    monitor = CodeMonitor(part, part, every=1)
    reading = monitor(network)
    assert reading.network_accuracy == Split(1.0, 1.0)
    assert told(reading) == as_measured(network, monitor.probe)
    loaders = [DataLoader(Named(*part, names), 16) for _ in range(2)]
    assert CodeMonitor(*loaders, every=1)(network).network_accuracy == Split(1.0, 1.0)
    declare_classes(network, ("cat", "bee", "ant", "dog"))  # another network: the same probe is numbered anew
    assert monitor(network).network_accuracy.train == pytest.approx(1 / 3)


class Named(Dataset):
    """Examples of a data set that knows its classes, and lacks one of the network's."""

    def __init__(self, inputs, labels, names):
        self.classes = sorted(set(labels))
        self.rows = [(row, self.classes.index(label)) for row, label in zip(inputs, labels, strict=True)]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, row):
        return self.rows[row]


def test_cost_is_the_share_of_the_time_that_readings_took(network, clock):
    monitor = monitor_of(every=1)
    started = clock.now
    for _ in range(5):
        monitor.step(network)
        clock.now += 0.02
    spent = sum(reading.seconds for reading in monitor.history)
    assert spent / (clock.now - started + 0.02) <= monitor.cost < 1
    assert monitor_of().cost == 0.0


def test_a_network_that_diverges_is_warned_about_and_trained_on(network, caplog):
    monitor = monitor_of(every=1)
    monitor.step(network)
    with torch.no_grad():
        network[1].weight.fill_(float("nan"))
    assert monitor.step(network) is None
    assert "step 2: the codes of the probe cannot be read: layer" in caplog.text
    assert len(monitor.history) == 1


def test_of_a_network_whose_units_are_all_dead_there_is_no_knn(network):
    with torch.no_grad():
        network[2].weight.zero_()
        network[2].bias.fill_(-1.0)
    reading = monitor_of()(network)
    assert reading.knn is None
    assert reading.informative_bits == 0
    assert reading.redundancy_ratio.train == 299 / 300
    assert "hashlens/knn" not in reading.metrics()


def test_a_network_without_gates_fails_at_the_first_step_that_is_read(digits):
    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.utils.skip_init(torch.nn.Linear, 64, 10))
    with pytest.raises(CaptureError, match="no activation was reached"):
        monitor_of(every=1).step(linear)


def test_what_is_no_network_is_said():
    with pytest.raises(ModelError, match=r"a torch.nn.Module is needed, received function"):
        monitor_of()(lambda inputs: inputs)


def test_a_compiled_network_is_read_as_the_network_inside(network, told):
    compiled = torch.compile(network, backend="eager")
    assert told(monitor_of()(compiled)) == told(monitor_of()(network))


def test_under_autocast_codes_are_those_of_its_precision(network, as_measured, told):
    monitor = monitor_of()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert told(monitor(network)) == as_measured(network, monitor.probe)


def test_of_a_distributed_network_the_network_inside_is_read(network, told):
    from torch import distributed

    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        wrapped = torch.nn.parallel.DistributedDataParallel(network)
        assert told(monitor_of()(wrapped)) == told(monitor_of()(network))
    finally:
        distributed.destroy_process_group()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_network_on_a_gpu_is_read_there(network, as_measured, told):
    network.cuda()
    monitor = monitor_of()
    assert told(monitor(network)) == as_measured(network, monitor.probe)
    with torch.autocast("cuda"):
        assert monitor(network, 1).knn == pytest.approx(monitor.history[0].knn, abs=0.1)


few = (torch.rand(20, 64, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 10)


@pytest.mark.parametrize(
    ("arguments", "settings", "error", "message"),
    [
        (None, {"every": 0}, MeasureError, "every is a number of steps, at least 1 and an integer, received 0"),
        (None, {"every": 2.5}, MeasureError, "every is a number of steps, at least 1 and an integer, received 2.5"),
        (None, {"every": True}, MeasureError, "received True"),
        (
            None,
            {"time_budget": 0},
            MeasureError,
            "time_budget is a share of the time, above 0 and at most 1, or None; received 0",
        ),
        (None, {"time_budget": 2}, MeasureError, "received 2"),
        (None, {"log": "wandb"}, MeasureError, "log is called as log(metrics, step), or has add_scalar"),
        (None, {"probe_size": 1000}, MeasureError, "probe_size is a pair, the numbers of train and test examples"),
        (None, {"probe_size": (0, 10)}, MeasureError, "received (0, 10)"),
        (None, {"probe_size": (5, 10)}, MeasureError, "K-NN needs 1 <= k <= 5 rows, received k=9"),
        (None, {"k": 0}, MeasureError, "received k=0"),
        (None, {"gates": "some"}, CodesError, "gates must be one of"),
        (None, {"layers": []}, CodesError, "layers must be globs"),
        (None, {"batch_size": 0}, CodesError, "batch_size must be a whole number, 1 or more"),
        ((few[0], few), {}, MeasureError, "has no labels"),
        ((few, few[0]), {}, MeasureError, "has no labels"),
        (((few[0], torch.zeros(20)), few), {}, MeasureError, "needs at least two classes"),
        (("digit", few), {}, HashlensError, "digits"),
    ],
)
def test_mistakes_are_named_in_one_line_when_the_monitor_is_made(arguments, settings, error, message):
    train, test = arguments or ("digits#train", "digits#test")
    with pytest.raises(error) as raised:
        CodeMonitor(train, test, **{"every": 10, **settings})
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("step", [-1, 1.5, float("nan"), "10", True])
def test_a_step_that_is_no_number_is_named_in_one_line(network, step):
    monitor = monitor_of()
    for read in (monitor, monitor.step):
        with pytest.raises(MeasureError, match="step is a number of optimiser steps, 0 or more and an integer, rec"):
            read(network, step=step)
    assert len(monitor.history) == 0
