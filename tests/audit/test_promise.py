"""What is promised holds: for few rows, rows of one kind or not, repeated rows, one layer."""

from dataclasses import replace

import numpy as np
import pytest

import hashlens as hl
from hashlens.audit.exact_copies import exact_copies
from hashlens.audit.leaks import leaks
from hashlens.audit.local_ratio import OrdinaryRatios
from hashlens.audit.measured_null import UNCHECKED_POWER, MeasuredNull
from hashlens.audit.splits import ordinary_rate, train_and_test
from hashlens.codes.codes import Codes
from hashlens.errors import AuditError
from hashlens.result import Split

from .planted import evenly, flipped, layered

LIGHT = OrdinaryRatios(8.0, 1.0)
"""A curve that takes what is near for rarer than it is."""


def seen(generator, rows, pairs):
    """Return uniform ratios; where rows come in pairs, those of a pair are one."""
    return np.repeat(generator.random(rows // 2), 2) if pairs else generator.random(rows)


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize(("rows", "queries", "expected_false"), [(100, 50, 1), (60, 400, 14), (300, 140, 1)])
def test_on_average_no_more_are_suspected_than_promised_however_wrong_the_curve(pairs, rows, queries, expected_false):
    generator, suspected = np.random.default_rng(0), []
    places = np.arange(rows)
    for _ in range(400):
        ratios = seen(generator, rows, pairs)
        partners = places ^ 1 if pairs else places + rows
        null = MeasuredNull.measure(ratios, np.zeros(rows, bool), LIGHT, (places, partners))
        asked = generator.random(queries)
        suspected.append(np.count_nonzero(asked <= null.threshold(expected_false, queries, asked)))
    assert np.mean(suspected) <= expected_false + 2.5 * np.std(suspected) / 20


def two_layers(generator, rows):
    points = generator.normal(size=(rows, 12))
    return layered({name: points @ generator.normal(size=(12, 200)) > 0 for name in ("first", "second")})


def test_few_training_rows_promise_no_more_than_they_can_show():
    codes = two_layers(np.random.default_rng(0), 260)
    train, test = codes[:60], codes[60:]
    found = leaks(train, test, layer="first")
    assert found.suspected == 0
    reason = found.layers[0].reason
    assert reason.startswith("60 training rows cannot measure events rarer than 1 in ")
    least = int(reason.rpartition("=")[2])
    assert 200 / 61 <= least <= 200 * 2 / 62 + 1
    assert not leaks(train, test, layer="first", expected_false=least).layers[0].reason
    less = leaks(train, test, layer="first", expected_false=least - 1).layers[0].reason
    assert less == reason.replace("and 1 of", f"and {least - 1} of")


def test_more_rows_are_asked_for_a_rarer_event():
    generator = np.random.default_rng(0)
    points = generator.normal(size=(9000, 12))
    codes = Codes.from_bits(points @ generator.normal(size=(12, 64)) > 0)
    found = leaks(codes[:8500], codes[8500:], expected_false=0.13)
    assert "training rows cannot measure" not in found.layers[0].reason


def digests(rows, seed=0):
    return np.random.default_rng(seed).integers(256, size=(rows, 16), dtype=np.uint8)


@pytest.fixture(scope="module")
def repeated():
    """Return train with each of 300 rows 12 times, and test with four exact copies and four changed ones."""
    generator = np.random.default_rng(0)
    bits = evenly(generator, 420, 400)
    bits[300:304] = bits[:4]
    for row in range(4):
        bits[304 + row] = flipped(generator, bits[10 + row], 0.02)
    keys = digests(420)
    keys[300:304] = keys[:4]
    codes = Codes.from_bits(bits)
    times = np.tile(np.arange(300), 12)
    return Split(replace(codes[times], input_digests=keys[times]), replace(codes[300:], input_digests=keys[300:]))


def test_training_rows_that_were_repeated_hide_no_copy(repeated):
    found = leaks(repeated.train, repeated.test)
    assert set(range(8)) <= set(found.suspected_rows.tolist())
    assert found.suspected <= 10
    partner = dict(zip(found.rows.tolist(), found.train_rows.tolist(), strict=True))
    assert [partner[row] for row in range(8)] == [0, 1, 2, 3, 10, 11, 12, 13]
    groups = {tuple(group.rows.test.tolist()): group.rows.train.tolist() for group in found.groups}
    assert groups[5,] == list(range(11, 3600, 300))


def test_rows_repeated_on_purpose_say_nothing_of_what_is_ordinary(repeated):
    found = exact_copies(repeated, 1.0)
    assert (found.rate, found.expected, found.suspected) == (1.0, 0.0, True)
    assert str(found) == (
        "4 of 120 test inputs equal a training input, and 100.00% of training inputs equal another one "
        "(0.0 test inputs expected, estimated from repeats within test)"
    )
    part = replace(repeated.train[np.arange(0, 90)], ids=np.arange(90))
    with pytest.raises(AuditError, match="test is a part of train"):
        train_and_test(repeated.train, part)


def test_a_part_of_a_set_that_was_put_together_three_times_is_refused():
    codes = replace(Codes.from_bits(evenly(np.random.default_rng(0), 300, 100)), input_digests=digests(300))
    with pytest.raises(AuditError, match="test is a part of train"):
        train_and_test(codes[np.tile(np.arange(300), 3)], codes[50:80])
    assert ordinary_rate(Split(np.tile(np.arange(5), 9), np.arange(5))) == 1


@pytest.mark.parametrize(("train", "test"), [(4000, 600), (600, 4000), (30, 2000), (3000, 30)])
@pytest.mark.parametrize("values", [100, 3000])
def test_the_rate_of_equal_rows_is_that_of_a_table(train, test, values):
    generator = np.random.default_rng(0)
    rates, shares = [], []
    for _ in range(40):
        keys = Split(*(generator.integers(values, size=rows) for rows in (train, test)))
        rates.append(ordinary_rate(keys))
        shares.append(np.isin(keys.test, keys.train).mean())
    assert np.mean(rates) == pytest.approx(np.mean(shares), rel=0.15, abs=2 / test)


def test_whether_rows_are_of_one_kind_does_not_hang_on_the_promise():
    generator = np.random.default_rng(0)
    points = generator.normal(size=(700, 12))
    # As of a network that knows its training rows by heart: three in four lie nearer to them, and are no copies.
    points[400:625] = points[:225] + 0.55 * generator.normal(size=(225, 12))
    codes = layered({name: points @ generator.normal(size=(12, 300)) > 0 for name in ("first", "second")})
    for expected_false in (2, 40):
        reasons = [at.reason for at in leaks(codes[:400], codes[400:], expected_false=expected_false).layers]
        assert all(reason.startswith("the distances differ from those in train") for reason in reasons)


def test_few_training_rows_are_a_kind_that_is_hardly_known():
    refused = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        null, queries = MeasuredNull.measure(generator.random(50)), generator.random(400)
        refused += null.distribution_shift(queries, 0.01) != ""
    assert refused <= 1


def test_one_layer_alone_promises_less_than_its_curve():
    ratios = np.linspace(0.001, 1, 600)
    null = MeasuredNull.measure(ratios, np.ones(600, bool), LIGHT, power=UNCHECKED_POWER)
    # No less than 600 rows can show, and no more than was seen.
    expected = [1 / 601, LIGHT.probability(0.45) ** 0.6, LIGHT.probability(0.7) ** 0.6]
    assert null.probability([0.2, 0.45, 0.7]) == pytest.approx(expected)


def test_reasons_are_true():
    generator = np.random.default_rng(0)
    bits = np.eye(300, dtype=bool)
    bits[:200] = generator.random((200, 300)) < 0.5
    # Of a third of the rows, all neighbours are at one distance.
    found = leaks(Codes.from_bits(bits), Codes.from_bits(generator.random((20, 300)) < 0.5))
    assert found.layers[0].reason == "a quarter of the rows or more have all neighbours at the same distance"


def test_an_audit_of_more_test_than_training_rows_says_how_many_chance_suspects():
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(160, 10)).astype(np.float32)
    labels = (inputs[:, 0] > 0).astype(int)
    train, test = (inputs[:60], labels[:60]), (inputs[60:], labels[60:])
    test[0][:3] = train[0][5:8] + np.float32(1e-3)
    network = hl.train("mlp", train, width=64, depth=1, epochs=3, seed=0).network
    found = hl.audit(network, train, test)
    assert found.leaks.expected_false == 4  # 2 * 100 / 62, rounded up.
    assert {0, 1, 2} <= set(found.leaks.suspected_rows.tolist())
