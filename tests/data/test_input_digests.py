import numpy as np
import pytest
import torch
import xxhash

from hashlens.data.input_digests import are_images, input_digests


def rows_of(digests):
    return [bytes(row) for row in digests]


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_equal_rows_have_equal_digests_and_others_have_not():
    inputs = numbers(6, 3, 4)
    inputs[4] = inputs[1]
    found = rows_of(input_digests(inputs, 6))
    assert found[4] == found[1]
    assert len(set(found)) == 5
    assert rows_of(input_digests(inputs[1:3], 2)) == found[1:3]


def test_it_is_xxh3_of_the_bytes_seeded_by_the_form():
    inputs = numbers(2, 5)
    form = xxhash.xxh3_64_intdigest(b" torch.float32 (5,)")
    assert rows_of(input_digests(inputs, 2))[1] == xxhash.xxh3_128_digest(inputs[1].numpy().tobytes(), seed=form)


def test_dtype_shape_and_place_are_told_apart():
    ones = torch.zeros(1, 8)
    forms = [ones, ones.reshape(1, 2, 4), ones.to(torch.int32), {"a": ones}, {"b": ones}]
    assert len({rows_of(input_digests(one, 1))[0] for one in forms}) == 5


def test_numbers_are_those_that_the_network_receives():
    inputs = numbers(3, 5)
    assert rows_of(input_digests(inputs.double(), 3, dtype=torch.float32)) == rows_of(input_digests(inputs, 3))
    whole = torch.arange(6).reshape(3, 2)
    assert rows_of(input_digests(whole, 3, dtype=torch.float16)) == rows_of(input_digests(whole, 3))


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("given", ["attention_mask", "mask"])
def test_padding_changes_nothing(side, given):
    tokens, mask = torch.tensor([[5, 3, 0], [7, 0, 2]]), torch.ones(2, 3, dtype=torch.int64)
    pad = (0, 4) if side == "right" else (4, 0)
    longer, longer_mask = (torch.nn.functional.pad(one, pad) for one in (tokens, mask))
    if given == "mask":
        digests = [input_digests(one, 2, of.bool()) for one, of in ((tokens, mask), (longer, longer_mask))]
    else:
        digests = [
            input_digests({"input_ids": one, "attention_mask": of}, 2)
            for one, of in ((tokens, mask), (longer, longer_mask))
        ]
    assert np.array_equal(*digests)
    assert not np.array_equal(digests[0][0], digests[0][1])
    # Without a mask the zeros are numbers like others.
    assert not np.array_equal(input_digests(tokens, 2), input_digests(longer, 2))


def test_every_part_counts_whatever_the_order_of_keys():
    a, b = numbers(3, 2), numbers(3, 2, seed=1)
    found = rows_of(input_digests({"a": a, "b": b}, 3))
    assert rows_of(input_digests({"b": b, "a": a}, 3)) == found
    assert not set(found) & set(rows_of(input_digests({"a": b, "b": a}, 3)))
    changed = b.clone()
    changed[1] += 1
    other = rows_of(input_digests({"a": a, "b": changed}, 3))
    assert [one == two for one, two in zip(found, other, strict=True)] == [True, False, True]
    assert not set(found) & set(rows_of(input_digests({"a": a, "b": b, "steps": 3}, 3)))


def test_a_list_of_tensors_is_one_an_example():
    images = [numbers(3, 5 + at, 4, seed=at) for at in range(4)]
    found = rows_of(input_digests(images, 4))
    assert len(set(found)) == 4
    assert rows_of(input_digests([images[2], images[0]], 2)) == [found[2], found[0]]


@pytest.mark.parametrize("given", [["a text", "another"], {"x": object()}, torch.eye(2).to_sparse(), (1, 2)])
def test_nothing_is_guessed(given):
    assert input_digests(given, 2) is None


@pytest.mark.parametrize(
    ("shape", "images"), [((2, 3, 32, 32), True), ((2, 1, 8, 8), True), ((2, 784), False), ((2, 64, 16, 16), False),
                      ((2, 3, 4, 4), False)],
)  # fmt: skip
def test_images_are_told_by_their_shape(shape, images):
    assert are_images(torch.zeros(shape)) is images
