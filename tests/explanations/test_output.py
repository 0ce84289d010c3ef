"""Explanations read a model's output one way: whatever it ends with, in whichever batches it is run."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import hashlens as hl
from hashlens.errors import ExplainError
from hashlens.explanations import compare_explanations, explain
from hashlens.explanations.comparison import ExplanationComparison
from hashlens.nets.output import Output

from .networks import drawn, stack


class Headed(nn.Module):
    def __init__(self, network, head):
        super().__init__()
        self.network, self.head = network, head

    def forward(self, x):
        return self.head(self.network(x))


ONE, THREE = stack(5, 8, 1, seed=3), stack(5, 8, 3, seed=3)
ROWS, BACKGROUND = drawn(6, 5, seed=1), drawn(40, 5, seed=2)
GRADIENTS = ("gradient", "integrated_gradients", "smooth_grad", "guided_backprop", "region")
PERTURBATIONS = ("lime", "kernel_shap")


def p_of(x):
    return torch.sigmoid(ONE(x))[:, 0].detach().numpy()


# --- one score of two classes -----------------------------------------------------------------------------------------


def test_one_logit_names_the_class_that_it_speaks_for():
    names = ["healthy", "ill"]
    found = explain(ONE, ROWS, "gradient", class_names=names)
    assert [found.class_name(row) for row in range(6)] == [names[int(p > 0.5)] for p in p_of(ROWS)]
    assert set(found.target.tolist()) == {0, 1}
    assert found.prediction == pytest.approx(np.abs(ONE(ROWS)[:, 0].detach().numpy()))
    assert found.output == "binary_logit (one score, and an affine map is its last operator)"
    assert found.notes[-1].endswith("for a regression give output='regression'")
    assert found.output in " ".join(str(found).split())


@pytest.mark.parametrize("method", [*GRADIENTS, *PERTURBATIONS])
@pytest.mark.parametrize("head", [lambda z: z, torch.sigmoid], ids=["logit", "probability"])
def test_the_two_classes_of_one_score_are_explained_with_opposite_signs(method, head):
    if method == "region" and head is torch.sigmoid:
        pytest.skip("a sigmoid has no regions")
    network, options = Headed(ONE, head), {"background": BACKGROUND} if method in PERTURBATIONS else {}
    ill, healthy = (explain(network, ROWS[:2], method, target=target, **options) for target in (1, 0))
    if method == "guided_backprop":  # at each gate only what speaks for the class passes back
        assert not np.allclose(ill.values, healthy.values)
    else:
        assert ill.values == pytest.approx(-healthy.values, abs=1e-12)
    assert np.abs(ill.values).max() > 1e-3
    if method == "gradient" and head is not torch.sigmoid:
        x = ROWS[:2].clone().requires_grad_()
        ONE(x).sum().backward()
        assert ill.values == pytest.approx(x.grad.numpy())


@pytest.mark.parametrize("method", PERTURBATIONS)
def test_probabilities_of_one_score_are_those_of_its_class(method):
    for network in (ONE, Headed(ONE, torch.sigmoid), Headed(ONE, lambda z: torch.cat([0 * z, z], 1))):
        for target in (0, 1):
            found = explain(network, ROWS[:1], method, target=target, background=BACKGROUND)
            assert found.diagnostics["output"] == "probability"
            assert found.prediction[0] == pytest.approx(p_of(ROWS[:1])[0] if target else 1 - p_of(ROWS[:1])[0])


def test_a_contrast_of_one_logit_ends_where_its_sign_turns():
    for row in range(6):
        found = explain(ONE, ROWS[row : row + 1], "contrast", background=BACKGROUND)
        after = ONE(ROWS[row : row + 1] + torch.as_tensor(found.values)).item()
        assert abs(after) < 1e-9
        assert found.diagnostics["turns_to_class"] == 1 - found.target[0]


def test_an_anchor_of_one_logit_holds_its_class():
    at = int(p_of(ROWS).argmax())
    found = explain(ONE, ROWS[at : at + 1], "anchor", background=BACKGROUND, held_out=200)
    assert found.class_name() == "class 1"
    assert 0.5 < found.rule.precision <= 1


# --- probabilities that are not exact, and scores that look like them -------------------------------------------------

REFERENCE = {method: explain(THREE, ROWS[:3], method, target=1, background=BACKGROUND) for method in PERTURBATIONS}
WRITTEN = {
    "softmax": (lambda z: z.softmax(1), 1e-9),
    "half precision": (lambda z: z.softmax(1).half(), 2e-3),
    "bfloat16": (lambda z: z.softmax(1).bfloat16(), 2e-2),
    "two decimals": (lambda z: (100 * z.softmax(1)).round() / 100, 2e-2),
    "two decimals, as NumPy": (lambda z: torch.as_tensor(np.round(z.softmax(1).detach().numpy(), 2)), 2e-2),
}


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("method", PERTURBATIONS)
def test_rounded_probabilities_are_probabilities(written, method):
    head, tolerance = WRITTEN[written]
    found = explain(Headed(THREE, head), ROWS[:3], method, target=1, background=BACKGROUND)
    assert found.output.startswith("probabilities")
    assert found.values == pytest.approx(REFERENCE[method].values, abs=tolerance)


@pytest.mark.parametrize("written", WRITTEN)
def test_what_is_found_does_not_depend_on_the_size_of_batches(written):
    network = Headed(THREE, WRITTEN[written][0])
    several = [
        explain(network, ROWS[:2], "kernel_shap", background=BACKGROUND, batch_size=size) for size in (5, 64, 999)
    ]
    for found in several[1:]:
        assert found.output == several[0].output
        assert found.values == pytest.approx(several[0].values, abs=1e-3)


def test_a_function_of_one_row_is_read_by_rows_like_it():
    def predict_proba(x):
        return np.round(THREE(torch.as_tensor(x)).softmax(1).detach().numpy(), 2)

    found = explain(predict_proba, ROWS[:1], "kernel_shap", target=1, background=BACKGROUND)
    assert found.output == "probabilities (64 rows add up to 1)"
    assert found.values == pytest.approx(REFERENCE["kernel_shap"].values[:1], abs=2e-2)


def test_logits_in_the_unit_interval_are_logits():
    network = Headed(THREE, lambda z: 0.02 * z + 0.33)
    scores = network(BACKGROUND).detach()
    assert 0 < float(scores.min()) < float(scores.max()) < 1
    found = explain(network, ROWS[:1], "kernel_shap", background=BACKGROUND, target=1)
    assert found.output == "logits (an affine map is its last operator)"
    assert found.prediction[0] == pytest.approx(network(ROWS[:1]).softmax(1)[0, 1].item())


def test_labels_that_do_not_exclude_each_other_have_probabilities_of_their_own():
    p = float(torch.sigmoid(THREE(ROWS[:1]))[0, 2].detach())
    for network, told in ((Headed(THREE, torch.sigmoid), None), (THREE, "multilabel_logits")):
        found = explain(network, ROWS[:1], "kernel_shap", target=2, background=BACKGROUND, output=told)
        assert found.prediction[0] == pytest.approx(p)
        rule = explain(network, ROWS[:1], "anchor", target=2, background=BACKGROUND, output=told, held_out=100)
        assert 0 <= rule.rule.precision <= 1


def test_a_regression_is_its_value():
    shares = explain(ONE, ROWS[:1], "kernel_shap", background=BACKGROUND, output="regression")
    assert shares.diagnostics["output"] == "value"
    assert shares.prediction[0] == pytest.approx(float(ONE(ROWS[:1])[0, 0].detach()))
    assert "output 0, value" in str(shares)
    with pytest.raises(
        ExplainError, match="a regression with 3 outputs needs target=, the number of an output, 0 to 2"
    ):
        explain(THREE, ROWS, "gradient", output="regression")
    counted = explain(Headed(ONE, F.softplus), ROWS[:1], "gradient")
    assert counted.output.startswith("regression (one score, and softplus is its last operator")


# --- where the scores are ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "output"),
    [
        (lambda z: (z.relu().repeat(1, 4), z), None),
        (lambda z: {"features": z.relu(), "out": z}, None),
        (lambda z: (z, 2 * z), lambda given: given[0]),
        (lambda z: (z, 2 * z), Output("logits", "chosen", part=(0,))),
        (lambda z: z[:, :, None, None], None),
    ],
)
@pytest.mark.parametrize("method", ["gradient", "integrated_gradients", "region"])
def test_scores_beside_features_are_explained(head, output, method):
    found = explain(Headed(THREE, head), ROWS, method, output=output)
    assert np.allclose(found.values, explain(THREE, ROWS, method).values, atol=1e-12)


@pytest.mark.parametrize("n", [1, 65])
def test_a_network_that_squeezes_a_batch_of_one_is_explained(n):
    class Squeezed(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.norm = THREE, nn.BatchNorm1d(5).double()

        def forward(self, x):
            return self.last(self.norm(x[:, None].squeeze()))

    x = drawn(n, 5)
    plain = nn.Sequential(nn.BatchNorm1d(5).double(), THREE)
    for network in (Squeezed(), Headed(plain, torch.squeeze)):
        for method in ("gradient", "integrated_gradients"):
            assert np.allclose(explain(network, x, method).values, explain(plain, x, method).values, atol=1e-12)


def test_what_depends_on_chance_is_noted():
    found = explain(Headed(THREE, lambda z: F.dropout(z, 0.5, True)), ROWS, "gradient", target=1)
    assert any(note.startswith("dropout is active in eval mode") for note in found.notes)


def test_kinds_that_do_not_fit_meet_one_line():
    with pytest.raises(
        hl.errors.HashlensError, match="output='binary_logit' is one score for two classes, but the model"
    ):
        explain(THREE, ROWS, "lime", background=BACKGROUND, output="binary_logit")
    with pytest.raises(ExplainError, match="no output 'logit': did you mean 'logits'"):
        explain(THREE, ROWS, "gradient", output="logit")


# --- comparisons ------------------------------------------------------------------------------------------------------


def test_comparisons_follow_the_probability_of_the_class_and_say_so():
    metrics = ["deletion_mean", "insertion_mean"]
    one = compare_explanations(ONE, ROWS, ["gradient"], metrics, background=BACKGROUND)
    two = compare_explanations(
        Headed(ONE, lambda z: torch.cat([-z, z], 1) / 2), ROWS, ["gradient"], metrics, background=BACKGROUND
    )
    as_probability = compare_explanations(Headed(ONE, torch.sigmoid), ROWS, ["lime"], metrics,
                                          background=BACKGROUND)  # fmt: skip
    as_logit = compare_explanations(ONE, ROWS, ["lime"], metrics, background=BACKGROUND)
    assert one.values == pytest.approx(two.values)
    assert as_probability.values == pytest.approx(as_logit.values)
    assert 0 <= np.nanmin(one.values) <= np.nanmax(one.values) <= 1
    assert "deletion and insertion follow the probability of the class" in " ".join(str(one).split())
    value = compare_explanations(ONE, ROWS, ["gradient"], metrics, background=BACKGROUND, output="regression")
    assert "follow the value itself, since a regression has no probability" in " ".join(str(value).split())
    assert not np.allclose(value.values, one.values)


def test_it_is_said_where_a_control_beats_every_method():
    values = np.array([[0.30, 0.32], [0.20, 0.21], [0.40, 0.41]])[:, None]
    found = ExplanationComparison(("gradient", "random", "magnitude"), ("deletion_mean",), values, 2)
    assert found.leaders("deletion_mean") == ("gradient",)
    assert found.better_controls() == {"deletion_mean": ("random",)}
    assert "By deletion mean a control does better than every method: random." in " ".join(str(found).split())
    better = ExplanationComparison(("gradient", "random"), ("deletion_mean", "seconds"),
                                   np.array([[[0.1], [2.0]], [[0.2], [0.0]]]), 1)  # fmt: skip
    assert better.better_controls() == {}


def test_an_explanation_is_scored_as_it_was_read():
    found = explain(ONE, ROWS, "integrated_gradients", output="regression")
    wanted = compare_explanations(ONE, ROWS, ["ig"], ["deletion_mean"], output="regression")
    assert found.score(ONE, "deletion_mean")["deletion_mean"] == pytest.approx(wanted.mean("integrated_gradients",
                                                                                          "deletion_mean"))  # fmt: skip


def test_the_reading_is_kept_in_files_and_on_pages(tmp_path):
    found = explain(ONE, ROWS, "gradient")
    back = hl.Explanation.load(found.save(tmp_path / "one.npz"))
    assert back.output == found.output
    assert found.output in found.to_html(tmp_path / "one.html").read_text().replace("<wbr>", "")


def test_one_number_of_a_function_between_0_and_1_may_be_a_regression_and_it_is_said():
    rows = np.random.default_rng(0).random((80, 3)).astype(np.float32)

    def price(x):
        return 0.2 * np.asarray(x)[:, 0] + 0.5 * np.asarray(x)[:, 1] + 0.05

    found = explain(price, rows[:2], "kernel_shap", background=rows[:40])
    read = "binary_probability (64 scores all lie in [0, 1], on both sides of 1/2, as the values of a regression may)"
    assert found.output == read
    assert f"output read as {read}; to change this, give output=" in found.notes
    told = explain(price, rows[:2], "kernel_shap", background=rows[:40], output="regression")
    assert told.values[:, 1] == pytest.approx(0.5 * (rows[:2, 1] - rows[:40, 1].mean()), abs=1e-5)
