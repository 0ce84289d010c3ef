"""The limit of infinite width: NNGP, NTK and the kernel of neural codes of a network, without training it."""

from hashlens.kernels.activations import GELU, Abs, Erf, LeakyReLU, ReLU, Sin
from hashlens.kernels.compute import Kernels, code_kernel, compute, diagonals, nngp, ntk
from hashlens.kernels.empirical import empirical_ntk, linearized
from hashlens.kernels.finite import finite
from hashlens.kernels.layers import AvgPool, Conv, Dense, Flatten, GlobalAvgPool, LayerNorm
from hashlens.kernels.network import InfiniteNetwork, Residual, serial
from hashlens.kernels.predict import Predictor, predict
from hashlens.kernels.prediction import Prediction

__all__ = [
    "GELU",
    "Abs",
    "AvgPool",
    "Conv",
    "Dense",
    "Erf",
    "Flatten",
    "GlobalAvgPool",
    "InfiniteNetwork",
    "Kernels",
    "LayerNorm",
    "LeakyReLU",
    "Prediction",
    "Predictor",
    "ReLU",
    "Residual",
    "Sin",
    "code_kernel",
    "compute",
    "diagonals",
    "empirical_ntk",
    "finite",
    "linearized",
    "nngp",
    "ntk",
    "predict",
    "serial",
]
