import numpy as np
import pytest
import torch
from torch import nn

import hashlens as hl
from hashlens.errors import ExplainError
from hashlens.explanations import explain

from .networks import GATES, Tokens, convolutional, drawn, seeded, stack
from .trained import digits

ROWS = drawn(4, 6)
IMAGES = drawn(2, 2, 12, 12)
TABLE = stack(6, 16, 16, 3)


def bits_of(network, x, **options):
    return hl.encode(network, torch.as_tensor(x), **options).unpack()


def made(found):
    """The inputs that were made."""
    return found.values if found.inputs is None else found.inputs + found.values


# --- codes are reached ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_code_of_an_image_is_reached_bit_by_bit():
    network, x = digits()
    found = explain(network, x[:4], "code_inversion", background=x)
    wanted, at_last = bits_of(network, x[:4]), bits_of(network, found.image)
    assert wanted.shape[1] == found.diagnostics["bits"] > 1500
    assert (wanted == at_last).all()
    assert found.diagnostics["hamming_distance"] == [0, 0, 0, 0]
    assert min(found.diagnostics["hamming_distance_at_start"]) > 200
    # They are other images than those that the codes are of.
    assert min(found.diagnostics["distance_from_x"]) > 0.05
    assert found.diagnostics["predicted"] == found.target.tolist()
    assert found.notes == ()
    assert found.image.min() >= 0
    assert found.image.max() <= 1


@pytest.mark.slow
def test_the_code_of_a_hidden_layer_says_less_of_the_image():
    network, x = digits()
    whole, hidden = (explain(network, x[:4], "code_inversion", layers=layers, background=x)
                     for layers in (None, "hidden*"))  # fmt: skip
    assert (bits_of(network, hidden.image, layers="hidden*") == bits_of(network, x[:4], layers="hidden*")).all()
    assert min(hidden.diagnostics["distance_from_x"]) > 2 * max(whole.diagnostics["distance_from_x"])


@pytest.mark.slow
@pytest.mark.parametrize("gates", GATES)
def test_gates_are_found_however_they_are_written(gates):
    network = convolutional(gates)
    found = explain(network, IMAGES, "code_inversion")
    differing = bits_of(network, found.image) != bits_of(network, IMAGES)
    assert differing.sum(axis=1).tolist() == found.diagnostics["hamming_distance"] == [0, 0]


def test_a_table():
    found = explain(TABLE, ROWS, "code_inversion")
    assert found.image is None
    assert (bits_of(TABLE, made(found)) == bits_of(TABLE, ROWS)).all()
    assert np.linalg.norm(found.values, axis=1) == pytest.approx(found.diagnostics["distance_from_x"])
    assert min(found.diagnostics["distance_from_x"]) > 0.1


def test_columns_of_any_unit():
    units = torch.tensor([1e-3, 1.0, 10.0, 1e3, 1e5, 1.0], dtype=torch.float64)
    network = nn.Sequential(stack(6, 16, 3), nn.Identity())
    with torch.no_grad():
        network[0][0].weight /= units
    background = drawn(50, 6, seed=5) * units
    found = explain(network, ROWS * units, "code_inversion", background=background)
    assert (bits_of(network, made(found)) == bits_of(network, ROWS * units)).all()


@pytest.mark.slow
@pytest.mark.parametrize("gate", [nn.LeakyReLU, nn.ReLU6, nn.GELU, nn.Tanh, nn.SiLU])
def test_other_gates(gate):
    network = stack(6, 16, 16, 3, gate=gate)
    found = explain(network, ROWS, "code_inversion")
    assert (bits_of(network, made(found)) == bits_of(network, ROWS)).all()
    soft = gate in (nn.GELU, nn.Tanh, nn.SiLU)
    assert any("not piecewise linear" in note for note in found.notes) == soft


def test_a_transformer():
    network = seeded(Tokens).double().eval()
    x = drawn(2, 1, 12, 12)
    found = explain(network, x, "code_inversion")
    assert (bits_of(network, found.image) == bits_of(network, x)).all()


# --- codes that are given ---------------------------------------------------------------------------------------------


def test_a_code_is_given_in_many_ways():
    codes = hl.encode(TABLE, ROWS[:1])
    bits = codes.unpack()
    ways = [{"code": codes}, {"code": bits}, {"code": bits[0]}, {"code": torch.from_numpy(bits).to(torch.uint8)},
            {"example": ROWS[0]}, {"example": ROWS[:1].numpy()}]  # fmt: skip
    found = [explain(TABLE, ROWS[1:2], "code_inversion", **way) for way in ways]
    for each in found:
        assert (bits_of(TABLE, made(each)) == bits).all()
        assert np.array_equal(each.inputs, ROWS[1:2].numpy())
        assert np.array_equal(each.values, found[0].values)


