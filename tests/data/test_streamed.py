"""Every kind of examples keeps the same promises."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from torch.utils.data import DataLoader, TensorDataset

from hashlens.data import load_data
from hashlens.data.imdb import BagExamples
from hashlens.errors import DataError

KINDS = ["arrays", "bags", "dataset", "digits", "folder", "loader", "npz", "parquet", "transformed"]


@pytest.fixture(params=KINDS)
def examples(request, tmp_path, images, write_parquet, write_folder):
    labels = np.arange(len(images)) % 3
    inputs = torch.from_numpy(images).float()
    match request.param:
        case "arrays":
            return load_data((inputs, labels))
        case "bags":
            bags = csr_matrix(images.reshape(len(images), -1) % 3, dtype=np.float32)
            return BagExamples(name="bags", labels=labels, ids=np.arange(11), class_names=None, bags=bags)
        case "dataset":
            return load_data(TensorDataset(inputs, torch.from_numpy(labels)))
        case "digits":
            return load_data("digits[100:120]")
        case "folder":
            return load_data(f"folder:{write_folder(tmp_path, images, [f'c{label}' for label in labels])}")
        case "loader":
            dataset = TensorDataset(inputs, torch.from_numpy(labels))
            return load_data(DataLoader(dataset, 3, shuffle=True, drop_last=True))
        case "npz":
            np.savez(tmp_path / "a.npz", x=images, y=labels)
            return load_data(f"npz:{tmp_path}/a.npz")
        case "parquet":
            write_parquet(tmp_path / "train-00000-of-00002.parquet", images[:7], labels[:7])
            write_parquet(tmp_path / "train-00001-of-00002.parquet", images[7:], labels[7:])
            return load_data(f"parquet:{tmp_path}#train")
        case "transformed":
            return load_data((inputs, labels), transform=torch.sqrt)


def joined(examples, batch_size):
    batches = list(examples.batches(batch_size))
    return (
        torch.cat([batch.inputs for batch in batches]),
        torch.cat([batch.labels for batch in batches]).numpy(),
        np.concatenate([batch.ids for batch in batches]),
    )


@pytest.mark.parametrize("batch_size", [1, 4, 1000])
def test_batches_are_the_whole_cut_up(examples, batch_size):
    whole = examples.load()
    inputs, labels, ids = joined(examples, batch_size)
    assert inputs.dtype == torch.float32
    assert torch.equal(inputs, whole.tensor())
    assert labels.dtype == np.int64
    assert np.array_equal(labels, whole.labels)
    assert np.array_equal(ids, whole.ids)
    assert len(examples) == len(whole) == len(ids)


def test_the_digest_is_that_of_the_whole_however_it_is_cut(examples):
    before = examples.digest()
    for _ in examples.batches(3):
        pass
    assert examples.digest() == before
    assert examples.load().digest() == before
    assert examples.narrow(0, 5).digest() != before


@pytest.mark.parametrize(("start", "stop"), [(2, 9), (0, 1), (-3, None), (None, None), (8, 400)])
def test_narrow_takes_the_rows_that_a_slice_takes(examples, start, stop):
    part, whole = examples.narrow(start, stop), examples.load()
    inputs, labels, ids = joined(part, 2)
    assert torch.equal(inputs, whole.tensor(slice(start, stop)))
    assert np.array_equal(labels, whole.labels[start:stop])
    assert np.array_equal(ids, whole.ids[start:stop])
    assert np.array_equal(part.ids, ids)
    assert part.name == examples.name


def test_narrow_composes(examples):
    assert np.array_equal(examples.narrow(2, 9).narrow(1, 3).ids, examples.ids[3:5])
    assert torch.equal(joined(examples.narrow(2, 9).narrow(1, 3), 1)[0], examples.load().tensor(slice(3, 5)))


def test_narrowing_to_nothing_is_refused(examples):
    with pytest.raises(DataError, match=rf"rows \[400:\] are outside its {len(examples)} examples"):
        examples.narrow(400)


def test_a_pass_that_is_given_up_leaves_no_half_digest(examples):
    next(examples.batches(2))
    assert examples.digest() == examples.load().digest()
