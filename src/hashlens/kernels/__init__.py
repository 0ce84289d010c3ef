"""The limit of infinite width: NNGP, NTK and the kernel of neural codes of a network, without training it."""

from hashlens.kernels.activations import GELU, Abs, Erf, LeakyReLU, ReLU, Sin
from hashlens.kernels.as_kernel import InfiniteKernel, gpytorch_kernel
from hashlens.kernels.augmented import predict_ensemble, random_horizontal_flip
from hashlens.kernels.centred import Centred
from hashlens.kernels.compare import CodeKernelComparison, compare_codes
from hashlens.kernels.compute import Kernels, code_kernel, compute, diagonals, nngp, ntk
from hashlens.kernels.empirical import empirical_ntk, linearize
from hashlens.kernels.estimators import NNGPClassifier, NNGPRegressor, NTKClassifier, NTKRegressor
from hashlens.kernels.finite import finite_network
from hashlens.kernels.from_module import from_module
from hashlens.kernels.layers import AvgPool, Conv, Dense, Flatten, GlobalAvgPool, LayerNorm
from hashlens.kernels.network import InfiniteNetwork, Residual, serial
from hashlens.kernels.predict import Predictor, predict
from hashlens.kernels.prediction import Prediction
from hashlens.kernels.rounding import CriticalSize, critical_size
from hashlens.kernels.solve import Solution, solve
from hashlens.kernels.tiles import kernel_on_disk
from hashlens.kernels.weight_decay import layerwise_weight_decay
from hashlens.kernels.whitening import ZCA

__all__ = [
    "GELU",
    "ZCA",
    "Abs",
    "AvgPool",
    "Centred",
    "CodeKernelComparison",
    "Conv",
    "CriticalSize",
    "Dense",
    "Erf",
    "Flatten",
    "GlobalAvgPool",
    "InfiniteKernel",
    "InfiniteNetwork",
    "Kernels",
    "LayerNorm",
    "LeakyReLU",
    "NNGPClassifier",
    "NNGPRegressor",
    "NTKClassifier",
    "NTKRegressor",
    "Prediction",
    "Predictor",
    "ReLU",
    "Residual",
    "Sin",
    "Solution",
    "code_kernel",
    "compare_codes",
    "compute",
    "critical_size",
    "diagonals",
    "empirical_ntk",
    "finite_network",
    "from_module",
    "gpytorch_kernel",
    "kernel_on_disk",
    "layerwise_weight_decay",
    "linearize",
    "nngp",
    "ntk",
    "predict",
    "predict_ensemble",
    "random_horizontal_flip",
    "serial",
    "solve",
]
