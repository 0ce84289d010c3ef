import numpy as np
import pytest
import torch

from hashlens.errors import ExplainError
from hashlens.explanations import explain

DRAWN = np.random.default_rng(0)
WEIGHTS = np.array([3.0, -2.0, 1.0, 0.5, -0.25, 0.1])
BACKGROUND = DRAWN.normal(size=(500, 6)) * np.array([1, 2, 0.5, 4, 1, 3]) + np.array([0, 1, -1, 5, 0, 0])
ROW = BACKGROUND.mean(axis=0) + BACKGROUND.std(axis=0)
BINARY = DRAWN.integers(0, 2, size=(400, 8)).astype(np.float32)


def linear(x):
    return np.asarray(x, np.float64) @ WEIGHTS


def ranking(values):
    return np.argsort(-np.abs(values)).tolist()


def planted(x):
    """1 where columns 1 and 4 are both 1."""
    both = (np.asarray(x)[:, 1] > 0.5) & (np.asarray(x)[:, 4] > 0.5)
    return np.stack([~both, both], axis=1).astype(float)


def test_recovers_a_linear_model():
    found = explain(linear, ROW, "lime", background=BACKGROUND, ridge=0.0)
    contributions = WEIGHTS * (ROW - BACKGROUND.mean(axis=0))
    assert found.diagnostics["r2"] == pytest.approx(1, abs=1e-6)
    assert found.values[0] == pytest.approx(contributions, rel=1e-4)
    assert ranking(explain(linear, ROW, "lime", background=BACKGROUND).values[0]) == ranking(contributions)


def test_ranks_columns_as_lime_does():
    lime_tabular = pytest.importorskip("lime.lime_tabular")
    explainer = lime_tabular.LimeTabularExplainer(
        BACKGROUND, mode="regression", discretize_continuous=False, random_state=0
    )
    theirs = dict(explainer.explain_instance(ROW, linear, num_features=6, num_samples=2000).as_map()[1])
    slopes = np.array([theirs[column] for column in range(6)])
    found = explain(linear, ROW, "lime", background=BACKGROUND)
    assert ranking(found.values[0]) == ranking(slopes)
    # The row is one standard deviation above the mean everywhere: a contribution is a slope per deviation.
    assert found.values[0] == pytest.approx(slopes, rel=0.05)


def test_recovers_the_words_that_lime_finds():
    lime_text = pytest.importorskip("lime.lime_text")
    weights = {"alpha": 3.0, "beta": -2.0, "gamma": 1.0, "delta": 0.4}
    text = "alpha beta gamma delta epsilon zeta"

    def model(texts):
        scores = np.array([sum(weights.get(word, 0) for word in at.split()) for at in texts])
        return np.stack([1 / (1 + np.exp(scores)), 1 / (1 + np.exp(-scores))], axis=1)

    theirs = lime_text.LimeTextExplainer(random_state=0).explain_instance(text, model, num_features=6, num_samples=3000)
    found = explain(model, text, "lime", target=1, samples=3000)
    assert [name for name, _ in found.top(4)] == [name for name, _ in theirs.as_list()[:4]]


def test_superpixels_that_a_model_looks_at_weigh_most():
    image = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    image[:, 4:8, 4:8] += 3
    segments = np.arange(16)[:, None] // 4 * 4 + np.arange(16)[None] // 4
    found = explain(lambda x: x[:, :, 4:8, 4:8].mean((1, 2, 3)), image, "lime", features=segments,
                    background=torch.zeros(3, 16, 16))  # fmt: skip
    assert found.top(1)[0][0] == "segment 5"
    assert np.abs(np.delete(found.values[0], 5)).max() < 0.05 * found.values[0, 5]


def test_several_rows_are_explained_as_one_by_one():
    both = explain(linear, np.stack([ROW, BACKGROUND[0]]), "lime", background=BACKGROUND)
    assert both.values.shape == (2, 6)
    assert len(both.diagnostics["r2"]) == 2
    assert both.values[0] == pytest.approx(explain(linear, ROW, "lime", background=BACKGROUND).values[0], abs=1e-12)


def test_a_constant_model_gives_zeros_and_says_so():
    for method in ("lime", "cle"):
        found = explain(lambda x: np.full((len(x), 2), 0.5), ROW, method, background=BACKGROUND)
        assert not found.values.any()
        assert found.interactions == ()
        assert "the same whatever is replaced" in found.notes[0]


