"""Padded positions leave no bits, in layers of any length; an example has the code that it has alone."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import hashlens as hl
from hashlens.codes.codes import align_layouts
from hashlens.errors import CaptureError, CodesError, CodesWarning, DataError

from .test_capture import make

LENGTHS = [17, 30, 21, 12, 44, 25]


def signals(channels=3):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(n, channels, generator=generator, dtype=torch.float64) for n in LENGTHS]


def batches(rows, size, width=None, left=False):
    """Return batches as dicts ``x`` and ``attention_mask``, padded with noise to the longest or to `width`."""

    def collate(part):
        wide = width or max(map(len, part))
        x = torch.full((len(part), wide, *part[0].shape[1:]), 7.5, dtype=part[0].dtype)
        mask = torch.zeros(len(part), wide, dtype=torch.int64)
        for i, row in enumerate(part):
            at = slice(wide - len(row), wide) if left else slice(0, len(row))
            x[i, at], mask[i, at] = row, 1
        return {"x": x, "attention_mask": mask}

    return torch.utils.data.DataLoader(rows, batch_size=size, collate_fn=collate)


def by_x(network, batch):
    return network(batch["x"])


def alone(model, rows):
    """Return the codes of examples without padding, each in a batch of its own."""
    ones = [hl.encode(model, batches([row], 1), forward=by_x, mask="attention_mask") for row in rows]
    return align_layouts(ones)


class Strided(nn.Module):
    """Convolutions of several strides, a pool and a slice, and a gate per position behind them, as in speech models."""

    def __init__(self, first=True):
        super().__init__()
        self.conv = nn.ModuleList([nn.Conv1d(3, 5, 4, 2), nn.Conv1d(5, 6, 3, 2), nn.Conv1d(6, 6, 1)])
        self.fc = nn.Linear(6, 4)
        self.double()

    def forward(self, x):
        x = x.transpose(1, 2)
        for conv in self.conv:
            x = F.relu(conv(x))
        x = F.avg_pool1d(x, 2)
        return F.gelu(self.fc(x.transpose(1, 2)[:, ::2]))


class Padded(nn.Module):
    """Padding in front, as causal convolutions do it, a class token in front, and a max-pool."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 3, 2)
        self.token = nn.Parameter(torch.ones(1, 1, 5))
        self.double()

    def forward(self, x):
        x = F.relu(self.conv(F.pad(x.transpose(1, 2), (2, 0))))
        x = torch.cat([self.token.double().expand(len(x), 1, 5), x.transpose(1, 2)], dim=1)
        return F.gelu(F.max_pool1d(F.gelu(x).transpose(1, 2), 2))


@pytest.mark.parametrize("network", [Strided, Padded])
def test_layers_of_other_lengths_have_the_code_of_an_example_alone(network):
    model, rows = make(network), signals()
    one_way = hl.encode(model, batches(rows, 2), forward=by_x, mask="attention_mask")
    other = hl.encode(model, batches(rows, 4, width=60), forward=by_x, mask="attention_mask")
    first, second, *singles = align_layouts([one_way, other, *alone(model, rows)])
    assert np.array_equal(first.unpack(), second.unpack())
    assert np.array_equal(first.unpack(), np.concatenate([code.unpack() for code in singles]))
    assert first.unpack().any(axis=1).all()


def test_the_positions_behind_a_stride_are_those_that_the_network_gives_an_example_alone():
    model, rows = make(Strided), signals()
    codes = hl.encode(model, batches(rows, 6), forward=by_x, mask="attention_mask")
    layer = codes.layer("relu")
    assert layer.layers[0].shape == (21, 5)
    bits = layer.unpack().reshape(6, 21, 5)
    for row, own in zip(rows, bits, strict=True):
        expected = (model.conv[0](row.T[None])[0].T > 0).detach().numpy()
        assert np.array_equal(own[: len(expected)], expected)
        assert not own[len(expected) :].any()


