"""scikit-learn estimators that give the predictions of infinitely wide networks."""

import math
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from hashlens.arguments import excerpt
from hashlens.errors import KernelError
from hashlens.kernels.activations import ReLU
from hashlens.kernels.compute import Kernels, Kind, Precision, compute
from hashlens.kernels.layers import Dense
from hashlens.kernels.network import InfiniteNetwork, serial
from hashlens.kernels.predict import PredictionKernel, Predictor

Array = npt.NDArray[Any]
DEPTH, WEIGHT_VARIANCE, BIAS_VARIANCE = 3, 2.0, 0.01


def default_network() -> InfiniteNetwork:
    """Return the default network of estimators: three hidden ReLU layers."""
    layer = Dense(None, WEIGHT_VARIANCE, BIAS_VARIANCE)
    return serial(*(layer, ReLU()) * DEPTH, layer)


class _InfiniteWidth(BaseEstimator):  # type: ignore[misc]
    """Base class of classifiers and regressors: converts rows to inputs, and solves the kernel once.

    Parameters
    ----------
    network : InfiniteNetwork, optional
        The network; by default three hidden ReLU layers with weights of variance 2 and biases of variance 0.01.
    diag_reg : float
        Value that is added to the diagonal of the kernel, as a share of the diagonal's mean. It regularises, as early
        stopping does.
    time : float, optional
        Training time of gradient flow at learning rate 1; None for infinite time.
    input_shape : tuple of int, optional
        Shape ``(channels, height, width)`` of the images that rows contain; None for vectors.
    dtype : {"float64", "float32"}
        Precision in which kernels are computed and solved.
    device : str
        Device of the computations.

    Attributes
    ----------
    network_ : InfiniteNetwork
        The network used.
    predictor_ : Predictor
        The solved kernel of the training rows.
    X_train_ : numpy.ndarray
        The training rows.
    """

    _kernel: ClassVar[PredictionKernel]

    def __init__(
        self,
        network: InfiniteNetwork | None = None,
        *,
        diag_reg: float = 1e-3,
        time: float | None = None,
        input_shape: tuple[int, int, int] | None = None,
        dtype: Precision = "float64",
        device: str = "cpu",
    ) -> None:
        self.network = network
        self.diag_reg = diag_reg
        self.time = time
        self.input_shape = input_shape
        self.dtype = dtype
        self.device = device

    def _solve(self, X: Array, targets: Array) -> None:
        self.network_ = default_network() if self.network is None else self.network
        self.X_train_ = X
        own = self._compute(self._inputs(X), None, ("nngp", "ntk") if self._kernel == "ntk" else ("nngp",))
        self.predictor_ = Predictor(targets, own.nngp, own.ntk, self.diag_reg, self.device)
        if self.time is None:
            self.predictor_.factorise()

    def _compute(self, x1: Array, x2: Array | None, kinds: tuple[Kind, ...]) -> Kernels:
        return compute(self.network_, x1, x2, kinds, dtype=self.dtype, device=self.device)

    def _inputs(self, X: Array) -> Array:
        if self.input_shape is None:
            return X
        if math.prod(self.input_shape) != X.shape[1]:
            raise KernelError(
                f"input_shape {self.input_shape} is of {math.prod(self.input_shape)} features, and X has {X.shape[1]}"
            )
        return X.reshape(len(X), *self.input_shape)

    def _predict(self, X: Any, covariance: bool = False) -> Any:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        x = self._inputs(X)
        both = covariance and self._kernel == "ntk"
        across = self._compute(x, self._inputs(self.X_train_), ("nngp", "ntk") if both else (self._kernel,))
        test = self._compute(x, None, ("nngp",)).nngp if covariance else None
        cross = getattr(across, self._kernel)
        return self.predictor_.predict(cross, test, across.nngp, time=self.time)


