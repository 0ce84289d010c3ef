import csv

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import hashlens as hl
from hashlens.audit.compare_models import common_neighbours, compare_models
from hashlens.errors import AuditError
from hashlens.nets.class_names import declare_classes


@pytest.fixture(scope="module")
def trained():
    return [hl.train("mlp", "digits#train", epochs=3, width=40, depth=2, seed=seed).network for seed in (0, 1)]


def plain_neighbours(bits, k):
    """The k nearest others of each row, of equally near ones those of lower row, all pairs written out."""
    distances = (bits[:, None] != bits[None]).sum(axis=2).astype(float)
    np.fill_diagonal(distances, np.inf)
    return [set(np.argsort(row, kind="stable")[:k].tolist()) for row in distances]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), rows=st.integers(3, 40), bits=st.integers(1, 20), k=st.integers(1, 9))
def test_common_neighbours_are_those_of_plain_sets(seed, rows, bits, k):
    k = min(k, rows - 1)
    random = np.random.default_rng(seed)
    a, b = (random.random((rows, bits)) < 0.5 for _ in range(2))
    expected = [len(x & y) for x, y in zip(plain_neighbours(a, k), plain_neighbours(b, k), strict=True)]
    assert common_neighbours(hl.Codes.from_bits(a), hl.Codes.from_bits(b), k).tolist() == expected


def test_two_seeds_agree_more_than_chance_and_less_than_one_network_with_itself(trained):
    same = compare_models(trained[0], trained[0], "digits#test", k=5)
    assert all(at.cka == pytest.approx(1) and at.overlap == at.jaccard == 1 for at in same.layers)
    assert (same.overlap == 1).all()
    assert same.same_predictions == 1
    assert same.notes == ("The two models have the same parameters.",)
    other = compare_models(*trained, "digits#test", k=5)
    assert [at.name for at in other.layers] == ["hidden.0.relu", "hidden.1.relu"]
    for at in other.layers:
        assert 3 * other.chance < at.overlap < 0.9
        assert at.jaccard < at.overlap
        assert 0.2 < at.cka < 0.99


def test_numbers_are_those_of_the_codes(trained):
    found = compare_models(*trained, "digits#test", layers="hidden.1*", bits=30, seed=2)
    codes = [hl.encode(net, "digits#test", layers="hidden.1*").sample_bits(30, 2) for net in trained]
    common = common_neighbours(*codes, 10)
    assert found.layers[0].bits == (30, 30)
    assert found.layers[0].overlap == pytest.approx(common.mean() / 10)
    assert found.overlap == pytest.approx(np.sort(common) / 10)
    assert found.overlap == pytest.approx(common[found.rows] / 10)
    assert (found.labels == codes[0].labels[found.rows]).all()
    accuracy = [(predicted == found.labels).mean() for predicted in (found.predicted_a, found.predicted_b)]
    assert found.accuracy == pytest.approx(accuracy)


