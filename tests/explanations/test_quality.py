import json
import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import nn

import hashlens as hl
from hashlens.errors import ExplainError
from hashlens.explanations import ExplanationComparison, compare_explanations, explain
from hashlens.explanations.faithfulness import area, baseline_inputs, expand_values, infidelity, removal_curve
from hashlens.explanations.metrics import METRICS
from hashlens.explanations.stability import randomise, spearman
from hashlens.explanations.subject import Subject
from hashlens.saved.results import result_of

from .networks import convolutional, drawn, seeded, stack


@pytest.fixture(scope="module")
def digits():
    train, test = hl.load_data("digits#train").load(), hl.load_data("digits#test").load()
    return hl.train("mlp", train, epochs=20, seed=0, width=64).network, test.tensor(list(range(24)))


@pytest.fixture(scope="module")
def compared(digits):
    return compare_explanations(*digits, ["gradient", "integrated_gradients", "region", "smooth_grad"], "all")


# --- the bars ---------------------------------------------------------------------------------------------------------


def test_what_integrated_gradients_name_matters_more_than_random_places(compared):
    for baseline in ("mean", "blur"):
        deletion, insertion = (f"{what}_{baseline}" for what in ("deletion", "insertion"))
        ours = {metric: compared.mean("integrated_gradients", metric) for metric in (deletion, insertion)}
        assert ours[deletion] <= compared.mean("random", deletion) - 0.1
        assert ours[insertion] >= compared.mean("random", insertion) + 0.1


def test_gradients_need_the_trained_network_and_controls_do_not(compared):
    assert compared.mean("gradient", "mprt") < 0.3
    assert compared.mean("gradient", "random_logit") < 0.3
    for control in ("magnitude", "edges", "random"):
        assert compared.mean(control, "mprt") == pytest.approx(1)
        assert compared.mean(control, "random_logit") == pytest.approx(1)


def test_completeness_is_measured_where_it_is_claimed(compared):
    assert 0 < compared.mean("integrated_gradients", "completeness_gap") <= 0.01
    for method in ("gradient", "smooth_grad", "random"):
        assert np.isnan(compared.mean(method, "completeness_gap"))


def test_ranks_hold_over_seeds_as_far_as_they_are_drawn(compared):
    assert compared.mean("gradient", "rank_stability") == 1
    assert 0.9 < compared.mean("smooth_grad", "rank_stability") < 1
    assert abs(compared.mean("random", "rank_stability")) < 0.1


def test_infidelity_tells_what_slopes_and_shares_leave_out(compared):
    assert compared.mean("random", "infidelity") > 0.8
    for method in ("gradient", "integrated_gradients", "region"):
        assert compared.mean(method, "infidelity") < 0.1


def test_cost_is_what_the_network_ran_on(compared):
    assert compared.mean("gradient", "model_calls") == 2
    assert compared.mean("smooth_grad", "model_calls") == 51
    assert compared.mean("random", "model_calls") == 0
    assert compared.mean("integrated_gradients", "model_calls") >= 65
    assert compared.mean("integrated_gradients", "seconds") > 0


def test_inside_the_linear_region_the_gradient_does_not_move(digits):
    network, x = digits
    found = compare_explanations(network.double(), x, ["gradient", "integrated_gradients"], "region_stability")
    network.float()
    assert found.mean("gradient", "region_stability") <= 1e-10
    assert 1e-6 < found.mean("integrated_gradients", "region_stability") < 0.1


def test_nearby_it_may(digits):
    found = compare_explanations(*digits, ["gradient", "smooth_grad"], "sensitivity_max")
    assert 0 < found.mean("smooth_grad", "sensitivity_max") < found.mean("gradient", "sensitivity_max")


# --- what is measured, by hand ----------------------------------------------------------------------------------------


def linear(weights):
    network = stack(len(weights), 1)[0].requires_grad_(False)
    network.weight.copy_(torch.as_tensor(weights)[None])
    network.bias.zero_()
    return Subject(network, network, 64, "regression")


