"""Predictions of infinitely wide networks: a Gaussian process, or gradient flow for a finite or infinite time."""

import math
import warnings
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float

from hashlens.arguments import excerpt, is_number
from hashlens.errors import KernelError, KernelWarning, nearest
from hashlens.kernels.compute import Precision, compute, inputs_of
from hashlens.kernels.network import InfiniteNetwork
from hashlens.kernels.prediction import Prediction

Array = npt.NDArray[Any]
Tensor = torch.Tensor
PredictionKernel = Literal["nngp", "ntk"]
PREDICTION_KERNELS: tuple[PredictionKernel, ...] = ("nngp", "ntk")
IMPRECISE = 0.1
"""Largest relative change of a solution by rounding without a warning."""


class Predictor:
    """Predictions from kernels of training examples, for any number of test examples and training times.

    The kernel is factorised once. Networks start at random weights and follow the gradient of half the mean squared
    error, over examples and outputs, at learning rate 1. With the NTK all weights are trained. With the NNGP kernel
    only the last layer is trained, and for infinite time the prediction is that of the Gaussian process.

    Parameters
    ----------
    targets : array_like
        Targets ``(n,)`` or ``(n, outputs)``.
    nngp : array_like
        NNGP kernel ``(n, n)`` of the training examples. It may be None if `ntk` is passed and no covariance is needed.
    ntk : array_like, optional
        NTK ``(n, n)`` of the training examples. If it is passed, predictions use the NTK.
    diag_reg : float
        Value that is added to the diagonal of the kernel, as a share of the diagonal's mean.
    device : str or torch.device
        Device of the computation.

    Raises
    ------
    KernelError
        If shapes do not fit, or numbers are not finite.

    References
    ----------
    Lee, Xiao, Schoenholz, Bahri, Novak, Sohl-Dickstein, Pennington (2019): Wide neural networks of any depth evolve as
    linear models under gradient descent. NeurIPS.

    Examples
    --------
    >>> predicted = Predictor([1.0, 3.0], nngp=[[4.0, 0.0], [0.0, 4.0]]).predict([[2.0, 2.0]], [[4.0]])
    >>> predicted.mean.tolist(), predicted.covariance.tolist()
    ([[2.0]], [[2.0]])
    """

    def __init__(
        self, targets: Any, nngp: Any, ntk: Any = None, diag_reg: float = 0.0, device: str | torch.device = "cpu"
    ) -> None:
        if not is_number(diag_reg) or not (math.isfinite(diag_reg) and diag_reg >= 0):
            raise KernelError(f"diag_reg must be a number, 0 or more, received {excerpt(diag_reg)}")
        self.kind: PredictionKernel = "nngp" if ntk is None else "ntk"
        self.diag_reg, self._device, self._nngp = float(diag_reg), device, nngp
        self._kernel = _as_matrix(nngp if ntk is None else ntk, self.kind, device)
        n = len(self._kernel)
        if self._kernel.shape != (n, n):
            raise KernelError(
                f"the kernel of training examples must be square, received shape {tuple(self._kernel.shape)}"
            )
        self._targets = _targets(targets, n).to(self._kernel)

    def factorise(self) -> None:
        """Solve the kernel now, for predictions after infinite time; by default the first such prediction solves it.

        Raises
        ------
        KernelError
            If it is singular.
        """
        self._coefficients  # noqa: B018

    @cached_property
    def _regularised(self) -> Tensor:
        kernel = self._kernel.clone()
        kernel.diagonal().add_(self.diag_reg * float(kernel.diagonal().double().mean()))
        return kernel

    @cached_property
    def _factor(self) -> Tensor:
        factor, failed = torch.linalg.cholesky_ex(self._regularised)
        if int(failed):
            raise KernelError(_singular_message(self._regularised, self.kind))
        found: Tensor = factor
        if found.dtype == torch.float32:
            _warn_if_imprecise(self._regularised, found, self.kind)
        return found

    @cached_property
    def _spectrum(self) -> tuple[Tensor, Tensor]:
        values, vectors = torch.linalg.eigh(self._regularised)
        return values.clamp(min=0), vectors

    @cached_property
    def _coefficients(self) -> Tensor:
        found: Tensor = torch.cholesky_solve(self._targets, self._factor)
        return found

    def predict(
        self,
        cross: Any,
        test: Any = None,
        cross_nngp: Any = None,
        *,
        time: float | None = None,
    ) -> Prediction:
        """Return the mean of predictions over random initial weights and, if `test` is passed, their covariance.

        Parameters
        ----------
        cross : array_like
            Kernel ``(m, n)`` of test with training examples, of the kind that is solved.
        test : array_like, optional
            NNGP kernel ``(m, m)`` of the test examples.
        cross_nngp : array_like, optional
            NNGP kernel ``(m, n)`` of test with training examples, for the covariance with the NTK.
        time : float, optional
            Training time; None for infinite time.

        Raises
        ------
        KernelError
            If shapes do not fit, or the kernel is singular.
        """
        across = self._cross_kernel(cross, "cross")
        if time is not None and (not is_number(time) or math.isnan(time) or time < 0):
            raise KernelError(f"time must be a number, 0 or more, or None for ever, received {excerpt(time)}")
        time = None if time is None or math.isinf(time) else float(time)
        covariance = None
        if test is not None:
            covariance = self._covariance(across, _as_matrix(test, "test", self._device), cross_nngp, time)
        return Prediction(
            mean=self._mean(across, time).cpu().numpy(),
            covariance=None if covariance is None else covariance.cpu().numpy(),
            kernel=self.kind,
            time=time,
            diag_reg=self.diag_reg,
            train=len(self._targets),
        )

    def means(self, cross: Any, times: Any) -> Float[Array, "times m outputs"]:
        """Return the mean predictions at several times, by one eigendecomposition; arguments as in :meth:`predict`."""
        across = self._cross_kernel(cross, "cross")
        return np.stack([self._mean(across, float(time)).cpu().numpy() for time in times])

    def _cross_kernel(self, cross: Any, name: str) -> Tensor:
        """Return a kernel of test with training examples as a tensor; raise KernelError unless it is ``(m, n)``."""
        across, n = _as_matrix(cross, name, self._device), len(self._kernel)
        if across.shape[1] != n:
            raise KernelError(f"{name} must be (m, {n}) as there are {n} training examples, received "
                              f"{tuple(across.shape)}")  # fmt: skip
        return across.to(self._kernel)

    def _mean(self, across: Tensor, time: float | None) -> Tensor:
        if time is None:
            return across @ self._coefficients
        values, vectors = self._spectrum
        turned = vectors.T @ self._targets
        return across @ (vectors @ (self._time_filter(values, time)[:, None] * turned))

    def _time_filter(self, values: Tensor, time: float) -> Tensor:
        """Return ``(1 - exp(-value time / N)) / value``, which is ``time / N`` at 0."""
        rate = time / self._targets.numel()
        return torch.where(values > 0, -torch.expm1(-values * rate) / values.clamp(min=1e-300), rate)

    def _covariance(self, across: Tensor, test: Tensor, cross_nngp: Any, time: float | None) -> Tensor:
        if test.shape != (len(across), len(across)):
            raise KernelError(f"test must be ({len(across)}, {len(across)}) as cross, received {tuple(test.shape)}")
        if self.kind == "nngp":
            return test - self._variance_reduction(across, time)
        if self._nngp is None or cross_nngp is None:
            raise KernelError("the covariance of an NTK prediction needs nngp= and cross_nngp= too")
        fitted = self._prediction_matrix(across, time)
        start = _as_matrix(self._nngp, "nngp", self._device).to(across)
        mixed = fitted @ self._cross_kernel(cross_nngp, "cross_nngp").T
        return test + fitted @ start @ fitted.T - mixed - mixed.T

    def _variance_reduction(self, across: Tensor, time: float | None) -> Tensor:
        """Return what training subtracts from the NNGP covariance of the test outputs, ``(m, m)``."""
        if time is None:
            half: Tensor = torch.linalg.solve_triangular(self._factor, across.T, upper=False)
            return half.T @ half
        values, vectors = self._spectrum
        turned = across @ vectors
        return (turned * self._time_filter(values, 2 * time)) @ turned.T

    def _prediction_matrix(self, across: Tensor, time: float | None) -> Tensor:
        """Return the matrix ``(m, n)`` from targets minus initial outputs to changes of the test outputs."""
        if time is None:
            solved: Tensor = torch.cholesky_solve(across.T, self._factor)
            return solved.T
        values, vectors = self._spectrum
        return (across @ vectors * self._time_filter(values, time)) @ vectors.T


