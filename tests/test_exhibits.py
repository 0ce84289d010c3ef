import json

import numpy as np
import pytest

from hashlens.codes.codes import Codes
from hashlens.measurement.exhibits import MAX_COLLISIONS, MAX_MAP_ROWS, MAX_SHOWN, NovelExamples, exhibits
from hashlens.measures import determinism
from hashlens.measures.prepared import nearest_train, prepare
from hashlens.plain import from_plain
from hashlens.result import Split


def shown_of(train, test, k=3, **arguments):
    prepared = prepare(train, test)
    found = Split(determinism(train), determinism(test))
    return exhibits(prepared, *nearest_train(prepared, k), found, **arguments)


def two_clusters(rows, wrong=()):
    """Return codes of two classes, 16 bits apart, with two bits of noise, and some labels exchanged."""
    generator = np.random.default_rng(len(rows))
    labels = np.asarray(rows)
    bits = np.repeat(labels[:, None], 16, axis=1)
    bits = np.concatenate([bits, generator.integers(2, size=(len(rows), 2))], axis=1)
    labels = labels.copy()
    labels[list(wrong)] ^= 1
    return Codes.from_bits(bits, labels, ids=np.arange(len(rows)) + 100)


def random_codes(seed, rows, bits, classes):
    generator = np.random.default_rng(seed)
    return Codes.from_bits(generator.integers(2, size=(rows, bits)), generator.integers(classes, size=rows))


TRAIN = two_clusters([0, 1] * 20)


def test_exchanged_labels_are_doubted_and_no_others():
    found = shown_of(TRAIN, two_clusters([0, 1] * 6, wrong=(3, 8))).labels
    assert found.rows.tolist() == [3, 8]
    assert found.ids.tolist() == [103, 108]
    assert (found.given.tolist(), found.suggested.tolist()) == ([0, 1], [1, 0])
    assert found.share.tolist() == [1.0, 1.0]
    assert found.found == 2


def test_what_train_has_nothing_like_is_novel():
    bits = two_clusters([0, 1] * 6).unpack()
    bits[5, :8] ^= True
    found = shown_of(TRAIN, Codes.from_bits(bits, [0, 1] * 6)).novel
    assert found.rows[0] == 5
    assert found.distances[0] >= 8 > 2 >= found.median_distance
    assert (np.diff(found.distances) <= 0).all()
    assert found.distances.min() > found.median_distance
    assert found.to_dict()["ordinary"] == found.median_distance  # the key of earlier files
    assert from_plain(NovelExamples, found.to_dict()).median_distance == found.median_distance


def test_collisions_have_conflicts_first_and_show_every_class():
    bits = [[0, 0]] * 9 + [[0, 1]] * 7 + [[1, 0]] * 2 + [[1, 1]]
    labels = [4] * 9 + [1] * 6 + [2] + [3, 5] + [0]
    codes = Codes.from_bits(bits, labels)
    first, second, third = shown_of(codes, codes).collisions.train
    assert (first.size, first.conflicting, sorted(set(first.labels))) == (7, True, [1, 2])
    assert (second.size, second.conflicting, second.rows.tolist()) == (2, True, [16, 17])
    assert (third.size, third.conflicting, len(third.rows)) == (9, False, MAX_SHOWN)


def test_there_is_a_limit_to_what_is_listed():
    found = shown_of(random_codes(0, 50, 12, 4), random_codes(1, MAX_MAP_ROWS + 700, 12, 4))
    assert len(found.map.rows) == MAX_MAP_ROWS
    assert found.map.drawn_from == MAX_MAP_ROWS + 700
    assert (np.diff(found.map.rows) > 0).all()
    assert len(found.collisions.test) == MAX_COLLISIONS
    assert len(json.dumps(found.to_dict())) < 200_000


@pytest.mark.parametrize("k", [1, 2, 4, 9])
def test_shares_are_votes(k):
    train, test = random_codes(0, 80, 6, 3), random_codes(1, 200, 6, 3)
    found = shown_of(train, test, k=k).labels
    _, rows = nearest_train(prepare(train, test), k)
    for row, given, suggested, share in zip(found.rows, found.given, found.suggested, found.share, strict=True):
        votes = np.bincount(train.labels[rows[row]], minlength=3)
        assert suggested == votes.argmax() != given == test.labels[row]
        assert share == votes.max() / k >= 2 / 3
