"""Every allowed operator acts on rows as the network does on examples; everything else is refused by name."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hashlens import regions
from hashlens.errors import ModelError
from hashlens.nets.resnet import ResNet

WEIGHTS = torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
IMAGE = (2, 4, 6)
VECTOR = (6,)


class Written(nn.Module):
    """A function of the input as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


AFFINE = {
    "views": (lambda x: x.reshape(len(x), -1).unsqueeze(1).squeeze(1).view(-1, 4, 12).flatten(1), IMAGE),
    "axes": (lambda x: x.permute(0, 3, 1, 2).transpose(1, -1).movedim(2, 1).swapaxes(1, 3), IMAGE),
    "parts": (lambda x: torch.cat([x[:, 1], x.select(1, 0)[..., ::2], x.narrow(3, 1, 3)[:, -1]], -1), IMAGE),
    "splits": (lambda x: torch.stack([*x.unbind(2), *x.split(1, 2)[1].chunk(1, 3)[0].unbind(2)], 1), IMAGE),
    "uneven splits": (lambda x: x.split([1, 3], 2)[1] + x.tensor_split(2, dim=3)[0][:, :, :1, :1], IMAGE),
    "flips": (lambda x: x.flip(1, 3).roll((1, 2), (2, 3)).cumsum(-1), IMAGE),
    "picks": (lambda x: x[:, :, [3, 0, 0]].index_select(3, torch.tensor([5, 1])), IMAGE),
    "means": (lambda x: x.mean((2, 3)) + x.sum(-1).mean(2) + x.mean(dim=(1, 2, 3), keepdim=True)[..., 0, 0], IMAGE),
    "expands": (lambda x: x.unsqueeze(1).expand(-1, 3, -1).repeat(1, 1, 2), VECTOR),
    "arithmetic": (lambda x: (3 - 2 * x + x / 4 - (-x)) * WEIGHTS[0] + WEIGHTS[1] - x.sub(WEIGHTS[2], alpha=3), VECTOR),
    "outer constants": (lambda x: x[:, None] * WEIGHTS + WEIGHTS[:, :1] + 1, VECTOR),
    "masks": (lambda x: torch.where(WEIGHTS[0] > 0, x, 1.0).masked_fill(WEIGHTS[1] > 0, 3), VECTOR),
    "interpolation": (lambda x: torch.lerp(x, WEIGHTS[0], 0.3), VECTOR),
    "triangles": (lambda x: x.tril() + x.triu(1), IMAGE),
    "products": (lambda x: x @ WEIGHTS + (WEIGHTS @ x.mT).mT + F.linear(x, WEIGHTS), IMAGE),
    "scaled products": (lambda x: torch.addmm(x, x, WEIGHTS, beta=2, alpha=3) + x.addmm(x, WEIGHTS), VECTOR),
    "added to products": (lambda x: torch.cat([one.addmm(WEIGHTS[:1], WEIGHTS) for one in x.split(1)]), VECTOR),
    "einsum": (lambda x: torch.einsum("bchw,wv,hc->bvc", x, WEIGHTS, WEIGHTS[:4, :2]), IMAGE),
    "batched": (lambda x: torch.baddbmm(WEIGHTS[None], x[:, 0].mT, WEIGHTS[None, :4].expand(len(x), -1, -1)), IMAGE),
    "of one example": (lambda x: torch.stack([WEIGHTS @ one + torch.dot(one, WEIGHTS[0]) for one in x]), VECTOR),
    "writes": (lambda x: _written(x), VECTOR),
    "padding": (lambda x: F.pad(F.pad(x, (1, 2, 0, 1), value=0.3), (1, 1, 2, 1), "reflect"), IMAGE),
    "replicate padding": (lambda x: F.pad(x, (1, 2, 3, 0), "replicate"), IMAGE),
    "pools": (lambda x: F.adaptive_avg_pool2d(F.avg_pool2d(x, 2, stride=1, padding=1), 3), IMAGE),
    "one-dimensional pools": (lambda x: F.avg_pool1d(F.adaptive_avg_pool1d(x[:, 0], 4), 2), IMAGE),
    "global pool": (lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1), IMAGE),
    "upsampling": (lambda x: F.interpolate(x, scale_factor=2) + F.interpolate(x, size=(8, 12), mode="bilinear"), IMAGE),
    "shuffles": (lambda x: F.pixel_unshuffle(F.pixel_shuffle(x.repeat(1, 2, 1, 1), 2), 2), IMAGE),
    "unfolding": (lambda x: F.unfold(x, 2), IMAGE),
    "dropout": (lambda x: F.dropout(x, 0.5, training=False), VECTOR),
    "shapes only": (lambda x: x + torch.zeros_like(x) + x.new_ones(6) + torch.full_like(x, 2), VECTOR),
}  # fmt: skip


