"""No leaks are invented: clean data, trained networks, and what is suspected beside what is promised."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

import hashlens as hl
from hashlens.audit.duplicates import duplicates
from hashlens.audit.leaks import leaks
from hashlens.codes.codes import concatenate

from .planted import layered


def gaussians(seed, train=3000, test=1000):
    """Return five classes of 32 normal numbers: no row is a copy of another."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(5, 32))
    labels = generator.integers(5, size=train + test)
    inputs = (centres[labels] + generator.normal(size=(train + test, 32))).astype(np.float32)
    return (inputs[:train], labels[:train]), (inputs[train:], labels[train:])


def by_hand(train, width=128, depth=3, epochs=20):
    """Return a perceptron trained by a plain loop."""
    inputs, labels = (torch.from_numpy(part) for part in train)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = [inputs.shape[1], *[width] * depth]
        layers = [part for ends in pairwise(sizes) for part in (torch.nn.Linear(*ends), torch.nn.ReLU())]
        network = torch.nn.Sequential(*layers, torch.nn.Linear(width, 5))
        optimizer = torch.optim.Adam(network.parameters(), 1e-3)
        for _ in range(epochs):
            for rows in torch.randperm(len(inputs)).split(64):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(network(inputs[rows]), labels[rows]).backward()
                optimizer.step()
    return network.eval()


@pytest.fixture(scope="module", params=["by name", "by hand"])
def trained(request):
    train, test = gaussians(0)
    network = (
        hl.train("mlp", train, width=100, depth=3, seed=0).network if request.param == "by name" else by_hand(train)
    )
    return [hl.encode(network, part, bits=1024, per_layer=True) for part in (train, test)]


@pytest.mark.slow
def test_few_of_clean_gaussians_are_suspected(trained):
    one, ten = (leaks(*trained, expected_false=number) for number in (1, 10))
    assert one.suspected <= 5
    assert ten.suspected <= 20
    assert ten.score.expected <= 10
    assert duplicates(trained[0]).extra_rows.size <= 4


@pytest.mark.slow
def test_each_layer_by_itself_keeps_its_promise(trained):
    for layer in leaks(*trained).layers:
        if not layer.reason:
            assert leaks(*trained, layer=layer.name, expected_false=10).suspected <= 22


def test_layers_of_which_chance_makes_equals_are_out_and_say_so(trained):
    last = leaks(*trained).layers[-1]
    assert "by chance" in last.reason or "share their code with another row" in last.reason
    assert last.suspected == 0


def test_copies_in_train_do_not_hide_those_in_test(trained):
    # Without digests of the inputs, as near-copies are found.
    train, test = (replace(part, input_digests=None) for part in trained)
    train = concatenate([train, test[:30], train[:60]])
    found = leaks(train, test)
    assert set(range(30)) <= set(found.suspected_rows.tolist())
    assert found.score.copies >= 100
    assert found.suspected <= 36


def digits_apart(seed):
    """Return digits without the 5 % that lie nearest to another in the inputs, as train and test."""
    examples = hl.load_data("digits").load()
    inputs, labels = examples.tensor().float().numpy(), np.asarray(examples.labels)
    flat = torch.from_numpy(inputs).flatten(1)
    distances = torch.cdist(flat, flat).sort(dim=1).values.numpy()
    ratios = distances[:, 1] / distances[:, 10]
    order = np.random.default_rng(seed).permutation(np.flatnonzero(ratios > np.quantile(ratios, 0.05)))
    return tuple((inputs[rows], labels[rows]) for rows in (order[:1200], order[1200:1700]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "arguments"),
    [("mlp", {"width": 64, "depth": 6, "epochs": 20}), ("cnn", {"width": 8, "epochs": 8})],
)
def test_few_of_clean_digits_are_suspected(architecture, arguments):
    at_one, at_ten = [], []
    for seed in range(2):
        train, test = digits_apart(seed)
        network = hl.train(architecture, train, seed=seed, **arguments).network
        codes = [hl.encode(network, part, bits=1024, per_layer=True) for part in (train, test)]
        at_one.append(leaks(*codes).suspected)
        at_ten.append(leaks(*codes, expected_false=10).suspected)
    assert sum(at_one) <= 6
    assert 8 <= sum(at_ten) <= 40


def test_all_layers_side_by_side_do_not_vouch_for_themselves():
    # What is near in the wide layer is near in both side by side; that says nothing of copies.
    generator = np.random.default_rng(0)
    points = generator.normal(size=(4000, 12))
    codes = layered(
        {name: points @ generator.normal(size=(12, bits)) > 0 for name, bits in (("wide", 600), ("narrow", 60))}
    )
    found = leaks(codes[:3000], codes[3000:], layer="all layers", expected_false=10)
    assert found.score.copies <= 2


def test_exact_copies_speak_for_no_layer(trained):
    # They are known without a code, and every layer finds them.
    train, test = trained
    found = leaks(concatenate([train, test[:200]]), test)
    assert len(found.copies) == 200
    assert all(at.suspected <= 6 for at in found.layers)
