"""Mistakes that the code is sure of."""

import csv

import numpy as np
import pytest

from hashlens.audit.blind_spots import blind_spots
from hashlens.codes.codes import Codes
from hashlens.errors import AuditError, CodesError


def codes(rows, labels):
    return Codes.from_bits(rows, labels=labels)


@pytest.fixture
def split():
    train = codes([[0, 0, 0, 0]] * 5 + [[1, 1, 1, 1]] * 5 + [[0, 0, 1, 1]] * 2, [0] * 5 + [1] * 5 + [0, 1])
    test = codes([[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1]], [0, 1, 1, 1])
    return train, test


def test_a_mistake_among_the_other_class_is_blind(split):
    found = blind_spots(*split, [0, 0, 0, 1], k=2)
    assert found.rows.tolist() == [1, 2]
    assert found.agreement.tolist() == [1.0, 0.5]
    assert (found.blind, found.examples) == (1, 4)
    assert found.pairs == [(1, 0, 2, 1)]
    assert "1 of 2 mistakes on 4 test examples" in str(found)


def test_a_network_without_mistakes_has_none(split):
    found = blind_spots(*split, [0, 1, 1, 1], k=2)
    assert len(found) == found.blind == 0
    assert found.pairs == []
    assert "0 of 0" in str(found)


def test_every_mistake_is_a_line(split, tmp_path):
    path = blind_spots(*split, [0, 0, 0, 1], k=2).to_csv(tmp_path / "blind.csv")
    lines = list(csv.DictReader(path.read_text().splitlines()))
    assert [line["id"] for line in lines] == ["1", "2"]
    assert list(lines[0]) == ["rank", "id", "row", "label", "predicted", "agreement"]


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"k": 13}, AuditError, "more than the 12 training codes"),
        ({"k": 0}, AuditError, "whole number, 1 or more"),
        ({"predicted": [0, 1]}, Exception, "4"),
        ({"test": Codes.from_bits(np.zeros((4, 5)), labels=[0, 1, 1, 1])}, CodesError, "bits"),
    ],
)
def test_what_does_not_fit_is_refused(split, change, error, says):
    given = {"train": split[0], "test": split[1], "predicted": [0, 0, 0, 1], "k": 2} | change
    with pytest.raises(error, match=says):
        blind_spots(**given)
