from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import hashlens as hl
from hashlens.audit.splits import input_keys, repeat_rate, train_and_test
from hashlens.codes.codes import Codes
from hashlens.errors import AuditError
from hashlens.result import Split


def narrow():
    """Return a network whose codes tell no more than eight inputs apart."""
    net = nn.Sequential(nn.Linear(12, 3), nn.ReLU())
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(3, 12))
        net[0].bias.zero_()
    return net


@pytest.fixture
def net():
    with torch.random.fork_rng():
        return narrow()


def points(n, seed):
    return torch.randn(n, 12, generator=torch.Generator().manual_seed(seed))


def test_fresh_data_of_a_narrow_network_are_no_training_data(net):
    train, test = hl.encode(net, points(500, 0)), hl.encode(net, points(100, 1))
    assert set(map(bytes, test.packed)) <= set(map(bytes, train.packed))
    train_and_test(train, test)
    # Where codes carry no digests, that training rows share codes as well says the same.
    train_and_test(replace(train, input_digests=None), test)


def test_training_inputs_are_refused_as_test_whatever_the_network(net):
    given = points(500, 0)
    train = hl.encode(net, given)
    with pytest.raises(AuditError, match="each of the 100 test inputs is also that of a training example"):
        train_and_test(train, hl.encode(net, given[200:300]))


def test_without_digests_codes_that_tell_examples_apart_are_compared():
    bits = np.random.default_rng(0).random((300, 64)) < 0.5
    with pytest.raises(AuditError, match="each of the 50 test codes"):
        train_and_test(Codes.from_bits(bits), Codes.from_bits(bits[40:90]))


def test_a_table_of_few_different_rows_is_not_refused(net):
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randint(2, (n, 12), generator=generator).float() for n in (60_000, 200)]
    train, test = (hl.encode(net, part, batch_size=4096) for part in rows)
    keys = input_keys(Split(train, test))
    assert np.isin(keys.test, keys.train).all()
    train_and_test(train, test)


def test_digests_of_other_dtypes_are_not_compared(net):
    train = hl.encode(net, points(50, 0))
    assert input_keys(Split(train, train)) is not None
    other = hl.encode(net.double(), points(50, 0))
    assert input_keys(Split(train, other)) is None
    assert input_keys(Split(train, replace(train, input_digests=None))) is None


def test_the_rate_counts_every_row_that_has_an_equal():
    assert repeat_rate(np.array([1, 1, 1, 2, 3, 3])) == pytest.approx(5 / 6)
    assert repeat_rate(np.arange(4)) == 0