def test_channels_sum_over_real_positions_only():
    model, rows = make(Strided), signals()
    reading = hl.Reading(layers="relu", granularity="channel", forward=by_x, mask="attention_mask")
    kinds = [hl.encode(model, batches(rows, size, width), reading=reading)
             for size, width in ((2, None), (3, 50))]  # fmt: skip
    expected = [model.conv[0](row.T[None]).relu().sum(2)[0].tolist() for row in rows]
    for codes in kinds:
        assert np.allclose(codes.values, expected, atol=1e-5)


@pytest.mark.parametrize("left", [False, True])
def test_tokens_come_first_on_whichever_side_the_padding_is(left):
    model, rows = make(lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU()).double()), signals()
    codes = hl.encode(model, batches(rows, 2, left=left), forward=by_x, mask="attention_mask")
    wide = hl.encode(model, batches(rows, 3, width=60, left=left), forward=by_x, mask="attention_mask")
    first, second = align_layouts([codes, wide])
    assert np.array_equal(first.unpack(), second.unpack())
    for row, own in zip(rows, codes.unpack().reshape(6, -1, 4), strict=True):
        assert np.array_equal(own[: len(row)], (model[0](row) > 0).numpy())
        assert not own[len(row) :].any()


OPERATORS = {
    "stride": lambda x: F.conv1d(x, torch.ones(3, 3, 4), stride=3),
    "padding": lambda x: F.conv1d(x, torch.ones(3, 3, 5), stride=2, padding=2, dilation=2),
    "transposed": lambda x: F.conv_transpose1d(x, torch.ones(3, 3, 4), stride=2, padding=1, output_padding=1),
    "plane": lambda x: F.conv2d(x[:, :, :, None], torch.ones(3, 3, 3, 1), stride=2, padding=(1, 0))[..., 0],
    "max-pool": lambda x: F.max_pool1d(x, 3, 2, padding=1),
    "ceil": lambda x: F.max_pool1d(x, 2, ceil_mode=True),
    "average": lambda x: F.avg_pool1d(x, 3),
    "slice": lambda x: x[:, :, 1:-2],
    "every third": lambda x: x[:, :, ::3],
    "zeros": lambda x: F.pad(x, (3, 1)),
    "reflection": lambda x: F.pad(x, (2, 2), mode="reflect"),
    "class token": lambda x: torch.cat([x[:, :, :1] * 0, x], dim=2),
    "upsampled": lambda x: F.interpolate(x, scale_factor=2),
    "windows": lambda x: x.unfold(2, 5, 2)[..., 0],
}


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_example_has_as_many_positions_as_the_operator_makes_of_it_alone(operator):
    class Network(nn.Module):
        def forward(self, x):
            return torch.relu(OPERATORS[operator](x.float().transpose(1, 2)).pow(2) + 1)

    rows = signals()
    codes = hl.encode(Network(), batches(rows, 6), forward=by_x, mask="attention_mask")
    counts = codes.unpack().reshape(6, -1, 3).sum(axis=1)
    assert counts.tolist() == [[OPERATORS[operator](row.float().T[None]).shape[2]] * 3 for row in rows]


def test_strides_behind_left_padding_are_refused_by_name():
    with pytest.raises(
        CaptureError, match=r"layer 'relu', \(5, .*which of its .* positions are padding cannot be told"
    ):
        hl.encode(make(Strided), batches(signals(), 2, left=True), forward=by_x, mask="attention_mask")


