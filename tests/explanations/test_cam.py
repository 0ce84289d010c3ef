import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hashlens.explanations import explain

from .networks import GATES, Tokens, convolutional, drawn, grid, seeded

IMAGES = drawn(5, 2, 12, 12)
CAMS = ("grad_cam", "grad_cam_plus_plus", "score_cam")


def scaled(maps):
    """Maps from 0 to 1 each, as torchcam has them."""
    maps = np.asarray(maps) - np.min(maps, axis=(1, 2), keepdims=True)
    return maps / np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12)


def activations(network, x, layer):
    """What a layer gives, with gradients, and the scores that follow."""
    kept = []
    with network.get_submodule(layer).register_forward_hook(lambda *at: kept.append(at[2])):
        scores = network(x)
    return kept[0], scores


# --- Grad-CAM ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gates", GATES)
@pytest.mark.parametrize("layer", ["one", "two"])
def test_grad_cam_is_captums(gates, layer):
    attr = pytest.importorskip("captum.attr")
    network = convolutional().eval()
    target = network(IMAGES).argmax(1)
    oracle = attr.LayerGradCam(network, network.get_submodule(layer))
    theirs = oracle.attribute(IMAGES, target, relu_attributions=True).detach()
    found = explain(convolutional(gates), IMAGES, "grad_cam", layer=layer, upsample=False)
    assert np.abs(found.values - theirs[:, 0].numpy()).max() <= 1e-6
    per_input = attr.LayerAttribution.interpolate(theirs, (12, 12), "bilinear")[:, 0].numpy()
    assert np.abs(explain(network, IMAGES, "grad_cam", layer=layer).values - per_input).max() <= 1e-6
    signed = oracle.attribute(IMAGES, target)[:, 0].detach().numpy()
    found = explain(network, IMAGES, "gradcam", layer=layer, relu=False, upsample=False)
    assert np.abs(found.values - signed).max() <= 1e-6


# --- Grad-CAM++ -------------------------------------------------------------------------------------------------------


def as_the_paper_writes_it(network, x, target, layer):
    """Chattopadhay et al. (2018), equations 10, 11 and 19, with Y = exp(S), derivatives by automatic differentiation.

    What follows the layer is piecewise linear, so the derivatives of Y are those of the exponential alone.
    """
    maps = []
    for image, of in zip(x, target.tolist(), strict=True):
        kept, scores = activations(network, image[None], layer)
        (slope,) = torch.autograd.grad(scores[0, of], kept)
        kept, step = kept.detach()[0], torch.zeros(slope[0].shape, dtype=x.dtype, requires_grad=True)
        first = torch.autograd.grad((scores[0, of].detach() + slope[0] * step).exp().sum(), step, create_graph=True)[0]
        second = torch.autograd.grad(first.sum(), step, create_graph=True)[0]
        (third,) = torch.autograd.grad(second.sum(), step)
        below = 2 * second + kept.sum(dim=(1, 2), keepdim=True) * third
        alpha = torch.where(below == 0, 0, second / torch.where(below == 0, 1, below))
        weights = (alpha * first.relu()).sum(dim=(1, 2))
        maps.append((weights[:, None, None] * kept).sum(dim=0).relu().detach().numpy())
    return np.stack(maps)


@pytest.mark.parametrize("layer", ["one", "two"])
def test_grad_cam_plus_plus_is_the_papers(layer):
    network = convolutional().eval()
    target = network(IMAGES).argmax(1)
    found = explain(network, IMAGES, "grad_cam_plus_plus", layer=layer, upsample=False)
    theirs = as_the_paper_writes_it(network, IMAGES, target, layer)
    assert np.abs(scaled(found.values) - scaled(theirs)).max() <= 1e-6


def test_grad_cam_plus_plus_is_torchcams_with_the_papers_alpha():
    """torchcam's alpha is not the paper's, which its own docstring has, in two places.

    It divides on a copy, ``alpha[idx][mask].div_(...)``, so that alpha stays the squared slope; and below the line it
    multiplies each activation by the slope at its own place before it adds, where equation 19 has the slope at (i, j)
    times the sum. Both are made as in the paper; all else is torchcam's.
    """
    methods = pytest.importorskip("torchcam.methods")

    class Mended(methods.GradCAMpp):
        def _get_weights(self, class_idx, scores, eps=1e-8, **more):
            self._backprop(scores, class_idx, **more)
            weights = []
            for slope, found in zip(self.hook_g, self.hook_a, strict=True):
                below = 2 * slope**2 + slope**3 * found.sum(dim=(2, 3), keepdim=True)
                alpha = torch.where(slope**2 > 0, slope**2 / below, 0)
                weights.append((alpha * slope.relu()).flatten(2).sum(-1))
            return weights

    network = convolutional().eval()
    with Mended(network, "two") as extractor:
        scores = network(IMAGES)
        (theirs,) = extractor(scores.argmax(1).tolist(), scores)
    found = explain(network, IMAGES, "gradcam++", layer="two", upsample=False)
    # torchcam adds 1e-8 where it scales.
    assert np.abs(scaled(found.values) - theirs.numpy()).max() <= 1e-6


