import numpy as np
import pytest
import torch

from hashlens.errors import ExplainError
from hashlens.explanations import explain

METHODS = ["lime", "cle", "kernel_shap", "anchor"]
ROWS = torch.tensor(np.random.default_rng(0).normal(size=(40, 3)), dtype=torch.float32)
WORDS = {"good": 2.0, "bad": -2.0}


def linear(x):
    score = x.float().flatten(1).mean(dim=1)
    return torch.stack([-score, score], dim=1)


def read(texts):
    scores = torch.tensor([sum(WORDS.get(word.strip(".,").lower(), 0.0) for word in text.split()) for text in texts])
    return torch.stack([-scores, scores], dim=1)


def nan_when_replaced(x):
    return torch.where(x[:, :1] == ROWS[0, 0], linear(x), torch.nan)


def nan_without_words(texts):
    return torch.where(torch.tensor(["film" in text for text in texts])[:, None], read(texts), torch.nan)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("model", "x", "options", "said"),
    [(linear, ROWS[0], {}, r"give background=, rows \(m, 3\)"),
     (linear, ROWS[0], {"background": ROWS[:, :2]}, r"background must be \(m, 3\), received \(40, 2\)"),
     (linear, ROWS[0], {"background": ROWS, "samples": 0}, "samples must be a whole number, 1 or more"),
     (linear, ROWS[0], {"background": ROWS, "features": np.zeros(3, int)}, "features are segments of an image"),
     (linear, ROWS[0], {"background": ROWS, "feature_names": ["a"]}, "feature_names must be 3"),
     (nan_when_replaced, ROWS[0], {"background": ROWS}, "NaN or infinite scores for inputs with replaced parts"),
     (linear, torch.ones(1, 4, 4), {"features": np.zeros((3, 4), int)}, r"whole numbers \(4, 4\)"),
     (linear, torch.ones(1, 4, 4), {"segments": 17}, "segments must be 16 or fewer"),
     (read, "a good film", {"tokenizer": lambda text: []}, "the tokenizer gives no words"),
     (read, "a good film", {"tokenizer": lambda text: ["film", "good"]}, "gives 'good', which does not follow"),
     (read, "a good film", {"background": ROWS}, "a text takes no background"),
     (nan_without_words, "a good film", {}, "replaced parts: it must accept texts without words"),
     (read, ["a good film", "a bad film"], {}, "one (text|example) at a time, received 2")],
)  # fmt: skip
def test_bad_input_is_one_line_with_the_way_out(method, model, x, options, said):
    with pytest.raises(ExplainError, match=said) as caught:
        explain(model, x, method, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", ["lime", "cle", "kernel_shap"])
def test_wrong_output(method):
    with pytest.raises(ExplainError, match="output must be 'probability' or 'score', received 'logit'"):
        explain(linear, ROWS[0], method, background=ROWS, output="logit")


def test_wrong_category():
    with pytest.raises(ExplainError, match="categorical: no column 'agee': did you mean 'age'"):
        explain(linear, ROWS[0], "lime", background=ROWS, feature_names=["age", "sex", "pay"], categorical=["agee"])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("model", "x", "options"),
    [(linear, ROWS[0], {"background": ROWS}),
     (linear, torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(0)),
      {"segments": 15, "background": torch.zeros(3, 12, 12)}),
     (read, "A good film, not a bad one: the actors are good, and the dog is better than most of them by far.", {})],
)  # fmt: skip
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(method, model, x, options):
    options = options | ({} if method == "anchor" else {"samples": 200})
    first, again = (explain(model, x, method, seed=3, **options) for _ in range(2))
    assert np.array_equal(first.values, again.values)
    assert first.rule == again.rule
    assert first.interactions == again.interactions
    assert np.isfinite(first.values).all()
    assert first.values.shape == (1, len(first.features))
    if method == "lime":
        assert not np.array_equal(first.values, explain(model, x, method, seed=4, **options).values)