class Merged(nn.Module):
    """Two neighbours become one, as patches do."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 4, dtype=torch.float64)

    def forward(self, x):
        return F.relu(self.fc(x.reshape(len(x), -1, 6)))


def test_merged_positions_are_masked_where_the_lengths_divide_and_refused_where_they_do_not():
    model, rows = make(Merged), [row[: len(row) // 2 * 2] for row in signals()]
    codes = hl.encode(model, batches(rows, 2), forward=by_x, mask="attention_mask")
    first, *singles = align_layouts([codes, *alone(model, rows)])
    assert np.array_equal(first.unpack(), np.concatenate([code.unpack() for code in singles]))
    with pytest.raises(CaptureError, match=r"layer 'relu', \(30, 4\).*cannot be told from the mask.*mask={'relu'"):
        hl.encode(model, batches(signals(), 6, width=60), forward=by_x, mask="attention_mask")


class TwoStreams(nn.Module):
    """Tokens with padding, and queries of a fixed number without."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Sequential(nn.Linear(3, 4), nn.ReLU()).double()
        self.queries = nn.Sequential(nn.Linear(3, 4), nn.ReLU()).double()

    def forward(self, x):
        return self.tokens(x).mean(1) + self.queries(x[:, :1].expand(-1, 8, -1)).mean(1)


def test_a_layer_with_positions_of_its_own_is_refused_by_name_and_read_with_a_mask_of_its_own():
    model, rows = make(TwoStreams), signals()
    # What is cut off and repeated is no position of the mask any more.
    with pytest.raises(
        CaptureError, match=r"layer 'queries.1', \(8, 4\) .*no axis has the 30 positions of the mask.*None"
    ):
        hl.encode(model, batches(rows, 2), forward=by_x, mask="attention_mask")
    codes = hl.encode(
        model, batches(rows, 2), forward=by_x, mask={"tokens.*": lambda batch: batch["attention_mask"], "*": None}
    )
    bits = codes.layer("queries.1").unpack().reshape(6, 8, 4)
    expected = torch.stack([model.queries[0](row[0]) > 0 for row in rows]).numpy()
    assert np.array_equal(bits, np.repeat(expected[:, None], 8, axis=1))
    assert codes.layer("tokens.1").layers[0].shape == (44, 4)
    with pytest.raises(CaptureError, match=r"mask= names 'token\.\*', which matches no layer: did you mean 'tokens.1'"):
        hl.encode(model, batches(rows, 2), forward=by_x, mask={"token.*": "attention_mask", "*": None})
    with pytest.raises(CodesError, match="mask must be a key, a function, or a dict"):
        hl.encode(model, batches(rows, 2), forward=by_x, mask={"tokens.*": 3})


def test_windows_of_max_pools_over_padding_leave_no_bits():
    model = make(lambda: nn.Sequential(nn.Conv1d(3, 4, 1), nn.ReLU(), nn.MaxPool1d(2)).double())
    forward = lambda network, batch: network(batch["x"].transpose(1, 2))  # noqa: E731
    codes = [hl.encode(model, batches(signals(), size, width), forward=forward, mask="attention_mask", gates="all")
             for size, width in ((2, None), (3, 60))]  # fmt: skip
    first, second = align_layouts(codes)
    assert np.array_equal(first.unpack(), second.unpack())
    ones = first.layer(first.layers[-1].name).unpack().sum(axis=1)
    assert ones.tolist() == [n // 2 * 4 for n in LENGTHS]


class Scores(nn.Module):
    """One gate for each position, and units behind the mean of the positions."""

    def __init__(self):
        super().__init__()
        self.score, self.units = nn.Linear(3, 1).double(), nn.Linear(3, 30).double()

    def forward(self, x):
        return torch.sigmoid(self.score(x)[..., 0]), F.relu(self.units(x[:, 0]))


def test_one_value_a_position_is_masked_and_units_are_not():
    rows = [row for row in signals() if len(row) <= 30]
    model = make(Scores)
    codes = hl.encode(model, batches(rows, 3, width=30), forward=by_x, mask="attention_mask")
    scores, units = (codes.layer(name).unpack() for name in ("sigmoid", "relu"))
    for row, own, unit in zip(rows, scores, units, strict=True):
        assert np.array_equal(own[: len(row)], (model.score(row)[:, 0] > 0).numpy())
        assert not own[len(row) :].any()
        assert np.array_equal(unit, (model.units(row[0]) > 0).numpy())


def test_an_attention_mask_that_nobody_uses_is_warned_of_once():
    model = make(lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU()).double())
    with pytest.warns(CodesWarning, match="padding by 'attention_mask'.*give mask='attention_mask'") as warned:
        hl.encode(model, batches(signals(), 2, width=60), forward=by_x)
    assert len(warned) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hl.encode(model, batches(signals(), 2), forward=by_x, mask="attention_mask")
        hl.encode(model, batches([row[:12] for row in signals()], 2), forward=by_x)