def predict(
    network: InfiniteNetwork,
    train: Any,
    targets: Any,
    test: Any,
    kernel: PredictionKernel = "ntk",
    *,
    time: float | None = None,
    diag_reg: float = 0.0,
    covariance: bool = True,
    dtype: Precision = "float64",
    device: str | torch.device = "cpu",
) -> Prediction:
    """Return the predictions of infinitely wide networks for test examples after training.

    Parameters
    ----------
    network : InfiniteNetwork
        The network.
    train, test : array_like
        Inputs ``(n, features)``, or images ``(n, channels, height, width)``.
    targets : array_like
        ``(n,)`` or ``(n, outputs)``: targets, preferably with mean 0, because the mean of initial networks is 0.
    kernel : {"ntk", "nngp"}
        ``ntk``: all weights are trained. ``nngp``: only the last layer is trained; for infinite time, the prediction is
        the posterior of the Gaussian process.
    time : float, optional
        Training time of gradient flow at learning rate 1; None for infinite time.
    diag_reg : float
        Value that is added to the diagonal of the kernel that is solved, as a share of the mean of its diagonal.
    covariance : bool
        Whether to return the covariance over initial weights too.
    dtype : {"float64", "float32"}
        Dtype of the kernels and the solution.
    device : str or torch.device
        Device of the computation.

    Raises
    ------
    KernelError
        If inputs do not fit, or the kernel is singular.

    Examples
    --------
    >>> from hashlens.kernels import Dense, ReLU, predict, serial
    >>> predict(serial(Dense(), ReLU(), Dense()), [[0.0, 1.0], [1.0, 0.0]], [1.0, -1.0], [[0.0, 2.0]]).mean.round(6)
    array([[2.]])
    """
    if kernel not in PREDICTION_KERNELS:
        raise KernelError(f"unknown kernel {excerpt(kernel)}; {nearest(kernel, PREDICTION_KERNELS)}")
    inputs_of(network, train, test, dtype, device, names=("train", "test"))
    kinds = ("nngp", "ntk") if kernel == "ntk" and covariance else (kernel,)
    options = {"dtype": dtype, "device": device}
    own = compute(network, train, None, kinds, **options)  # type: ignore[arg-type]
    across = compute(network, test, train, kinds, **options)  # type: ignore[arg-type]
    tested = compute(network, test, None, ("nngp",), **options).nngp if covariance else None  # type: ignore[arg-type]
    predictor = Predictor(targets, own.nngp, own.ntk, diag_reg, device)
    return predictor.predict(across.ntk if kernel == "ntk" else across.nngp, tested, across.nngp, time=time)


