import numpy as np
import pytest
import torch
from torch import nn

import hashlens as hl
from hashlens.errors import KernelError
from hashlens.kernels import Dense, ReLU, compare_codes, from_module, serial
from hashlens.testing.result_contract import check_result

generator = np.random.default_rng(0)
X = torch.from_numpy(generator.standard_normal((60, 6))).float()


def network(seed, init="pytorch"):
    name = "default" if init == "pytorch" else init
    return hl.nets.build("mlp", input_shape=(6,), classes=3, depth=2, width=200, init=name, seed=seed)


@pytest.fixture(scope="module")
def random():
    return compare_codes(network(1), X, draws=4)


def test_a_random_network_is_as_far_from_its_limit_as_random_ones_are(random):
    assert random.layers == ("hidden.0.relu", "hidden.1.relu")
    assert random.bits == (200, 200)
    assert random.examples == 60
    assert (np.abs(random.moved / random.random - 1) < 0.35).all()
    # Independent bits of one layer: the variance of the share is p (1 - p) / bits.
    assert random.random[0] == pytest.approx(np.sqrt(0.5 * 0.5 / 200), rel=0.2)
    assert (random.correlation > 0.8).all()


def test_codes_that_training_moved_are_farther(random):
    model = network(1)
    labels = (X[:, 0] > 0).long() + (X[:, 1] > 0).long()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X), labels).backward()
        optimizer.step()
    found = compare_codes(model, X, draws=4)
    assert np.array_equal(found.random, random.random)
    assert np.array_equal(found.limit, random.limit)
    assert found.moved[1] > 1.3 * random.moved[1]
    assert found.correlation[1] < random.correlation[1]


def test_the_limit_may_be_given_and_few_examples_taken(random):
    limit = from_module(network(1), init="he", parameterization="standard")
    given, named = compare_codes(network(1), X, limit, draws=1), compare_codes(network(1), X, init="he", draws=1)
    assert np.array_equal(given.moved, named.moved)
    assert not np.array_equal(given.limit, random.limit)
    assert compare_codes(network(1), X, examples=20, draws=1).examples == 20


def test_it_is_a_result(random, tmp_path):
    check_result(random, tmp_path)


def test_layers_that_do_not_correspond_are_refused():
    with pytest.raises(KernelError, match=r"the codes have 1 layers .*, and the limit 2 activations"):
        compare_codes(network(1), X, layers="hidden.0*")
    with pytest.raises(KernelError, match="and the limit 1 activations"):
        compare_codes(network(1), X, serial(Dense(8), ReLU(), Dense()))
    with pytest.raises(KernelError, match="examples must be a whole number, 2 or more"):
        compare_codes(network(1), X, examples=1)
