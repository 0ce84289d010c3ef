import pytest
import torch
from torch import nn

from hashlens.errors import ModelError
from hashlens.nets import MLP, VGG, LeNet, ResNet, build


def trainable(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        # LeCun et al. 1998 as it is built today: 61,706.
        (lambda: LeNet(10), 61_706),
        # He et al. 2016, table 6: 0.27M, 0.46M, 0.85M.
        (lambda: ResNet(20), 269_722),
        (lambda: ResNet(32), 464_154),
        (lambda: ResNet(56), 853_018),
        # 11.17M for CIFAR-10, 11.69M for ImageNet.
        (lambda: ResNet(18), 11_173_962),
        (lambda: ResNet(18, classes=1000, stem="imagenet"), 11_689_512),
        # The CIFAR-10 network of Liu and Deng 2015.
        (lambda: VGG(16), 14_991_946),
        # Simonyan and Zisserman 2015, table 2: 138M and 144M.
        (lambda: VGG(16, classes=1000, batch_norm=False, input_size=224), 138_357_544),
        (lambda: VGG(19, classes=1000, batch_norm=False, input_size=224), 143_667_240),
        (lambda: MLP(784, 10, depth=5, width=100, batch_norm=True), 784 * 100 + 4 * 10_000 + 5 * 300 + 1_010),
    ],
)
def test_parameter_counts_are_the_published_ones(make, parameters):
    with torch.device("meta"):
        assert trainable(make()) == parameters


@pytest.mark.parametrize(
    ("name", "input_shape", "relus"),
    [
        ("mlp", (8, 8), 1),
        ("lenet", (1, 28, 28), 4),
        ("lenet", (3, 32, 32), 4),
        ("cnn", (3, 32, 32), 7),
        ("cnn", (1, 8, 8), 7),
        ("vgg16", (3, 32, 32), 14),
        ("vgg19", (1, 32, 48), 17),
        ("resnet18", (3, 32, 32), 17),
        ("resnet20", (3, 32, 32), 19),
        ("resnet32", (3, 32, 32), 31),
        ("resnet56", (3, 32, 32), 55),
    ],
)
def test_every_activation_has_its_own_relu_that_runs_once(name, input_shape, relus):
    network = build(name, input_shape=input_shape, classes=7).eval()
    calls = []
    for path, module in network.named_modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda *_, path=path: calls.append(path))
    with torch.no_grad():
        assert network(torch.zeros(2, *input_shape)).shape == (2, 7)
    assert len(calls) == len(set(calls)) == relus


@pytest.mark.parametrize(
    "network",
    [
        VGG(16, classes=3, batch_norm=False, input_size=64),
        ResNet(18, classes=3, stem="imagenet"),
    ],
)
def test_larger_images_run(network):
    with torch.no_grad():
        assert network.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 3)


def test_the_large_networks_have_the_published_feature_sizes():
    with torch.device("meta"):
        vgg = VGG(16, classes=1000, batch_norm=False, input_size=224)
        resnet = ResNet(18, classes=1000, stem="imagenet")
        images = torch.zeros(2, 3, 224, 224)
        assert vgg.features(images).shape == (2, 512, 7, 7)
        assert vgg(images).shape == (2, 1000)
        assert resnet.stages(resnet.stem(images)).shape == (2, 512, 7, 7)
        assert resnet(images).shape == (2, 1000)


def test_layer_names_read_well():
    network = build("mlp", input_shape=(4,), classes=2, depth=2)
    names = [name for name, module in network.named_modules() if isinstance(module, nn.ReLU)]
    assert names == ["hidden.0.relu", "hidden.1.relu"]
    assert isinstance(network.head, nn.Linear)


def test_the_shortcut_of_a_block_is_added_before_its_last_relu():
    block = build("resnet20", input_shape=(3, 32, 32), classes=10).stages.stage2[0].eval()
    images = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        inner = torch.relu(block.norm1(block.conv1(images)))
        shortcut = torch.cat([torch.zeros(2, 8, 4, 4), images[:, :, ::2, ::2], torch.zeros(2, 8, 4, 4)], dim=1)
        expected = torch.relu(block.norm2(block.conv2(inner)) + shortcut)
        assert torch.equal(block(images), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLP(4, 2, depth=0), "depth must be at least 1, received 0"),
        (lambda: MLP(4, 2, width=-3), "width must be at least 1, received -3"),
        (lambda: MLP(4, 2, dropout=1.0), r"dropout must be a probability in \[0, 1\), received 1.0"),
        (lambda: LeNet(input_size=8), "at least 12x12 pixels, received 8x8"),
        (lambda: VGG(13), r"depth must be one of \[16, 19\], received 13"),
        (lambda: VGG(16, input_size=28), "at least 32x32 pixels, received 28"),
        (lambda: ResNet(50), r"depth must be one of \[18, 20, 32, 56\], received 50"),
        (lambda: ResNet(18, stem="imagnet"), "stem must be 'cifar' or 'imagenet', received 'imagnet'"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ModelError, match=message):
        make()
