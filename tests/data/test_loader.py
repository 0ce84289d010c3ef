import logging

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from hashlens.data import load_data
from hashlens.errors import DataError

INPUTS = torch.arange(20.0).reshape(10, 2)
LABELS = torch.arange(10) % 3


class Dicts(Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, row):
        return {"tokens": INPUTS[row], "mask": INPUTS[row] > 3, "label": int(LABELS[row])}


class Stream(IterableDataset):
    def __iter__(self):
        yield from zip(INPUTS, LABELS, strict=True)


class Indexed:
    """As data sets of other libraries: no subclass of torch's."""

    def __len__(self):
        return 10

    def __getitem__(self, row):
        return {"pixels": INPUTS[row], "labels": LABELS[row]}


class Backwards(Sampler):
    def __iter__(self):
        return iter(range(9, -1, -1))

    def __len__(self):
        return 10


def pairs():
    return TensorDataset(INPUTS, LABELS)


@pytest.mark.parametrize(
    "source",
    [
        pairs,
        lambda: DataLoader(pairs(), 4),
        lambda: DataLoader(pairs(), 4, drop_last=True),
        lambda: DataLoader(pairs(), 4, shuffle=True),
        lambda: DataLoader(pairs(), 4, shuffle=True, drop_last=True),
    ],
    ids=["dataset", "loader", "drop_last", "shuffle", "both"],
)
def test_a_map_style_data_set_comes_whole_and_in_its_own_order(source, caplog):
    examples = load_data(source())
    assert len(examples) == 10
    assert examples.labels is None
    batches = list(examples.batches(4))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert torch.equal(torch.cat([batch.inputs for batch in batches]), INPUTS)
    assert np.concatenate([batch.ids for batch in batches]).tolist() == list(range(10))
    assert examples.labels.tolist() == LABELS.tolist()
    assert examples.load().labels.tolist() == LABELS.tolist()
    assert not caplog.records


@pytest.mark.parametrize(
    "loader",
    [
        lambda: DataLoader(pairs(), 4, sampler=Backwards()),
        lambda: DataLoader(pairs(), batch_sampler=[[9, 8, 7, 6], [5, 4, 3], [2, 1, 0]]),
        lambda: DataLoader(pairs(), batch_sampler=BatchSampler(Backwards(), 4, drop_last=False)),
    ],
)
def test_an_order_of_ones_own_is_kept_and_said(loader, caplog):
    with caplog.at_level(logging.WARNING, "hashlens"):
        examples = load_data(loader())
    assert "TensorDataset: the loader has a sampler of its own" in caplog.text
    whole = examples.load()
    assert torch.equal(whole.inputs, INPUTS.flip(0))
    assert whole.labels.tolist() == LABELS.flip(0).tolist()
    assert whole.ids.tolist() == list(range(10))


@pytest.mark.parametrize(
    "sampler",
    [
        lambda: SubsetRandomSampler([1, 2, 3]),
        lambda: WeightedRandomSampler([1.0] * 10, 3),
        lambda: RandomSampler(range(10), num_samples=3),
        lambda: RandomSampler(range(3)),
        lambda: SequentialSampler(range(3)),
        lambda: RandomSampler(range(10), replacement=True, num_samples=3),
    ],
)
def test_samplers_that_choose_are_not_made_whole(sampler):
    loader = DataLoader(pairs(), 2, sampler=sampler())
    assert len(load_data(loader)) == 3


def test_a_loader_that_shuffles_by_the_global_generator_comes_in_one_order():
    sampler = RandomSampler(range(10), replacement=True, num_samples=50)
    examples = load_data(DataLoader(pairs(), 4, sampler=sampler))
    first, second = (torch.cat([batch.inputs for batch in examples.batches(4)]) for _ in range(2))
    assert torch.equal(first, second)
    assert 1 < len(first.unique(dim=0)) < 11


