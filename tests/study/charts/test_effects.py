from itertools import combinations, product

import numpy as np
import pytest

from hashlens.errors import StudyError
from hashlens.study.charts.effects import effect_table
from hashlens.study.charts.variance import bootstrap_shares, variance_shares


def oracle(values):
    """Classical analysis of variance by loops: shares from sums of squares, each less its degrees times the error."""
    *sizes, repeats = values.shape
    axes = range(len(sizes))
    places = list(product(*map(range, sizes)))
    means = {place: np.mean(values[place]) for place in places}
    error = sum((values[(*place, r)] - means[place]) ** 2 for place in places for r in range(repeats))
    error /= len(places) * (repeats - 1)
    effects, variance = {}, {}
    for size in range(len(sizes) + 1):
        for subset in combinations(axes, size):
            effects[subset] = {}
            for levels in product(*(range(sizes[axis]) for axis in subset)):
                inside = [p for p in places if all(p[a] == at for a, at in zip(subset, levels, strict=True))]
                effect = np.mean([means[place] for place in inside])
                for smaller in range(size):
                    for part in combinations(range(size), smaller):
                        effect -= effects[tuple(subset[i] for i in part)][tuple(levels[i] for i in part)]
                effects[subset][levels] = effect
            if subset:
                squares = np.mean([effect**2 for effect in effects[subset].values()])
                degrees = np.prod([sizes[axis] - 1 for axis in subset])
                variance[subset] = squares - degrees * error / (len(places) * repeats)
    total = sum(variance.values()) + error
    first = [variance[(axis,)] / total for axis in axes]
    whole = [sum(part for subset, part in variance.items() if axis in subset) / total for axis in axes]
    between = sum(part for subset, part in variance.items() if len(subset) > 1) / total
    return first, whole, between, error / total, total


@pytest.mark.parametrize("sizes", [(4,), (2, 3), (3, 2, 4), (2, 2, 3, 2)])
def test_shares_equal_a_plain_analysis_of_variance(sizes):
    rng = np.random.default_rng(len(sizes))
    values = rng.standard_normal((*sizes, 3)) + 2 * rng.standard_normal((*sizes, 1))
    found = variance_shares(values[..., None])
    first, total, interactions, residual, variance = oracle(values)
    np.testing.assert_allclose(found.first[:, 0], first, atol=1e-12)
    np.testing.assert_allclose(found.total[:, 0], total, atol=1e-12)
    np.testing.assert_allclose(found.interactions, interactions, atol=1e-12)
    np.testing.assert_allclose(found.residual, residual, atol=1e-12)
    np.testing.assert_allclose(found.variance, variance)
    assert found.first.sum() + found.interactions[0] + found.residual[0] == pytest.approx(1)


def world(rng, draws, repeats, run_noise, own_noise):
    """Tables of known shares: width (5), a factor that does nothing (3), epochs (4) on the same runs, and a product."""
    width, epochs = np.linspace(-1, 1, 5), np.linspace(-1, 1, 4)
    truth = width[:, None] + 0.7 * epochs + 0.5 * width[:, None] * epochs
    truth = np.broadcast_to(truth[:, None, :], (5, 3, 4))
    runs = run_noise * rng.standard_normal((draws, 5, 3, 1, repeats))
    values = truth[None, ..., None] + runs + own_noise * rng.standard_normal((draws, 5, 3, 4, repeats))
    parts = {"width": width.var(), "epochs": (0.7 * epochs).var()}
    parts["both"] = 0.25 * width.var() * epochs.var()
    parts["noise"] = run_noise**2 + own_noise**2
    return values, {name: part / sum(parts.values()) for name, part in parts.items()}


def test_known_components_come_out_without_bias_though_runs_share_their_noise():
    values, truth = world(np.random.default_rng(0), 2000, 3, run_noise=0.8, own_noise=0.3)
    every = variance_shares(np.moveaxis(values, 0, -1), checkpoints=2)
    mean = {name: getattr(every, name).mean(axis=-1) for name in ("first", "total", "interactions", "residual")}
    np.testing.assert_allclose(mean["first"], [truth["width"], 0, truth["epochs"]], atol=0.012)
    np.testing.assert_allclose(
        mean["total"], [truth["width"] + truth["both"], 0, truth["epochs"] + truth["both"]], atol=0.012
    )
    assert mean["interactions"] == pytest.approx(truth["both"], abs=0.012)
    assert mean["residual"] == pytest.approx(truth["noise"], abs=0.012)


def test_ignoring_that_checkpoints_share_runs_would_credit_a_null_factor():
    values, _ = world(np.random.default_rng(1), 500, 3, run_noise=0.8, own_noise=0.1)
    table = np.moveaxis(values, 0, -1)
    blind, aware = (variance_shares(table, checkpoints).first[1].mean() for checkpoints in (None, 2))
    assert abs(aware) < 0.004
    assert blind > 0.007


@pytest.mark.slow
def test_intervals_cover_the_truth():
    repeats, inside = 4, []
    values, truth = world(np.random.default_rng(2), 80, repeats, run_noise=0.5, own_noise=0.3)
    wanted = np.array([truth["width"], 0, truth["epochs"]])
    for table in values:
        low, high = bootstrap_shares(table[..., None], 2, 80, 0.95, seed=0)
        inside.append((low.first[:, 0] <= wanted) & (wanted <= high.first[:, 0]))
    covered = np.mean(inside, axis=0)
    assert (covered > 0.82).all(), covered


