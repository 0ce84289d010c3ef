import copy
import logging

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from hashlens.errors import CaptureError, MeasureError, ModelError
from hashlens.integrations import CodeMonitor

# Lightning's own remarks (few workers, CPU though there is a GPU, deprecations of its dependencies).
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*The number of training batches.*"),
    pytest.mark.filterwarnings("ignore:.*GPU available but not used.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:lightning"),
]


@pytest.fixture(scope="module")
def lightning():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it imports
        return pytest.importorskip("lightning.pytorch", reason="needs lightning")


@pytest.fixture
def module_of(lightning):
    """A function that wraps a network in a LightningModule; it keeps its weights at each step."""

    class Module(lightning.LightningModule):
        def __init__(self, net, with_forward):
            super().__init__()
            self.net = net
            self.weights = {}
            if with_forward:
                self.forward = net.forward

        def training_step(self, batch, index):
            self.weights[self.global_step] = copy.deepcopy(self.net.state_dict())
            inputs, labels = batch
            return torch.nn.functional.cross_entropy(self.net(inputs), labels)

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=1e-2)

    class Whole(Module):
        def forward(self, inputs):
            return self.net(inputs)

    return lambda net, with_forward=True: (Whole if with_forward else Module)(net, False)


class Memory:
    """A logger that keeps what it is given."""

    def __init__(self, base):
        class Kept(base):
            name, version = "kept", 0

            def __init__(self):
                super().__init__()
                self.kept = []

            def log_metrics(self, metrics, step=None):
                self.kept.append((step, dict(metrics)))

            def log_hyperparams(self, *arguments, **settings):
                pass

        self.logger = Kept()


def fit(lightning, module, digits, callback, **settings):
    logger = Memory(lightning.loggers.logger.Logger).logger
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=2, logger=logger, callbacks=[callback], enable_progress_bar=False,
        enable_checkpointing=False, enable_model_summary=False, **settings,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trainer.fit(module, DataLoader(TensorDataset(*digits), 64, shuffle=True))
    return trainer, [(step, metrics) for step, metrics in logger.kept if "hashlens/knn" in metrics]


