import numpy as np
import pytest

from hashlens.codes.codes import Codes, concatenate
from hashlens.errors import MeasureError
from hashlens.measures import bits_to_determinism, redundancy_ratio
from hashlens.seeds import numpy_generator


@pytest.mark.parametrize("bits", [40, 64, 65, 130])
@pytest.mark.parametrize("threshold", [0.0, 0.01, 0.3])
def test_it_is_the_first_of_all_prefixes_of_one_random_order(make_codes, bits, threshold):
    codes = make_codes(bits, 300, bits)
    order = numpy_generator(3, "bits to determinism").permutation(bits)
    matrix = codes.unpack()[:, order]
    ratios = [redundancy_ratio(Codes.from_bits(matrix[:, :b])) for b in range(1, bits + 1)]
    found = bits_to_determinism(codes, threshold, seed=3)
    assert found.bits == next((b for b, ratio in enumerate(ratios, 1) if ratio <= threshold), None)
    assert all(ratio == ratios[bits - 1] for bits, ratio in found.curve)


def test_r_never_rises_along_the_curve_and_the_whole_code_ends_it(make_codes):
    codes = make_codes(0, 2000, 200)
    found = bits_to_determinism(codes)
    assert [b for b, _ in found.curve] == sorted({b for b, _ in found.curve})
    assert all(a >= b for (_, a), (_, b) in zip(found.curve, found.curve[1:], strict=False))
    assert found.curve[-1] == (200, redundancy_ratio(codes))


def test_a_code_that_is_never_deterministic_gives_none(make_codes):
    codes = make_codes(0, 50, 70)
    found = bits_to_determinism(concatenate([codes, codes]))
    assert found.bits is None
    assert found.curve[-1] == (70, 0.5)
    assert "not with all bits" in str(found)


def test_bits_of_several_layers_are_found_past_the_padding():
    from hashlens.codes.codes import pack_bits
    from hashlens.codes.layers import Layer, lay_out

    rows = np.arange(8)
    first, second = (rows[:, None] >> np.arange(2) & 1).astype(bool), (rows[:, None] >> 2 & 1).astype(bool)
    layers = lay_out([Layer("a", "relu", (2,), bits=2), Layer("b", "relu", (1,), bits=1)])
    codes = Codes(np.concatenate([pack_bits(first), pack_bits(second)], axis=1), layers)
    assert bits_to_determinism(codes, 0.0).bits == 3


def test_codes_without_bits_are_refused():
    with pytest.raises(MeasureError, match="at least one bit"):
        bits_to_determinism(Codes.from_bits(np.zeros((3, 0))))


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan"), "0.1"])
def test_a_threshold_is_a_redundancy_ratio(make_codes, threshold):
    with pytest.raises(MeasureError, match=r"threshold must be a redundancy ratio in \[0, 1\], received"):
        bits_to_determinism(make_codes(0, 10, 10), threshold)