@pytest.mark.slow
def test_from_x_the_way_may_be_short():
    """A code that only differs in the bits that a small step flips is reached by a small step."""
    network, x = digits()
    near = (x[:1] + 0.05 * drawn(1, 1, 8, 8, dtype=torch.float32)).clamp(0, 1)
    found = explain(network, x[:1], "code_inversion", example=near)
    assert found.diagnostics["hamming_distance_at_start"] > 0
    assert (bits_of(network, found.image) == bits_of(network, near)).all()
    assert found.diagnostics["distance_from_x"] < 0.3 * float(x[:1].norm())
    # Where x has the code already, it is returned as it is.
    same = explain(network, x[:2], "code_inversion", example=x[:1])
    assert same.diagnostics["distance_from_x"][0] == 0
    assert np.array_equal(same.image[:1], x[:1].numpy())


def test_several_codes_one_start_and_the_other_way_round():
    codes = hl.encode(TABLE, ROWS)
    many = explain(TABLE, ROWS[:1], "code_inversion", code=codes)
    assert (bits_of(TABLE, made(many)) == codes.unpack()).all()
    assert len(many.target) == len(many.prediction) == len(many) == 4
    one = explain(TABLE, ROWS, "code_inversion", code=codes[:1])
    assert (bits_of(TABLE, made(one)) == codes.unpack()[:1]).all()


@pytest.mark.slow
def test_without_x():
    codes = hl.encode(TABLE, ROWS[:2])
    found = explain(TABLE, None, "code_inversion", code=codes, shape=(6,), kind="table")
    assert found.inputs is None
    assert found.values.shape == (2, 6)
    assert (bits_of(TABLE, found.values) == codes.unpack()).all()
    network, x = digits()
    found = explain(network, None, "code_inversion", code=hl.encode(network, x[:2]), background=x)
    assert (bits_of(network, found.image) == bits_of(network, x[:2])).all()
    assert [len(figure.panels) for figure in found.figures()] == [2]


@pytest.mark.slow
def test_a_sample_of_bits_and_some_layers():
    network, x = digits()
    codes = hl.encode(network, x[:2]).sample_bits(300, seed=4)
    found = explain(network, None, "code_inversion", code=codes, background=x)
    assert (hl.encode(network, torch.from_numpy(found.image)).sample_bits(300, seed=4).unpack() == codes.unpack()).all()
    layer = hl.encode(network, x[:2], layers="*block2*")
    found = explain(network, None, "code_inversion", code=layer, background=x)
    assert (bits_of(network, found.image, layers="*block2*") == layer.unpack()).all()
    assert sorted(found.diagnostics["bits_by_layer"][0]) == ["features.block2.relu1", "features.block2.relu2"]


def test_winners_of_pools_are_held_where_the_code_has_them():
    network = nn.Sequential(seeded(lambda: nn.Conv2d(2, 3, 3)), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                            seeded(lambda: nn.Linear(75, 2))).double()  # fmt: skip
    codes = hl.encode(network, IMAGES, gates="all")
    found = explain(network, 0.5 * IMAGES.flip(0), "code_inversion", code=codes)
    assert (bits_of(network, found.image, gates="all") == codes.unpack()).all()
    assert len(codes.layers) == 2


def test_a_code_that_no_input_has_is_said_to_be_missed():
    network = stack(2, 2, 2)
    with torch.no_grad():
        network[0].weight[1] = network[0].weight[0]
        network[0].bias[1] = network[0].bias[0]
    found = explain(network, drawn(1, 2), "code_inversion", code=[True, False], steps=100)
    assert found.diagnostics["hamming_distance"] == 1
    assert found.diagnostics["bits_by_layer"] == {"1": 1}
    assert found.notes == (
        "1 of 1 codes were not reached: up to 1 of 2 bits differ, and possibly no input has this code; raise steps, or "
        "give fewer layers=",
    )
    assert np.isfinite(found.values).all()


# --- once more --------------------------------------------------------------------------------------------------------