def _as_matrix(values: Any, name: str, device: str | torch.device) -> Tensor:
    try:
        found = values if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values))
        found = found.to(device)
    except (TypeError, ValueError) as error:
        raise KernelError(f"{name} must be a matrix of numbers, received {excerpt(values)}") from error
    if found.dim() != 2 or 0 in found.shape:
        raise KernelError(f"{name} must be a matrix, received shape {tuple(found.shape)}")
    found = found if found.is_floating_point() else found.double()
    if not bool(torch.isfinite(found).all()):
        raise KernelError(f"{name} has values that are not finite")
    return found


def _targets(values: Any, n: int) -> Tensor:
    try:
        targets = torch.as_tensor(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise KernelError(f"targets must be numbers, received {excerpt(values)}") from error
    targets = targets[:, None] if targets.dim() == 1 else targets
    if targets.dim() != 2 or len(targets) != n:
        raise KernelError(f"targets must be ({n},) or ({n}, outputs) as the kernel, received {tuple(targets.shape)}")
    if not bool(torch.isfinite(targets).all()):
        raise KernelError("targets have values that are not finite: leave such examples out")
    return targets


def _singular_message(kernel: Tensor, kind: str) -> str:
    values = torch.linalg.eigvalsh(kernel.double())
    mean = float(kernel.diagonal().double().mean())
    rounding = torch.finfo(kernel.dtype).eps * len(kernel)
    missing = max(-2 * float(values[0]) / mean, rounding)
    return (
        f"the {kind} kernel of the training examples is singular in {str(kernel.dtype).removeprefix('torch.')}: its "
        f"smallest eigenvalue is {float(values[0]):.2g}, its largest {float(values[-1]):.2g}; examples may be there "
        f"twice; give diag_reg={_next_power_of_ten(missing):.0e} or more"
    )


def _warn_if_imprecise(kernel: Tensor, factor: Tensor, kind: str) -> None:
    """Warn if rounding of the kernel changes its solution by more than a tenth.

    The bound is the condition number times the unit of rounding. The largest and the smallest eigenvalue are found by
    powers of the kernel and of its inverse, from fixed vectors.
    """
    places = torch.arange(len(kernel), dtype=kernel.dtype, device=kernel.device)
    largest = smallest = torch.sin(1.0 + 7.0 * places)[:, None]
    for _ in range(10):
        largest = kernel @ (largest / largest.norm())
        smallest = torch.cholesky_solve(smallest / smallest.norm(), factor)
    bound = float(largest.norm() * smallest.norm()) * torch.finfo(kernel.dtype).eps
    if bound > IMPRECISE:
        warnings.warn(
            f"the {kind} kernel of {len(kernel):,} examples is near singular for float32: rounding may change its "
            f"solution by {bound:.1g} of itself; take dtype='float64', or a larger diag_reg",
            KernelWarning,
            stacklevel=2,
        )


def _next_power_of_ten(value: float) -> float:
    """Return the power of ten that is `value` or more."""
    return float(10.0 ** math.ceil(math.log10(value)))
