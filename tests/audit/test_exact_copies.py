from dataclasses import replace

import pytest
import torch
from torch import nn

import hashlens as hl
from hashlens.audit.exact_copies import exact_copies
from hashlens.result import Split


def net(inputs, units):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(inputs, units), nn.ReLU())


def encoded(train, test, units=5):
    """Return codes of a network too narrow to tell examples apart, if it has no more units."""
    model = net(train[0].numel(), units)
    return Split(hl.encode(model, train, batch_size=97), hl.encode(model, test))


def numbers(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_copies_are_found_however_little_the_network_tells():
    train, test = numbers(400, 1, 8, 8), numbers(90, 1, 8, 8, seed=1)
    test[[60, 3]] = train[[7, 250]]
    train[300] = train[7]
    found = exact_copies(encoded(train, test), 1.0)
    assert found.rows.tolist() == [3, 60]
    assert found.train_rows.tolist() == [250, 7]
    assert found.rate == 2 / 400
    assert found.suspected
    assert str(found) == (
        "2 of 90 test inputs equal a training input, and 0.50% of training inputs equal another one "
        "(0.5 test inputs expected)"
    )


def table(n, seed):
    """Return rows of four small numbers: about a third of 400 occur twice."""
    return torch.randint(6, (n, 4), generator=torch.Generator().manual_seed(seed)).float()


def test_equal_rows_of_a_table_are_counted_beside_the_rate_and_not_suspected():
    codes = encoded(table(400, 0), table(200, 1))
    found = exact_copies(codes, 1.0)
    rows = [set(map(tuple, part.tolist())) for part in (table(400, 0), table(200, 1))]
    assert len(found) == sum(tuple(row) in rows[0] for row in table(200, 1).tolist())
    assert abs(len(found) - found.expected) < 25
    assert not found.suspected
    assert str(found).endswith("; they are not counted as leaked")
    assert exact_copies(codes, 1.0, suspect=True).suspected


def test_equal_rows_of_a_table_in_which_none_are_ordinary_are_suspected():
    train, test = numbers(400, 6), numbers(90, 6, seed=1)
    test[5] = train[9]
    codes = encoded(train, test)
    assert exact_copies(codes, 1.0).suspected
    assert not exact_copies(codes, 1.0, suspect=False).suspected


def test_codes_without_digests_say_nothing():
    codes = encoded(numbers(50, 6), numbers(20, 6, seed=1))
    assert exact_copies(Split(codes.train, replace(codes.test, input_digests=None)), 1.0) is None


@pytest.fixture(scope="module")
def images():
    """Return codes of noise by a wide network, and by its inputs two exact copies among the test rows."""
    train, test = numbers(600, 1, 8, 8), numbers(150, 1, 8, 8, seed=1)
    test[[80, 20]] = train[[5, 6]]
    return encoded(train, test, 256)


def test_exact_copies_lead_the_ranking_with_the_row_that_they_are_of(images):
    found = hl.leaks(images.train, images.test)
    assert found.rows[:2].tolist() == [20, 80]
    assert found.train_rows[:2].tolist() == [6, 5]
    assert found.exact.tolist() == [True, True] + [False] * 148
    assert {20, 80} <= set(found.suspected_rows.tolist())
    assert "2 of 150 test inputs equal a training input" in " ".join(str(found).split())
    assert "exact copy" in str(found)
    groups = [(group.rows.train.tolist(), group.rows.test.tolist()) for group in found.groups]
    assert ([6], [20]) in groups
    assert ([5], [80]) in groups


def test_copies_leave_the_suspected_only_where_they_are_not_wanted(images):
    found = hl.leaks(images.train, images.test, suspect_copies=False)
    assert not {20, 80} & set(found.suspected_rows.tolist())
    assert not any({20, 80} & set(group.rows.test.tolist()) for group in found.groups)
    assert len(found.copies) == 2


def test_the_result_says_that_copies_could_not_be_looked_for(images):
    found = hl.leaks(replace(images.train, input_digests=None), images.test)
    assert found.copies is None
    assert "Exact copies were not searched" in " ".join(str(found).split())
