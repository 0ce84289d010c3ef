from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashlens.codes.codes import Codes
from hashlens.codes.fingerprint import Fingerprints, hash_rows
from hashlens.errors import MeasureError
from hashlens.measures import determinism, rarefied, redundancy_ratio

A, B, C = [0, 0], [0, 1], [1, 1]


def fingerprints(codes: Codes) -> Fingerprints:
    return Fingerprints(hash_rows(codes.packed), codes.code_bits, codes.labels, codes.ids, codes.provenance)


def test_the_ratio_of_a_a_b_c_c_is_two_fifths():
    assert redundancy_ratio(Codes.from_bits([A, A, B, C, C])) == 0.4


def test_10_000_uniform_16_bit_codes_have_the_expected_ratio(make_codes):
    expected = 1 - 2**16 * (1 - (1 - 2**-16) ** 10_000) / 10_000
    assert expected == pytest.approx(0.0726, abs=0.0005)
    found = [redundancy_ratio(make_codes(seed, 10_000, 16)) for seed in range(5)]
    assert np.mean(found) == pytest.approx(expected, abs=0.003)


@pytest.mark.parametrize("bits", [1, 5, 64, 65, 300])
def test_fingerprints_and_codes_agree(make_codes, bits):
    codes = make_codes(bits, 500, bits)[np.arange(700) % 450]
    assert redundancy_ratio(fingerprints(codes)) == redundancy_ratio(codes) >= 250 / 700


@given(st.lists(st.integers(0, 7), min_size=2, max_size=30))
def test_collision_probability_is_the_share_of_pairs_that_collide(values):
    codes = Codes.from_bits([[v & 1, v >> 1 & 1, v >> 2] for v in values])
    pairs = list(combinations(values, 2))
    found = determinism(codes)
    assert found.collision_probability == pytest.approx(np.mean([a == b for a, b in pairs]))
    assert found.distinct == len(set(values))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.data())
def test_rarefaction_is_the_mean_over_all_subsets(values, data):
    m = data.draw(st.integers(1, len(values)))
    ratios = [1 - len(set(chosen)) / m for chosen in combinations(values, m)]
    assert rarefied(np.unique(values, return_counts=True)[1], m) == pytest.approx(np.mean(ratios), abs=1e-12)


def test_groups_come_largest_first_with_rows_ids_and_labels():
    codes = Codes.from_bits([A, B, C, C, A, C], labels=[0, 1, 2, 2, 5, 2], ids=np.array(list("uvwxyz")))
    found = determinism(codes, rarefy_to=6)
    assert [group.rows.tolist() for group in found.groups] == [[2, 3, 5], [0, 4]]
    assert [group.ids.tolist() for group in found.groups] == [["w", "x", "z"], ["u", "y"]]
    assert [group.labels.tolist() for group in found.conflicts] == [[0, 5]]
    assert (found.conflicting_groups, found.conflicting_rows) == (1, 2)
    assert found.rarefied_ratio == found.redundancy_ratio == 0.5
    assert "0.5000" in str(found)


def test_without_labels_conflicts_are_unknown_not_zero():
    found = determinism(Codes.from_bits([A, A]))
    assert found.conflicting_groups is None
    assert found.conflicts == ()


def test_given_labels_replace_those_of_the_codes():
    codes = Codes.from_bits([A, A], labels=[0, 0])
    assert determinism(codes, labels=[0, 1]).conflicting_rows == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: redundancy_ratio(Codes.from_bits(np.zeros((0, 3)))), "at least one row, received none"),
        (lambda: determinism(Codes.from_bits([A]), rarefy_to=2), "between 1 and the 1 examples there are, received 2"),
        (lambda: determinism(Codes.from_bits([A]), labels=[1, 2]), "one label for each of 1 rows"),
        (lambda: rarefied([1, 2], 0), "received 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(MeasureError, match=message):
        call()
