import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, WhiteKernel
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from hashlens.errors import KernelError
from hashlens.kernels import (
    Conv,
    Dense,
    Flatten,
    InfiniteKernel,
    NNGPClassifier,
    NNGPRegressor,
    NTKClassifier,
    NTKRegressor,
    ReLU,
    gpytorch_kernel,
    nngp,
    ntk,
    predict,
    serial,
)
from hashlens.testing.estimator_contract import check_in_pipelines, check_sklearn

CLASSIFIERS, REGRESSORS = (NNGPClassifier, NTKClassifier), (NNGPRegressor, NTKRegressor)
NETWORK = serial(Dense(None, 2.0, 0.1), ReLU(), Dense(None, 2.0, 0.1))
IMAGES, LABELS = (values[:300] for values in load_digits(return_X_y=True))
ROWS, TARGETS = (values[:120] for values in load_diabetes(return_X_y=True))


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [*CLASSIFIERS, *REGRESSORS])
def test_estimators_keep_the_contract_of_scikit_learn(estimator):
    check_sklearn(estimator())


@pytest.mark.parametrize("estimator", CLASSIFIERS)
def test_classifiers_can_be_cloned_and_searched(estimator):
    check_in_pipelines(estimator(NETWORK), IMAGES[:60], LABELS[:60])
    found = GridSearchCV(estimator(NETWORK), {"diag_reg": [1e-4, 1e3]}, cv=3).fit(IMAGES, LABELS)
    assert found.best_params_ == {"diag_reg": 1e-4}


@pytest.mark.parametrize(("estimator", "kernel"), zip(CLASSIFIERS, ("nngp", "ntk"), strict=True))
def test_classes_are_those_of_the_largest_mean(estimator, kernel):
    model = estimator(NETWORK).fit(IMAGES[:200], LABELS[:200])
    one_hot = np.eye(10)[LABELS[:200]] - 0.1
    expected = predict(NETWORK, IMAGES[:200], one_hot, IMAGES[200:], kernel, diag_reg=1e-3).mean
    assert np.allclose(model.decision_function(IMAGES[200:]), expected)
    assert model.score(IMAGES[200:], LABELS[200:]) > 0.85
    names = np.array(["odd", "even"])[1 - LABELS % 2]
    two = estimator(NETWORK).fit(IMAGES[:200], names[:200])
    assert two.decision_function(IMAGES[200:]).shape == (100,)
    assert two.score(IMAGES[200:], names[200:]) > 0.85


@pytest.mark.parametrize(("estimator", "kernel"), zip(REGRESSORS, ("nngp", "ntk"), strict=True))
def test_regressors_predict_around_the_mean(estimator, kernel):
    model = estimator(NETWORK, diag_reg=0.5, time=1e4).fit(ROWS[:90], TARGETS[:90])
    mean, std = model.predict(ROWS[90:], return_std=True)
    centre = TARGETS[:90].mean()
    expected = predict(NETWORK, ROWS[:90], TARGETS[:90] - centre, ROWS[90:], kernel, diag_reg=0.5, time=1e4)
    assert np.allclose(mean, expected.mean[:, 0] + centre)
    assert np.allclose(std, expected.std)
    covariance = model.predict(ROWS[90:], return_cov=True)[1]
    assert np.allclose(np.sqrt(covariance.diagonal()), std)
    # The squared error is a mean over outputs too, so that two of them take twice as long.
    both = clone(model).set_params(time=2e4).fit(ROWS[:90], np.stack([TARGETS, -TARGETS], 1)[:90]).predict(ROWS[90:])
    assert np.allclose(both[:, 0], mean)
    assert np.allclose(both[:, 1], -mean)


def test_rows_are_images_where_a_shape_is_named():
    network = serial(Conv(), ReLU(), Flatten(), Dense())
    model = NNGPClassifier(network, input_shape=(1, 8, 8)).fit(IMAGES[:100], LABELS[:100])
    assert model.score(IMAGES[100:150], LABELS[100:150]) > 0.8
    with pytest.raises(KernelError, match=r"input_shape \(1, 8, 9\) is of 72 features, and X has 64"):
        NNGPClassifier(network, input_shape=(1, 8, 9)).fit(IMAGES, LABELS)


