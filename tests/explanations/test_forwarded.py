"""Networks that a function of the user calls, and padding in what is explained."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import hashlens as hl
from hashlens.errors import ExplainError, HashlensError


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make(build):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build().double().eval()


class Two(nn.Module):
    """A network of two inputs, with gates and a mode of its own."""

    def __init__(self):
        super().__init__()
        self.conv, self.act, self.fc = nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Linear(4 * 36, 3)

    def forward(self, x, scale):
        maps = F.dropout(self.act(self.conv(x * scale)), 0.5, self.training)
        return {"logits": self.fc(maps.flatten(1)), "other": x.sum()}


def halved(network, x):
    return network(x, 0.5)


METHODS = ("gradient", "integrated_gradients", "grad_cam", "guided_backprop", "region", "lime")


@pytest.mark.parametrize("method", METHODS)
def test_forward_gives_what_a_network_of_one_input_gives(method):
    class One(Two):
        def forward(self, x):
            return super().forward(x, 0.5)

    model, other, x = make(Two), make(One), numbers(2, 1, 6, 6)
    model.train()
    options = {"method": method, "target": 1, "layer": "act" if method == "grad_cam" else None}
    x, many = (x[:1], {}) if method in ("lime",) else (x, {})
    found, expected = hl.explain(model, x, forward=halved, **options, **many), hl.explain(other, x, **options)
    assert np.allclose(found.values, expected.values, atol=1e-12)
    assert np.abs(found.values).max() > 0
    assert all(module.training for module in model.modules())


def test_codes_of_an_explanation_are_those_of_encode():
    model, x = make(Two), numbers(2, 1, 6, 6)
    codes = hl.encode(model, x, forward=halved)
    found = hl.explain(model, x, "code_inversion", forward=halved, code=codes, steps=1)
    assert found.diagnostics
    with pytest.raises(HashlensError, match="forward"):
        hl.explain(model, x, "code_inversion", code=codes, steps=1)


def test_comparisons_take_forward():
    found = hl.compare_explanations(make(Two), numbers(2, 1, 6, 6), ["gradient", "region"], forward=halved)
    assert {"gradient", "region"} <= set(found.methods)


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.fc = nn.Embedding(10, 4), nn.Linear(4, 2)

    def forward(self, ids, mask):
        return self.fc((F.relu(self.embedding(ids)) * mask[..., None]).sum(dim=1))


def test_texts_are_given_to_forward():
    def forward(network, texts):
        rows = [[len(word) % 10 for word in text.split()] or [0] for text in texts]
        ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
        return network(ids, torch.stack([torch.arange(ids.shape[1]) < len(row) for row in rows]))

    found = hl.explain(make(Words), "a bb ccc dddd", "kernel_shap", forward=forward)
    assert found.values.size == 4 or len(found.features) == 4


class Pooled(nn.Module):
    """Signals, channels in front; the mean goes over padding too, unless a mask is given."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv1d(2, 5, 1, bias=False), nn.Linear(5, 3)

    def forward(self, x, mask=None):
        maps = F.relu(self.conv(x))
        return self.fc((maps if mask is None else maps * mask[:, None]).sum(dim=2))


def test_padding_explains_nothing_and_what_it_was_is_said():
    model, mask = make(Pooled), torch.arange(8) < torch.tensor([5, 8])[:, None]
    x = numbers(2, 2, 8)
    forward = lambda net, rows: net(rows, mask)  # noqa: E731
    by_mask = hl.explain(model, x, "gradient", kind="table", forward=forward, mask=lambda _: mask)
    assert not any("padded positions" in note for note in by_mask.notes)
    found = hl.explain(model, x, "gradient", kind="table", target=by_mask.target.tolist(), mask=lambda _: mask)
    assert np.array_equal(found.values, by_mask.values)
    assert not found.values[0, :, 5:].any()
    whole = hl.explain(model, x, "gradient", kind="table", target=by_mask.target.tolist())
    share = np.abs(whole.values[0, :, 5:]).sum() / np.abs(whole.values).sum()
    assert any(note.startswith(f"{share:.1%} of the absolute values were at padded positions") for note in found.notes)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mask": lambda _: torch.ones(2, 7, dtype=torch.bool)}, "no axis has the 7 positions of the mask"),
        ({"mask": "attention_mask"}, "cannot be read from a batch of type Tensor"),
        ({"forward": "halved"}, "forward must be a function"),
    ],
)
def test_mistakes_are_one_line(options, says):
    with pytest.raises(HashlensError, match=says):
        hl.explain(make(Pooled), numbers(2, 2, 8), "gradient", kind="table", **options)
    with pytest.raises(ExplainError, match="leave it out for a plain function"):
        hl.explain(lambda x: x, numbers(2, 2), "lime", forward=halved)