def test_the_same_seed_is_bit_identical():
    first, again, other = (explain(TABLE, ROWS, "code_inversion", seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.values, again.values)
    assert not np.array_equal(first.values, other.values)


@pytest.mark.parametrize("gate", [nn.ReLU, nn.GELU])
def test_the_network_is_handed_back_and_nothing_is_printed(capsys, gate):
    network = stack(6, 16, 3, gate=gate).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    explain(network, ROWS, "code_inversion", steps=5)
    with pytest.raises(ExplainError):
        explain(network, ROWS, "code_inversion", layers="none*")
    with pytest.raises(ExplainError, match="layer= is one layer, but a code has several: give layers="):
        explain(network, ROWS, "code_inversion", layer="0")
    assert network.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert all(not module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert capsys.readouterr() == ("", "")


# --- mistakes ---------------------------------------------------------------------------------------------------------

CODES = hl.encode(TABLE, ROWS)
MISTAKES = {
    "nothing": ({"x": None, "shape": (6,), "kind": "table"}, "this method explains examples: give x"),
    "no shape": ({"x": None, "code": CODES, "kind": "table"}, "without x, give the shape of one input"),
    "a shape without its kind": ({"x": None, "code": CODES, "shape": (6,)}, 'or a table needs kind="table"'),
    "a code and an example": ({"code": CODES, "example": ROWS}, "code= and example= both set the target"),
    "a code of the wrong length": ({"code": np.ones(33, bool)},
                                   "code must be bits, bool (n, 32), of layers 1, 3, received (33,): choose others"),
    "a code of one layer": ({"code": np.ones(32, bool), "layers": "1"}, "code must be bits, bool (n, 16), of layers 1"),
    "no code": ({"code": np.ones((0, 32), bool)}, "code must be bits, bool (n, 32)"),
    "numbers": ({"code": np.full(32, 0.5)}, "code must be bits, bool (n, 32)"),
    "words": ({"code": "101"}, "code must be bits, bool (n, 32)"),
    "a code of another network": ({"code": hl.encode(stack(6, 16, 16, 3, seed=9), ROWS)},
                                  "the code is of another network, Sequential: encode with this one"),
    "a code by channel": ({"code": hl.encode(TABLE, ROWS, granularity="channel")}, 'read it with granularity="unit"'),
    "layers of a code": ({"code": CODES, "layers": "1"}, "the code already has its layers: leave out layers="),
    "unknown layers": ({"layers": "2*"}, "no layer matches '2*'"),
    "several starts and codes": ({"x": ROWS[:3], "code": CODES}, "there must be one x or 4, one for each code"),
    "an example of another shape": ({"example": drawn(1, 7)}, "example must be inputs (n, 6), received (1, 7)"),
    "an example that is NaN": ({"example": np.full((1, 6), np.nan)}, "example: 6 of 6 numbers are NaN or infinite"),
    "no steps": ({"steps": 0}, "steps must be a whole number, 1 or more"),
    "step_size below 0": ({"step_size": -1.0}, "step_size must be a number, 0 or more"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_bad_input_is_one_line_with_the_way_out(mistake):
    options, said = MISTAKES[mistake]
    with pytest.raises(ExplainError) as caught:
        explain(TABLE, **{"x": ROWS, **options}, method="code_inversion")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


class TokensFirst(nn.Module):
    """Patches of an image as tokens, in front of the batch or behind it."""

    def __init__(self, first):
        super().__init__()
        self.cut, self.hidden, self.head = seeded(lambda: (nn.Conv2d(1, 6, 4, 4), nn.Linear(6, 12), nn.Linear(12, 3)))
        self.first = first

    def forward(self, x):
        tokens = self.cut(x).flatten(2)
        tokens = tokens.permute(2, 0, 1) if self.first else tokens.transpose(1, 2)
        return self.head(torch.nn.functional.gelu(self.hidden(tokens)).mean(0 if self.first else 1))


def test_several_images_are_reached_where_tokens_come_first():
    x = drawn(3, 1, 8, 8, dtype=torch.float32)
    first, behind = (explain(TokensFirst(first), x, "code_inversion", steps=40) for first in (True, False))
    assert first.diagnostics["hamming_distance"] == behind.diagnostics["hamming_distance"] == [0, 0, 0]
    assert np.allclose(first.image, behind.image, atol=1e-5)


# --- among what a generator makes -------------------------------------------------------------------------------------


def test_a_generator_finds_an_input_with_the_code_of_one_that_it_made():
    plane = seeded(lambda: nn.Linear(2, 6).double())
    target = plane(drawn(3, 2, seed=7)).detach()
    before = [parameter.clone() for parameter in plane.parameters()]
    found = explain(TABLE, target, "code_inversion", generator=plane, latent=2)
    start, end = (np.asarray(found.diagnostics[name]) for name in ("hamming_distance_at_start", "hamming_distance"))
    assert end.sum() < start.sum() / 3
    assert (bits_of(TABLE, made(found)) != bits_of(TABLE, target)).sum(axis=1).tolist() == end.tolist()
    # All that is made lies in the plane that the generator makes.
    off = torch.as_tensor(made(found)) - plane.bias.detach()
    codes = torch.linalg.lstsq(plane.weight.detach(), off.T).solution
    torch.testing.assert_close(plane.weight.detach() @ codes, off.T)
    assert all(torch.equal(a, b) for a, b in zip(before, plane.parameters(), strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"generator": len},
            "generator must be a torch.nn.Module or a model of hashlens.generative",
        ),
        (
            {"generator": nn.Identity()},
            "give latent=, the length of the generator's latent codes, received None",
        ),
        (
            {"generator": nn.Identity(), "latent": 5},
            r"the generator returns inputs \(5,\), but the network",
        ),
        ({"generator": nn.Unflatten(1, (2, 2)), "latent": 5}, r"the generator rejects codes \(4, 5\)"),
    ],
)
def test_a_generator_that_does_not_fit_is_one_clear_line(options, message):
    with pytest.raises(ExplainError, match=message) as caught:
        explain(TABLE, ROWS, "code_inversion", **options)
    assert "\n" not in str(caught.value)
