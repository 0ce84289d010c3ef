import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hashlens.codes import packing
from hashlens.codes.packing import hamming, pack_bits, pack_bits_torch, pack_two_breakpoints, packed_bytes, unpack_bits

matrices = hnp.arrays(np.bool_, st.tuples(st.integers(0, 5), st.integers(0, 200)))


@given(matrices)
def test_round_trip_for_every_length(bits):
    packed = pack_bits(bits)
    assert packed.shape == (len(bits), packed_bytes(bits.shape[1]))
    assert np.array_equal(unpack_bits(packed, bits.shape[1]), bits)


@given(matrices)
def test_torch_packs_the_same_bytes(bits):
    assert np.array_equal(pack_bits_torch(torch.from_numpy(bits.copy())).numpy(), pack_bits(bits))


@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_packed_hamming_equals_unpacked(width, seed):
    bits = np.random.default_rng(seed).random((6, width)) < 0.5
    packed = pack_bits(bits)
    expected = (bits[:, None] != bits[None]).sum(-1)
    assert np.array_equal(hamming(packed[:, None], packed[None]), expected)


def test_first_bit_is_the_lowest_of_the_first_byte():
    bits = np.zeros((1, 70), np.bool_)
    bits[0, [0, 9, 69]] = True
    packed = pack_bits(bits)[0]
    assert packed[0] == 1
    assert packed[1] == 2
    assert packed[8] == 1 << 5
    assert packed.view(np.uint64).tolist() == [1 + (1 << 9), 1 << 5]


@given(st.integers(1, 3))
def test_rows_are_whole_words_whatever_the_order_of_the_bits(words):
    bits = np.asfortranarray(np.random.default_rng(words).random((5, 64 * words)) < 0.5)
    packed = pack_bits(bits)
    assert packed.view(np.uint64).shape == (5, words)
    assert np.array_equal(unpack_bits(packed, 64 * words), bits)


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 7), st.integers(1, 90)), elements=st.floats(-9, 9, width=32)),
    st.sampled_from([8, 16, 64, packing.BLOCK]),
)
def test_two_breakpoints_are_packed_as_the_bits_side_by_side(values, block):
    expected = pack_bits(np.stack([values > 0, values > 6], axis=-1).reshape(len(values), -1))
    before, packing.BLOCK = packing.BLOCK, block
    try:
        assert np.array_equal(pack_two_breakpoints(values, 0.0, 6.0), expected)
    finally:
        packing.BLOCK = before
