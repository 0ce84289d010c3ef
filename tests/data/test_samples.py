"""Lists of samples are data wherever data are taken."""

import numpy as np
import pytest
import torch

import hashlens as hl
from hashlens.data import load_data

X = torch.rand(90, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > X[:, 1]).long()


class Named(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, batch):
        return self.network(batch["x"])


@pytest.fixture(scope="module")
def network():
    return hl.train("mlp", (X, Y), width=8, epochs=3, seed=0).network


def pairs(rows=slice(None)):
    return list(zip(X[rows], Y[rows].tolist(), strict=True))


@pytest.mark.parametrize(
    "samples",
    [list(X), [row.numpy() for row in X], pairs(), tuple(pairs()), [[x, y] for x, y in pairs()],
     [(x.numpy(), torch.tensor(y)) for x, y in pairs()], [(x, np.int64(y), "file.png") for x, y in pairs()]],
    ids=["tensors", "arrays", "pairs", "tuple of pairs", "lists", "labels as tensors", "more than a label"],
)  # fmt: skip
def test_codes_of_a_list_are_those_of_the_array(samples, network):
    codes, expected = hl.encode(network, samples), hl.encode(network, (X, Y))
    assert np.array_equal(codes.packed, expected.packed)
    assert codes.ids.tolist() == list(range(90))
    paired = not hasattr(samples[0], "shape")
    assert codes.labels.tolist() == Y.tolist() if paired else codes.labels is None


def test_dicts_are_samples_too(network):
    found = hl.encode(Named(network), [{"x": x, "label": y} for x, y in pairs()], forward=lambda net, batch: net(batch))
    assert np.array_equal(found.packed, hl.encode(network, X).packed)
    assert found.labels.tolist() == Y.tolist()


def test_labels_that_are_names_are_numbered(network):
    found = load_data([(x, "cat" if y else "ant") for x, y in pairs()])
    assert found.class_names == ("ant", "cat")
    assert found.labels.tolist() == Y.tolist()


def test_two_samples_are_no_pair_of_inputs_and_labels():
    assert len(load_data([X[0], X[1]])) == 2
    assert len(load_data([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)])) == 2
    assert len(load_data(pairs(slice(2)))) == 2
    assert load_data([X, Y]).labels.tolist() == Y.tolist()
    assert load_data([X[:2], [1, 0]]).labels.tolist() == [1, 0]


def test_every_verb_takes_lists(network):
    train, test = slice(60), slice(60, None)
    measured = hl.measure(network, pairs(train), pairs(test), controls=False)
    assert (
        measured.categorization
        == hl.measure(network, (X[train], Y[train]), (X[test], Y[test]), controls=False).categorization
    )
    assert (
        hl.audit(network, pairs(train), pairs(test)).accuracy
        == hl.audit(network, (X[train], Y[train]), (X[test], Y[test])).accuracy
    )
    assert np.array_equal(
        hl.explain(network, list(X[:3]), "gradient").values, hl.explain(network, X[:3], "gradient").values
    )
    assert len(hl.train("mlp", pairs(), width=3, epochs=1).network(X)) == 90


def test_samples_of_several_shapes_are_read_by_the_loader_they_need(network):
    samples = [torch.ones(2, 4), torch.ones(3, 4)]
    with pytest.raises(hl.errors.DataError, match="give a DataLoader with a collate_fn"):
        hl.encode(network, samples)


def test_samples_that_are_no_arrays_are_named():
    class Picture:
        pass

    with pytest.raises(hl.errors.DataError, match="a tuple that begins with Picture: make it a tensor or an array"):
        hl.load_data([(Picture(), 0), (Picture(), 1)])