# --- Score-CAM --------------------------------------------------------------------------------------------------------


def test_score_cam_is_torchcams():
    methods = pytest.importorskip("torchcam.methods")
    network = convolutional().eval()
    with methods.ScoreCAM(network, "two") as extractor, torch.no_grad():
        scores = network(IMAGES)
        (theirs,) = extractor(scores.argmax(1).tolist())
    found = explain(network, IMAGES, "score_cam", layer="two", upsample=False)
    assert np.abs(scaled(found.values) - theirs.numpy()).max() <= 1e-6


def test_score_cam_in_small_batches_is_the_same():
    network = convolutional()
    whole, parts = (explain(network, IMAGES, "score_cam", layer="two", batch_size=size) for size in (64, 3))
    assert np.abs(whole.values - parts.values).max() <= 1e-12


@pytest.mark.parametrize("method", CAMS)
def test_maps_of_two_classes_differ(method):
    network = convolutional()
    maps = [scaled(explain(network, 5 * IMAGES, method, layer="two", target=of, relu=False).values) for of in (0, 1)]
    assert np.abs(maps[0] - maps[1]).max() > 0.01


# --- a planted cross --------------------------------------------------------------------------------------------------

SIZE, CROSS = 24, 5


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.last = nn.Linear(16, 2)

    def forward(self, x):
        maps = F.relu(self.two(F.relu(self.one(x))), inplace=True)
        return self.last(maps.amax(dim=(2, 3)))


def crosses(n, seed):
    """Noise, in every second image with a cross of 5 x 5; and where it is."""
    drawn = np.random.default_rng(seed)
    x = drawn.normal(0, 0.3, (n, 1, SIZE, SIZE)).astype(np.float32)
    inside = np.zeros((n, SIZE, SIZE), bool)
    for row in range(0, n, 2):
        top, left = drawn.integers(0, SIZE - CROSS + 1, 2)
        inside[row, top : top + CROSS, left : left + CROSS] = True
        x[row, 0, top + CROSS // 2, left : left + CROSS] = x[row, 0, top : top + CROSS, left + CROSS // 2] = 1.5
    return torch.as_tensor(x), torch.as_tensor(np.arange(n) % 2 == 0).long(), inside


@pytest.fixture(scope="module")
def trained():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, (x, y, _) = Small(), crosses(400, 0)
        ascent = torch.optim.Adam(network.parameters(), 0.01)
        for _ in range(12):
            for at in torch.randperm(len(x)).split(50):
                ascent.zero_grad()
                F.cross_entropy(network(x[at]), y[at]).backward()
                ascent.step()
    return network.eval()


def test_grad_cam_points_at_a_planted_cross(trained):
    x, y, inside = crosses(200, 1)
    with torch.no_grad():
        assert (trained(x).argmax(1) == y).float().mean() >= 0.98
    x, inside = x[::2], inside[::2]
    maps = explain(trained, x, "grad_cam", target=1, layer="two").values
    highest = maps.reshape(len(x), -1).argmax(axis=1)
    pointing = inside.reshape(len(x), -1)[range(len(x)), highest].mean()
    assert pointing >= 0.95
    energy = (maps * inside).sum(axis=(1, 2)) / maps.sum(axis=(1, 2))
    assert energy.mean() >= 0.8


# --- transformers -----------------------------------------------------------------------------------------------------


def test_tokens_are_put_where_they_are_in_the_image():
    """Against Grad-CAM by hand: channels weighed by their mean slope, over the tokens without the class token."""
    network, x = seeded(Tokens).double().eval(), drawn(3, 1, 12, 12)
    found = explain(network, x, "grad_cam", layer="block", reshape=grid, target=[0, 1, 2], relu=False, upsample=False)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        tokens, scores = activations(network, x, "block")
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    (slope,) = torch.autograd.grad(scores[range(3), range(3)].sum(), tokens)
    weights = slope[:, 1:].mean(dim=1, keepdim=True)
    by_hand = (tokens[:, 1:] * weights).sum(dim=2).reshape(3, 3, 3).detach().numpy()
    assert np.abs(found.values - by_hand).max() <= 1e-10


@pytest.mark.parametrize("method", CAMS)
def test_every_map_takes_tokens(method):
    network, x = seeded(Tokens).double(), drawn(2, 1, 12, 12)
    found = explain(network, x, method, layer="block", reshape=grid, relu=False)
    assert found.values.shape == (2, 12, 12)
    assert found.diagnostics["layer"] == "block"
    assert found.values.any()


def test_a_vision_transformer_of_hugging_face():
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                                    image_size=32, patch_size=8, num_labels=3)  # fmt: skip
    network = seeded(lambda: transformers.ViTForImageClassification(config))
    layer = next(name for name, _ in network.named_modules() if name.endswith(("layer.0", "layers.0")))
    found = explain(network, drawn(2, 3, 32, 32), "grad_cam", layer=layer, relu=False,
                    reshape=lambda tokens: grid(tokens, 4))  # fmt: skip
    assert found.values.shape == (2, 32, 32)
    assert found.values.any()