def test_a_regressor_is_the_gaussian_process_of_scikit_learn():
    scaled = 1 + StandardScaler().fit_transform(ROWS)
    ridge = 0.01 * nngp(NETWORK, scaled[:90]).diagonal().mean()
    theirs = GaussianProcessRegressor(InfiniteKernel(NETWORK), alpha=ridge).fit(
        scaled[:90], TARGETS[:90] - TARGETS[:90].mean()
    )
    ours = NNGPRegressor(NETWORK, diag_reg=0.01).fit(scaled[:90], TARGETS[:90])
    mean, std = theirs.predict(scaled[90:], return_std=True)
    own, own_std = ours.predict(scaled[90:], return_std=True)
    assert np.allclose(mean + TARGETS[:90].mean(), own)
    assert np.allclose(std, own_std)


def test_the_kernel_goes_into_sums_and_products_whose_variances_are_fitted():
    kernel = ConstantKernel(1.0) * InfiniteKernel(NETWORK, "ntk") + WhiteKernel(1.0)
    fitted = GaussianProcessRegressor(kernel, normalize_y=True).fit(ROWS, TARGETS)
    assert fitted.kernel_.theta.shape == (2,)
    assert not np.allclose(fitted.kernel_.theta, kernel.theta)
    assert clone(kernel) == kernel
    assert np.allclose(kernel.diag(ROWS), kernel(ROWS).diagonal())


def test_support_vectors_take_the_kernel_as_a_function_and_computed():
    function = make_pipeline(StandardScaler(), SVC(kernel=InfiniteKernel(NETWORK, "ntk"))).fit(
        IMAGES[:200], LABELS[:200]
    )
    scaled = function[0].transform(IMAGES)
    computed = SVC(kernel="precomputed").fit(ntk(NETWORK, scaled[:200]), LABELS[:200])
    assert (computed.predict(ntk(NETWORK, scaled[200:], scaled[:200])) == function.predict(IMAGES[200:])).all()
    with pytest.raises(KernelError, match="did you mean 'nngp'"):
        InfiniteKernel(NETWORK, "nngb")(ROWS)


def test_gpytorch_takes_the_kernel():
    gpytorch = pytest.importorskip("gpytorch", reason="gpytorch is not installed")
    import torch

    x, y = torch.from_numpy(1 + ROWS * 20), torch.from_numpy(TARGETS / 100)
    noise = gpytorch.likelihoods.FixedNoiseGaussianLikelihood(torch.full((90,), 0.1, dtype=torch.float64))

    class Process(gpytorch.models.ExactGP):
        def __init__(self):
            super().__init__(x[:90], y[:90], noise)
            self.mean_module, self.covar_module = gpytorch.means.ZeroMean(), gpytorch_kernel(NETWORK)

        def forward(self, inputs):
            return gpytorch.distributions.MultivariateNormal(self.mean_module(inputs), self.covar_module(inputs))

    process = Process().double().eval()
    with torch.no_grad():
        found = process(x[90:])
        own, cross = nngp(NETWORK, x[:90]), nngp(NETWORK, x[90:], x[:90])
        expected = cross @ np.linalg.solve(own + 0.1 * np.eye(90), y[:90].numpy())
        assert np.allclose(found.mean.numpy(), expected, atol=1e-6)
        batched = process.covar_module(x[:8].reshape(2, 4, 10)).to_dense()
    assert np.allclose(batched[1], own[4:8, 4:8])


def test_a_singular_kernel_is_refused_in_the_fit():
    with pytest.raises(KernelError, match=r"is singular .* give diag_reg="):
        NTKClassifier(NETWORK, diag_reg=0.0).fit(np.ones((4, 2)), [0, 1, 0, 1])