def _written(x):
    y = torch.ones(len(x), 3, 6, dtype=x.dtype)
    y[:, 0] = x
    y[:, 1, 2:4] += x[:, :2]
    y[..., -1].mul_(3)
    y[:, 2, ::2] = 5
    return y


LAYERS = {
    "convolution": (lambda: nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), IMAGE),
    "one-dimensional convolution": (lambda: nn.Sequential(nn.Flatten(1, 2), nn.Conv1d(8, 3, 2, dilation=2)), IMAGE),
    "transposed convolution": (lambda: nn.ConvTranspose2d(2, 3, 3, stride=2), IMAGE),
    "volume": (lambda: nn.Sequential(nn.Unflatten(1, (1, 2)), nn.Conv3d(1, 2, 2), nn.BatchNorm3d(2)), IMAGE),
    "normalisation": (lambda: nn.BatchNorm2d(2), IMAGE),
    "plain normalisation": (lambda: nn.BatchNorm1d(6, affine=False), VECTOR),
    "weight normalisation": (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(6, 3)), VECTOR),
    "positions and features": (lambda: nn.Linear(6, 3), IMAGE),
    "bilinear head": (lambda: nn.Sequential(nn.Linear(6, 4, bias=False), nn.Identity()), VECTOR),
}


@pytest.mark.parametrize("name", [*AFFINE, *LAYERS])
def test_rows_go_through_an_operator_as_examples_do(name, known):
    if name in AFFINE:
        function, shape = AFFINE[name]
        network = Written(function)
    else:
        build, shape = LAYERS[name]
        network = known.ready(build)
    x, v = known.normal(3, *shape), known.normal(2, 3, *shape, seed=2)
    region = regions.at(network, x)
    with torch.no_grad():
        expected = network(x)
        linear = torch.stack([network(x + of) - expected for of in v])
    assert torch.allclose(region.output, expected, atol=1e-12)
    assert torch.allclose(region.affine.matvec(v), linear, atol=1e-10)
    u = known.normal(2, *region.output.shape, seed=3)
    both = (u * linear).sum(), (region.affine.rmatvec(u) * v).sum()
    assert torch.allclose(*both, atol=1e-9)


