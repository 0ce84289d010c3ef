from itertools import combinations
from math import factorial

import numpy as np
import pytest
import torch

from hashlens.explanations import explain

DRAWN = np.random.default_rng(1)
BACKGROUND = DRAWN.normal(size=(20, 8))
ROW = DRAWN.normal(size=8)
MIX = DRAWN.normal(size=(8, 8))


def crooked(x):
    x = np.asarray(x, np.float64)
    return np.tanh(x @ MIX).sum(axis=1) + x[:, 0] * x[:, 1] * x[:, 2]


def shapley(worth, d):
    """The definition, coalition by coalition."""
    values = np.zeros(d)
    for part in range(d):
        others = [other for other in range(d) if other != part]
        for size in range(d):
            for coalition in combinations(others, size):
                share = factorial(size) * factorial(d - size - 1) / factorial(d)
                values[part] += share * (worth({*coalition, part}) - worth({*coalition}))
    return values


def replaced(model, row, background):
    def worth(coalition):
        rows = background.copy()
        rows[:, sorted(coalition)] = row[sorted(coalition)]
        return model(rows).mean()

    return worth


def double(model):
    """A network in float64, so that rounding does not hide what is compared."""

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("like", torch.zeros((), dtype=torch.float64))

        def forward(self, x):
            return torch.as_tensor(model(x.numpy()))[:, None]

    return Model()


def test_too_few_coalitions_are_noted_for_any_of_several_images():
    images = np.zeros((2, 1, 16, 16), np.float32)  # a plain image has 16 parts, one of noise has fewer
    images[1] = np.random.default_rng(0).random((1, 16, 16))

    def model(x):
        return torch.as_tensor(x).flatten(1) @ torch.linspace(-1, 1, 512).reshape(256, 2)

    background = np.ones((1, 1, 16, 16), np.float32)
    for order in ([0, 1], [1, 0]):
        found = explain(model, images[order], "kernel_shap", samples=31, segments=16, background=background)
        assert "31 coalitions do not determine the values of 16 parts: raise samples" in found.notes


def test_all_coalitions_give_exact_shapley_values():
    found = explain(double(crooked), ROW, "kernel_shap", background=BACKGROUND)
    exact = shapley(replaced(crooked, ROW, BACKGROUND), 8)
    assert found.diagnostics["exact"]
    assert found.diagnostics["coalitions"] == 2**8
    assert np.abs(found.values[0] - exact).max() <= 1e-6
    assert found.values[0].sum() == pytest.approx(crooked(ROW[None])[0] - crooked(BACKGROUND).mean(), abs=1e-10)
    assert found.diagnostics["base_value"] == pytest.approx(crooked(BACKGROUND).mean())
    assert found.diagnostics["completeness_gap"] <= 1e-10


def test_shap_agrees():
    shap = pytest.importorskip("shap")
    explainer = shap.KernelExplainer(crooked, BACKGROUND)
    theirs = explainer.shap_values(ROW, nsamples=2**8, silent=True, l1_reg=0)
    found = explain(double(crooked), ROW, "kernel_shap", background=BACKGROUND)
    assert np.abs(found.values[0] - theirs).max() <= 1e-6


@pytest.mark.parametrize("d", [1, 2, 3])
def test_few_parts(d):
    def model(x):
        return np.prod(np.asarray(x, np.float64) + 1, axis=1)

    found = explain(double(model), ROW[:d], "kernel_shap", background=BACKGROUND[:, :d])
    assert found.values[0] == pytest.approx(shapley(replaced(model, ROW[:d], BACKGROUND[:, :d]), d), abs=1e-9)


def test_superpixels_share_the_prediction_exactly():
    image = DRAWN.random((1, 6, 6))
    segments = np.arange(6)[:, None] // 3 * 3 + np.arange(6)[None] // 2

    def model(x):
        return torch.as_tensor(x).double().flatten(1).pow(2).sum(dim=1)

    def worth(coalition):
        kept = np.isin(segments, sorted(coalition))
        return (np.where(kept, image[0], 0) ** 2).sum()

    found = explain(model, image, "kernel_shap", features=segments, background=np.zeros((1, 6, 6)))
    assert found.values[0] == pytest.approx(shapley(worth, 6), abs=1e-5)


def linear_and_pairs(x):
    x = np.asarray(x, np.float64)
    return x @ np.arange(20) + x[:, 0] * x[:, 1] * x[:, 2] + np.abs(x[:, 3:9]).max(axis=1)


WIDE, WIDE_ROW = DRAWN.normal(size=(5, 20)), DRAWN.normal(size=20)


def test_drawn_coalitions_add_up_and_are_exact_for_an_additive_model():
    found = explain(double(lambda x: np.sin(x).sum(axis=1)), WIDE_ROW, "kernel_shap", background=WIDE, samples=300)
    assert not found.diagnostics["exact"]
    assert found.values[0] == pytest.approx(np.sin(WIDE_ROW) - np.sin(WIDE).mean(axis=0), abs=1e-9)
    assert found.diagnostics["standard_error"] <= 1e-9
    assert found.diagnostics["completeness_gap"] <= 1e-9


@pytest.mark.slow
def test_the_standard_error_is_how_far_drawn_values_are_off():
    def run(seed, samples):
        return explain(double(linear_and_pairs), WIDE_ROW, "kernel_shap", background=WIDE, samples=samples, seed=seed)

    nearly = run(0, 60_000).values[0]
    found = [run(seed, 400) for seed in range(12)]
    off = np.sqrt(np.mean([(at.values[0] - nearly) ** 2 for at in found], axis=0)).max()
    told = np.mean([at.diagnostics["standard_error"] for at in found])
    assert 0.5 <= off / told <= 2
    assert max(abs(at.values[0].sum() - nearly.sum()) for at in found) < 1e-9


def test_several_rows_have_their_own_base_and_class():
    def model(x):
        score = torch.as_tensor(x).double() @ torch.arange(1.0, 9, dtype=torch.float64)
        return torch.stack([score, -score], dim=1)

    found = explain(model, BACKGROUND[:3], "kernel_shap", background=BACKGROUND, output="score", target=[0, 1, 1])
    assert found.values.shape == (3, 8)
    for row, sign in enumerate((1, -1, -1)):
        parts = sign * np.arange(1, 9) * (BACKGROUND[row] - BACKGROUND.mean(axis=0))
        assert found.values[row] == pytest.approx(parts, abs=1e-5)
    assert len(found.diagnostics["base_value"]) == 3


def test_a_large_background_is_drawn_from_and_said():
    found = explain(crooked, ROW, "kernel_shap", background=DRAWN.normal(size=(250, 8)))
    assert found.notes == ("replacements come from 100 of the 250 background rows, sampled at random",)


def test_too_few_coalitions_are_noted():
    found = explain(crooked_wide, WIDE_ROW, "kernel_shap", background=WIDE, samples=1)
    assert np.isfinite(found.values).all()
    assert "raise samples" in found.notes[0]


def crooked_wide(x):
    return np.tanh(np.asarray(x, np.float64)).sum(axis=1)