def test_the_examples_that_a_change_moves_come_first():
    """Where only some inputs reach the part of a network that was changed, those are the ones that move."""
    rows = torch.zeros(60, 21)
    rows[:, :20] = (torch.rand(60, 20, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    rows[:8, 20] = 1.0

    def network(weights):
        net = torch.nn.Sequential(torch.nn.utils.skip_init(torch.nn.Linear, 21, 20), torch.nn.ReLU())
        with torch.no_grad():
            net[0].weight[:, :20] = torch.eye(20)
            net[0].weight[:, 20] = weights
            net[0].bias.fill_(-0.5)
        return net

    moved = torch.where(torch.arange(20) % 2 == 0, 1.0, -1.0)
    found = compare_models(network(torch.zeros(20)), network(moved), rows, k=4)
    assert set(range(8)) >= set(found.ids[:5].tolist())
    assert found.overlap[found.ids < 8].mean() < 0.5 * found.overlap[found.ids >= 8].mean()


def test_layers_of_one_model_are_said_to_be_left_out(trained):
    with torch.random.fork_rng():
        deeper = hl.nets.MLP(64, 10, width=25, depth=3)
    found = compare_models(trained[0], deeper, "digits#test")
    assert [at.bits for at in found.layers] == [(40, 25), (40, 25)]
    assert found.notes == ("Left out, because only one of the models has it: hidden.2.relu.",)


def test_it_prints_and_is_written(trained, tmp_path):
    found = compare_models(*trained, "digits#test")
    assert "Largest changes of the neighbourhood" in str(found)
    assert "Overlap of the 10 nearest neighbours; by chance" in str(found)
    with found.to_csv(tmp_path / "moved.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [int(line["id"]) for line in lines] == found.ids.tolist()
    numbers = {"label", "predicted_a", "predicted_b"}
    assert set(lines[0]) == {"rank", "id", "row", "overlap"} | numbers | {f"{name}_name" for name in numbers}
    assert found.to_dict()["layers"][0]["name"] == "hidden.0.relu"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"k": 0}, "k must be a whole number, 1 or more, received 0"),
        ({"bits": 0}, "bits must be a whole number, 1 or more, received 0"),
        ({"memory_budget": "2 GB"}, "memory_budget must be a whole number, 1 or more, received '2 GB'"),
        ({"k": 500}, "k=500 neighbours need more than 500 examples"),
    ],
)
def test_wrong_arguments(trained, settings, says):
    with pytest.raises(hl.HashlensError, match=says):
        compare_models(*trained, "digits#test", **settings)


def test_models_without_a_common_layer_are_refused(trained):
    other = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.utils.skip_init(torch.nn.Linear, 64, 5), torch.nn.ReLU())
    torch.nn.init.zeros_(other[1].weight), torch.nn.init.zeros_(other[1].bias)
    with pytest.raises(AuditError, match=r"no layer of the same name: hidden.0.relu, hidden.1.relu, ... and 2, ..."):
        compare_models(trained[0], other, "digits#test")


class Sorter(torch.nn.Module):
    """Tells three unit vectors apart, with its outputs in an order of its own."""

    def __init__(self, order):
        super().__init__()
        with torch.random.fork_rng():
            self.hidden, self.relu, self.out = torch.nn.Linear(3, 12), torch.nn.ReLU(), torch.nn.Linear(12, 3)
        with torch.no_grad():
            weights = np.random.default_rng(1).normal(size=(9, 3))
            self.hidden.weight.copy_(torch.tensor(np.concatenate([np.eye(3), weights])))
            self.out.weight.copy_(torch.tensor(np.eye(3, 12)[order]))
            self.hidden.bias.zero_()
            self.out.bias.zero_()

    def forward(self, x):
        return self.out(self.relu(self.hidden(x)))


NAMES = ("ant", "bee", "cow")


@pytest.fixture
def sorters():
    """Two networks that are always right, with their classes in different orders."""
    pair = Sorter([0, 1, 2]), Sorter([2, 0, 1])
    declare_classes(pair[0], NAMES)
    declare_classes(pair[1], ("cow", "ant", "bee"))
    return pair


@pytest.mark.parametrize("present", [NAMES, NAMES[1:]], ids=["all classes", "one missing"])
def test_classes_of_two_networks_are_compared_by_name(sorters, present):
    classes = np.array([NAMES.index(present[row % len(present)]) for row in range(60)])
    inputs = torch.from_numpy(np.eye(3)[classes] + 0.05 * np.random.default_rng(0).normal(size=(60, 3))).float()
    data = (inputs, np.array(NAMES)[classes])
    found = compare_models(*sorters, data, k=5)
    assert found.accuracy == (1.0, 1.0)
    assert found.same_predictions == 1.0
    assert (found.predicted_b == found.labels).all()
    assert [found.class_names[at] for at in found.labels] == data[1][found.rows].tolist()
    # Numbers are those of the first; the second is read by the names that both declare.
    numbered = compare_models(*sorters, (inputs, classes), k=5)
    assert numbered.same_predictions == 1.0
    assert numbered.accuracy == (1.0, 1.0)