def test_a_removal_curve_by_hand():
    subject = linear([4.0, -1.0, 2.0, 1.0])
    x, none = torch.ones(1, 4, dtype=torch.float64), torch.zeros(1, 4, dtype=torch.float64)
    values, target = torch.tensor([[4.0, -1.0, 2.0, 1.0]]), torch.tensor([0])
    gone = removal_curve(subject, x, target, values, none, insertion=False, steps=4)
    assert gone.tolist() == [[6, 2, 0, -1, 0]]
    back = removal_curve(subject, x, target, values, none, insertion=True, steps=4)
    assert back.tolist() == [[0, 4, 6, 7, 6]]
    assert area(gone).tolist() == [(6 / 2 + 2 + 0 - 1 + 0 / 2) / 4]


def test_places_of_an_image_go_with_all_their_channels():
    network = convolutional()
    x, target = drawn(2, 2, 12, 12), torch.tensor([1, 2])
    subject, baseline = Subject(network, network, 64), baseline_inputs(x, "mean")
    values = drawn(2, 2, 12, 12, seed=1)
    curve = removal_curve(subject, x, target, values, baseline, insertion=False, steps=144)
    order = values.sum(dim=1).flatten(1).argsort(dim=1, descending=True)
    changed = x.clone()
    for step in range(30):
        probability = network(changed).softmax(dim=1)[range(2), target].detach().numpy()
        assert curve[:, step] == pytest.approx(probability, abs=1e-12)
        for row in range(2):
            at = int(order[row, step])
            changed[row, :, at // 12, at % 12] = x[row].mean(dim=(1, 2))


def test_infidelity_by_hand():
    subject = linear([4.0, -1.0, 2.0, 1.0])
    x, target = torch.tensor([[1.0, 2.0, -1.0, 0.5]], dtype=torch.float64), torch.tensor([0])
    slopes = torch.tensor([[4.0, -1.0, 2.0, 1.0]], dtype=torch.float64)
    assert infidelity(subject, x, target, slopes)[0] == pytest.approx(0, abs=1e-12)
    assert infidelity(subject, x, target, slopes * x)[0] == pytest.approx(0, abs=1e-12)
    assert infidelity(subject, x, target, 3 * slopes)[0] == pytest.approx(0, abs=1e-12)
    assert infidelity(subject, x, target, -slopes)[0] == pytest.approx(1)
    assert infidelity(subject, x, target, 0 * slopes)[0] == pytest.approx(1)
    assert np.isnan(infidelity(linear([0.0] * 4), x, target, slopes)[0])


def test_values_of_parts_are_divided_over_what_they_share():
    network, x = convolutional(), drawn(1, 2, 12, 12)
    found = explain(network, x, "lime", segments=9, samples=100)
    values = expand_values(found, (2, 12, 12))
    assert values.shape == (1, 2, 12, 12)
    assert float(values.sum()) == pytest.approx(found.values.sum())
    cam = explain(network, x, "grad_cam", layer="two", relu=False)
    assert float(expand_values(cam, (2, 12, 12)).sum()) == pytest.approx(cam.values.sum())
    with pytest.raises(ExplainError, match=r"grad_cam gives values \(6, 6\), which do not match inputs \(2, 12, 12\)"):
        expand_values(explain(network, x, "grad_cam", layer="two", upsample=False), (2, 12, 12))


def test_a_blurred_image_keeps_its_mean_and_loses_its_edges():
    x = drawn(2, 3, 28, 28)
    blurred = baseline_inputs(x, "blur")
    assert blurred.shape == x.shape
    assert float(blurred.std()) < 0.2 * float(x.std())
    assert torch.allclose(baseline_inputs(torch.ones(1, 1, 6, 6), "blur"), torch.ones(1, 1, 6, 6))
    # Five pixels of an image of 28, and no weight beyond two deviations.
    scale = 5 * x.shape[-1] / 28
    expected = gaussian_filter(x.numpy(), scale, radius=int(2 * scale), mode="mirror", axes=(2, 3))
    assert np.allclose(blurred, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [([1, 2, 3], [-2, 5, 9], 1), ([1, 2, 3], [3, -2, 1], -1), ([1, 1], [2, 2], 1), ([1, 1], [1, 2], 0)],
)
def test_rank_correlation_of_sizes(one, other, expected):
    assert spearman(one, other) == pytest.approx(expected)


def test_all_weights_are_drawn_anew_in_a_copy():
    network = seeded(
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.MultiheadAttention(4, 2))
    )
    before = {name: value.clone() for name, value in network.state_dict().items()}
    other = randomise(network, seed=1)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    for name in ("0.weight", "3.in_proj_weight", "3.out_proj.weight"):
        assert not torch.equal(other.state_dict()[name], before[name])
    again = randomise(network, seed=1).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in other.state_dict().items())


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_the_weights_of_a_scripted_network_are_drawn_anew_and_it_does_not_go_dead():
    network = torch.jit.script(
        seeded(lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(400, 3)))
    ).eval()
    other, x = randomise(network, seed=1), drawn(3, 1, 12, 12, dtype=torch.float32)
    assert other(x).std(dim=0).min() > 0.01  # dead networks give the same for all
    assert not torch.allclose(other(x), network(x), atol=0.01)
    found = compare_explanations(network, x, ["gradient"], metrics=["mprt"])
    assert (found.values[0] != 0).all()  # what explains a dead network agrees with nothing, which looked like the best


