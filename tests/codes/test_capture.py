"""Every way of writing the same network gives the same bits."""

import copy
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing._internal.two_tensor import TwoTensor

import hashlens as hl
from hashlens.codes.provenance import Provenance
from hashlens.errors import CaptureError, CodesWarning, ModelError
from hashlens.measurement.codes_page import codes_page


def weights(seed=0, width=24, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(width, width, generator=generator, dtype=dtype) / width**0.5 for _ in range(3)]


def examples(n=37, width=24, seed=1, dtype=torch.float64):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed), dtype=dtype)


class Net(nn.Module):
    """Three linear maps with a ReLU after the first two, written in the way that a subclass says."""

    def __init__(self, dtype=torch.float64):
        super().__init__()
        self.maps = nn.ModuleList(nn.utils.skip_init(nn.Linear, 24, 24, bias=False, dtype=dtype) for _ in range(3))
        for layer, weight in zip(self.maps, weights(dtype=dtype), strict=True):
            layer.weight.data.copy_(weight)
        self.relu = nn.ReLU()

    def act(self, x):
        return F.relu(x)

    def forward(self, x):
        for layer in self.maps[:2]:
            x = self.act(layer(x))
        return self.maps[2](x)


class Reused(Net):
    def act(self, x):
        return self.relu(x)


class InPlace(Net):
    def act(self, x):
        return x.relu_()


class Clamped(Net):
    def act(self, x):
        return x.clamp(min=0)


class ClampMin(Net):
    def act(self, x):
        return torch.clamp_min(x, 0)


class Method(Net):
    def act(self, x):
        return torch.relu(x)


class Inference(Net):
    def forward(self, x):
        with torch.inference_mode():
            return super().forward(x)


class Threshold(Net):
    def act(self, x):
        return F.threshold(x, 0.0, 0.0)


