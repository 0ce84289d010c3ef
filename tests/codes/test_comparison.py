"""One pass and several give the same bits, and notice the same values."""

import numpy as np
import pytest
import torch
from torch import nn

import hashlens as hl
from hashlens.codes import comparison
from hashlens.codes.comparison import Comparison
from hashlens.codes.compiled_comparison import LEAST, _loop, has_loop
from hashlens.codes.packing import pack_bits, packed_bytes
from hashlens.errors import CaptureError

ONE, TWO = [0.0], [-0.5, 6.0]
ALWAYS, NEVER = 0, 1 << 62
compiled = pytest.mark.skipif(_loop(4, 1) is None, reason="no loop for this processor")


def numbers(shape, dtype=torch.float32, seed=0):
    x = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed)) * 4
    special = [0.0, -0.0, 6.0, -0.5, 1e-42, torch.finfo(dtype).max]  # at breakpoints, and next to 0
    x.view(-1)[:6] = torch.tensor(special, dtype=dtype)
    return x


def compare(monkeypatch, repaid, x, breakpoints):
    monkeypatch.setattr(comparison, "COMPILE_AFTER", repaid)
    out = np.zeros((len(x), packed_bytes(len(breakpoints) * x[0].numel())), np.uint8)
    finite = Comparison()(x, breakpoints, out)
    return out, finite


@pytest.mark.parametrize("repaid", [ALWAYS, NEVER])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("breakpoints", [ONE, TWO, [0.1], [0.1, 0.7]])
@pytest.mark.parametrize("shape", [(3, LEAST), (2, LEAST + 1), (2, 3, LEAST // 2 + 21), (5, LEAST - 1), (2, 70), (3,)])
def test_bits_are_those_of_a_plain_comparison(monkeypatch, repaid, dtype, breakpoints, shape):
    x = numbers(shape, dtype) if np.prod(shape) > 6 else torch.zeros(shape, dtype=dtype)
    packed, finite = compare(monkeypatch, repaid, x, breakpoints)
    planes = torch.stack([x > at for at in breakpoints], dim=-1)
    assert np.array_equal(packed, pack_bits(planes.reshape(len(x), -1).numpy()))
    assert finite


@pytest.mark.parametrize("layout", ["channels last", "transposed", "every other"])
@pytest.mark.parametrize("breakpoints", [ONE, TWO])
def test_strided_values_are_packed_in_the_order_of_their_axes(monkeypatch, layout, breakpoints):
    x = numbers((2, 8, 32, 32))
    strided = {
        "channels last": x.to(memory_format=torch.channels_last),
        "transposed": x.transpose(2, 3),
        "every other": x[..., ::2],
    }[layout]
    expected, _ = compare(monkeypatch, NEVER, strided.contiguous(), breakpoints)
    assert np.array_equal(compare(monkeypatch, ALWAYS, strided, breakpoints)[0], expected)


@compiled
@pytest.mark.parametrize("breakpoints", [ONE, TWO])
def test_other_rows_and_what_lies_behind_a_row_are_left_alone(monkeypatch, breakpoints):
    x = numbers((4, LEAST + 3))
    width = packed_bytes(len(breakpoints) * x.shape[1])
    around = np.full((4, width + 24), 255, np.uint8)
    around[1:3, 8:-16] = 0
    monkeypatch.setattr(comparison, "COMPILE_AFTER", ALWAYS)
    Comparison()(x[1:3], breakpoints, around[1:3, 8:-16])
    assert np.array_equal(around[1:3, 8:-16], compare(monkeypatch, NEVER, x, breakpoints)[0][1:3])
    assert (around[[0, 3]] == 255).all()
    assert (around[:, :8] == 255).all()
    assert (around[:, -16:] == 255).all()


@pytest.mark.parametrize("repaid", [ALWAYS, NEVER])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 31, LEAST - 1, LEAST + 4])
@pytest.mark.parametrize("breakpoints", [ONE, TWO])
def test_one_value_that_is_not_finite_is_noticed_anywhere(monkeypatch, repaid, value, place, breakpoints):
    x = numbers((3, LEAST + 5))
    x[1, place] = value
    assert not compare(monkeypatch, repaid, x, breakpoints)[1]


@pytest.mark.parametrize("repaid", [ALWAYS, NEVER])
def test_values_whose_sum_is_too_large_are_finite(monkeypatch, repaid):
    x = torch.full((2, LEAST), torch.finfo(torch.float32).max)
    assert compare(monkeypatch, repaid, x, TWO)[1]


@compiled
def test_only_long_rows_of_floats_one_after_another_are_compiled():
    long = np.zeros((2, LEAST), np.float32)
    assert has_loop(long, 1)
    assert not has_loop(long[:, 1:], 1)
    assert not has_loop(np.zeros((LEAST, 2), np.float32).T, 1)
    assert not has_loop(long.astype(np.float16), 1)


class Clipped(nn.Module):
    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x):
        return nn.functional.relu6(self.conv(x) * 9).mean((2, 3)).relu()


def test_networks_give_the_same_codes_in_one_pass(monkeypatch):
    x = numbers((5, 3, 32, 32))
    monkeypatch.setattr(comparison, "COMPILE_AFTER", NEVER)
    expected = hl.encode(Clipped(), x / 100, batch_size=2)
    monkeypatch.setattr(comparison, "COMPILE_AFTER", ALWAYS)
    assert np.array_equal(hl.encode(Clipped(), x / 100, batch_size=2).packed, expected.packed)


@pytest.mark.parametrize("repaid", [ALWAYS, NEVER])
def test_layers_that_are_not_finite_are_named_with_how_many(monkeypatch, repaid):
    monkeypatch.setattr(comparison, "COMPILE_AFTER", repaid)
    x = torch.ones(4, 3, 32, 32)
    x[2, 0, 0, 0] = float("nan")  # which a 3x3 convolution spreads over 4 pixels of 8 channels
    with pytest.raises(CaptureError, match="'hardtanh': 32 of 32,768 activations are NaN or infinite"):
        hl.encode(Clipped(), x, batch_size=4)