@pytest.fixture
def study(made):
    """R follows width and epochs, K-NN label noise; weight decay does nothing."""

    def measured(repeat, width, label_noise, weight_decay, epochs, **_):
        rng = np.random.default_rng((repeat, width, int(100 * label_noise), int(weight_decay * 1e6), epochs))
        logit = 8 - 2.5 * np.log(width) - 0.5 * np.log(epochs) + 0.2 * rng.standard_normal()
        ratio = 1 / (1 + np.exp(-logit))
        knn = 0.9 - 0.3 * label_noise + 0.01 * rng.standard_normal()
        return {("redundancy_ratio", "train"): ratio, ("redundancy_ratio", "test"): ratio / 2, ("knn", "test"): knn}

    axes = {"width": [10, 20, 40, 100], "label_noise": [0.0, 0.5], "weight_decay": [0.0, 1e-4], "epochs": [1, 10, 100]}
    return made(axes, measured)


def test_the_table_finds_what_was_put_in(study):
    found = effect_table(study, bootstrap=100, examples=10**9)
    assert list(found.ranges) == ["width", "label_noise", "weight_decay", "epochs"]
    ratio, _, knn = found.responses
    logit = np.array([[8 - 2.5 * np.log(w) - 0.5 * np.log(e) for e in (1, 10, 100)] for w in (10, 20, 40, 100)])
    variance = logit.var() + 0.04
    assert ratio.effects[0].first.value == pytest.approx(logit.mean(1).var() / variance, abs=0.01)
    assert ratio.effects[3].first.value == pytest.approx(logit.mean(0).var() / variance, abs=0.01)
    assert ratio.variance == pytest.approx(variance, rel=0.05)
    assert abs(ratio.effects[2].total.value) < 0.01
    assert ratio.verdict.startswith("R train: width 8")
    assert "under 5%" in ratio.verdict
    assert "weight decay" in ratio.verdict
    assert knn.verdict.startswith("K-NN test: label noise 9")
    text = str(found)
    assert "width 10–100 (4 levels)" in text
    assert "3 repeats per cell" in text.replace("\n", " ")


def test_the_same_seed_gives_the_same_intervals(study):
    one, two, other = (effect_table(study, bootstrap=20, seed=seed).to_dict() for seed in (0, 0, 1))
    assert one == two
    assert one["responses"] != other["responses"]


def test_zero_and_one_are_finite_and_move_with_the_number_of_examples(made):
    results = made(
        {"width": [10, 40], "epochs": [1, 10]},
        lambda repeat, width, epochs, **_: {("redundancy_ratio", "test"): float(width == 10)},
    )
    few, many = (effect_table(results, bootstrap=2, examples={"test": n}).responses[0] for n in (99, 9999))
    # Half an example of n: logit(0.5 / (n + 1)) on either side of 0.
    assert few.variance == pytest.approx(np.log(199) ** 2)
    assert many.variance == pytest.approx(np.log(19999) ** 2)
    assert few.effects[0].first.value == pytest.approx(1)


@pytest.mark.parametrize("value", [0.0, 0.1, 0.5])
def test_what_does_not_vary_has_no_shares(made, value):
    results = made({"width": [10, 40]}, lambda repeat, **_: {("knn", "test"): value})
    found = effect_table(results, bootstrap=2)
    assert found.verdicts == ("K-NN test does not vary.",)
    assert found.to_dict()["responses"][0]["effects"][0]["first"]["value"] is None
    assert "–" in str(found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda at: effect_table(at, ["width"]), "label_noise takes 2 values"),
        (lambda at: effect_table(at, ["width", "hue"]), "'hue' is not an axis"),
        (lambda at: effect_table(at, responses=["logistic"]), "hold no logistic on test"),
        (lambda at: effect_table(at, responses="logistic"), "hold no logistic on test"),
        (lambda at: effect_table(at, responses=[3]), "a response is a measure, or a pair of measure and split, rec"),
        (lambda at: effect_table(at, "hue"), "'hue' is not an axis"),
        (lambda at: effect_table(at, responses=[]), r"responses must be a name or a list of names, received \[\]"),
        (lambda at: effect_table(at.where(repeat=0)), "two repeats or more"),
        (lambda at: effect_table(at, bootstrap=1), "bootstrap must be a whole number, 2 or more, received 1"),
        (lambda at: effect_table(at, bootstrap="100"), "bootstrap must be a whole number, 2 or more, received '100'"),
        (lambda at: effect_table(at, confidence=None), "confidence must be between 0 and 1, received None"),
        (lambda at: effect_table(at, factors=3), "factors must be a name or a list of names, received 3"),
        (lambda at: effect_table(at, examples="10"), "examples on train must be a whole number, 1 or more, rec.* '10'"),
        (lambda at: effect_table(at, examples={"train": None}), "examples on train must be a whole number, .* None"),
        (lambda at: effect_table(at, examples=0), "examples on train must be a whole number, 1 or more, received 0"),
        (lambda at: effect_table(at.where(width=10, label_noise=0.0, weight_decay=0.0, epochs=1)), "no factor varies"),
    ],
)
def test_bad_requests(study, change, message):
    with pytest.raises(StudyError, match=message) as raised:
        change(study)
    assert "\n" not in str(raised.value)


def test_a_hole_is_named(made):
    def measured(repeat, width, epochs, **_):
        return {} if (width, epochs, repeat) == (40, 10, 2) else {("knn", "test"): width * epochs / 1000}

    with pytest.raises(StudyError, match="width=40, epochs=10 has 2 of 3 repeats, and 1 of 4 cells have too few"):
        effect_table(made({"width": [10, 40], "epochs": [1, 10]}, measured))