class _Classifier(ClassifierMixin, _InfiniteWidth):  # type: ignore[misc]
    """Classifier by regression on one-hot targets, shifted to mean 0."""

    def fit(self, X: Any, y: Any) -> Self:
        """Solve the kernel of training rows for their classes.

        Parameters
        ----------
        X : array_like
            Features ``(n, features)``.
        y : array_like
            Classes ``(n,)``.

        Raises
        ------
        ValueError
            If scikit-learn does not accept X or y, or the kernel is singular.
        """
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        self._solve(X, np.eye(len(self.classes_))[labels] - 1 / len(self.classes_))
        return self

    def decision_function(self, X: Any) -> Array:
        """Return the predicted mean of each class, ``(n, classes)``; for two classes the second's minus the first's."""
        found: Array = self._predict(X).mean
        return found[:, 1] - found[:, 0] if len(self.classes_) == 2 else found

    def predict(self, X: Any) -> Array:
        """Return the class of each row, ``(n,)``."""
        decision = self.decision_function(X)
        places = (decision > 0).astype(np.int64) if decision.ndim == 1 else decision.argmax(axis=1)
        found: Array = self.classes_[places]
        return found


class _Regressor(RegressorMixin, _InfiniteWidth):  # type: ignore[misc]
    """Regressor that fits targets minus their mean, because networks start at 0, and adds the mean to predictions."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any) -> Self:
        """Solve the kernel of training rows for their targets.

        Parameters
        ----------
        X : array_like
            Features ``(n, features)``.
        y : array_like
            Targets ``(n,)`` or ``(n, outputs)``.

        Raises
        ------
        ValueError
            If scikit-learn does not accept X or y, or the kernel is singular.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        targets = np.asarray(y, dtype=np.float64)
        self.y_mean_ = targets.mean(axis=0)
        self._single = targets.ndim == 1
        self._solve(X, targets - self.y_mean_)
        return self

    def predict(self, X: Any, return_std: bool = False, return_cov: bool = False) -> Any:
        """Return the mean prediction for each row.

        Parameters
        ----------
        X : array_like
            Features ``(n, features)``.
        return_std, return_cov : bool
            Whether to return standard deviations ``(n,)``, or covariances ``(n, n)``, over initial weights too.

        Returns
        -------
        numpy.ndarray, or a pair of them
            Predictions ``(n,)`` or ``(n, outputs)``, as the targets.
        """
        if return_std and return_cov:
            raise KernelError(f"give one of return_std and return_cov, received {excerpt((return_std, return_cov))}")
        found = self._predict(X, return_std or return_cov)
        mean = (found.mean[:, 0] if self._single else found.mean) + self.y_mean_
        if return_std:
            return mean, found.std
        return (mean, found.covariance) if return_cov else mean


class NNGPClassifier(_Classifier):
    """Classifier by the posterior mean of a Gaussian process with the NNGP kernel, fitted to one-hot targets.

    The predicted class has the largest mean. The means are not probabilities.
    """

    _kernel: ClassVar[PredictionKernel] = "nngp"


class NTKClassifier(_Classifier):
    """Classifier by infinitely wide networks whose weights are all trained, with squared error on one-hot targets.

    The predicted class has the largest mean over initial weights. The means are not probabilities.
    """

    _kernel: ClassVar[PredictionKernel] = "ntk"


class NNGPRegressor(_Regressor):
    """Regressor by the posterior of a Gaussian process with the NNGP kernel."""

    _kernel: ClassVar[PredictionKernel] = "nngp"


class NTKRegressor(_Regressor):
    """Regressor by infinitely wide networks whose weights are all trained, with squared error."""

    _kernel: ClassVar[PredictionKernel] = "ntk"


for _estimator in (NNGPClassifier, NTKClassifier, NNGPRegressor, NTKRegressor):
    # All estimators share the documentation of their parameters.
    _estimator.__doc__ = (
        f"{str(_estimator.__doc__).rstrip()}\n\n    {str(_InfiniteWidth.__doc__).split(chr(10), 2)[2].strip()}\n"
    )