def test_one_sample_and_a_narrow_kernel_are_finite_and_noted():
    for more in ({"samples": 1}, {"kernel_width": 1e-9}):
        found = explain(linear, ROW, "lime", background=BACKGROUND, **more)
        assert np.isfinite(found.values).all()
        assert np.isfinite(found.diagnostics["r2"])
        assert found.notes


def test_r2_falls_with_what_is_not_linear():
    wavy = explain(lambda x: np.sin(3 * np.asarray(x)).prod(axis=1), ROW, "lime", background=BACKGROUND)
    assert wavy.diagnostics["r2"] < 0.5


def test_cle_finds_a_planted_pair_where_lime_fits_worse():
    found = explain(planted, np.ones(8), "cle", target=1, background=BINARY)
    assert found.interactions[0].features == (1, 4)
    assert found.interactions[0].weight == pytest.approx(1, abs=0.05)
    assert abs(found.interactions[0].weight) > 5 * np.abs(found.values).max()
    plain = explain(planted, np.ones(8), "lime", target=1, background=BINARY)
    assert plain.diagnostics["r2"] == pytest.approx(found.diagnostics["r2_without_interactions"])
    assert plain.diagnostics["r2"] < found.diagnostics["r2"] - 0.1
    assert found.diagnostics["r2"] > 0.99


def test_cle_finds_a_planted_pair_of_words_and_of_superpixels():
    def words(texts):
        both = np.array(["not" in text and "good" in text for text in texts], float)
        return np.stack([1 - both, both], axis=1)

    found = explain(words, "this film is not that good and very long", "cle")
    assert [found.features[at] for at in found.interactions[0].features] == ["not", "good"]
    segments = np.arange(8)[:, None] // 2 * 4 + np.arange(8)[None] // 2

    def patches(x):
        both = ((x[:, 0, 0, 0] > 0.5) & (x[:, 0, 7, 7] > 0.5)).double()
        return torch.stack([1 - both, both], dim=1)

    of = {"features": segments, "background": torch.zeros(1, 8, 8)}
    assert explain(patches, torch.ones(1, 8, 8), "cle", **of).interactions[0].features == (0, 15)


def test_cle_finds_a_planted_triple_only_where_asked():
    def triple(x):
        return (np.asarray(x)[:, :3] > 0.5).all(axis=1).astype(float)

    found = explain(triple, np.ones(8), "cle", background=BINARY, spans=(2, 3))
    assert found.interactions[0].features == (0, 1, 2)
    assert explain(triple, np.ones(8), "cle", background=BINARY, spans=()).interactions == ()


def test_cle_of_many_words_tries_the_strongest_and_says_so():
    text = " ".join(f"word{number}" for number in range(120))
    found = explain(
        lambda texts: np.array(["word7 " in at and "word9 " in at for at in texts], float), text, "cle", samples=400
    )
    assert [found.features[at] for at in found.interactions[0].features] == ["word7", "word9"]
    assert "terms of 2 parts use only the 100 of 120 parts" in " ".join(found.notes)


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [("lime", {"kernel_width": 0}, "kernel_width must be a number above 0"),
     ("lime", {"ridge": -1}, "ridge must be a number, 0 or more"),
     ("cle", {"spans": (1,)}, "spans must be whole numbers, 2 or more"),
     ("cle", {"spans": 2}, "spans must be whole numbers, 2 or more"),
     ("cle", {"terms": 0}, "terms must be a whole number, 1 or more"),
     ("cle", {"spans": (9,)}, "a term of 9 parts needs as many parts, but the input has 6")],
)  # fmt: skip
def test_bad_options(method, options, said):
    with pytest.raises(ExplainError, match=said):
        explain(linear, ROW, method, background=BACKGROUND, **options)


def test_one_superpixel_has_no_pairs():
    with pytest.raises(ExplainError, match="a term of 2 parts needs as many parts, but the input has 1: give more"):
        explain(lambda x: x.mean((1, 2, 3)), torch.ones(1, 4, 4), "cle", segments=1)


def test_cle_explains_one_example():
    with pytest.raises(ExplainError, match="cle explains one example at a time, received 2"):
        explain(linear, BACKGROUND[:2], "cle", background=BACKGROUND)
