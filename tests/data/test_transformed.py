import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from hashlens.data import load_data
from hashlens.errors import DataError


def centred(inputs):
    return inputs - 0.5


def test_a_transform_acts_on_scaled_inputs_and_is_named():
    plain, examples = load_data("digits[:10]"), load_data("digits[:10]", transform=centred)
    batch = next(examples.batches(4))
    assert torch.equal(batch.inputs, plain.tensor(slice(4)) - 0.5)
    assert batch.raw is batch.inputs
    assert examples.name == "digits[:10] | centred"
    assert examples.digest() != plain.digest()
    assert load_data("digits", transform=torch.nn.Flatten()).name == "digits | Flatten(start_dim=1, end_dim=-1)"


def test_transforms_compose():
    examples = load_data(load_data("digits[:9]", transform=centred), transform=torch.abs)
    assert torch.equal(examples.load().tensor(), (load_data("digits[:9]").tensor() - 0.5).abs())


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (lambda inputs: inputs[:1], r"the transform gave \(1, 3\), expected a tensor \(5, ...\)"),
        (len, "gave int, expected"),
    ],
)
def test_a_transform_that_loses_examples_is_refused(transform, message):
    with pytest.raises(DataError, match=message):
        list(load_data(torch.ones(5, 3), transform=transform).batches(5))


def test_dicts_cannot_be_transformed():
    loader = DataLoader([{"a": torch.ones(2)}] * 3, 2)
    with pytest.raises(DataError, match=r"inputs come as dict, expected a tensor; transform them in the data set"):
        list(load_data(loader, transform=centred).batches(2))


def test_a_loaders_batch_stays_as_it_was_given():
    dataset = TensorDataset(torch.ones(3, 2), torch.arange(3))
    batch = next(load_data(dataset, transform=centred).batches(3))
    assert batch.inputs.eq(0.5).all()
    assert batch.raw[0].eq(1).all()