# --- tables, functions, and what cannot be measured -------------------------------------------------------------------

ROWS, BACKGROUND = drawn(6, 5), drawn(40, 5, seed=1)
TABLE = stack(5, 16, 3)


def probabilities(x):
    with torch.no_grad():
        return F.softmax(TABLE(torch.as_tensor(x)), dim=1).numpy()


def test_a_plain_function_is_compared():
    found = compare_explanations(probabilities, ROWS, ["kernel_shap", "lime"], background=BACKGROUND)
    assert found.methods == ("kernel_shap", "lime", "random", "magnitude")
    assert "mprt" not in found.metrics
    assert "deletion_blur" not in found.metrics
    assert found.mean("kernel_shap", "deletion_mean") < found.mean("random", "deletion_mean")


def test_removed_values_of_a_table_become_the_mean_of_the_background():
    assert torch.equal(baseline_inputs(ROWS, "mean", BACKGROUND)[2], BACKGROUND.mean(dim=0))
    assert torch.equal(baseline_inputs(ROWS, "mean")[2], ROWS.mean(dim=0))
    alone = compare_explanations(TABLE, ROWS[:1], ["gradient"])
    assert "deletion_mean" not in alone.metrics
    assert alone.notes == (
        "One row does not determine the replacement of removed values: give background, rows of training data.",
    )
    assert "deletion_mean" in compare_explanations(TABLE, ROWS[:1], ["gradient"], background=BACKGROUND).metrics


def test_images_with_parts_of_their_own_are_explained_one_by_one():
    found = compare_explanations(convolutional(), drawn(3, 2, 12, 12), {"kernel_shap": {"samples": 64, "segments": 9}},
                                 ["deletion_mean", "completeness_gap", "model_calls"])  # fmt: skip
    assert found.values.shape == (4, 3, 3)
    assert found.mean("kernel_shap", "completeness_gap") <= 1e-6
    assert found.mean("kernel_shap", "model_calls") > 64


def test_a_network_without_linear_regions_is_told():
    found = compare_explanations(stack(5, 8, 3, gate=nn.GELU), ROWS, ["gradient"], ["region_stability", "mprt"])
    assert np.isnan(found.mean("gradient", "region_stability"))
    assert found.notes[0].startswith("No region stability: ")


