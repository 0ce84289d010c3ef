import csv
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashlens.audit.duplicates import duplicates
from hashlens.audit.layer_choice import ORDINARY_ROWS
from hashlens.audit.linked_rows import linked
from hashlens.codes.codes import Codes
from hashlens.codes.packing import pack_bits
from hashlens.errors import AuditError

from .planted import evenly, flipped, planted

COPIES = {10: (110, 111), 20: (120,), 30: (130,)}


def with_copies(rows=1500):
    """Return codes in which some rows are near-copies of others, and 30 and 130 are equal."""
    generator = np.random.default_rng(0)
    bits = evenly(generator, rows, 400)
    for row, copies in COPIES.items():
        for copy in copies:
            bits[copy] = flipped(generator, bits[row], 0.01)
    bits[130] = bits[30]
    labels = np.zeros(rows, np.int64)
    labels[120] = 1
    return Codes.from_bits(bits, labels, ids=np.arange(rows) + 5000)


def test_planted_copies_are_grouped_and_nothing_much_else():
    found = duplicates(with_copies())
    groups = {tuple(group.rows.tolist()): group for group in found.groups}
    assert {(10, 110, 111), (20, 120), (30, 130)} <= set(groups)
    assert len(found) <= len(COPIES) + 3
    assert found.groups[0].rows.tolist() == [30, 130]
    assert [groups[rows].identical for rows in ((30, 130), (10, 110, 111))] == [True, False]
    assert groups[10, 110, 111].ids.tolist() == [5010, 5110, 5111]
    assert [group.rows.tolist() for group in found.conflicts] == [[20, 120]]
    assert {110, 111, 120, 130} <= set(found.extra_rows.tolist())
    assert not {10, 20, 30} & set(found.extra_rows.tolist())


def test_more_equal_rows_than_neighbours_are_one_group():
    codes = with_copies()
    packed = codes.packed.copy()
    packed[200:240] = packed[200]
    found = duplicates(Codes(packed, codes.layers))
    assert found.groups[0].rows.tolist() == list(range(200, 240))
    assert found.groups[0].identical


@pytest.mark.slow
def test_the_layer_is_chosen_and_all_rows_searched_in_it():
    train, _, _ = planted(train=ORDINARY_ROWS + 700, test=10, leaked=1)
    packed = train.packed.copy()
    packed[-50:] = packed[:50]
    sharp = train.layers[1].byte_slice
    # In the other layer the copies are near as well, and less so.
    packed[:50, : sharp.start] ^= pack_bits(np.random.default_rng(0).random((50, 400)) < 0.08)
    found = duplicates(Codes(packed, train.layers))
    assert found.layer == "sharp"
    pairs = {tuple(group.rows.tolist()) for group in found.groups}
    assert {(row, ORDINARY_ROWS + 650 + row) for row in range(50)} <= pairs


def test_pairs_near_in_one_layer_alone_are_no_duplicates():
    train, _, _ = planted(train=2000, test=10, leaked=1)
    packed = train.packed.copy()
    sharp = train.layers[1].byte_slice
    packed[-100:, sharp.start : sharp.stop] = packed[:100, sharp.start : sharp.stop]
    found = duplicates(Codes(packed, train.layers))
    assert len(found.extra_rows) <= 2
    score = next(at for at in found.layers if at.name == "sharp")
    assert "rows would share their code with another by chance" in score.reason


def test_codes_that_tell_nothing_apart_have_no_duplicates():
    for bits, reason in (
        (np.zeros((50, 4)), "no bit varies"),
        (np.random.default_rng(0).random((900, 14)) < 0.5, "no other layer to distinguish copies from chance"),
    ):
        found = duplicates(Codes.from_bits(bits))
        assert len(found) == 0
        assert reason in found.layers[0].reason
        assert "No layer distinguishes examples well enough" in " ".join(str(found).split())


def test_equal_inputs_are_grouped_whatever_the_codes():
    bits = np.zeros((50, 4), bool)
    digests = np.random.default_rng(0).integers(256, size=(50, 16), dtype=np.uint8)
    digests[40] = digests[3]
    codes = Codes.from_bits(bits)
    found = duplicates(replace(codes, input_digests=digests))
    assert [group.rows.tolist() for group in found.groups] == [[3, 40]]


def test_the_file_holds_a_line_for_each_example(tmp_path):
    found = duplicates(with_copies())
    with found.to_csv(tmp_path / "duplicates.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["id"]) - 5000 for row in rows] == [row for group in found.groups for row in group.rows.tolist()]
    assert rows[0] == {
        "rank": "1", "id": "5030", "row": "30", "ratio": "0", "group_ratio": "0", "identical": "true", "label": "0"
    }  # fmt: skip


def test_people_read_groups_and_layers():
    text = str(duplicates(with_copies()))
    assert "5030, 5130" in text
    assert "code (chosen)" in text


@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=12))
def test_linked_rows_are_those_of_a_search_in_the_graph(rows, pairs):
    pairs = [(a % rows, b % rows) for a, b in pairs]
    part = list(range(rows))
    for _ in range(rows):
        for a, b in pairs:
            part[a] = part[b] = min(part[a], part[b])
    expected = [[row for row in range(rows) if part[row] == first] for first in sorted(set(part))]
    expected = sorted((group for group in expected if len(group) > 1), key=lambda group: (-len(group), group[0]))
    given_pairs = np.array(pairs, np.int64).reshape(-1, 2).T
    assert [group.tolist() for group in linked(given_pairs, rows)] == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda codes: duplicates(codes[:10]), "at least 11 rows to search, received 10"),
        (lambda codes: duplicates(codes[:0]), "at least 11 rows to search, received 0"),
        (lambda codes: duplicates(codes, k=0), "k must be a whole number, 3 or more"),
        (lambda codes: duplicates(codes, layer="cod"), "did you mean 'code'"),
        (lambda codes: duplicates(codes.packed), "codes must be Codes, .* received ndarray"),
        (lambda codes: duplicates(codes, expected_false=300), "expected_false must be less than the 300 examples"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(AuditError, match=message):
        call(with_copies(300))