def test_an_iterable_data_set_streams_and_is_counted_by_a_pass():
    loader = DataLoader(Stream(), 4)
    examples = load_data(loader)
    assert [batch.ids.tolist() for batch in examples.batches(99)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert examples.labels.tolist() == LABELS.tolist()
    assert len(examples) == 10
    with pytest.raises(DataError, match=r"rows of a loader with its own order cannot be chosen; call .load"):
        examples.narrow(0, 3)


@pytest.mark.parametrize(("dataset", "keys"), [(Dicts(), {"tokens", "mask"}), (Indexed(), {"pixels"})])
def test_a_dict_gives_its_labels_and_the_rest_is_inputs(dataset, keys):
    batch = next(load_data(dataset).batches(4))
    assert set(batch.inputs) == keys
    assert batch.labels.tolist() == LABELS[:4].tolist()
    assert set(batch.raw) > keys
    with pytest.raises(DataError, match=r"inputs come as dict, which do not fit into one array; stream them"):
        load_data(dataset).load()


def test_the_digest_of_dicts_does_not_depend_on_the_cut_and_sees_every_change():
    class Changed(Dicts):
        def __getitem__(self, row):
            return {**super().__getitem__(row), "mask": INPUTS[row] > 4}

    once, again = load_data(Dicts()), load_data(DataLoader(Dicts(), 3))
    assert once.digest() == again.digest()
    assert load_data(Changed()).digest() != once.digest()


def test_the_loaders_own_collating_and_workers_are_kept():
    def doubled(rows):
        inputs, labels = zip(*rows, strict=True)
        return torch.stack(inputs) * 2, torch.stack(labels), "more"

    examples = load_data(DataLoader(pairs(), 3, shuffle=True, collate_fn=doubled))
    batch = next(examples.batches(99))
    assert torch.equal(batch.inputs, INPUTS[:3] * 2)
    assert batch.raw[2] == "more"


@pytest.mark.parametrize("dataset", [TensorDataset(INPUTS), [*INPUTS, INPUTS[0]]])
def test_inputs_without_labels(dataset):
    examples = load_data(DataLoader(dataset, 4))
    assert all(batch.labels is None and batch.inputs.shape[1:] == (2,) for batch in examples.batches(4))
    assert examples.labels is None


class Broken(Dataset):
    def __len__(self):
        return 3

    def __getitem__(self, at):
        return 1 / 0


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (TensorDataset(INPUTS[:0], LABELS[:0]), "TensorDataset: the data set has no examples"),
        (Stream(), "Stream: the data set has no length"),
        (TensorDataset(INPUTS, INPUTS[:, 0] / 3), "TensorDataset, rows 0 to 3: the label of row 1 is 0.66"),
        (TensorDataset(INPUTS, LABELS - 2), "the label of row 0 is -2"),
        (
            DataLoader([(INPUTS[0], "ant")] * 3),
            "rows 0 to 0: labels are class names, such as 'ant'; make the data set return",
        ),
        (
            DataLoader([1, 2], collate_fn=lambda rows: (INPUTS, LABELS[:3])),
            "a batch of 10 inputs has 3 labels, from row 0",
        ),
        (Broken(), r"Broken cannot be read: ZeroDivisionError: division by zero; fix the data set"),
        (DataLoader([INPUTS[0], INPUTS[0, :1]], 2), "list cannot be read: RuntimeError: stack expects each tensor"),
        (
            DataLoader([INPUTS[:2, None], INPUTS[2:4, None]], 2, collate_fn=list),
            r"a batch is a list of 2 tensors, and the second, of shape \(2, 1, 2\), holds no labels",
        ),
        (DataLoader([("a", 0), ("b", 1)] * 3, 2), r"a batch has inputs of type \w+; expected a tensor"),
    ],
)
def test_what_is_wrong_is_one_line(dataset, message):
    with pytest.raises(DataError, match=message) as error:
        list(load_data(dataset).batches(4))
    assert "\n" not in str(error.value)


def test_a_stream_that_runs_only_once_is_found_out():
    class Once(IterableDataset):
        def __init__(self):
            self.rows = iter(INPUTS)

        def __iter__(self):
            return self.rows

    examples = load_data(DataLoader(Once(), 4))
    assert len(list(examples.batches(4))) == 3
    with pytest.raises(DataError, match=r"the source returned no batch; it must return all batches again"):
        list(examples.batches(4))


def test_inputs_of_several_shapes_stream_but_do_not_load():
    class Ragged(Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, row):
            return torch.ones(3 if row < 4 else 5)

    examples = load_data(DataLoader(Ragged(), 2))
    assert [tuple(batch.inputs.shape) for batch in examples.batches(2)] == [(2, 3), (2, 3), (2, 5)]
    with pytest.raises(
        DataError, match=r"one shape to be held in one array; after 4 examples of \(3,\) came 2 of \(5,\)"
    ):
        examples.load()


class Unlabelled(Dataset):
    """Some rows have None for a label."""

    def __init__(self, form):
        self.form = form

    def __len__(self):
        return 4

    def __getitem__(self, row):
        label = None if row % 2 else row
        return (INPUTS[row], label) if self.form == "pair" else {"x": INPUTS[row], "label": label}


@pytest.mark.parametrize("form", ["pair", "dict"])
def test_none_is_no_label_in_a_data_set(form):
    for source in (Unlabelled(form), DataLoader(Unlabelled(form), 4, shuffle=True)):
        assert [batch.labels.tolist() for batch in load_data(source).batches(4)] == [[0, -1, 2, -1]]


def test_images_and_targets_of_a_detector_are_one_of_each_an_example():
    images = [torch.full((3, 4, 4 + row), row) for row in range(4)]
    rows = [(image, {"boxes": torch.zeros(row + 1, 4)}) for row, image in enumerate(images)]
    loader = DataLoader(rows, 2, collate_fn=lambda batch: tuple(zip(*batch, strict=True)))
    batches = list(load_data(loader).batches(2))
    assert [len(batch) for batch in batches] == [2, 2]
    assert batches[1].labels is None
    assert batches[1].raw[0][1] is images[3]