def test_wav2vec2_reads_a_sample_alike_in_batches_of_any_padding():
    transformers = pytest.importorskip("transformers")
    config = transformers.Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, conv_dim=(8, 8, 8),
        conv_stride=(5, 2, 2), conv_kernel=(10, 3, 3), num_feat_extract_layers=3, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2, feat_extract_norm="layer", conv_bias=True,
    )  # fmt: skip
    model = make(transformers.Wav2Vec2Model, config).double().eval()
    forward = lambda network, batch: network(batch["x"][..., 0], attention_mask=batch["attention_mask"])  # noqa: E731
    rows = [torch.randn(20 * n, 1, generator=torch.Generator().manual_seed(n), dtype=torch.float64) for n in LENGTHS]
    codes = [hl.encode(model, batches(rows, size, width), forward=forward, mask="attention_mask")
             for size, width in ((2, None), (1, None), (6, 1000))]  # fmt: skip
    first, *others = (code.unpack() for code in align_layouts(codes))
    assert all(np.array_equal(first, other) for other in others)
    assert codes[0].layers[-1].shape == (43, 24)  # of 880 samples: 175, 87 and 43 positions


def test_the_decoder_of_t5_has_a_mask_of_its_own():
    transformers = pytest.importorskip("transformers")
    config = transformers.T5Config(
        vocab_size=64, d_model=16, d_ff=24, num_layers=1, num_heads=2, d_kv=8, decoder_start_token_id=0
    )
    model = make(transformers.T5Model, config).double().eval()

    def forward(network, batch):
        tokens = batch["x"].long()[..., 0].abs()
        return network(tokens, batch["attention_mask"], decoder_input_ids=torch.ones(len(tokens), 4, dtype=torch.int64))

    rows = [row * 10 for row in signals()]
    with pytest.raises(CaptureError, match=r"layer 'decoder\..*', \(4, 24\)"):
        hl.encode(model, batches(rows, 2), forward=forward, mask={"*": "attention_mask"})
    codes = hl.encode(model, batches(rows, 2), forward=forward, mask={"encoder.*": "attention_mask", "*": None})
    assert [at.shape for at in codes.layers] == [(44, 24), (4, 24)]


def test_a_key_of_batches_that_are_tensors_is_told_once():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match=r"mask='x' cannot be read from a batch of type Tensor .*has no keys"):
            hl.encode(nn.ReLU(), torch.eye(4), mask="x")


class Backwards(nn.Module):
    """A gate on positions that run backwards, one on both directions, and one behind another flip."""

    def __init__(self, forth=False):
        super().__init__()
        self.there, self.back, self.forth = nn.Linear(3, 4).double(), nn.Linear(3, 5).double(), forth

    def forward(self, x):
        away = self.back(x.flip(1))
        return F.relu(self.there(x)), F.gelu(away.flip(1) if self.forth else away)


