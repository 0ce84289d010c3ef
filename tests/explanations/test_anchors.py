import numpy as np
import pytest
import torch

from hashlens.errors import ExplainError
from hashlens.explanations import explain
from hashlens.explanations.anchors import bound

DRAWN = np.random.default_rng(0)
BACKGROUND = np.column_stack([DRAWN.normal(size=(1000, 4)), DRAWN.integers(0, 3, size=(1000, 3))]).astype(np.float32)
ROW = np.array([1.0, -1.0, 0.1, 0.2, 2, 1, 0], np.float32)
NAMES = ["a", "b", "c", "d", "e", "f", "g"]


def planted(x):
    """Class 1 where a > 0 and e = 2, with a few exceptions."""
    x = np.asarray(x)
    held = (x[:, 0] > np.median(BACKGROUND[:, 0])) & (x[:, 4] == 2) & (x[:, 2] < 2.3)
    return np.stack([~held, held], axis=1).astype(float)


def least(threshold, held_out):
    return threshold - 2 * np.sqrt(threshold * (1 - threshold) / held_out)


def test_finds_a_planted_rule_and_tells_its_precision_and_coverage():
    found = explain(planted, ROW, "anchor", background=BACKGROUND, feature_names=NAMES)
    rule = found.rule
    assert set(rule.features) == {0, 4}
    assert len(rule.conditions) == 2
    assert "e = 2" in rule.conditions
    assert rule.conditions[0].startswith("a > ")
    assert rule.precision >= least(0.95, 1000)
    assert rule.interval[0] <= rule.precision <= rule.interval[1]
    held = (BACKGROUND[:, 0] > np.median(BACKGROUND[:, 0])) & (BACKGROUND[:, 4] == 2)
    assert rule.coverage == pytest.approx(held.mean())
    assert found.values[0].tolist() == [1, 0, 0, 0, 1, 0, 0]
    assert found.diagnostics["reached"]


def test_counter_examples_satisfy_the_rule_and_get_another_class():
    found = explain(planted, ROW, "anchor", background=BACKGROUND, feature_names=NAMES, held_out=3000)
    counter = found.diagnostics["counter_examples"]
    assert 1 <= len(counter) <= 5
    for at in counter:
        row = np.array([at["example"]])
        assert row[0, 0] > np.median(BACKGROUND[:, 0])
        assert row[0, 4] == 2
        assert planted(row).argmax() == at["class"] == 0


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = torch.as_tensor(bunch.images / 16, dtype=torch.float32)[:, None]
    labels = torch.as_tensor(bunch.target)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
        )
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images[:1400]), labels[:1400]).backward()
        optimizer.step()
    return network.eval(), images


@pytest.mark.slow
def test_held_out_precision_of_superpixels_of_digits(digits):
    network, images = digits
    segments = np.arange(8)[:, None] // 2 * 4 + np.arange(8)[None] // 2
    of = {"features": segments, "background": images[:200], "batch_size": 256}
    found = [explain(network, images[row], "anchor", **of) for row in range(1400, 1800, 50)]
    reached = [at for at in found if at.diagnostics["reached"]]
    assert len(reached) >= 6
    assert min(at.rule.precision for at in reached) >= least(0.95, 1000)
    assert all(at.rule.coverage == 0.5 ** len(at.rule.features) for at in found)
    assert all("no rule was shown" in at.notes[0] for at in found if at not in reached)


def test_a_narrower_condition_takes_the_place_of_a_wider_one():
    edges = np.quantile(BACKGROUND[:, 0], (0.25, 0.5, 0.75))

    def model(x):
        above = np.asarray(x)[:, 0] > edges[2]
        return np.stack([~above, above], axis=1).astype(float)

    found = explain(model, ROW, "anchor", background=BACKGROUND, feature_names=NAMES, beam=1)
    assert found.rule.conditions == (f"a > {edges[2]:.4g}",)


def test_finds_the_words_that_hold_a_class():
    def model(texts):
        held = np.array(["good" in text and "not" not in text.split() for text in texts], float)
        return np.stack([1 - held, held], axis=1)

    found = explain(model, "a good film and good fun", "anchor")
    assert found.rule.conditions == ("good is present",)
    assert found.rule.coverage == 0.5


def test_a_class_that_nothing_changes_needs_no_condition():
    found = explain(lambda x: np.tile([0.0, 1.0], (len(x), 1)), ROW, "anchor", background=BACKGROUND)
    assert found.rule.conditions == ()
    assert str(found.rule) == "always"
    assert found.rule.coverage == 1
    assert "no condition is needed" in found.notes[0]


def test_no_rule_is_said():
    def coin(x):
        odd = (np.abs(np.asarray(x, np.float64)[:, 3]) * 1e4).astype(int) % 2 == 0
        return np.stack([~odd, odd], axis=1).astype(float)

    found = explain(coin, ROW, "anchor", background=BACKGROUND, samples=5000)
    assert not found.diagnostics["reached"]
    assert found.rule.precision < 0.95
    assert "no rule was shown to reach 95%" in found.notes[0]


def test_the_search_keeps_to_the_rows_allowed(digits):
    network, images = digits
    found = explain(network, images[1500].flatten(), "anchor", background=images[:1400].flatten(1), samples=700)
    assert found.diagnostics["search_rows"] <= 700 + 100


@pytest.mark.parametrize("side", [-1, 1])
def test_bounds_are_as_far_as_the_divergence_allows(side):
    means, level = np.array([0.0, 0.3, 0.95, 1.0]), 0.1
    grid = np.linspace(1e-9, 1 - 1e-9, 200_001)
    for mean, found in zip(means, bound(means, np.full(4, level), side), strict=True):
        first = mean * np.log(mean / grid) if mean > 0 else 0
        second = (1 - mean) * np.log((1 - mean) / (1 - grid)) if mean < 1 else 0
        inside = grid[first + second <= level]
        assert found == pytest.approx(inside.min() if side < 0 else inside.max(), abs=1e-5)


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [(planted, {"threshold": 1.0}, "threshold must be a number above 0 and below 1"),
     (planted, {"beam": 0}, "beam must be a whole number"),
     (planted, {"held_out": 0}, "held_out must be a whole number"),
     (planted, {"target": 0}, "explains the predicted class, 1: leave target out"),
     (lambda x: np.asarray(x)[:, 0], {}, "an anchor explains a class, but the output of the model is read as")],
)  # fmt: skip
def test_bad_options(model, options, said):
    with pytest.raises(ExplainError, match=said):
        explain(model, ROW, "anchor", background=BACKGROUND, **options)


def test_explains_one_example():
    with pytest.raises(ExplainError, match="anchor explains one example at a time, received 2"):
        explain(planted, BACKGROUND[:2], "anchor", background=BACKGROUND)


def test_the_rule_says_that_it_misses_the_precision_asked_for():
    """Three quarters of all rows keep their class at random, whatever is fixed."""

    def noisy(x):
        share = (np.asarray(x)[:, :4].astype(np.float64) * 1e4).sum(axis=1) % 1
        return np.stack([share < 0.25, share >= 0.25], axis=1).astype(float)

    row = next(row for row in BACKGROUND if noisy(row[None])[0, 1])
    found = explain(noisy, row, "anchor", background=BACKGROUND, samples=2000)
    assert found.rule.precision < 0.95
    said = " ".join(str(found).split())
    assert f"covers {found.rule.coverage:.1%}: below the required 95%" in said
    assert "below the required 95%" in " ".join(found.figures()[0].title.split())
    kept = explain(planted, ROW, "anchor", background=BACKGROUND, feature_names=NAMES)
    assert "asked for" not in str(kept)