@pytest.mark.slow
def test_a_fit_logs_what_measure_says_of_the_same_weights(lightning, module_of, network, digits, as_measured, told):
    from hashlens.integrations.lightning import CodeMonitorCallback

    callback = CodeMonitorCallback("digits#train", "digits#test", every=7, time_budget=None, probe_size=(300, 150))
    module = module_of(network)
    trainer, logged = fit(lightning, module, digits, callback)
    steps = 2 * -(-len(digits[0]) // 64)
    assert [step for step, _ in logged] == list(range(0, steps + 1, 7))
    assert logged == [(reading.step, reading.metrics()) for reading in callback.monitor.history]
    assert trainer.callback_metrics["hashlens/knn"] == pytest.approx(callback.monitor.history[-1].knn)
    for reading in callback.monitor.history:
        if reading.step in module.weights:  # those before each step, and so after the one before
            network.load_state_dict(module.weights[reading.step])
            assert told(reading) == as_measured(module, callback.monitor.probe)
    assert callback.monitor.history[-1].knn > callback.monitor.history[0].knn + 0.2


def test_accumulated_gradients_count_as_the_steps_that_they_are(lightning, module_of, network, digits):
    from hashlens.integrations.lightning import CodeMonitorCallback

    callback = CodeMonitorCallback(CodeMonitor("digits#train", "digits#test", every=4, time_budget=None))
    trainer, logged = fit(lightning, module_of(network), digits, callback, accumulate_grad_batches=3)
    assert [step for step, _ in logged] == list(range(0, trainer.global_step + 1, 4))


@pytest.mark.slow
@pytest.mark.parametrize("which", ["net", lambda module: module.net])
def test_a_module_without_forward_names_its_network(lightning, module_of, network, digits, which):
    from hashlens.integrations.lightning import CodeMonitorCallback

    with pytest.raises(ModelError):
        fit(lightning, module_of(network, False), digits, CodeMonitorCallback("digits#train", "digits#test", every=9))
    callback = CodeMonitorCallback("digits#train", "digits#test", every=9, network=which)
    fit(lightning, module_of(network, False), digits, callback)
    assert len(callback.monitor.history) >= 1
    missing = CodeMonitorCallback("digits#train", "digits#test", every=9, network="body")
    with pytest.raises(ModelError, match=r"network='body' gives no torch.nn.Module of Module, but NoneType"):
        fit(lightning, module_of(network, False), digits, missing)


@pytest.mark.slow
def test_at_the_end_of_a_validation_the_codes_are_logged_with_it(
    lightning, module_of, network, digits, as_measured, told
):
    from hashlens.integrations.lightning import CodeValidationCallback

    module = module_of(network)
    weights = {}

    def validation_step(batch, batch_idx):
        weights[module.global_step] = copy.deepcopy(network.state_dict())
        module.log("loss", torch.nn.functional.cross_entropy(network(batch[0]), batch[1]))

    module.validation_step = validation_step
    module.val_dataloader = lambda: DataLoader(TensorDataset(*digits), 500)
    callback = CodeValidationCallback("digits#train", "digits#test", probe_size=(200, 100))
    trainer, logged = fit(lightning, module, digits, callback, num_sanity_val_steps=1)
    steps = -(-len(digits[0]) // 64)
    readings = list(callback.monitor.history)
    assert [reading.step for reading in readings] == [steps, 2 * steps]
    assert [metrics["hashlens/knn"] for _, metrics in logged] == pytest.approx([at.knn for at in readings])
    assert "loss" in logged[0][1]
    assert trainer.callback_metrics["hashlens/knn"] == pytest.approx(readings[-1].knn)
    for reading in readings:
        network.load_state_dict(weights[reading.step])
        assert told(reading) == as_measured(module, callback.monitor.probe)
    given = CodeMonitor("digits#train", "digits#test", every=4)
    assert CodeValidationCallback(given).monitor is given


def test_a_network_without_gates_stops_the_fit_before_its_first_step(lightning, module_of, digits):
    from hashlens.integrations.lightning import CodeMonitorCallback

    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.utils.skip_init(torch.nn.Linear, 64, 10))
    module = module_of(linear)
    with pytest.raises(CaptureError, match="no activation was reached"):
        fit(lightning, module, digits, CodeMonitorCallback("digits#train", "digits#test", every=9))
    assert module.weights == {}


def test_the_callback_takes_a_monitor_or_its_arguments(lightning):
    from hashlens.integrations.lightning import CodeMonitorCallback

    monitor = CodeMonitor("digits#train", "digits#test", every=4)
    assert CodeMonitorCallback(monitor).monitor is monitor
    with pytest.raises(MeasureError, match="not both"):
        CodeMonitorCallback(monitor, every=5)
    with pytest.raises(MeasureError, match="a train probe, a test probe and every="):
        CodeMonitorCallback("digits#train", "digits#test")


@pytest.mark.parametrize(("module", "package"), [("lightning", "lightning"), ("transformers", "transformers")])
def test_without_the_package_the_way_to_install_it_is_said(fresh, module, package):
    code = f"""
import sys
for name in ("lightning", "lightning.pytorch", "pytorch_lightning", "transformers"):
    sys.modules[name] = None
import hashlens.integrations
try:
    import hashlens.integrations.{module}
except hashlens.errors.MissingExtraError as error:
    print(error)
"""
    said = fresh(code).stdout
    assert said.rstrip().endswith(f"needs {package}, which is not installed: pip install 'hashlens[{package}]'")


def test_importing_the_monitor_imports_neither_package(fresh):
    code = "import sys, hashlens.integrations; print([n for n in ('lightning', 'transformers') if n in sys.modules])"
    said = fresh(code).stdout
    assert said.strip() == "[]"