def test_a_mask_is_none_of_positions_that_run_backwards():
    model, rows = make(Backwards), signals()
    with pytest.raises(CaptureError, match=r"layer 'gelu': its positions run backwards \(torch.flip\).*mask={'gelu'"):
        hl.encode(model, batches(rows, 6), forward=by_x, mask="attention_mask")
    flipped = {"gelu": lambda batch: batch["attention_mask"].flip(1), "*": "attention_mask"}
    codes = hl.encode(model, batches(rows, 6), forward=by_x, mask=flipped)
    for row, own in zip(rows, codes.layer("gelu").unpack().reshape(6, -1, 5), strict=True):
        assert np.array_equal(own[: len(row)], (model.back(row.flip(0)) > 0).numpy())
        assert not own[len(row) :].any()
    twice = hl.encode(make(Backwards, True), batches(rows, 6), forward=by_x, mask="attention_mask")
    for row, own in zip(rows, twice.layer("gelu").unpack().reshape(6, -1, 5), strict=True):
        assert np.array_equal(own[: len(row)], (model.back(row) > 0).numpy())


class Recurrent(nn.Module):
    """One call of a gate for each position, and one gate of the last state."""

    def __init__(self):
        super().__init__()
        self.rnn, self.fc = nn.RNN(3, 4, batch_first=True), nn.Linear(4, 5)
        self.double()

    def forward(self, x):
        return F.relu(self.fc(self.rnn(x)[1][-1]))


def test_a_mask_that_does_not_reach_the_steps_of_a_recurrent_network_is_refused():
    model, rows = make(Recurrent), signals()
    with pytest.raises(
        CaptureError, match=r"layer 'rnn.tanh' ran 44 times, .*layers='!rnn.tanh\*'.*'rnn.tanh\*': None"
    ):
        hl.encode(model, batches(rows, 6), forward=by_x, mask="attention_mask")
    codes = hl.encode(model, batches(rows, 6), forward=by_x, mask="attention_mask", layers="!rnn*")
    assert [layer.name for layer in codes.layers] == ["relu"]
    steps = hl.encode(model, batches(rows, 6), forward=by_x, mask={"rnn*": None, "*": "attention_mask"})
    assert len(steps.layers) == 45
    even = [row[:12] for row in rows]  # no padding, and nothing to reach
    assert len(hl.encode(model, batches(even, 6), forward=by_x, mask="attention_mask").layers) == 13


class Hourglass(nn.Module):
    """Half as many positions, and as many again: of an odd number one is gone."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 2, 2).double()

    def forward(self, x):
        return F.relu(F.interpolate(F.gelu(self.conv(x.transpose(1, 2))), scale_factor=2))


def test_positions_lost_on_the_way_are_not_taken_for_those_of_the_input():
    model, rows = make(Hourglass), signals()
    with pytest.raises(CaptureError, match=r"layer 'relu', \(5, 44\).*which of its 44 positions are padding"):
        hl.encode(model, batches(rows, 6), forward=by_x, mask="attention_mask")
    even = [row[: len(row) // 2 * 2] for row in rows]
    codes = hl.encode(model, batches(even, 6), forward=by_x, mask="attention_mask")
    first, *singles = align_layouts([codes, *alone(model, even)])
    assert np.array_equal(first.unpack(), np.concatenate([code.unpack() for code in singles]))


class Causal(nn.Module):
    """Padding on both sides, and cut to the positions of the batch."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 3, padding=2).double()

    def forward(self, x):
        return F.relu(self.conv(x.transpose(1, 2))[:, :, : x.shape[1]])


def test_what_is_cut_to_the_positions_of_a_batch_has_those_of_each_example():
    model, rows = make(Causal), signals()
    codes = hl.encode(model, batches(rows, 3, width=50), forward=by_x, mask="attention_mask")
    first, *singles = align_layouts([codes, *alone(model, rows)])
    assert np.array_equal(first.unpack(), np.concatenate([code.unpack() for code in singles]))


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        (lambda x: x @ x.transpose(1, 2), "several of its axes have as many entries as positions"),
        (lambda x: F.linear(x, torch.ones(2, 3).double()).flatten(1), "its 88 units may be positions and channels"),
    ],
)
def test_padding_in_an_axis_that_is_none_of_positions_alone_is_refused(forward, reason):
    class Network(nn.Module):
        def forward(self, x):
            return F.relu(forward(x))

    with pytest.raises(CaptureError, match=reason):
        hl.encode(Network(), batches(signals(), 6), forward=by_x, mask="attention_mask")
    codes = hl.encode(Network(), batches(signals(), 6), forward=by_x, mask={"*": None})
    assert len(codes.layers) == 1