def test_one_explanation_is_scored_without_explaining_anew():
    found = explain(TABLE, ROWS, "integrated_gradients", background=BACKGROUND.mean(dim=0))
    scores = found.score(TABLE)
    assert set(scores) == {name for name, metric in METRICS.items() if metric.standard and not metric.reruns_method}
    compared = compare_explanations(TABLE, ROWS, ["ig"], ["deletion_mean", "infidelity", "completeness_gap"])
    assert found.score(TABLE, "completeness_gap")["completeness_gap"] == pytest.approx(
        np.mean(found.diagnostics["completeness_gap"])
    )
    plain = explain(TABLE, ROWS, "integrated_gradients").score(TABLE, ["deletion_mean", "infidelity"])
    for metric, value in plain.items():
        assert value == pytest.approx(compared.mean("integrated_gradients", metric))
    assert found.score(TABLE, "deletion_mean", background=BACKGROUND)["deletion_mean"] != scores["deletion_mean"]
    assert "deletion_mean" in explain(probabilities, ROWS, "kernel_shap", background=BACKGROUND).score(probabilities)


# --- the result -------------------------------------------------------------------------------------------------------


def made(**values):
    """A comparison of planted numbers of one metric, by method."""
    array = np.array(list(values.values()), float)[:, None]
    return ExplanationComparison(tuple(values), ("deletion_mean",), array, array.shape[2])


def test_nobody_leads_within_one_standard_error():
    far = made(a=[0.1, 0.2, 0.3, 0.2], b=[0.5, 0.6, 0.7, 0.7], random=[0.0, 0.0, 0.0, 0.0])
    assert far.leaders("deletion_mean") == ("a",)
    # b is worse by 0.01 on average, give or take 0.05.
    near = made(a=[0.1, 0.2, 0.3, 0.2], b=[0.2, 0.11, 0.4, 0.13])
    assert near.leaders("deletion_mean") == ("a", "b")
    assert made(a=[0.1], b=[0.9]).leaders("deletion_mean") == ("a", "b")
    assert made(a=[np.nan] * 2, b=[np.nan] * 2).leaders("deletion_mean") == ()
    assert made(a=[0.1, 0.2], b=[np.inf, 0.3]).leaders("deletion_mean") == ("a",)


def test_standard_errors_are_over_examples(compared):
    row, column = compared.methods.index("gradient"), compared.metrics.index("mprt")
    values = compared.values[row, column]
    assert compared.standard_error("gradient", "mprt") == pytest.approx(values.std(ddof=1) / np.sqrt(24))
    assert compared.mean("gradient", "mprt") == pytest.approx(values.mean())


def test_controls_stand_below_the_methods_and_the_best_are_marked(compared):
    assert compared.methods[-3:] == ("random", "magnitude", "edges")
    lines = str(compared).splitlines()
    rows = {line.split()[0]: line for line in lines if line.split()}
    assert "*" not in rows["magnitude"]
    assert "*" in rows["gradient"]
    assert "Means over 24 examples" in str(compared)


def test_it_is_drawn_and_written_and_read_back(compared, tmp_path):
    assert len(compared.figures()) == len(compared.metrics)
    page = compared.to_html(tmp_path / "compared.html").read_text()
    assert "rank stability" in page
    back = result_of(json.loads(json.dumps(compared.to_dict())), "compared.json")
    assert isinstance(back, ExplanationComparison)
    assert np.array_equal(back.values, compared.values, equal_nan=True)
    assert back.methods == compared.methods
    assert str(back) == str(compared)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers():
    runs = [compare_explanations(TABLE, ROWS, ["smooth_grad", "lime"], "all", background=BACKGROUND, seed=seed)
            for seed in (3, 3, 4)]  # fmt: skip
    timed = runs[0].metrics.index("seconds")
    values = [np.delete(run.values, timed, axis=1) for run in runs]
    assert np.array_equal(values[0], values[1], equal_nan=True)
    assert not np.array_equal(values[0], values[2], equal_nan=True)


