"""All of ours pass the contracts, and the contracts say what others lack."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from torch import nn

from hashlens.explanations import explain
from hashlens.explanations.methods import METHODS
from hashlens.index import Index
from hashlens.index.index import KINDS
from hashlens.integrations.sklearn import NeuralCoder
from hashlens.testing.estimator_contract import check_in_pipelines, check_sklearn
from hashlens.testing.explainer_contract import check_explainer
from hashlens.testing.index_contract import check_index

QUICK = {
    "grad_cam": {"layer": "0"}, "grad_cam_plus_plus": {"layer": "0"}, "score_cam": {"layer": "0"},
    "lime": {"samples": 30, "segments": 4}, "cle": {"samples": 30, "segments": 4}, "anchor": {"segments": 4},
    "kernel_shap": {"samples": 30, "segments": 4}, "smooth_grad": {"samples": 3}, "smooth_guided_grad": {"samples": 3},
    "activation_maximization": {"layer": "0", "steps": 3}, "deep_dream": {"layer": "0", "steps": 2},
    "inversion": {"layer": "0", "steps": 3}, "code_inversion": {"steps": 3},
}  # fmt: skip


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 6 * 6, 3))


def images(n, seed=0):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.slow
@pytest.mark.parametrize("method", [method.name for method in METHODS])
def test_every_method_of_explanation_keeps_the_contract(method, tmp_path):
    more = {"background": images(12, 1)} if method == "contrast" else {}
    x = images(1) if method in ("cle", "anchor") else images(2)
    found = check_explainer(partial(explain, method=method, **QUICK.get(method, {}), **more), network(), x, tmp_path)
    assert found.method == method


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_index_keeps_the_contract(kind, tmp_path):
    check_index(partial(Index, kind=kind), tmp_path, recall=1.0 if kind == "exact" else 0.8)


class AnyWidth(nn.Module):
    """Takes rows of any length, since scikit-learn's checks come with many.

    It holds no tensors: one check compares parameters by a hash that differs between a tensor and its copy.
    """

    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, rows):
        return self.relu(rows[:, :1] - torch.linspace(-2, 2, 7))


def test_every_estimator_keeps_the_contract_of_scikit_learn():
    check_sklearn(NeuralCoder(AnyWidth()))


@pytest.mark.parametrize("settings", [{}, {"bits": 5, "seed": 2}, {"packed": True}])
def test_every_estimator_stands_in_pipelines(settings):
    rows = images(60).reshape(60, -1).numpy()
    check_in_pipelines(NeuralCoder(network(), input_shape=(1, 8, 8), **settings), rows, np.arange(60) % 3)


# --- what the contracts are for ---------------------------------------------------------------------------------------


def moving_weights(model, x, seed=0):
    found = explain(model, x, "gradient", seed=seed)
    with torch.no_grad():
        model[0].weight.add_(1e-3)
    return found


def drawing_globally(model, x, seed=0):
    torch.rand(1)
    return explain(model, x, "gradient", seed=seed)


def forgetting_its_seed(model, x, seed=0, count=iter(range(9))):  # noqa: B008 - another seed at each call
    return explain(model, x, "smooth_grad", seed=next(count), samples=2)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (moving_weights, "the network was changed"),
        (drawing_globally, "the global random numbers were used"),
        (forgetting_its_seed, "the same seed gives other values"),
        (lambda model, x, seed: model(x), "returns Tensor, not an Explanation"),
    ],
)
def test_explainers_that_break_the_contract_are_told(wrong, says, tmp_path):
    with torch.random.fork_rng(), pytest.raises(AssertionError, match=says):
        check_explainer(wrong, network(), images(2), tmp_path)


class Unordered(Index):
    def search(self, queries, k=10, **how):
        found = super().search(queries, k, **how)
        for name in ("ids", "distances", "rows"):
            object.__setattr__(found, name, np.flip(getattr(found, name), axis=1))
        return found


class Forgetful(Index):
    def add(self, codes):
        super().add(codes[:0])


class Overwriting(Index):
    def save(self, path, overwrite=True):
        return super().save(path, overwrite=True)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (Unordered, "the nearest do not come first"),
        (Forgetful, "row numbers are out of range|distances are wrong|rows that were added are not found"),
        (Overwriting, "save wrote over a folder"),
    ],
)
def test_indexes_that_break_the_contract_are_told(wrong, says, tmp_path):
    with pytest.raises(AssertionError, match=says):
        check_index(wrong, tmp_path, load=wrong.load)


class Careless(TransformerMixin, BaseEstimator):
    """Takes whatever comes."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return np.asarray(X) > 0.5


def test_estimators_that_break_the_contract_are_told():
    with pytest.raises((AssertionError, AttributeError), match="feature_names_in_"):
        check_in_pipelines(Careless(), images(30).reshape(30, -1).numpy(), np.arange(30) % 3)


def test_checks_of_scikit_learn_that_fail_are_named():
    with pytest.raises(AssertionError, match=r"Careless: these checks .* do not pass: .*'check_n_features_in"):
        check_sklearn(Careless())


def test_contracts_need_no_pytest_to_be_imported(fresh):
    names = ("gate", "figure", "result", "explainer", "index", "estimator")
    code = "".join(f"import hashlens.testing.{name}_contract\n" for name in names)
    code += "import sys\nassert not {'pytest', 'sklearn', 'pandas', 'matplotlib'} & sys.modules.keys()\n"
    assert fresh(code).returncode == 0
