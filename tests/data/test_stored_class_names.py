"""Names of classes that a data set of another library stores, whatever it is wrapped in."""

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, WeightedRandomSampler

import hashlens as hl
from hashlens.data import load_data
from hashlens.data.stored_class_names import names_of_classes
from hashlens.errors import DataError
from hashlens.measures import knn_accuracy

NAMES = ("ant", "bee", "cow")


class Named(Dataset):
    """Forty examples of some classes, each a block of three that is lit; numbered from 0 in the order of its names."""

    def __init__(self, *classes):
        self.classes = list(classes)

    def __len__(self):
        return 40

    def __getitem__(self, row):
        number = row % len(self.classes)
        noise = torch.randn(6, generator=torch.Generator().manual_seed(row))
        return torch.eye(3)[NAMES.index(self.classes[number])].repeat_interleave(2) + 0.05 * noise, number


class Streamed(IterableDataset):
    def __init__(self, dataset):
        self.dataset, self.classes = dataset, dataset.classes

    def __iter__(self):
        yield from (self.dataset[row] for row in range(len(self.dataset)))


WRAPPED = {
    "data set": lambda data: data,
    "sampler": lambda data: DataLoader(data, 8, sampler=WeightedRandomSampler([1.0] * 40, 40, replacement=False)),
    "batch sampler": lambda data: DataLoader(data, batch_sampler=[range(20), range(20, 40)]),
    "stream": lambda data: DataLoader(Streamed(data), 8),
    "joined": lambda data: ConcatDataset([Subset(data, range(20)), ConcatDataset([Subset(data, range(20, 40))])]),
}


@pytest.mark.parametrize("way", WRAPPED)
def test_classes_are_compared_by_name_whatever_the_data_set_is_wrapped_in(way):
    network = hl.nets.build("mlp", input_shape=(6,), classes=3, width=60)
    train, test = WRAPPED[way](Named(*NAMES)), WRAPPED[way](Named(*NAMES[1:]))
    codes = [hl.encode(network, source) for source in (train, test)]
    assert [part.class_names for part in codes] == [NAMES, NAMES[1:]]
    assert knn_accuracy(*codes, k=3) == 1.0


def test_a_stream_is_renumbered_as_it_comes():
    examples = load_data(DataLoader(Streamed(Named("bee", "cow")), 8)).renumber_classes(np.array([1, 2]), NAMES)
    assert np.concatenate([batch.labels for batch in examples.batches(8)]).tolist() == [1, 2] * 20
    assert set(examples.load().labels.tolist()) == {1, 2}


def test_parts_of_other_names_are_refused():
    with pytest.raises(DataError, match="ConcatDataset: class 0 is 'bee' in one part and 'ant' in another: give the "):
        load_data(ConcatDataset([Named(*NAMES), Named(*NAMES[1:])]))
    longer = ConcatDataset([Named(*NAMES[:2]), Named(*NAMES)])
    assert names_of_classes(longer) == NAMES
    unnamed = torch.utils.data.TensorDataset(torch.zeros(2, 6), torch.zeros(2))
    assert names_of_classes(ConcatDataset([Named(*NAMES), unnamed])) is None
