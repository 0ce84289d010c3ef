"""A reading: the same network read the same way, by a Reading, by keyword arguments, or by both."""

import inspect
from dataclasses import MISSING, fields
from typing import get_type_hints

import numpy as np
import pytest
import torch

import hashlens as hl
from hashlens.arguments import call_source
from hashlens.codes import Reading, ReadingOptions
from hashlens.errors import CodesError

ROWS = torch.randn(24, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network():
    return hl.nets.build("mlp", input_shape=(6,), classes=3, seed=0, width=16, depth=2)


def test_options_are_the_fields_of_a_reading():
    assert ReadingOptions.__optional_keys__ == {field.name for field in fields(Reading)}
    assert get_type_hints(ReadingOptions) == get_type_hints(Reading)
    assert all(field.default is not MISSING for field in fields(Reading))


def test_encode_takes_nothing_but_the_data_by_position():
    for function in (hl.encode, hl.fingerprint):
        plain = [
            each.name
            for each in inspect.signature(function).parameters.values()
            if each.kind is each.POSITIONAL_OR_KEYWORD
        ]
        assert plain == ["model", "data"]


def test_a_reading_and_its_fields_read_the_same_bits(network):
    options = {"layers": "hidden.1*", "bits": 7, "seed": 3, "batch_size": 5}
    by_options = hl.encode(network, ROWS, **options)
    assert by_options.code_bits == 7
    for found in (
        hl.encode(network, ROWS, reading=hl.Reading(**options)),
        hl.encode(network, ROWS, reading=hl.Reading(layers="hidden.1*", bits=9, seed=3, batch_size=5), bits=7),
    ):
        assert np.array_equal(found.packed, by_options.packed)
        assert found.provenance == by_options.provenance
    whole = hl.encode(network, ROWS, reading=hl.Reading(**options), bits=None)
    assert whole.code_bits == 16


def test_fingerprint_and_measure_take_a_reading(network):
    reading = hl.Reading(layers="hidden.1*", bits=12)
    hashes = hl.fingerprint(network, ROWS, reading=reading).hashes
    assert np.array_equal(hashes, hl.fingerprint(network, ROWS, layers="hidden.1*", bits=12).hashes)
    data = (ROWS, np.arange(24) % 3)
    found = hl.measure(network, data, data, reading=reading, k=3, controls=False)
    assert found.code_bits == 12
    assert found.command == "hashlens.measure(model, train, test, layers='hidden.1*', bits=12, k=3, controls=False)"


def test_a_name_that_is_none_is_one_line_with_the_nearest(network):
    with pytest.raises(TypeError, match=r"^encode\(\) has no argument 'layer': did you mean 'layers'\?$"):
        hl.encode(network, ROWS, layer="hidden.*")
    with pytest.raises(TypeError, match=r"^measure\(\) has no argument 'control': did you mean 'controls'\?$"):
        hl.measure(network, ROWS, ROWS, control=False)
    with pytest.raises(TypeError, match=r"^fingerprint\(\) has no argument 'per_layer': "):
        hl.fingerprint(network, ROWS, per_layer=True)


@pytest.mark.parametrize("wrong", ["hidden.*", {"bits": 8}, Reading])
def test_a_reading_of_another_type_is_refused(network, wrong):
    with pytest.raises(CodesError, match=r"^reading must be a hashlens\.Reading, received ") as error:
        hl.encode(network, ROWS, reading=wrong)
    assert "\n" not in str(error.value)


def test_changes_are_the_fields_that_are_not_as_by_default():
    assert hl.Reading().changes == {}
    reading = hl.Reading(gates="all", layers=["a"], batch_size=64, mask={"*": None})
    assert list(reading.changes.items()) == [("layers", ["a"]), ("mask", {"*": None}), ("gates", "all")]
    assert hl.Reading(**reading.changes) == reading


def test_a_call_is_written_with_options_before_other_keywords():
    def call(data, *, k=9, **options): ...

    written = call_source(call, data=np.zeros(2), k=3, options={"layers": "a", "forward": call})
    assert written == "hashlens.call(data, layers='a', forward=forward, k=3)"