@pytest.mark.parametrize("method", ["lime", "kernel_shap"])
def test_words_of_a_text_speak_for_their_class(method):
    found = explain(read, "A good film. Good actors, bad music", method, target=1, output="score")
    values = dict(zip(found.features, found.values[0], strict=True))
    assert list(values) == ["A", "good", "film", "Good", "actors", "bad", "music"]
    assert min(values["good"], values["Good"]) > 1.5
    assert values["bad"] < -1.5
    assert max(abs(values[word]) for word in ("A", "film", "actors", "music")) < 0.05


def test_a_word_goes_wherever_it_stands_and_the_rest_of_the_text_stays():
    asked = []

    def watched(texts):
        asked.extend(texts)
        return read(texts)

    explain(watched, "good, or not good?", "kernel_shap", tokenizer=lambda text: ["good", "good"])
    assert {"good, or not good?", ", or not ?"} == set(asked)


def test_a_tokenizer_of_small_letters_that_skips_words_is_followed():
    found = explain(read, "The Hat is at a bad place", "lime", tokenizer=lambda text: ["at", "bad"], target=0)
    assert found.features == ("at", "bad")
    assert found.values[0, 1] > 0.3
    assert abs(found.values[0, 0]) < 0.05


def test_prediction_is_in_the_unit_of_the_output():
    of = {"background": ROWS, "target": 1}
    probability, score = (explain(linear, ROWS[0], "lime", output=output, **of) for output in ("probability", "score"))
    assert probability.diagnostics["output"] == "probability"
    assert probability.prediction[0] == pytest.approx(float(linear(ROWS[:1]).softmax(1)[0, 1]))
    assert score.prediction[0] == pytest.approx(float(linear(ROWS[:1])[0, 1]))
    one = explain(lambda x: linear(x)[:, 1], ROWS[0], "lime", background=ROWS)
    assert one.diagnostics["output"] == "score"


def test_columns_of_few_distinct_values_are_categories_unless_said_otherwise():
    drawn = np.random.default_rng(1)
    background = np.column_stack([drawn.integers(0, 9, 200), drawn.integers(0, 20, 200), drawn.normal(size=200)])

    def model(x):
        held = (np.asarray(x)[:, 0] == 3) & (np.asarray(x)[:, 1] == 7)
        return np.stack([~held, held], axis=1).astype(float)

    of = {"background": background, "feature_names": ["a", "b", "c"]}
    told = explain(model, [3.0, 7.0, 0.1], "anchor", **of)
    assert "a = 3" in told.rule.conditions
    assert not {"b = 7"} & set(told.rule.conditions)
    named = explain(model, [3.0, 7.0, 0.1], "anchor", categorical=["a", 1], **of)
    assert named.rule.conditions == ("a = 3", "b = 7")
    # Eight rows hold eight values of anything.
    few = explain(model, [3.0, 7.0, 0.1], "lime", background=background[:8])
    assert np.isfinite(few.values).all()


def test_small_images_have_fewer_superpixels_by_default():
    assert len(explain(linear, torch.ones(1, 5, 5), "kernel_shap").features) <= 6


def test_several_images_have_a_value_for_each_pixel_or_share_given_segments():
    images = torch.rand(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    own = explain(linear, images, "lime", segments=9, samples=100)
    assert own.values.shape == (2, 6, 6)
    assert own.segments is None
    shared = explain(linear, images, "lime", features=np.arange(36).reshape(6, 6) // 12, samples=100)
    assert shared.values.shape == (2, 3)
    assert shared.segments.shape == (6, 6)


def test_the_network_is_called_in_batches_of_the_size_given():
    sizes = []

    def watched(x):
        sizes.append(len(x))
        return linear(x)

    for method in METHODS:
        explain(watched, ROWS[0], method, background=ROWS, batch_size=16, samples=100)
    assert max(sizes) <= 16
