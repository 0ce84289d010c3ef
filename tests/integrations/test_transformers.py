import copy
import warnings

import pytest
import torch
from torch.utils.data import Dataset

# Remarks of the package on itself.
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning:transformers"),
    pytest.mark.filterwarnings("ignore::FutureWarning:accelerate"),
    pytest.mark.filterwarnings("ignore:.*pin_memory.*"),
]


@pytest.fixture(scope="module")
def transformers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it imports
        pytest.importorskip("accelerate", reason="needs accelerate")
        return pytest.importorskip("transformers", reason="needs transformers")


class Sentences(Dataset):
    """Sentences of 3 to 6 of 20 words, padded with 0; the class is whether word 1 is among them."""

    def __init__(self, start, stop):
        generator = torch.Generator().manual_seed(start)
        words = torch.randint(1, 20, (stop - start, 6), generator=generator)
        lengths = torch.randint(3, 7, (stop - start, 1), generator=generator)
        self.mask = (torch.arange(6) < lengths).long()
        self.words = words * self.mask
        self.labels = (self.words < 6).logical_and(self.words > 0).sum(1).ge(2).long()

    def __len__(self):
        return len(self.words)

    def __getitem__(self, i):
        return {"input_ids": self.words[i], "attention_mask": self.mask[i], "labels": self.labels[i]}


@pytest.fixture
def bert(transformers):
    """A BERT of one layer, from a configuration alone."""
    settings = transformers.BertConfig(
        vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=8, num_labels=2, hidden_act="relu",
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return transformers.BertForSequenceClassification(settings)


@pytest.fixture
def trainer_of(transformers, bert, tmp_path):
    def make(callbacks=()):
        settings = transformers.TrainingArguments(
            output_dir=str(tmp_path), num_train_epochs=2, per_device_train_batch_size=16, learning_rate=1e-2,
            report_to=[], save_strategy="no", disable_tqdm=True, use_cpu=True, logging_strategy="no", seed=0,
        )  # fmt: skip
        return transformers.Trainer(bert, settings, train_dataset=Sentences(0, 128), callbacks=list(callbacks))

    with torch.random.fork_rng():  # it seeds the global generators
        yield make


@pytest.fixture
def keeper(transformers):
    """A callback that keeps the weights at each step and what is logged, as the loggers of a trainer see it."""

    class Keeper(transformers.TrainerCallback):
        def __init__(self):
            self.weights, self.logs = {}, []

        def on_train_begin(self, args, state, control, model=None, **others):
            self.weights[0] = copy.deepcopy(model.state_dict())

        def on_step_end(self, args, state, control, model=None, **others):
            self.weights[state.global_step] = copy.deepcopy(model.state_dict())

        def on_log(self, args, state, control, logs=None, **others):
            self.logs.append((state.global_step, dict(logs)))

    return Keeper()


SETTINGS = {"every": 5, "time_budget": None, "mask": "attention_mask", "probe_size": (60, 40)}


@pytest.mark.slow
def test_an_attached_callback_logs_through_the_trainer_what_measure_says(bert, trainer_of, keeper, as_measured, told):
    from hashlens.integrations.transformers import CodeMonitorCallback

    trainer = trainer_of([keeper])
    callback = CodeMonitorCallback(Sentences(0, 128), Sentences(500, 600), **SETTINGS).attach(trainer)
    trainer.train()
    history = callback.monitor.history
    assert [reading.step for reading in history] == [0, 5, 10, 15]
    seen = [(step, logs) for step, logs in keeper.logs if "hashlens/knn" in logs]
    assert [step for step, _ in seen] == [0, 5, 10, 15]
    for (_, logs), reading in zip(seen, history, strict=True):
        assert logs.items() >= reading.metrics().items()
        bert.load_state_dict(keeper.weights[reading.step])
        assert told(reading) == as_measured(bert, callback.monitor.probe, mask="attention_mask")
    assert [entry["step"] for entry in trainer.state.log_history if "hashlens/knn" in entry] == [0, 5, 10, 15]


@pytest.mark.slow
def test_a_callback_that_is_not_attached_writes_to_the_history_of_the_trainer(trainer_of):
    from hashlens.integrations.transformers import CodeMonitorCallback

    written = []
    callback = CodeMonitorCallback(
        Sentences(0, 128), Sentences(500, 600), log=lambda metrics, step: written.append(step), **SETTINGS
    )
    trainer = trainer_of([callback])
    trainer.train()
    assert written == [0, 5, 10, 15]
    entries = [entry for entry in trainer.state.log_history if "hashlens/knn" in entry]
    assert [entry["step"] for entry in entries] == written
    assert entries[-1].items() >= callback.monitor.history[-1].metrics().items()


@pytest.mark.slow
def test_attaching_a_callback_that_the_trainer_has_does_not_read_twice(trainer_of):
    from hashlens.integrations.transformers import CodeMonitorCallback

    callback = CodeMonitorCallback(Sentences(0, 128), Sentences(500, 600), **SETTINGS)
    trainer = trainer_of([callback])
    callback.attach(trainer)
    trainer.train()
    assert [reading.step for reading in callback.monitor.history] == [0, 5, 10, 15]