class CustomFunction(Net):
    class _Relu(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clamp(min=0)

    def act(self, x):
        return self._Relu.apply(x)


class Scriptable(nn.Module):
    def __init__(self, dtype=torch.float64):
        super().__init__()
        self.net = nn.Sequential(*[layer for at in Net(dtype).maps for layer in (at, nn.ReLU())][:-1])

    def forward(self, x):
        return self.net(x)


def scripted(dtype):
    return torch.jit.script(Scriptable(dtype))


def traced(dtype):
    return torch.jit.trace(Net(dtype), examples(dtype=dtype))


def exported(dtype):
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(Scriptable(dtype), (examples(dtype=dtype),), dynamic_shapes=({0: batch},))
    return program.module()


def exported_static(dtype):
    return torch.export.export(Net(dtype), (examples(8, dtype=dtype),)).module()


def compiled(dtype):
    return torch.compile(Net(dtype), backend="eager")


def plain_hook_bits(dtype):
    """The oracle: pre-activations by forward hooks on the linear layers."""
    net, seen = Net(dtype), []
    for layer in net.maps[:2]:
        layer.register_forward_hook(lambda module, inputs, output: seen.append(output > 0))
    with torch.no_grad():
        net(examples(dtype=dtype))
    return torch.cat(seen, 1).numpy()


VARIANTS = {
    kind.__name__: kind
    for kind in (Net, Reused, InPlace, Clamped, ClampMin, Method, Inference, Threshold, CustomFunction, Scriptable)
} | {kind.__name__: kind for kind in (scripted, traced, exported, exported_static, compiled)}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_way_of_writing_gives_the_same_bits_in_float64(variant):
    codes = hl.encode(VARIANTS[variant](torch.float64), examples(), batch_size=10)
    assert np.array_equal(codes.unpack(), plain_hook_bits(torch.float64))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("variant", VARIANTS)
def test_float32_differs_only_within_rounding_of_zero(variant):
    codes = hl.encode(VARIANTS[variant](torch.float32), examples(dtype=torch.float32), batch_size=10)
    net, x, near = Net(torch.float64), examples(dtype=torch.float32).double(), []
    for at, layer in enumerate(net.maps[:2]):
        layer.weight.data.copy_(weights(dtype=torch.float32)[at])
        x = layer(x)
        near.append(x.abs() < 24 * torch.finfo(torch.float32).eps * 4)
        x = x.relu()
    differs = codes.unpack() != plain_hook_bits(torch.float32)
    assert differs.sum() <= torch.cat(near, 1).sum()
    assert not differs[~torch.cat(near, 1).numpy()].any()


def test_names_of_modules_functions_and_reuse():
    assert [at.name for at in hl.encode(Net(), examples()).layers] == ["relu", "relu#1"]
    assert [at.name for at in hl.encode(Reused(), examples()).layers] == ["relu", "relu#1"]
    assert [at.name for at in hl.encode(Scriptable(), examples()).layers] == ["net.1", "net.3"]
    assert [at.name for at in hl.encode(exported(torch.float64), examples()).layers] == ["net.1", "net.3"]


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(24, 24, dtype=torch.float64)

    def forward(self, x):
        return F.relu(x + F.relu(self.fc(x)))


def test_functional_gates_are_named_after_their_module():
    torch_model = nn.Sequential(make(Block), make(Block))
    assert [at.name for at in hl.encode(torch_model, examples()).layers] == ["0.relu", "0.relu#1", "1.relu", "1.relu#1"]


def make(kind, *args, **kwargs):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(*args, **kwargs)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("fast_path", [False, True])
def test_transformer_encoder_layer(norm_first, fast_path):
    layer = make(nn.TransformerEncoderLayer, 8, 2, 16, batch_first=True, norm_first=norm_first, dtype=torch.float64)
    x = torch.randn(6, 5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    seen = []
    handle = layer.linear1.register_forward_hook(lambda module, inputs, output: seen.append(output > 0))
    layer.dropout.p = layer.dropout1.p = layer.dropout2.p = layer.self_attn.dropout = 0.0
    with torch.no_grad(), torch.random.fork_rng():
        layer.train()(x)  # train mode takes the plain path
    handle.remove()
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(fast_path)
    try:
        codes = hl.encode(layer.eval(), x, batch_size=4)
        assert torch.backends.mha.get_fastpath_enabled() is fast_path
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
    assert [at.name for at in codes.layers] == ["relu"]
    assert np.array_equal(codes.unpack(), seen[0].flatten(1).numpy())


@pytest.mark.filterwarnings("ignore")
def test_scripted_transformer_gives_the_same_bits():
    layer = make(nn.TransformerEncoderLayer, 8, 2, 16, batch_first=True, dtype=torch.float64).eval()
    x = torch.randn(6, 5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = hl.encode(layer, x).unpack()
    assert np.array_equal(hl.encode(torch.jit.script(layer), x).unpack(), expected)


@pytest.mark.filterwarnings("ignore")
def test_traced_fast_path_is_refused_by_name():
    layer = make(nn.TransformerEncoderLayer, 8, 2, 16, batch_first=True).eval()
    x = torch.randn(6, 5, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        frozen = torch.jit.trace(layer, x, check_trace=False)
    with pytest.raises(CaptureError, match="_transformer_encoder_layer_fwd"):
        hl.encode(frozen, x)


def test_recurrent_gates_are_seen():
    lstm = make(nn.LSTM, 4, 6, batch_first=True, dtype=torch.float64)
    x = torch.randn(5, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    codes = hl.encode(lstm, x)
    assert codes.soft
    assert codes.code_bits == 3 * 5 * 6  # each step: 3 sigmoids and 2 tanhs of 6 units


def test_resnet_codes_hold_inner_relus_and_the_sum():
    from hashlens import nets

    net = nets.build("resnet20", input_shape=(3, 32, 32), classes=10, seed=0)
    x = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    codes = hl.encode(net, x, batch_size=2)
    assert len(codes.layers) == 1 + 2 * 9
    assert codes.code_bits == 7 * 16 * 32 * 32 + 6 * 32 * 16 * 16 + 6 * 64 * 8 * 8


def test_last_partial_batch_is_kept():
    codes = hl.encode(Net(), examples(37), batch_size=8)
    assert len(codes) == 37
    assert codes.ids.tolist() == list(range(37))


def state_of(model):
    return (
        {name: at.training for name, at in model.named_modules()},
        {name: (len(at._forward_hooks), len(at._forward_pre_hooks)) for name, at in model.named_modules()},
        {name: (at.clone(), at.requires_grad, None if at.grad is None else at.grad.clone())
         for name, at in model.named_parameters()},
        {name: at.clone() for name, at in model.named_buffers()},
        torch.is_grad_enabled(), torch.backends.mha.get_fastpath_enabled(), torch.random.get_rng_state(),
    )  # fmt: skip


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(24, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
        self.fail_after = None

    def forward(self, x):
        out = self.body(x)
        if self.fail_after is not None:
            raise RuntimeError("planted")
        return out


@pytest.mark.parametrize("fails", [False, True])
def test_model_is_handed_back_as_it_came(fails):
    model = make(Mixed)
    model.train()
    model.body[1].eval()
    model.body[0].weight.requires_grad_(False)
    model.body[4].weight.grad = torch.ones_like(model.body[4].weight)
    model.fail_after = 0 if fails else None
    before = state_of(model)
    if fails:
        with pytest.raises(ModelError, match="planted"):
            hl.encode(model, examples(dtype=torch.float32))
    else:
        hl.encode(model, examples(dtype=torch.float32))
    torch.testing.assert_close(state_of(model), before, rtol=0, atol=0)


def test_eval_mode_makes_codes_repeatable():
    model = make(Mixed).train()
    x = examples(dtype=torch.float32)
    assert np.array_equal(hl.encode(model, x).packed, hl.encode(model, x).packed)


def test_data_parallel_is_unwrapped():
    inner = Net()
    assert np.array_equal(hl.encode(nn.DataParallel(inner), examples()).packed, hl.encode(inner, examples()).packed)


class Squeezed(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.score = make(nn.Linear, 24, 1, dtype=dtype)

    def forward(self, x):
        return torch.sigmoid(self.score(x).squeeze(-1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_value_an_example_is_one_bit(dtype):
    model, x = Squeezed(dtype), examples(dtype=dtype)
    expected = (model.score(x) > 0).numpy()
    for arguments in ({}, {"bits": 1}, {"granularity": "channel"}):
        assert np.array_equal(hl.encode(model, x, batch_size=10, **arguments).unpack(), expected), arguments


class WritesIntoItsInput(Net):
    def forward(self, x):
        return super().forward(x.sub_(0.5))


@pytest.mark.parametrize("arguments", [{}, {"bits": 20}])
def test_data_are_left_as_they_are(arguments):
    x = examples()
    codes = hl.encode(WritesIntoItsInput(), x, **arguments)
    assert torch.equal(x, examples())
    assert np.array_equal(codes.packed, hl.encode(Net(), examples() - 0.5, **arguments).packed)


def test_a_network_that_is_one_gate_has_a_name():
    assert [at.name for at in hl.encode(nn.ReLU(), examples()).layers] == ["relu"]


class Shifted(nn.Module):
    def forward(self, x):
        return F.hardtanh(x, -0.5, 2.0)


class HandWritten(nn.ReLU):
    def forward(self, x):
        return torch.where(x > 0, x, torch.zeros_like(x))


class Sometimes(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        x = x.relu()
        return x.tanh() if self.calls > 3 else x  # two calls look at the batch axis


class Normalised(nn.Module):
    def forward(self, x):
        return F.normalize(F.relu(x))


def test_the_clamp_of_normalize_is_no_activation():
    assert [at.name for at in hl.encode(Normalised(), examples()).layers] == ["relu"]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Linear(24, 2, dtype=torch.float64), "gives no code"),
        (nn.Sequential(nn.Linear(24, 4, dtype=torch.float64), HandWritten()), "'1' .HandWritten. ran and no gate"),
        (Sometimes(), "tanh"),
    ],
    ids=["no gate", "hidden gate", "depends on data"],
)
def test_what_cannot_be_read_is_refused(model, message):
    with pytest.raises(CaptureError, match=message):
        hl.encode(model, examples(), batch_size=10)


def test_unknown_layer_glob_names_the_nearest():
    with pytest.raises(CaptureError, match=r"no layer matches 'net.9'.*net\.1, net\.3"):
        hl.encode(Scriptable(), examples(), layers="net.9")


def test_soft_gates_are_refused_where_hard_ones_are_needed():
    model = nn.Sequential(nn.ReLU(), nn.GELU())
    with pytest.raises(CaptureError, match=r"layer '1' is soft \(gelu\).*layers='!1'"):
        hl.encode(model, examples(), gates="hard")
    assert [at.name for at in hl.encode(model, examples(), gates="hard", layers="!1").layers] == ["0"]


@pytest.mark.parametrize(("value", "word"), [(float("nan"), "NaN"), (float("inf"), "infinite")])
def test_non_finite_activations_name_the_layer(value, word):
    x = examples()
    x[3, 2] = value
    with pytest.raises(CaptureError, match=rf"layer 'relu'.*{word}"):
        hl.encode(Net(), x)


def test_rejected_input_is_one_line():
    with pytest.raises(ModelError, match=r"rejects inputs of \(10, 7\) torch.float64: .*; check the shape") as error:
        hl.encode(Net(), examples(20, 7), batch_size=10)
    assert "\n" not in str(error.value)


class Varying(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 6)
        self.fc = nn.Linear(6, 4)

    def forward(self, tokens):
        return F.relu(self.fc(self.embed(tokens)))


def token_batches(lengths, padded_to):
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randint(1, 50, (length,), generator=generator) for length in lengths]
    return [F.pad(row, (0, width - len(row))) for row, width in zip(rows, padded_to, strict=True)]


class Tokens(torch.utils.data.Dataset):
    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, at):
        return {"input_ids": self.rows[at]}


def test_padded_tokens_give_the_same_code_in_any_batch():
    lengths = [3, 5, 2, 7]
    model = make(Varying)
    mask = lambda batch: batch["input_ids"] != 0  # noqa: E731
    forward = lambda network, batch: network(batch["input_ids"])  # noqa: E731
    short = torch.utils.data.DataLoader(Tokens(token_batches(lengths, [5, 5, 7, 7])), batch_size=2)
    long = torch.utils.data.DataLoader(Tokens(token_batches(lengths, [9] * 4)), batch_size=4)
    a = hl.encode(model, short, forward=forward, mask=mask)
    b = hl.encode(model, long, forward=forward, mask=mask)
    width = a.code_bits
    assert width == 7 * 4
    assert np.array_equal(a.unpack(), b.unpack()[:, :width])
    assert not b.unpack()[:, width:].any()
    prints = [hl.fingerprint(model, data, forward=forward, mask=mask).hashes for data in (short, long)]
    assert np.array_equal(prints[0], prints[1])


def test_varying_size_without_a_mask_is_refused():
    loader = torch.utils.data.DataLoader(Tokens(token_batches([3, 5, 2, 7], [5, 5, 7, 7])), batch_size=2)
    with pytest.raises(CaptureError, match="varying size need mask="):
        hl.encode(make(Varying), loader, forward=lambda network, batch: network(batch["input_ids"]))


class Learnt(nn.Module):
    """A gate on a parameter that has as many rows as the batch has examples."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(10, 1))
        self.net = make(nn.Linear, 24, 5)

    def forward(self, x):
        return torch.relu(self.net(x)) * torch.sigmoid(self.scale).mean()


def test_a_gate_on_a_parameter_is_none_of_the_examples():
    assert [at.name for at in hl.encode(Learnt(), examples(20), batch_size=10).layers] == ["relu"]


def test_a_program_that_was_exported_in_training_mode_is_refused():
    model = nn.Sequential(make(nn.Linear, 24, 5), nn.ReLU(), nn.Dropout()).train()
    program = torch.export.export(model, (examples(4),)).module()
    with pytest.raises(CaptureError, match=r"exported in training mode.*export it again"):
        hl.encode(program, examples(4))


def test_a_scripted_network_names_the_line_that_rejects_the_input():
    with pytest.raises(ModelError, match=r"rejects inputs of \(2, 7\).*`.+` fails"):
        hl.encode(
            torch.jit.script(nn.Sequential(make(nn.Linear, 24, 5), nn.ReLU())), torch.zeros(2, 7, dtype=torch.float64)
        )


def test_weights_that_are_no_plain_tensors_are_refused():
    model = nn.Sequential(make(nn.Linear, 24, 5), nn.ReLU())
    model[0].weight = nn.Parameter(TwoTensor(model[0].weight.data, model[0].weight.data))
    with pytest.raises(CaptureError, match="its weight is a TwoTensor, sharded or quantised"):
        hl.encode(model, examples())


def test_a_fixed_program_takes_a_last_partial_batch_of_several_inputs():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = make(nn.Linear, 24, 5)

        def forward(self, x, y):
            return torch.relu(self.net(x + y))

    rows = examples(10)
    program = torch.export.export(Sum().eval(), (rows[:4], rows[:4])).module()
    loader = torch.utils.data.DataLoader([((row, row), 0) for row in rows], batch_size=4)
    expected = hl.encode(nn.Sequential(Sum().net, nn.ReLU()), 2 * rows)
    assert np.array_equal(hl.encode(program, loader).packed, expected.packed)


def test_sharded_and_quantised_models_are_refused():
    class FullyShardedDataParallel(nn.Module):
        pass

    with pytest.raises(CaptureError, match="sharded by FSDP"):
        hl.encode(nn.Sequential(FullyShardedDataParallel()), examples())
    quantised = copy.deepcopy(nn.Sequential(make(nn.Linear, 24, 2)))
    quantised[0].__class__ = type("Linear", (nn.Linear,), {"__module__": "torch.ao.nn.quantized.modules.linear"})
    with pytest.raises(CaptureError, match="quantised"):
        hl.encode(quantised, examples())


@pytest.mark.filterwarnings("ignore")
def test_the_batch_axis_is_found_where_tokens_come_first():
    layer = make(nn.TransformerEncoderLayer, 8, 2, 16, dtype=torch.float64)
    x = torch.randn(6, 4, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    tokens_first = hl.encode(layer, x, forward=lambda net, batch: net(batch.transpose(0, 1)), batch_size=4)
    for module in layer.modules():
        if hasattr(module, "batch_first"):
            module.batch_first = True
    assert np.array_equal(tokens_first.unpack(), hl.encode(layer, x).unpack())


class Folded(nn.Module):
    """Tokens folded into the batch for the activation, as some language models do."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 5)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.fc(x.reshape(-1, 8))).reshape(*x.shape[:2], 5)


def test_folded_tokens_are_unfolded_by_the_mask_and_refused_without():
    model = make(Folded)
    x = torch.randn(6, 4, 8, generator=torch.Generator().manual_seed(0))
    with pytest.raises(
        CaptureError,
        match=r"nothing is left to read.*each belong to one of 6 .*no axis is the batch.*with mask=",
    ):
        hl.encode(model, x)
    codes = hl.encode(model, x, mask=lambda batch: torch.ones(batch.shape[:2], dtype=torch.bool), batch_size=4)
    assert np.array_equal(codes.unpack(), (model.fc(x) > 0).flatten(1).numpy())


class Weighted(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 5 * 24, dtype=torch.float64).view(5, 24))

    def forward(self, x):
        return F.relu(x @ F.softplus(self.weight * 2).T)


def test_a_weight_with_as_many_rows_as_the_batch_is_no_activation():
    codes = hl.encode(Weighted(), examples(10), batch_size=5)
    assert [at.gate for at in codes.layers] == ["relu"]
    assert codes.provenance.left_out == ()


class Boxes(nn.Module):
    """A detector in small: maps of images, and a head on however many boxes the data propose."""

    def __init__(self, act=None):
        super().__init__()
        self.backbone = nn.Linear(24, 5, dtype=torch.float64)
        self.head = nn.Linear(5, 7, dtype=torch.float64)
        self.act = act

    def forward(self, x):
        maps = F.relu(self.backbone(x))
        boxes = self.head(maps[(maps > 0.1).nonzero()[:, 0]])
        return maps.sum() + (F.relu(boxes) if self.act is None else self.act(boxes)).sum()


class OtherReLU(nn.Module):
    """An activation of no known class, as those of transformers are."""

    def forward(self, x):
        return F.relu(x)


@pytest.mark.parametrize("act", [None, OtherReLU(), nn.ReLU()], ids=["functional", "class of its own", "nn.ReLU"])
def test_a_gate_off_the_batch_axis_is_left_out_counted_named_and_warned_of(act, tmp_path):
    name = {type(None): "relu#1", OtherReLU: "act.relu", nn.ReLU: "act"}[type(act)]
    model = make(Boxes, act)
    with pytest.warns(CodesWarning, match=rf"Boxes: 1 gate left out \({name}\)") as warned:
        codes = hl.encode(model, examples(20), batch_size=10)
    assert [at.filename for at in warned] == [__file__]
    assert np.array_equal(codes.unpack(), (model.backbone(examples(20)) > 0).numpy())
    assert f"1 layer, 1 gate left out ({name})" in repr(codes)
    (entry,) = hl.Codes.load(codes.save(tmp_path / "codes")).provenance.left_out
    assert entry.startswith(f"{name}: relu of (")
    assert f"1 gate left out ({name})" in repr(hl.Index(codes))
    assert any(f"1 gate left out ({name})" in note for note in codes_page(codes).notes)
    assert hl.encode(model, examples(20), layers=f"!{name}").provenance.left_out == ()
    with pytest.raises(CaptureError, match=rf"layer '{name}' \(relu of .*give mask= .*or leave it out with layers='!"):
        hl.encode(model, examples(20), layers=["relu", name])


class Experts(nn.Module):
    """Tokens of a batch, each to one of two experts that one loop runs, and a gate that all of them pass."""

    def __init__(self, shared=True):
        super().__init__()
        self.router = nn.Linear(6, 2)
        self.experts = nn.ModuleList([nn.Linear(6, 6) for _ in range(2)])
        self.shared = shared

    def forward(self, x):
        x = F.gelu(x) if self.shared else x
        tokens = x.reshape(-1, 6)
        best = self.router(tokens).argmax(1)
        out = torch.zeros_like(tokens)
        for at, expert in enumerate(self.experts):
            out[best == at] = F.silu(expert(tokens[best == at]))
        return out.view_as(x)


def test_experts_of_one_loop_count_as_one_gate_and_a_network_of_nothing_else_says_why_it_is_refused():
    x = torch.randn(12, 5, 6, generator=torch.Generator().manual_seed(0))
    model = make(Experts)
    with pytest.warns(CodesWarning, match=r"Experts: 1 gate left out \(silu\)"):
        codes = hl.encode(model, x)
    assert [at.name for at in codes.layers] == ["gelu"]
    assert codes.provenance.left_out[0].endswith("in the first of 2 calls; no axis is the batch")
    with pytest.raises(
        CaptureError, match=r"nothing is left to read: .* of 12 examples \(silu: .*no axis is the batch"
    ) as error:
        hl.encode(make(Experts, False), x)
    assert "layers=None" not in str(error.value)


def test_an_expert_with_as_many_tokens_as_examples_by_chance_is_left_out():
    """Three examples more mean three tokens more, and the batch of 4 sends 4: only the sizes of the probe tell."""

    class Chance(nn.Module):
        def forward(self, x):
            return F.relu(x), F.relu(x[: len(x) + 1 if len(x) < 4 else 4].repeat(2, 1)[: max(4, len(x) + 2)])

    with pytest.warns(CodesWarning, match=r"1 gate left out \(relu#1\)"):
        codes = hl.encode(Chance(), torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    assert [at.name for at in codes.layers] == ["relu"]


def test_old_folders_of_codes_open(tmp_path):
    folder = hl.encode(Net(), examples()).save(tmp_path / "codes")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert "left_out" in manifest["provenance"]
    old = {key: value for key, value in manifest["provenance"].items() if key != "left_out"}
    assert Provenance.from_record({**old, "ignored": ["a: relu of (3,)"]}).left_out == ()


def test_names_are_unique_whatever_modules_are_called():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.d = nn.ModuleDict({"a": nn.ReLU(), "a#1": nn.ReLU()})

        def forward(self, x):
            return self.d["a#1"](self.d["a"](self.d["a"](x) - 0.5) - 0.5)

    codes = hl.encode(Named(), examples())
    assert len({at.name for at in codes.layers}) == 3
    assert np.array_equal(hl.encode(Named(), examples(), bits=30).packed, codes.sample_bits(30).packed)


class SqueezeExcite(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.gate = nn.Linear(8, 8)

    def forward(self, x):
        x = self.conv(x)
        return F.relu(x * self.gate(x.mean((2, 3)))[:, :, None, None])


def test_channels_are_those_of_the_convolution_after_a_linear_gate():
    model = make(SqueezeExcite)
    x = torch.rand(4, 1, 8, 6, generator=torch.Generator().manual_seed(0))
    codes = hl.encode(model, x, granularity="channel")
    assert np.allclose(codes.values, model(x).sum((2, 3)).detach().numpy(), atol=1e-5)


def test_the_mask_reaches_positions_behind_channels():
    conv = nn.Sequential(make(nn.Conv1d, 3, 5, 1), nn.ReLU())
    x = torch.randn(4, 3, 7, generator=torch.Generator().manual_seed(0))
    keep = torch.arange(7)[None] < torch.tensor([7, 3, 5, 1])[:, None]
    rows = torch.arange(4)
    forward = lambda net, batch: net(batch[0])  # noqa: E731
    data = torch.utils.data.TensorDataset(x, rows)
    codes = hl.encode(conv, data, forward=forward, mask=lambda batch: keep[batch[1]], batch_size=2)
    expected = ((conv[0](x) > 0) & keep[:, None]).movedim(2, 1)
    assert np.array_equal(codes.unpack(), expected.flatten(1).numpy())


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("variant", [Net, InPlace, Clamped])
def test_a_gpu_gives_the_same_bits_in_float64(variant):
    on_gpu = hl.encode(variant(torch.float64), examples(), device="cuda", batch_size=10)
    assert np.array_equal(on_gpu.unpack(), plain_hook_bits(torch.float64))
    prints = hl.fingerprint(variant(torch.float64), examples(), device="cuda")
    assert prints.method == "multilinear-128"
    assert hl.redundancy_ratio(prints) == hl.redundancy_ratio(on_gpu)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_code_rewritten_for_one_machine_is_refused_before_it_runs():
    network = nn.Sequential(make(nn.Conv2d, 1, 4, 3), nn.ReLU(), nn.Flatten()).eval()
    rewritten = nn.Sequential(torch.jit.optimize_for_inference(torch.jit.script(network)))
    with pytest.raises(CaptureError, match=r"^0 was rewritten for one machine by torch.jit.optimize_for_inference"):
        hl.encode(rewritten, torch.zeros(4, 1, 6, 6))


class Counting(nn.Module):
    """A part that writes on its buffers in eval mode too, as observers of quantisation do, and grows one."""

    def __init__(self):
        super().__init__()
        self.register_buffer("largest", torch.zeros(()))
        self.register_buffer("seen", torch.zeros(0))

    def forward(self, x):
        self.largest.copy_(torch.maximum(self.largest, x.max()))
        self.seen = torch.cat([self.seen, x.detach().flatten()[:1]])
        return x


def test_buffers_written_on_in_eval_mode_are_put_back():
    network = nn.Sequential(Counting(), make(nn.Linear, 24, 8), nn.ReLU(), make(nn.Linear, 8, 2)).eval()
    held = network[0].largest
    hl.encode(network, examples() + 3)
    hl.explain(network, examples() + 3, "gradient", kind="table")
    assert network[0].largest is held
    assert float(held) == 0
    assert network[0].seen.shape == (0,)