class Pairs(nn.Module):
    """A layer that gives a tuple, what counts in front."""

    def __init__(self):
        super().__init__()
        self.maps = convolutional().one
        self.both = Both()

    def forward(self, x):
        return self.both(self.maps(x))[0].mean(dim=(2, 3))


class Both(nn.Module):
    def forward(self, x):
        return x * 1, None


def test_of_a_layer_that_gives_a_tuple_the_first_is_taken():
    network = Pairs()
    tuples, plain = (explain(network, IMAGES, "grad_cam", layer=layer).values for layer in ("both", "maps"))
    assert np.abs(tuples - plain).max() <= 1e-12


# --- layers, and what is zero -----------------------------------------------------------------------------------------


def test_without_a_layer_the_last_one_with_maps_is_taken():
    found = [explain(convolutional(gates), IMAGES, "grad_cam") for gates in GATES]
    assert [at.diagnostics["layer"] for at in found] == ["second", "first#1", "relu#1", "clamp"]
    for other in found[1:]:  # however the gate is written
        assert np.abs(other.values - found[0].values).max() <= 1e-12


@pytest.mark.parametrize("method", CAMS)
def test_a_map_of_nothing_is_zeros_with_a_note(method):
    network = convolutional()
    with torch.no_grad():
        network.two.weight.zero_()
        network.two.bias.fill_(-1)
    found = explain(network, IMAGES, method, layer="two")
    assert not found.values.any()
    assert found.notes == ("5 of 5 maps are zero everywhere: no channel of the layer is evidence for the class",)
    one = explain(network, IMAGES[0], method, layer="two")
    assert one.notes == ("the map is zero everywhere: no channel of the layer is evidence for the class",)


@pytest.mark.parametrize("method", CAMS)
def test_a_constant_layer_gives_numbers(method):
    network = convolutional()
    with torch.no_grad():
        network.one.weight.zero_()
        network.two.weight.zero_()
    assert np.isfinite(explain(network, IMAGES, method, layer="two").values).all()


def test_the_layer_is_the_last_as_fine_as_the_last_convolution():
    def block(channels):
        return nn.Conv2d(channels, 4, 3, padding=1), nn.ReLU()

    network = seeded(
        lambda: nn.Sequential(
            *block(1), nn.MaxPool2d(2), *block(4), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)
        )
    )
    found = explain(network, drawn(2, 1, 12, 12, seed=0), "grad_cam", upsample=False)
    assert found.diagnostics["layer"] == "4"
    assert found.values.shape == (2, 6, 6)


class Excited(nn.Module):
    """Maps that end in a product, as of squeeze-and-excitation, with what makes it and what follows."""

    def __init__(self):
        super().__init__()
        self.conv, self.gate, self.head = seeded(lambda: (nn.Conv2d(2, 5, 3), nn.Linear(5, 5), nn.Linear(5, 3)))
        self.double()

    def forward(self, x):
        maps = F.relu(self.conv(x))
        maps = maps * torch.sigmoid(self.gate(maps.mean((2, 3))))[:, :, None, None]
        self.maps = maps
        return self.head(maps.mean((2, 3)))


@pytest.mark.parametrize("layer", [None, "mul"])
def test_maps_that_are_a_product_are_those_of_the_network(layer):
    network = Excited()
    scores = network(IMAGES)
    maps = network.maps
    (slope,) = torch.autograd.grad(scores.amax(1).sum(), maps)
    expected = (slope.mean((2, 3), keepdim=True) * maps).sum(1).relu().detach()
    found = explain(Excited(), IMAGES, "grad_cam", layer=layer, upsample=False)
    assert found.diagnostics["layer"] == "mul"
    assert np.allclose(found.values, expected.numpy(), atol=1e-12)
