"""Networks: the papers' architectures by name, and loading of a user's own model."""

from hashlens.nets.build import ARCHITECTURES, architecture_arguments, build
from hashlens.nets.cnn import CNN
from hashlens.nets.digest import parameters_digest
from hashlens.nets.folder import NetworkInfo, load_network, read_info, save_network
from hashlens.nets.lenet import LeNet
from hashlens.nets.load import load_model
from hashlens.nets.mlp import MLP
from hashlens.nets.resnet import ResNet
from hashlens.nets.vgg import VGG

__all__ = [
    "ARCHITECTURES",
    "CNN",
    "MLP",
    "VGG",
    "LeNet",
    "NetworkInfo",
    "ResNet",
    "architecture_arguments",
    "build",
    "load_model",
    "load_network",
    "parameters_digest",
    "read_info",
    "save_network",
]