BENT = {
    "relu": F.relu, "in place": lambda x: F.relu((x + 0), inplace=True), "method": lambda x: x.relu_(),
    "leaky": lambda x: F.leaky_relu(x, 0.2), "prelu": lambda x: F.prelu(x, WEIGHTS[0]),
    "rrelu": lambda x: F.rrelu(x, training=False), "relu6": lambda x: F.relu6(5 * x),
    "hardtanh": lambda x: F.hardtanh(x, -0.5, 0.1), "clamp": lambda x: x.clamp(-0.4, 0.6),
    "clamp min": lambda x: torch.clip(x, min=0.1), "clamp max": lambda x: x.clamp_max(0.1),
    "clamp tensors": lambda x: x.clamp(-WEIGHTS[0].abs(), WEIGHTS[1].abs()),
    "clamp wider": lambda x: x[:, None].clamp(min=WEIGHTS), "clamp crossed": lambda x: x.clamp(0.5, -0.5) + x,
    "clamp infinite": lambda x: x.clamp(-float("inf"), 0.2),
    "threshold": lambda x: F.threshold(x, 0.3, -1), "abs": torch.abs, "hardsigmoid": lambda x: F.hardsigmoid(4 * x),
    "hardshrink": F.hardshrink, "softshrink": F.softshrink, "maximum": lambda x: torch.maximum(x, x.flip(1)),
    "minimum": lambda x: torch.minimum(WEIGHTS[0], x), "max": lambda x: torch.max(2 * x[:, None], WEIGHTS),
    "max-pool": lambda x: F.max_pool1d(x[:, None], 3, 1, padding=1),
    "padded max-pool": lambda x: F.max_pool2d(x.view(-1, 1, 2, 3), 2, 1, padding=1, ceil_mode=True),
    "dilated max-pool": lambda x: F.max_pool1d(x[:, None], 2, 1, dilation=3),
    "adaptive max-pool": lambda x: F.adaptive_max_pool1d(x[:, None], 4),
    "volume max-pool": lambda x: F.max_pool3d(x.view(-1, 1, 1, 2, 3), (1, 2, 2), 1),
    "adaptive volume": lambda x: F.adaptive_max_pool3d(x.view(-1, 1, 1, 2, 3), (1, 1, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", BENT)
def test_gates_bend_as_they_should(name, known):
    network = Written(lambda x: BENT[name]((3 * x - 0.1).flip(1)))
    x, v = known.normal(200, 6), known.normal(200, 6, seed=2)
    affine = regions.at(network, x).affine
    value, tangent = torch.func.jvp(network, (x,), (v,))
    assert torch.allclose(affine.output, value, atol=1e-13)
    assert torch.allclose(affine.matvec(v), tangent, atol=1e-13)


REFUSED = {
    "softmax": (lambda x: x.softmax(1), "the operator '_softmax' is neither affine in the input nor a hard gate"),
    "product": (lambda x: x * x.flip(1), "the operator 'mul' multiplies two tensors that both depend on the input"),
    "attention": (lambda x: x @ x.mT, "the operator 'mm' multiplies two tensors"),
    "ratio": (lambda x: 1 / x, "the operator 'reciprocal' is neither affine"),
    "divided": (lambda x: WEIGHTS[0] / x, "the operator 'div' is not affine in its argument 'other'"),
    "rounded": (lambda x: x.div(2, rounding_mode="floor"), "the operator 'div' rounds"),
    "gelu": (F.gelu, "the operator 'gelu' is a soft gate"),
    "silu": (F.silu, "the operator 'silu' is a soft gate"),
    "comparison": (lambda x: x * (x > 0), "the operator 'gt' is neither affine"),
    "decision": (lambda x: x if x.sum() > 0 else -x, "the operator 'gt' is neither affine"),
    "number": (lambda x: x * float(x[0, 0]), "the operator '_local_scalar_dense' is neither affine"),
    "cast": (lambda x: x.float(), "the operator '_to_copy' casts to float32"),
    "noise": (lambda x: x + torch.randn(6, dtype=x.dtype), "the operator 'randn' draws random numbers"),
    "training dropout": (lambda x: F.dropout(x, training=True), "draws random numbers"),
    "unpooling": (lambda x: F.max_unpool1d(*F.max_pool1d(x[:, None], 2, return_indices=True), 2),
                  "the operator 'max_pool2d_with_indices' returns indices, on which the output depends"),
    "statistics": (lambda x: F.instance_norm(x[:, None]), "by statistics of the input"),
    "breakpoints": (lambda x: torch.clamp(x, min=x.flip(1)), "has breakpoints or slopes that depend on the input"),
    "norm": (lambda x: F.normalize(x), "the operator 'linalg_vector_norm' is neither affine"),
    "mixed examples": (lambda x: x - x.mean(0), "the output for one example depends on the others of its batch"),
    "constant": (lambda x: torch.ones(len(x), 2), "the output of the model does not depend on its input"),
    "nothing": (lambda x: "a string", "the model returns no tensor"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_piecewise_linear_is_refused_by_name(name, known):
    function, message = REFUSED[name]
    with pytest.raises(ModelError) as error:
        regions.at(Written(function), known.normal(2, 6))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    torch.func.functionalize(lambda x: x + 1)(torch.ones(2))  # nothing of the trace is left switched on


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.Sequential(nn.Linear(6, 4), nn.GELU()), "1 (GELU): the operator 'gelu' is a soft gate"),
        (lambda: nn.Sequential(nn.Linear(6, 4), nn.LayerNorm(4)), "1 (LayerNorm): the operator 'native_layer_norm'"),
        (lambda: nn.Sequential(nn.BatchNorm1d(6, track_running_stats=False)), "0 (BatchNorm1d): the operator"),
        (lambda: nn.Sequential(nn.Unflatten(1, (2, 3)), nn.GroupNorm(1, 2)), "1 (GroupNorm): the operator"),
    ],
)
def test_refusals_name_the_module(known, build, message):
    with pytest.raises(ModelError) as error:
        regions.at(known.ready(build), known.normal(2, 6))
    assert message in str(error.value)


def test_batch_statistics_are_refused_as_such(known):
    with pytest.raises(ModelError, match="normalises by statistics of the input"):
        regions.at(nn.BatchNorm2d(2, track_running_stats=False), known.normal(2, *IMAGE))


class Indices(nn.Module):
    """Asks for indices that it does not need."""

    def forward(self, x):
        y, indices = F.max_pool1d(x[:, None], 2, return_indices=True)
        return {"logits": y.flatten(1), "where": indices}


def test_indices_may_be_returned_beside_the_output(known):
    assert regions.at(Indices(), known.normal(3, 6)).output.shape == (3, 3)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["scripted", "exported", "parallel", "compiled"])
def test_other_forms_of_a_network_are_the_same(known, form):
    network = known.ready(
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6, 2))
    )
    x = known.normal(3, *IMAGE)
    if form == "scripted":
        other = torch.jit.script(network)
    elif form == "exported":
        other = torch.export.export(network, (x[:1],)).module()
    elif form == "parallel":
        other = nn.DataParallel(network)
    else:
        other = torch.compile(network)
    expected, region = regions.at(network, x), regions.at(other, x)
    assert torch.equal(region.output, expected.output)
    assert np.array_equal(region.code.packed, expected.code.packed)
    assert torch.equal(region.affine.dense(), expected.affine.dense())


