"""Where maps are taken: branches joined, modules called twice, tokens, channels last, scripted networks."""

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hashlens.errors import ExplainError, HashlensError
from hashlens.explanations import explain
from hashlens.explanations.places import _token_layout

from .networks import Tokens, convolutional, drawn, grid, seeded

IMAGES = drawn(3, 2, 12, 12)


class Unit(nn.Module):
    """Convolution, BatchNorm and a ReLU in place, as Inception has them."""

    def __init__(self, channels, out, size):
        super().__init__()
        self.conv = nn.Conv2d(channels, out, size, padding=size // 2, bias=False)
        self.bn = nn.BatchNorm2d(out)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Mixed(nn.Module):
    def __init__(self, channels, out):
        super().__init__()
        self.narrow, self.wide = Unit(channels, out, 1), nn.Sequential(Unit(channels, 4, 1), Unit(4, out, 3))
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, 1), Unit(channels, out, 1))

    def forward(self, x):
        return torch.cat([self.narrow(x), self.wide(x), self.pooled(x)], 1)


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = Mixed(2, 4), Mixed(12, 5), nn.Linear(15, 3)

    def forward(self, x):
        x = self.second(F.max_pool2d(self.first(x), 2))
        return self.last(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Shared(nn.Module):
    """One ReLU for all layers, called last behind a linear one."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.relu = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 6, 3), nn.ReLU()
        self.wide, self.last = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x):
        x = self.relu(self.two(self.relu(self.one(x))))
        return self.last(self.relu(self.wide(x.mean(dim=(2, 3)))))


class ChannelsLast(nn.Module):
    """Maps ``(n, h, w, c)``, as Swin has them."""

    def __init__(self):
        super().__init__()
        self.cut, self.wide, self.norm = nn.Conv2d(2, 8, 2, stride=2), nn.Linear(8, 10), nn.LayerNorm(10)
        self.last = nn.Linear(10, 3)

    def forward(self, x):
        x = self.cut(x).permute(0, 2, 3, 1)
        return self.last(self.norm(F.gelu(self.wide(x))).mean(dim=(1, 2)))


class ClassToken(Tokens):
    """Reads the class token behind two blocks: of the last one, the others do not matter."""

    def __init__(self):
        super().__init__()
        self.more = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)

    def forward(self, x):
        tokens = self.cut(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.first.expand(len(x), -1, -1), tokens], dim=1)
        return self.last(self.norm(self.more(self.block(tokens)))[:, 0])


def by_hand(network, x, maps_of, rest, target=0):
    """Grad-CAM of a network that is written in two halves."""
    network.eval()
    maps = maps_of(x).detach().requires_grad_()
    (slope,) = torch.autograd.grad(rest(maps)[:, target].sum(), maps)
    return (maps * slope.mean(dim=(2, 3), keepdim=True)).sum(dim=1).detach().numpy()


def cam(network, x, **asked):
    return explain(network, x, "grad_cam", target=0, relu=False, upsample=False, **asked)


def branches():
    network = seeded(Branches).double()
    network.first.narrow.bn.running_mean.copy_(torch.linspace(-0.3, 0.3, 4))
    network.second.wide[1].bn.running_mean.copy_(torch.linspace(-0.3, 0.3, 5))
    return network


def test_branches_are_taken_where_they_are_joined():
    network = branches()
    found = cam(network, IMAGES)
    assert found.diagnostics["layer"] == "second"
    wanted = by_hand(
        network, IMAGES, lambda x: network.second(F.max_pool2d(network.first(x), 2)),
        lambda maps: network.last(F.adaptive_avg_pool2d(maps, 1).flatten(1)),
    )  # fmt: skip
    assert np.abs(found.values - wanted).max() <= 1e-12
    assert np.array_equal(cam(network, IMAGES, layer="second").values, found.values)


@pytest.mark.parametrize("method", ["grad_cam_plus_plus", "score_cam", "deep_dream", "inversion"])
def test_everything_that_chooses_a_layer_chooses_that(method):
    options = {"steps": 2} if method in ("deep_dream", "inversion") else {}
    named, found = (explain(branches(), IMAGES, method, layer=layer, **options) for layer in ("second", None))
    assert found.diagnostics["layer"] == "second"
    assert np.abs(found.values - named.values).max() <= 1e-12


def test_of_a_module_called_several_times_the_call_is_chosen():
    network = seeded(Shared).double()
    found = cam(network, IMAGES)
    assert found.diagnostics["layer"] == "relu#1"
    wanted = by_hand(
        network, IMAGES, lambda x: F.relu(network.two(F.relu(network.one(x)))),
        lambda maps: network.last(F.relu(network.wide(maps.mean(dim=(2, 3))))),
    )  # fmt: skip
    assert np.abs(found.values - wanted).max() <= 1e-12
    last_with_maps = cam(network, IMAGES, layer="relu")
    assert last_with_maps.diagnostics["layer"] == "relu#1"
    assert np.array_equal(last_with_maps.values, found.values)
    first = cam(network, IMAGES, layer="relu#0")
    assert np.array_equal(first.values, cam(network, IMAGES, layer="relu#0", batch_size=1).values)
    assert first.values.shape == (3, 10, 10)
    with pytest.raises(ExplainError, match=r"'relu#2' gives activations \(3, 8\), a map needs"):
        cam(network, IMAGES, layer="relu#2")
    with pytest.raises(ExplainError, match="'relu#3' is never reached"):
        cam(network, IMAGES, layer="relu#3")


def test_channels_behind_are_put_in_front():
    network = seeded(ChannelsLast).double()
    found = cam(network, IMAGES)
    assert found.diagnostics["layer"] == "norm"
    wanted = by_hand(
        network, IMAGES,
        lambda x: network.norm(F.gelu(network.wide(network.cut(x).permute(0, 2, 3, 1)))).permute(0, 3, 1, 2),
        lambda maps: network.last(maps.mean(dim=(2, 3))),
    )  # fmt: skip
    assert np.abs(found.values - wanted).max() <= 1e-12


@pytest.mark.parametrize(("build", "layer"), [(Tokens, "norm"), (ClassToken, "block")])
@pytest.mark.parametrize("method", ["grad_cam", "deep_dream"])
def test_transformers_are_refused_with_what_to_give(build, layer, method):
    network, x = seeded(build).double(), drawn(3, 1, 12, 12)
    with pytest.raises(ExplainError, match="works on 10 tokens") as refused:
        explain(network, x, method)
    line = str(refused.value)
    assert f"layer='{layer}'" in line
    reshape = eval(line.rpartition("reshape=")[2])  # what it says can be pasted
    assert torch.equal(reshape(torch.arange(20.0).reshape(1, 10, 2)), grid(torch.arange(20.0).reshape(1, 10, 2)))
    assert explain(network, x, "grad_cam", layer=layer, reshape=reshape, relu=False).values.any()


def test_a_network_without_maps_is_refused():
    network = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(288, 8), nn.ReLU(), nn.Linear(8, 3))).double()
    with pytest.raises(ExplainError, match=r"no layer with maps \(n, c, h, w\) of more than one position"):
        cam(network, IMAGES)


# --- scripted networks ------------------------------------------------------------------------------------------------


def scripted(network):
    """The network as TorchScript, saved, loaded, and optimised by use."""
    kept = io.BytesIO()
    torch.jit.save(torch.jit.script(network.eval()), kept)
    kept.seek(0)
    found = torch.jit.load(kept)
    for _ in range(3):
        found(IMAGES.clone().requires_grad_()).sum().backward()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("method", ["grad_cam", "grad_cam_plus_plus", "score_cam", "deep_dream", "inversion"])
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_scripted_networks_are_explained_as_they_were_before(method):
    network = branches()
    options = {"steps": 2} if method in ("deep_dream", "inversion") else {}
    wanted, found = (explain(at, IMAGES, method, **options) for at in (network, scripted(network)))
    assert found.diagnostics["layer"] == "cat#1"
    assert np.abs(found.values - wanted.values).max() <= 1e-9
    again = explain(scripted(network), IMAGES, method, layer="cat#1", **options)
    assert np.abs(found.values - again.values).max() <= 1e-9


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_layer_of_a_scripted_network_is_refused_with_a_way_out():
    with pytest.raises(ExplainError, match="leave layer= out for the last maps"):
        cam(scripted(branches()), IMAGES, layer="second")


class Named(nn.Module):
    """Has a module called as its operator is."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.last = nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Linear(4, 3)

    def forward(self, x):
        return self.last(self.relu(self.conv(x)).mean(dim=(2, 3)))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_the_layer_that_a_scripted_network_was_explained_by_can_be_named():
    network = scripted(seeded(Named).double())
    found = cam(network, IMAGES)
    assert found.diagnostics["layer"] == "relu"
    assert np.array_equal(cam(network, IMAGES, layer="relu").values, found.values)
    made = explain(network, None, "activation_maximization", layer="relu", channels=1, shape=(2, 12, 12), steps=1)
    assert made.image.shape == (1, 2, 12, 12)


@pytest.mark.parametrize(
    ("count", "shape", "laid"),
    [(197, (14, 14), (1, (14, 14))), (196, (14, 14), (0, (14, 14))), (50, (14, 14), (1, (7, 7))),
     (16, (28, 28), (0, (4, 4))), (201, (14, 14), (5, (14, 14))), (33, (8, 16), (1, (4, 8))), (23, (14, 14), None)],
)  # fmt: skip
def test_tokens_are_laid_out_as_the_maps_were(count, shape, laid):
    assert _token_layout(count, shape) == laid


class Alone(nn.Module):
    """A network that fails on a batch of one behind its maps."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(2, 5, 3, padding=1), nn.Linear(5, 3)

    def forward(self, x):
        pooled = F.relu(self.conv(x)).mean((2, 3)).squeeze()
        return self.head(pooled / pooled.norm(dim=1, keepdim=True))


@pytest.mark.parametrize("method", ["grad_cam", "grad_cam_plus_plus", "score_cam"])
@pytest.mark.parametrize("layer", [None, "conv"])
def test_an_image_alone_has_the_map_that_it_has_among_others(method, layer):
    network = seeded(Alone)
    alone, among = (explain(network, x, method, layer=layer, target=1) for x in (IMAGES[:1], IMAGES))
    assert alone.values.shape == (1, 12, 12)
    assert alone.values == pytest.approx(among.values[:1], abs=1e-6)
    assert alone.diagnostics["layer"] == among.diagnostics["layer"]


def test_a_failure_at_another_size_is_not_hidden_by_a_second_try():
    class Joined(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.down, self.head = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 2, 2), nn.Linear(8, 3)

        def forward(self, x):
            fine = F.relu(self.first(x))
            coarse = F.interpolate(F.relu(self.down(fine)), scale_factor=2)
            return self.head(F.relu(torch.cat([fine, coarse], 1)).mean((2, 3)))

    with pytest.raises(HashlensError, match=r"rejects inputs of .1, 2, 9, 9.* Sizes of tensors must match"):
        explain(seeded(Joined), IMAGES[:1], "deep_dream", steps=1, octaves=2, octave_scale=1.4)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("reduced", [torch.sum, torch.amax, torch.mean])
def test_branches_stacked_and_reduced_are_taken_where_they_are_one(axis, reduced):
    class Stacked(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.one, self.other = nn.Conv2d(2, 4, 1), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            x = F.relu(self.stem(x))
            return self.head(reduced(torch.stack([self.one(x), self.other(x)], axis), axis).mean((2, 3)))

    found = explain(seeded(Stacked), IMAGES, "grad_cam")
    assert found.diagnostics["layer"] == {torch.sum: "sum", torch.amax: "amax", torch.mean: "mean"}[reduced]


def test_what_cannot_be_differentiated_is_one_line():
    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(2, 4, 3), nn.Linear(4, 3)

        def forward(self, x):
            x = F.relu(self.conv(x))
            x += 1
            return self.head(x.mean((2, 3)))

    with pytest.raises(
        ExplainError, match=r"^no gradient: the network overwrites in place a tensor that its gradient needs"
    ):
        explain(seeded(InPlace), IMAGES, "gradient")


def test_a_layer_inside_a_scripted_child_is_refused_with_operators_that_can_be_named():
    class Parent(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = torch.jit.script(nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU()))
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            return self.head(self.body(x).mean((2, 3)))

    network = seeded(Parent)
    with pytest.raises(ExplainError, match=r"scripted layers have no hooks: .* name an operator \(convolution, relu\)"):
        explain(network, IMAGES, "grad_cam", layer="body.0")
    assert explain(network, IMAGES, "grad_cam", layer="convolution").values.any()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("method", ["gradient", "grad_cam", "guided_backprop", "integrated_gradients", "lime"])
def test_a_program_exported_for_one_batch_size_is_explained_as_the_network_is(method, size):
    network, x = convolutional().float().eval(), drawn(3, 2, 12, 12, dtype=torch.float32)
    program = torch.export.export(network, (torch.zeros(size, 2, 12, 12),)).module()
    found, expected = (explain(model, x, method, target=1) for model in (program, network))
    assert np.allclose(found.values, expected.values, atol=1e-5)
