import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashlens.codes.codes import Codes, concatenate
from hashlens.codes.layers import Layer, lay_out
from hashlens.codes.packing import pack_bits, packed_bytes
from hashlens.codes.provenance import Provenance
from hashlens.errors import CodesError


def two_layers(n=20, widths=(70, 5), seed=0, provenance=None):
    generator = np.random.default_rng(seed)
    bits = [generator.random((n, width)) < 0.5 for width in widths]
    layers = lay_out([Layer(f"layer{i}", "relu", (width,), bits=width) for i, width in enumerate(widths)])
    packed = np.concatenate([pack_bits(part) for part in bits], axis=1)
    labels = generator.integers(0, 3, n)
    return Codes(packed, layers, labels=labels, provenance=provenance or Provenance()), np.concatenate(bits, axis=1)


def test_layers_start_at_words_and_are_views():
    codes, bits = two_layers()
    assert [at.start for at in codes.layers] == [0, 128]
    assert np.shares_memory(codes.layer("layer1").packed, codes.packed)
    assert np.array_equal(codes.layer("layer1").unpack(), bits[:, 70:])
    assert codes.layer("layer1").words.shape == (20, 1)
    assert codes.code_bits == 75


def test_rows_keep_labels_and_ids():
    codes, bits = two_layers()
    some = codes[[3, 1]]
    assert some.ids.tolist() == [3, 1]
    assert np.array_equal(some.labels, codes.labels[[3, 1]])
    assert np.array_equal(some.unpack(), bits[[3, 1]])
    assert np.shares_memory(codes[2:5].packed, codes.packed)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_informative_drops_what_is_constant_over_all(seed, n):
    a, bits_a = two_layers(n, (67, 3), seed)
    b, bits_b = two_layers(n, (67, 3), seed + 1)
    both = np.concatenate([bits_a, bits_b])
    varies = both.any(0) & ~both.all(0)
    assert np.array_equal(a.informative(b).unpack(), bits_a[:, varies])
    assert np.array_equal(b.informative(a).unpack(), bits_b[:, varies])


@given(st.integers(0, 2**32 - 1))
def test_keep_keeps_the_bits_of_the_mask(seed):
    codes, bits = two_layers(seed=seed)
    mask = np.random.default_rng(seed).random(75) < 0.3
    if mask.any():
        kept = codes.keep(mask)
        assert np.array_equal(kept.unpack(), bits[:, mask])
        origin = [layer.positions + (0 if layer.name == "layer0" else 70) for layer in kept.layers]
        assert np.concatenate(origin).tolist() == np.flatnonzero(mask).tolist()


def test_sampled_bits_are_the_same_for_train_and_test():
    a, _ = two_layers(seed=0)
    b, _ = two_layers(seed=1)
    x, y = a.sample_bits(20, seed=3), b.sample_bits(20, seed=3)
    assert all(p.same_as(q) for p, q in zip(x.layers, y.layers, strict=True))
    assert y.code_bits == 20
    assert concatenate([x, y]).packed.shape == (40, sum(packed_bytes(at.bits) for at in x.layers))
    assert a.sample_bits(1000).code_bits == 75


def test_codes_without_an_informative_bit_have_no_bits():
    none = Codes.from_bits(np.ones((4, 3), np.int64)).informative()
    assert none.unpack().shape == none.informative().unpack().shape == (4, 0)


def test_concatenation_keeps_order_and_refuses_other_models():
    a, bits_a = two_layers(seed=0)
    b, bits_b = two_layers(seed=1)
    assert np.array_equal(concatenate([a, b]).unpack(), np.concatenate([bits_a, bits_b]))
    other, _ = two_layers(provenance=Provenance(model="Other", parameters_digest="ff"))
    with pytest.raises(CodesError, match="codes of two networks cannot be mixed"):
        concatenate([a, other])
    with pytest.raises(CodesError, match="codes of different bits"):
        concatenate([a, two_layers(widths=(70, 6))[0]])
    with pytest.raises(CodesError, match="empty"):
        concatenate([])


def test_class_names_go_with_rows_and_layers_and_are_joined_by_name():
    bits = np.eye(4, dtype=np.int64)
    train = Codes.from_bits(bits, labels=["ant", "bee", "cat", None])
    test = Codes.from_bits(bits, labels=["cat", "bee", "cat", "dog"])
    assert (train.labels.tolist(), train.class_names) == ([0, 1, 2, -1], ("ant", "bee", "cat"))
    assert (test.labels.tolist(), test[1:].layer("code").class_names) == ([1, 0, 1, 2], ("bee", "cat", "dog"))
    both = concatenate([train, test])
    assert both.class_names == ("ant", "bee", "cat", "dog")
    assert both.labels.tolist() == [0, 1, 2, -1, 2, 1, 2, 3]


def test_numbers_beside_names_are_joined_by_number_where_they_fit(caplog):
    named, plain = Codes.from_bits([[0], [1]], ["a", "b"]), Codes.from_bits([[0], [1]], [1, 1])
    assert concatenate([plain, named]).labels.tolist() == [1, 1, 0, 1]
    assert "have no class names: they are compared by number" in caplog.text
    with pytest.raises(CodesError, match="labels without class names, such as 2, and arrays has 2 named classes"):
        concatenate([named, Codes.from_bits([[0], [1]], [0, 2])])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Codes.from_bits([[0, 1], [1, 0]])[0], "one row is codes\\[i : i \\+ 1\\]"),
        (lambda: Codes.from_bits([[0, 2]]), "0 and 1"),
        (lambda: Codes.from_bits([[0, 1]], labels=[1, 2]), "one entry for each of the 1 rows"),
        (lambda: Codes.from_bits([[0], [1]], [0, 2], class_names=["a", "b"]), "a label is 2, and there are 2 class"),
        (lambda: Codes(np.zeros((2, 9), np.uint8), ()), "uint8"),
        (lambda: two_layers()[0].layer("layer9"), "did you mean 'layer"),
        (lambda: two_layers()[0].sample_bits(0), "at least 1"),
        (lambda: two_layers()[0].keep(np.ones(3, np.bool_)), r"bool \(75,\)"),
    ],
)
def test_bad_input_is_one_line(make, message):
    with pytest.raises(CodesError, match=message) as error:
        make()
    assert "\n" not in str(error.value)
