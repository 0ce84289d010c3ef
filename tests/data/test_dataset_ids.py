"""Ids of torch data sets lead back to what they were cut out of."""

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset, random_split

import hashlens as hl
from hashlens.data import load_data
from hashlens.data.dataset_ids import dataset_ids

ROWS = TensorDataset(torch.arange(40.0)[:, None], torch.arange(40) % 2)
OTHERS = TensorDataset(torch.arange(40.0)[:, None] + 100, torch.arange(40) % 2)


class Folder(torch.utils.data.Dataset):
    """Files as torchvision's folders have them."""

    def __init__(self, root, names):
        self.root = str(root)
        self.samples = [(f"{root}/{name}", at % 2) for at, name in enumerate(names)]
        self.classes = ["cat", "dog"]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, at):
        return torch.tensor([float(at)]), self.samples[at][1]


def test_a_subset_has_the_ids_of_what_it_was_cut_out_of():
    cut = Subset(Subset(ROWS, range(10, 30)), [5, 0, 19])
    assert load_data(cut).ids.tolist() == [15, 10, 29]
    for first, second in ((cut, load_data(cut)), (DataLoader(cut, 2, shuffle=True), None)):
        examples = load_data(first) if second is None else second
        batch = next(examples.batches(3))
        assert batch.inputs[:, 0].tolist() == batch.ids.tolist()


def test_ids_of_a_random_split_lead_to_the_rows():
    train, test = random_split(ROWS, [30, 10], generator=torch.Generator().manual_seed(0))
    ids = [load_data(part).ids.tolist() for part in (train, test)]
    assert sorted(ids[0] + ids[1]) == list(range(40))
    with torch.random.fork_rng():
        network = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.ReLU())
    assert hl.encode(network, test).ids.tolist() == list(test.indices)


def test_files_are_ids_of_every_subset(tmp_path):
    folder = Folder(tmp_path, ["cat/1.jpg", "dog/1.jpg", "cat/2.jpg"])
    assert load_data(folder).ids.tolist() == ["cat/1.jpg", "dog/1.jpg", "cat/2.jpg"]
    examples = load_data(Subset(Subset(folder, [2, 1]), [1]))
    assert examples.ids.tolist() == ["dog/1.jpg"]
    assert examples.class_names == ("cat", "dog")
    assert load_data(folder).narrow(1, 2).ids.tolist() == ["dog/1.jpg"]


@pytest.mark.parametrize(
    ("parts", "ids"),
    [
        ([Subset(ROWS, [7, 9]), Subset(ROWS, [3])], [7, 9, 3]),
        ([Subset(ROWS, [7, 9]), Subset(OTHERS, [9])], ["0:7", "0:9", "1:9"]),
        ([Subset(ROWS, [7]), Subset(ROWS, [7])], ["0:7", "1:7"]),
        ([Subset(ROWS, [1]), Subset(OTHERS, [2])], ["0:1", "1:2"]),
    ],
    ids=["rows of one", "the same row of two", "a row twice", "rows of two"],
)
def test_joined_parts_are_told_apart(parts, ids):
    assert dataset_ids(ConcatDataset(parts)).tolist() == ids


def test_whole_data_sets_that_are_joined_are_numbered_through():
    joined = ConcatDataset([ROWS, OTHERS])
    assert np.array_equal(dataset_ids(joined), np.arange(80))
    assert dataset_ids(Subset(joined, [45, 2])).tolist() == [45, 2]


def test_files_of_joined_folders_keep_their_names(tmp_path):
    one, two = Folder(tmp_path / "a", ["x.jpg", "y.jpg"]), Folder(tmp_path / "b", ["z.jpg"])
    assert dataset_ids(ConcatDataset([Subset(one, [1]), two])).tolist() == ["y.jpg", "z.jpg"]
