"""Labels that come batch by batch are the targets of a regression where all of them together show it."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

import hashlens as hl
from hashlens.data import load_data
from hashlens.data.label_batches import LabelBatches
from hashlens.data.labels import class_labels
from hashlens.errors import DataError

INPUTS = torch.randn(442, 4, generator=torch.Generator().manual_seed(0))
TARGETS = np.random.default_rng(0).integers(25, 347, 442).astype(float)  # as the diabetes data of scikit-learn
DIFFERENT = len(set(TARGETS.tolist()))


def pairs(targets=TARGETS):
    return TensorDataset(INPUTS[: len(targets)], torch.tensor(targets))


SOURCES = {
    "data set": pairs,
    "loader": lambda: DataLoader(pairs(), 8, shuffle=True),
    "list": lambda: [{"x": x, "label": float(y)} for x, y in zip(INPUTS, TARGETS, strict=True)],
    "a column": lambda: pairs(TARGETS[:, None]),
}


@pytest.mark.parametrize("batch_size", [8, 64, 1000])
@pytest.mark.parametrize("source", SOURCES)
def test_whole_numbers_of_a_regression_are_refused_as_those_of_an_array_are(source, batch_size):
    network = hl.nets.build("mlp", input_shape=(4,), classes=3, width=8)
    examples = load_data(SOURCES[source]())
    forward = (lambda model, batch: model(batch["x"])) if source == "list" else None
    with pytest.raises(DataError, match=r"different floating-point numbers, as the values of a regression are: cut "):
        hl.encode(network, examples, batch_size=batch_size, forward=forward)


def test_a_source_without_a_length_is_refused_at_its_end():
    sampler = WeightedRandomSampler([1.0] * 442, 442, replacement=False)
    examples = load_data(DataLoader(pairs(), 8, sampler=sampler))
    seen = []
    with pytest.raises(DataError, match=f"TensorDataset: 442 labels are {DIFFERENT} different floating-point numbers"):
        seen.extend(examples.batches(8))
    assert sum(map(len, seen)) == 442


def test_classes_that_are_floats_stay_classes():
    many = np.arange(442.0) % 100  # a hundred classes of four or five
    few = np.arange(30.0) % 15
    for values in (many, few):
        assert load_data(pairs(values)).load().labels.tolist() == values.astype(int).tolist()
        assert class_labels(values, "y")[0].tolist() == values.astype(int).tolist()
    whole = TARGETS.astype(int)
    assert load_data(pairs(whole)).load().labels.tolist() == whole.tolist()


def test_missing_labels_are_no_values():
    batches = LabelBatches("y", rows=80)
    for start in range(0, 80, 20):
        numbers = batches.add(np.r_[np.full(19, np.nan), float(start)], "some rows")
        assert numbers.tolist() == [-1] * 19 + [start]
    batches.finish()


def test_whole_numbers_beside_none_are_no_floats():
    labels = [*range(30), *range(30), *range(30), None]
    assert class_labels(labels, "y")[0].tolist() == [*range(30)] * 3 + [-1]
    with pytest.raises(DataError, match="30 different floating-point numbers"):
        class_labels([float(label) if label is not None else None for label in labels], "y")