class Reordered(nn.Module):
    """A gate on positions that an operator put into another order, and one on those of the input."""

    def __init__(self, change):
        super().__init__()
        self.there, self.moved, self.change = nn.Linear(3, 4).double(), nn.Linear(3, 5).double(), change

    def forward(self, x):
        return F.relu(self.there(x)), F.gelu(self.moved(self.change(x)))


def backwards(x):
    return torch.arange(x.shape[1]).flip(0)


def put(x):
    made = torch.zeros_like(x)
    made[:, backwards(x)] = x
    return made


@pytest.mark.parametrize(
    ("change", "how"),
    [
        (lambda x: x.roll(3, 1), "roll"),
        (lambda x: x.roll((1, 3), (2, 1)), "roll"),
        (lambda x: x[:, backwards(x)], "index"),
        (lambda x: x.index_select(1, backwards(x)), "index_select"),
        (lambda x: x.gather(1, backwards(x)[None, :, None].expand(x.shape)), "gather"),
        (lambda x: x.sort(1)[0], "sort"),
        (put, "index_put"),
    ],
)
def test_a_mask_is_none_of_positions_in_another_order(change, how):
    model, rows = make(Reordered, change), signals()
    with pytest.raises(
        CaptureError, match=rf"layer 'gelu': its positions are in another order \({how}\).*mask={{'gelu'"
    ):
        hl.encode(model, batches(rows, 6), forward=by_x, mask="attention_mask")
    codes = hl.encode(model, batches(rows, 6), forward=by_x, mask="attention_mask", layers="relu")
    assert codes.layer("relu").unpack()[0].reshape(-1, 4)[: len(rows[0])].any()


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.roll(3, 1).roll(-3, 1),
        lambda x: x.roll(1, 2),
        lambda x: x[:, torch.arange(x.shape[1])],
        lambda x: x.gather(1, torch.arange(x.shape[1])[None, :, None].expand(x.shape)),
        lambda x: x.masked_fill(x > 7, 7.0),
    ],
)
def test_positions_in_the_order_of_the_input_are_masked(change):
    model, rows = make(Reordered, change), signals()
    codes = hl.encode(model, batches(rows, 6), forward=by_x, mask="attention_mask")
    for row, own in zip(rows, codes.layer("gelu").unpack().reshape(6, -1, 5), strict=True):
        assert np.array_equal(own[: len(row)], (model.moved(change(row[None])[0]) > 0).numpy())
        assert not own[len(row) :].any()


class Spectra(nn.Module):
    """Channels, positions and 12 frequencies: an example of 12 positions has two axes of 12."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 5, 1).double()

    def forward(self, x):
        return F.relu(self.conv(x[:, None]))


def test_a_batch_with_as_many_positions_as_frequencies_keeps_the_order_of_the_others():
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randn(n, 12, generator=generator, dtype=torch.float64) for n in (9, 14, 12, 12)]
    model = make(Spectra)
    codes = hl.encode(model, batches(rows, 2), forward=by_x, mask="attention_mask")
    for row, own in zip(rows, codes.unpack().reshape(4, 14, 5, 12), strict=True):
        expected = model(row[None])[0].movedim(1, 0) > 0
        assert np.array_equal(own[: len(row)], expected.numpy())
    with pytest.raises(CaptureError, match=r"layer 'relu': an earlier batch had as many positions as another axis"):
        hl.encode(model, batches(rows[2:] + rows[:2], 2), forward=by_x, mask="attention_mask")