def test_what_a_network_writes_into_its_input_stays_in_the_trace(known):
    x = known.normal(3, 6)
    before = x.clone()
    region = regions.at(Written(lambda x: x.relu_() + 1), x)
    assert torch.equal(x, before)
    assert torch.equal(region.output, before.relu() + 1)


def test_a_residual_network_on_images(known):
    """ResNet-20: chords of the region at random images, and the affine map all over them."""
    network = known.ready(lambda: ResNet(20))
    x = known.normal(2, 3, 16, 16)
    directions = known.normal(2, 3, 3, 16, 16, seed=2)
    region = regions.at(network, x)
    chord = regions.chord(region.program, x, directions)
    assert len(region.program.layers) == 19
    for k in range(3):
        for share in (0.001, 0.999):
            t = torch.from_numpy(chord.start * (1 - share) + chord.end * share)[:, k, None, None, None]
            step = t * directions[:, k]
            moved = network(x + step) - region.output
            error = (region.affine.matvec(step) - moved).norm() / moved.norm()
            assert region.contains(x + step).all()
            assert error < 1e-6


class Forgets(nn.Module):
    """A soft gate whose result nobody uses, beside what is used; or used."""

    def __init__(self, used):
        super().__init__()
        self.first, self.last, self.used = nn.Linear(4, 6), nn.Linear(6, 2), used

    def forward(self, x):
        hidden = self.first(x)
        soft = F.softmax(torch.sigmoid(hidden), dim=1)
        hidden = torch.relu(hidden)
        return self.last(hidden + soft if self.used else hidden)


def test_an_operator_whose_result_does_not_reach_the_output_is_not_refused():
    with torch.random.fork_rng():
        network, used = Forgets(False).double(), Forgets(True).double()
        x = torch.randn(3, 4, dtype=torch.float64)
    found = regions.at(network, x)
    assert torch.allclose(found.output.reshape(3, 2), network(x), atol=1e-12)
    assert [layer.gate for layer in found.code.layers] == ["relu"]
    with pytest.raises(ModelError, match="'sigmoid' is a soft gate"):
        regions.at(used, x)


def test_traced_convolutions_are_affine_and_copies_of_scripts_come_without_a_warning():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)).eval()
    x = torch.randn(3, *IMAGE, generator=torch.Generator().manual_seed(1))
    wanted = regions.at(network, x)
    for scripted in (torch.jit.trace(network, x), torch.jit.script(network)):  # warnings are errors
        found = regions.at(scripted, x)
        assert torch.allclose(found.output, wanted.output)
        assert np.allclose(found.radius(2).distance, wanted.radius(2).distance)


def test_frozen_weights_are_refused_by_name():
    with torch.random.fork_rng():
        network = torch.jit.freeze(torch.jit.script(nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2)).eval()))
    with pytest.raises(ModelError, match=r"the model is frozen .*constants in float32, and regions are computed in fl"):
        regions.at(network, torch.zeros(1, 6))
