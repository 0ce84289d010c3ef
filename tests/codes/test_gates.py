"""Every gate against a plain formula."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hashlens.codes.gates import FUSED, GATES, MAX_POOLS
from hashlens.testing.gate_contract import check_gate


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x + 0)  # the sum is the gate's own input, so in-place twins leave x alone


def above(*breakpoints):
    return lambda x: torch.stack([x > at for at in breakpoints], -1) if len(breakpoints) > 1 else x > breakpoints[0]


LOW, HIGH = torch.full((4, 6), -0.5), torch.full((4, 6), 1.0)
HARD = {
    "relu": (F.relu, above(0)),
    "relu_": (lambda x: x.relu_(), above(0)),
    "ReLU module": (nn.ReLU(), above(0)),
    "ReLU inplace module": (nn.ReLU(inplace=True), above(0)),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.1), above(0)),
    "leaky_relu_": (lambda x: F.leaky_relu(x, 0.1, inplace=True), above(0)),
    "prelu": (lambda x: F.prelu(x, torch.full((4,), 0.2, dtype=x.dtype)), above(0)),
    "rrelu": (lambda x: F.rrelu(x, training=False), above(0)),
    "relu6": (F.relu6, above(0, 6)),
    "relu6_": (nn.ReLU6(inplace=True), above(0, 6)),
    "hardtanh": (lambda x: F.hardtanh(x, -0.5, 2.0), above(-0.5, 2.0)),
    "hardtanh_": (nn.Hardtanh(-0.5, 2.0, inplace=True), above(-0.5, 2.0)),
    "threshold": (lambda x: F.threshold(x, 0.5, 9.0), above(0.5)),
    "threshold_": (lambda x: F.threshold(x, 0.5, 9.0, inplace=True), above(0.5)),
    "clamp both": (lambda x: x.clamp(-1, 1), above(-1, 1)),
    "clamp_": (lambda x: x.clamp_(-1, 1), above(-1, 1)),
    "clip": (lambda x: torch.clip(x, -1, 1), above(-1, 1)),
    "clamp min": (lambda x: x.clamp(min=0.5), above(0.5)),
    "clamp max": (lambda x: x.clamp(max=0.5), above(0.5)),
    "clamp_min": (lambda x: x.clamp_min(0), above(0)),
    "clamp_max": (lambda x: x.clamp_max(3), above(3)),
    "clamp out": (lambda x: torch.clamp(x, 0, 2, out=torch.empty_like(x)), above(0, 2)),
    "clamp tensors": (lambda x: x.clamp(LOW.to(x.dtype), HIGH.to(x.dtype)), above(-0.5, 1.0)),
    "clamp_min tensor": (lambda x: torch.clamp_min(x, LOW.to(x.dtype)), above(-0.5)),
    "hardsigmoid": (F.hardsigmoid, above(-3, 3)),
    "hardshrink": (F.hardshrink, above(-0.5, 0.5)),
    "softshrink": (F.softshrink, above(-0.5, 0.5)),
}
SOFT = {
    "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "silu_": nn.SiLU(inplace=True),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "hardswish": F.hardswish,
    "mish": F.mish,
    "celu": F.celu,
    "elu": F.elu,
    "elu_": nn.ELU(inplace=True),
    "selu": F.selu,
    "softplus": F.softplus,
    "logsigmoid": F.logsigmoid,
    "tanhshrink": F.tanhshrink,
    "erf, of a GELU written out": lambda x: 0.5 * x * (1 + torch.erf(x / 2**0.5)),
    "Softsign module": nn.Softsign(),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HARD)
def test_hard_gate(name):
    function, oracle = HARD[name]
    check_gate(Call(function), oracle)


@pytest.mark.parametrize("name", SOFT)
def test_soft_gate(name):
    check_gate(Call(SOFT[name]), above(0), soft=True)


def test_glu_takes_the_gating_half():
    check_gate(Call(lambda x: F.glu(x, dim=-1)), lambda x: x[..., 3:] > 0, soft=True)


OTHER = {
    "abs": (torch.abs, above(0)),
    "maximum": (lambda x: torch.maximum(x, LOW.to(x.dtype)), above(-0.5)),
    "minimum": (lambda x: torch.minimum(x, HIGH.to(x.dtype)), above(1.0)),
    "max of two": (lambda x: torch.max(x, HIGH.to(x.dtype)), above(1.0)),
}


COLUMNS = torch.linspace(-1, 1, 6)
BY_COLUMN = {
    "clamp": lambda x: x.clamp(min=COLUMNS.to(x.dtype)),
    "clamp_max": lambda x: torch.clamp_max(x, COLUMNS.to(x.dtype)),
}


@pytest.mark.parametrize("name", BY_COLUMN)
def test_breakpoints_of_a_smaller_shape_are_those_of_their_units(name):
    check_gate(Call(BY_COLUMN[name]), lambda x: x > COLUMNS.to(x.dtype))


@pytest.mark.parametrize("shape", [(), (6,), (4, 6)])
def test_a_maximum_with_a_weight_in_front_is_a_gate_of_the_examples(shape):
    class Maxout(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.full(shape, 0.25, dtype=torch.float64))

        def forward(self, x):
            return torch.maximum(self.weight.to(x.dtype) if x.dtype != torch.float64 else self.weight, x)

    check_gate(Maxout(), lambda x: x < 0.25, gates="all")


@pytest.mark.parametrize("name", OTHER)
def test_other_gates_when_all_are_asked_for(name):
    function, oracle = OTHER[name]
    check_gate(Call(function), oracle, gates="all")


def first_of_window(values):
    """One-hot of the first maximum, by a plain loop over the last axis."""
    return F.one_hot(values.argmax(-1), values.shape[-1]).bool()


def windows_2d(x, kernel, stride, padding, dilation=1):
    n, c = x.shape[:2]
    padded = F.pad(x.double(), (padding,) * 4, value=float("-inf"))
    reach = (kernel - 1) * dilation + 1
    rows = range(0, padded.shape[2] - reach + 1, stride)
    columns = range(0, padded.shape[3] - reach + 1, stride)
    cut = [padded[:, :, i : i + reach : dilation, j : j + reach : dilation].reshape(n, c, -1)
           for i in rows for j in columns]  # fmt: skip
    return torch.stack(cut, 2).reshape(n, c, len(rows), len(columns), -1)


POOLS = {
    "2d": (nn.MaxPool2d(2), lambda x: windows_2d(x, 2, 2, 0)),
    "2d overlapping padded": (nn.MaxPool2d(3, 2, 1), lambda x: windows_2d(x, 3, 2, 1)),
    "2d dilated": (nn.MaxPool2d(2, 1, 0, dilation=2), lambda x: windows_2d(x, 2, 1, 0, 2)),
    "adaptive": (nn.AdaptiveMaxPool2d((3, 3)), lambda x: windows_2d(x, 2, 2, 0)),
}


@pytest.mark.parametrize("name", POOLS)
def test_max_pool_is_one_hot(name):
    module, windows = POOLS[name]
    check_gate(module, lambda x: first_of_window(windows(x)), shape=(2, 6, 6), gates="all")


def test_adaptive_windows_of_several_sizes_are_one_hot():
    def oracle(x):  # windows of 2 rows from 6 to 4, and of 2 or 3 columns from 5 to 3
        rows, columns = [(0, 2), (1, 3), (3, 5), (4, 6)], [(0, 2), (1, 4), (3, 5)]
        bits = torch.zeros(*x.shape[:2], 4, 3, 2, 3, dtype=torch.bool)
        for i, (top, bottom) in enumerate(rows):
            for j, (left, right) in enumerate(columns):
                window = x[:, :, top:bottom, left:right].double()
                shape = window.shape
                bits[:, :, i, j, :, : right - left] = first_of_window(window.flatten(2)).view(shape)
        return bits

    check_gate(nn.AdaptiveMaxPool2d((4, 3)), oracle, shape=(2, 6, 5), gates="all")


def test_max_pool_3d_is_one_hot():
    def oracle(x):
        cut = x.double().unfold(2, 2, 2).unfold(3, 2, 2).unfold(4, 2, 2)
        return first_of_window(cut.flatten(5))

    check_gate(nn.MaxPool3d(2), oracle, shape=(2, 4, 4, 2), gates="all")


def test_max_pool_1d_is_one_hot():
    check_gate(nn.MaxPool1d(2), lambda x: first_of_window(x.reshape(*x.shape[:2], 3, 2)), shape=(2, 6), gates="all")


def test_max_pools_and_twins_are_no_activations():
    import hashlens as hl
    from hashlens.errors import CaptureError

    with pytest.raises(CaptureError, match="gives no code"):
        hl.encode(nn.MaxPool2d(2), torch.zeros(2, 1, 4, 4))


def test_tables_name_operators_that_torch_has():
    for name in (*GATES, *MAX_POOLS, *FUSED):
        assert hasattr(torch.ops.aten, name) or name in ("_prelu_kernel", "mkldnn_rnn_layer"), name
