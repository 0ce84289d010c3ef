"""Kernels of infinitely wide networks as kernel objects of scikit-learn and GPyTorch."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.gaussian_process.kernels import Kernel

from hashlens.arguments import excerpt
from hashlens.errors import KernelError, MissingExtraError, nearest
from hashlens.kernels.compute import compute, diagonals
from hashlens.kernels.estimators import default_network
from hashlens.kernels.network import InfiniteNetwork
from hashlens.kernels.predict import PREDICTION_KERNELS, PredictionKernel

Array = npt.NDArray[Any]


class InfiniteKernel(Kernel):  # type: ignore[misc]
    """The kernel of an infinitely wide network, for ``sklearn.gaussian_process`` and ``SVC(kernel=...)``.

    It has no hyperparameters to fit. To fit a scale or a noise level, multiply it by a ``ConstantKernel`` or add a
    ``WhiteKernel``.

    Parameters
    ----------
    network : InfiniteNetwork, optional
        The network; by default three hidden ReLU layers, as in :class:`NNGPRegressor`.
    kernel : {"nngp", "ntk"}
        Kind of kernel.

    Examples
    --------
    >>> from sklearn.svm import SVC
    >>> SVC(kernel=InfiniteKernel()).fit([[0.0], [1.0], [3.0]], [0, 0, 1]).predict([[4.0]]).tolist()
    [1]
    """

    def __init__(self, network: InfiniteNetwork | None = None, kernel: PredictionKernel = "nngp") -> None:
        self.network = network
        self.kernel = kernel

    def __call__(self, X: Any, Y: Any = None, eval_gradient: bool = False) -> Any:
        """Return the kernel.

        Parameters
        ----------
        X, Y : array_like
            Inputs ``(n, features)`` and ``(m, features)``; without Y the kernel of X with itself is computed.
        eval_gradient : bool
            Whether to return the gradient with respect to hyperparameters too. It is empty.

        Returns
        -------
        numpy.ndarray
            Kernel ``(n, m)``; with `eval_gradient` also the empty gradient ``(n, n, 0)``.
        """
        found = getattr(compute(self._network, np.asarray(X), Y, (self._kind,)), self._kind)
        return (found, np.empty((*found.shape, 0))) if eval_gradient else found

    def diag(self, X: Any) -> Array:
        """Return the kernel of each row with itself, ``(n,)``."""
        found: Array = getattr(diagonals(self._network, np.asarray(X), (self._kind,)), self._kind)
        return found

    def is_stationary(self) -> bool:
        """Return False, because the kernel does not depend only on the difference of inputs."""
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InfiniteKernel) and (self.network, self.kernel) == (other.network, other.kernel)

    def __repr__(self) -> str:
        return f"InfiniteKernel({self.network!r}, {self.kernel!r})"

    @property
    def _network(self) -> InfiniteNetwork:
        return default_network() if self.network is None else self.network

    @property
    def _kind(self) -> PredictionKernel:
        if self.kernel not in PREDICTION_KERNELS:
            raise KernelError(f"unknown kernel {excerpt(self.kernel)}; {nearest(self.kernel, PREDICTION_KERNELS)}")
        return self.kernel


def gpytorch_kernel(network: InfiniteNetwork | None = None, kernel: PredictionKernel = "nngp") -> Any:
    """Return the kernel of an infinitely wide network as a ``gpytorch.kernels.Kernel``.

    It has no parameters to fit, and gives no gradient with respect to its inputs. Wrap it in a ``ScaleKernel`` to fit a
    scale. To choose the variances of layers, compare the kernels of several networks.

    Parameters
    ----------
    network : InfiniteNetwork, optional
        The network; by default three hidden ReLU layers.
    kernel : {"nngp", "ntk"}
        Kind of kernel.

    Raises
    ------
    MissingExtraError
        If GPyTorch is not installed.
    """
    try:
        import gpytorch
    except ImportError as error:
        raise MissingExtraError("gpytorch", "gp", "a kernel of GPyTorch") from error
    import torch

    plain = InfiniteKernel(network, kernel)

    class GPyTorchKernel(gpytorch.kernels.Kernel):  # type: ignore[misc]
        has_lengthscale = False

        def forward(self, x1: Any, x2: Any, diag: bool = False, **params: Any) -> Any:
            if x1.dim() > 2:
                both = zip(x1, x2.expand(len(x1), *x2.shape[1:]), strict=True)
                return torch.stack([self.forward(one, other, diag) for one, other in both])
            first, second = x1.detach().cpu().numpy(), x2.detach().cpu().numpy()
            same = x1 is x2 or (x1.shape == x2.shape and torch.equal(x1, x2))
            if diag:
                found = plain.diag(first) if same else np.diagonal(plain(first, second))
            else:
                found = plain(first) if same else plain(first, second)
            return torch.as_tensor(np.ascontiguousarray(found)).to(x1)

    return GPyTorchKernel()