@pytest.mark.slow
def test_what_explains_one_example_and_one_class_is_compared_as_far_as_it_goes():
    compared = compare_explanations(TABLE, ROWS, ["cle", "anchor"], ["deletion_mean", "random_logit"],
                                    background=BACKGROUND)  # fmt: skip
    anchor = compared.methods.index("anchor")
    assert np.isfinite(compared.values[:, 0]).all()
    assert np.isnan(compared.values[anchor, 1]).all()
    assert any(
        note.startswith("No random logit of anchor: an anchor explains the predicted class") for note in compared.notes
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compare_explanations(TABLE, ROWS, "gradient"), "methods must be names, at least one, such as "),
        (lambda: compare_explanations(TABLE, ROWS, []), "methods must be names, at least one, such as "),
        (lambda: compare_explanations(TABLE, ROWS, ["gradiant"]), "no method 'gradiant': did you mean 'gradient'?"),
        (lambda: compare_explanations(TABLE, ROWS, ["ig", "integrated_gradients"]),
         "integrated_gradients is named twice: compare its options one after the other"),
        (lambda: compare_explanations(TABLE, ROWS, ["contrast"]), "contrast generates an input and gives no"),
        (lambda: compare_explanations(TABLE, ROWS, ["inversion"]), "inversion generates an input and gives no"),
        (lambda: compare_explanations(TABLE, ROWS, ["gradient"], "deletoin_mean"),
         "no metric 'deletoin_mean': did you mean 'deletion_mean'?"),
        (lambda: compare_explanations(TABLE, ROWS, ["gradient"], []), "metrics must be names, at least one"),
        (lambda: compare_explanations(TABLE, "a text", ["lime"]), "texts are explained one by one, not compared"),
        (lambda: compare_explanations(TABLE, ROWS, ["gradient"], target=3), "target 3 is out of range"),
        (lambda: compare_explanations(TABLE, ROWS, {"gradient": {"noise": 1}}), "gradient has no option 'noise'"),
        (lambda: explain(TABLE, ROWS, "gradient").score(TABLE, "mprt"), "mprt needs the method to be run again"),
        (lambda: compare_explanations(TABLE, ROWS, 3), "methods must be names, at least one, such as "),
        (lambda: compare_explanations(TABLE, ROWS, {"gradient": 3}), "options of gradient must be a dict, received 3"),
        (lambda: compare_explanations(TABLE, ROWS, ["gradient"], None), "no metric None: known: "),
        (lambda: compare_explanations(TABLE, ROWS, ["gradient"], [[]]), "no metric []: known: "),
        (lambda: compare_explanations(TABLE, ROWS, ["gradient"], background=ROWS[:, :1]), "background must be (m, "),
        (lambda: explain(TABLE, ROWS, "gradient").score(TABLE, background=ROWS[:, :1]), "background must be (m, "),
        (lambda: explain(TABLE, ROWS, "gradient").score(TABLE, seed=-1), "seed must be a whole number, 0 or more"),
        (lambda: made(a=[1, 2]).mean("b", "deletion_mean"), "'b' was not compared: known: a"),
        (lambda: made(a=[1, 2]).leaders("deletion_blur"),
         "'deletion_blur' was not compared: did you mean 'deletion_mean'?"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_told_in_one_line(call, message):
    with pytest.raises(ExplainError) as caught:
        call()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_weights_behind_any_parametrization_are_drawn_anew():
    class Symmetric(nn.Module):
        def forward(self, weight):
            return weight.triu() + weight.triu(1).T

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3))
        nn.utils.parametrize.register_parametrization(network[0], "weight", Symmetric())
    other = randomise(network)
    assert not (other[0].weight == network[0].weight).any()
    assert torch.equal(other[0].weight, other[0].weight.T)


def test_a_network_that_cannot_be_copied_is_compared_without_mprt():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3))
    network.lock = threading.Lock()
    found = compare_explanations(network, torch.eye(6), ["gradient"], metrics=["mprt", "deletion_mean"])
    assert any("No MPRT: the network cannot be copied (cannot pickle" in note for note in found.notes)
    assert np.isnan(found.values[0]).all(axis=-1).tolist().count(True) == 1
