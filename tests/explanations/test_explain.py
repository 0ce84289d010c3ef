import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import hashlens as hl
from hashlens.errors import ExplainError, HashlensError
from hashlens.explanations import Explanation, Interaction, Rule, explain
from hashlens.explanations.methods import METHODS, NAMES
from hashlens.saved.report import report_page
from hashlens.saved.results import result_of

from .networks import Tokens, convolutional, drawn, grid, seeded, stack

IMAGES, BACKGROUND = drawn(2, 2, 12, 12), 3 * drawn(20, 2, 12, 12, seed=1)
XDEEP = (
    "vanilla_backprop", "guided_backprop", "smooth_grad", "smooth_guided_grad", "integrate_grad",
    "integrate_guided_grad", "gradcam", "gradcampp", "scorecam", "lime", "cle", "anchor", "shap", "filter", "layer",
    "logit", "deepdream", "inverted",
)  # fmt: skip
OPTIONS = {
    "grad_cam": {"layer": "two"}, "grad_cam_plus_plus": {"layer": "two"}, "score_cam": {"layer": "two"},
    "contrast": {"background": BACKGROUND}, "smooth_grad": {"samples": 3}, "smooth_guided_grad": {"samples": 3},
    "lime": {"samples": 40, "segments": 9}, "cle": {"samples": 40, "segments": 9},
    "kernel_shap": {"samples": 40, "segments": 16}, "anchor": {"segments": 4},
}  # fmt: skip
LOCAL = [method.name for method in METHODS if method.group != "global"]
ONE = ("cle", "anchor")


def called(method, network=None, seed=0):
    network = convolutional("reused in place") if network is None else network
    return explain(network, IMAGES[:1] if method in ONE else IMAGES, method, seed=seed, **OPTIONS.get(method, {}))


# --- names ------------------------------------------------------------------------------------------------------------


def test_every_name_of_xdeep_is_one_of_ours():
    assert set(XDEEP) <= set(NAMES)
    assert len(NAMES) == sum(1 + len(method.aliases) for method in METHODS)


@pytest.mark.parametrize(("alias", "name"), [(alias, method.name) for method in METHODS for alias in method.aliases])
def test_aliases_name_their_method(alias, name):
    assert NAMES[alias].name == name
    if name in LOCAL and name not in ("cle", "lime", "anchor", "kernel_shap"):
        assert np.array_equal(called(alias).values, called(name).values) or name in OPTIONS


def test_the_table_names_every_method():
    rows = {row[0]: row for row in hl.explain_methods().rows}
    assert set(rows) == {method.name for method in METHODS}
    for method in METHODS:
        module, function = method.implementation.split(":")
        assert (Path(hl.__file__).parent / "explanations" / f"{module}.py").is_file(), function


# --- what is asked for ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "kind", "shape"),
    [
        (drawn(3, 2, 12, 12), "image", (3, 2, 12, 12)),
        (drawn(2, 12, 12), "image", (1, 2, 12, 12)),
        (drawn(4, 5), "table", (4, 5)),
        (drawn(5), "table", (1, 5)),
        ([1, 2, 3, 4, 5], "table", (1, 5)),
        (np.arange(10, dtype=np.uint8).reshape(2, 5), "table", (2, 5)),
    ],
)
def test_the_kind_is_told_from_the_input(x, kind, shape):
    network = convolutional() if kind == "image" else stack(5, 4, 3)
    found = explain(network, x, "gradient")
    assert (found.kind, found.values.shape, found.inputs.shape) == (kind, shape, shape)


def test_examples_of_another_shape_are_rows_where_that_is_said():
    network = nn.Sequential(nn.Flatten(), stack(15, 4, 3))
    assert explain(network, drawn(4, 3, 5), "gradient", kind="table").values.shape == (4, 3, 5)


@pytest.mark.parametrize(
    ("target", "expected"),
    [(2, [2, 2]), ([2, 0], [2, 0]), ("dog", [1, 1]), (["dog", "cat"], [1, 0]), (torch.tensor([3, 1]), [3, 1]),
     (np.int64(3), [3, 3]), (np.array([0, 1]), [0, 1]), ([1], [1, 1])],
)  # fmt: skip
def test_a_class_is_a_number_or_a_name(target, expected):
    network = convolutional().eval()
    found = explain(network, IMAGES, "gradient", target=target, class_names=["cat", "dog", "hen", "cow"])
    assert found.target.tolist() == expected
    assert found.prediction == pytest.approx(network(IMAGES)[range(2), expected].detach().numpy())
    assert found.class_name(1) == ["cat", "dog", "hen", "cow"][expected[1]]


def test_without_a_target_the_predicted_class_is_explained():
    network = convolutional().eval()
    scores = network(IMAGES)
    found = explain(network, IMAGES, "gradient")
    assert found.target.tolist() == scores.argmax(1).tolist()
    assert found.prediction == pytest.approx(scores.max(dim=1).values.detach().numpy())
    assert found.class_name() == f"class {found.target[0]}"


class Wrapped(nn.Module):
    """What libraries return around scores."""

    def __init__(self, inner, how):
        super().__init__()
        self.inner, self.how = inner, how

    def forward(self, x):
        return self.how(self.inner(x))


class Named:
    def __init__(self, logits):
        self.logits = logits


@pytest.mark.parametrize(
    "how",
    [lambda at: (at, None), lambda at: [at], Named, lambda at: {"loss": None, "logits": at}],
    ids=["tuple", "list", "logits", "dict"],
)
def test_scores_are_found_in_what_a_network_returns(how):
    network = convolutional()
    found, plain = (explain(of, IMAGES, "gradient") for of in (Wrapped(network, how), network))
    assert np.array_equal(found.values, plain.values)


@pytest.mark.parametrize("how", [np.asarray, list, np.ndarray.tolist], ids=["array", "list of rows", "lists"])
def test_a_function_may_give_its_rows_as_a_list(how):
    weights = drawn(2, 3).numpy()

    def function(texts):
        return how(np.array([[text.count("good"), text.count("bad")] for text in texts]) @ weights)

    found = explain(function, "good bad", "kernel_shap", output="score")
    assert found.prediction == pytest.approx([weights.sum(axis=0).max()])
    assert found.values[0] == pytest.approx(weights[:, found.target[0]])


def test_sparse_inputs_are_explained_as_dense_ones():
    x = drawn(3, 5)
    found, dense = (explain(stack(5, 8, 3), of, "gradient") for of in (x.to_sparse(), x))
    assert np.array_equal(found.values, dense.values)


def test_a_network_that_gives_no_slopes_is_told():
    found = explain(Wrapped(stack(5, 8, 3), torch.Tensor.detach), drawn(3, 5), "gradient")
    assert not found.values.any()
    assert found.notes[0].startswith("all values are 0: the score does not change with x, or the model detaches")


def test_a_network_of_one_number_is_explained():
    regression = Wrapped(stack(5, 8, 1), lambda at: at[:, 0])
    found = explain(regression, drawn(3, 5), "gradient", output="regression")
    assert found.target.tolist() == [0, 0, 0]
    assert found.class_name() == "output 0"
    assert found.prediction == pytest.approx(regression(drawn(3, 5)).detach().numpy())
    assert np.array_equal(found.values, explain(stack(5, 8, 1), drawn(3, 5), "gradient", target=1).values)


def test_columns_keep_their_names():
    found = explain(stack(3, 4, 2), drawn(2, 3), "gradient", feature_names=["age", "pay", "city"])
    assert {name for name, _ in found.top()} == {"age", "pay", "city"}


# --- how the network comes back ---------------------------------------------------------------------------------------


def state(network):
    """Everything of a network, and of the process, that an explanation could leave changed."""
    generators = (torch.random.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate())  # noqa: NPY002
    switches = (torch.is_grad_enabled(), torch.backends.mha.get_fastpath_enabled(), torch.is_inference_mode_enabled())
    modules = [
        (module.training, len(module._forward_hooks), len(module._forward_pre_hooks), len(module._backward_hooks))
        for module in network.modules()
    ]
    parameters = [(at.requires_grad, at.grad is None, at.dtype) for at in network.parameters()]
    return generators, switches, modules, parameters, list(vars(network))


def unchanged(network, before, weights):
    return state(network) == before and all(
        torch.equal(value, weights[name]) for name, value in network.state_dict().items()
    )


class Normalised(nn.Module):
    """What training mode would change: running means, and dropout."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop, self.inner = nn.BatchNorm2d(2), nn.Dropout(0.5), convolutional("reused in place")
        self.two = self.inner.two
        self.inner.last.weight.requires_grad_(False)

    def forward(self, x):
        return self.inner(self.drop(self.norm(x)))


@pytest.mark.slow
def test_a_hundred_explanations_leave_the_network_as_it_was():
    network = seeded(Normalised).double().train()
    network.inner.one.eval()
    before, weights = state(network), {name: value.clone() for name, value in network.state_dict().items()}
    for call in range(100):
        called(LOCAL[call % len(LOCAL)], network, seed=call)
    assert unchanged(network, before, weights)
    assert network.training
    assert not network.inner.one.training


class Fails(nn.Module):
    """A network that fails at its n-th call."""

    def __init__(self, calls):
        super().__init__()
        self.inner, self.left = convolutional(), [calls]
        self.two = self.inner.two

    def forward(self, x):
        self.left[0] -= 1
        if self.left[0] < 0:
            raise ValueError("out of calls")
        return self.inner(x)


@pytest.mark.parametrize("method", [method for method in LOCAL if method not in ("region", "contrast")])
@pytest.mark.parametrize("calls", [0, 1])
def test_an_exception_leaves_it_so_too(method, calls):
    network = Fails(calls).train()
    before, weights = state(network), {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(HashlensError, match=r"the model rejects inputs of .*: out of calls; ") as caught:
        called(method, network)
    assert "\n" not in str(caught.value)
    assert unchanged(network, before, weights)


@pytest.mark.slow
@pytest.mark.parametrize("method", LOCAL)
def test_the_same_seed_is_bit_identical(method):
    first, again = called(method, seed=3), called(method, seed=3)
    assert first.values.tobytes() == again.values.tobytes()
    told = [{name: of for name, of in at.diagnostics.items() if name != "seconds"} for at in (first, again)]
    assert told[0] == told[1]
    if method in ("smooth_grad", "smooth_guided_grad", "lime", "kernel_shap"):
        assert first.values.tobytes() != called(method, seed=4).values.tobytes()


@pytest.mark.parametrize("method", LOCAL)
def test_nothing_is_printed_and_no_file_is_written(method, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    called(method)
    assert capfd.readouterr() == ("", "")
    assert os.listdir(tmp_path) == []


def test_no_screen_is_needed(fresh):
    code = (
        "import torch, hashlens as hl\n"
        "network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))\n"
        "canvas = hl.explain(network, torch.rand(1, 1, 4, 4), 'gradient').plot()\n"
        "assert canvas.get_figwidth() > 1\n"
    )
    bare = {
        name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")
    }
    done = fresh(code, environment=bare)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_the_library_does_not_import_explanations(fresh):
    code = "import sys, hashlens; print('hashlens.explanations' in sys.modules); hashlens.explain; hashlens.Explanation"
    assert fresh(code).stdout == "False\n"


@pytest.mark.parametrize("method", LOCAL)
def test_values_are_numbers_aligned_with_the_input(method):
    found = called(method)
    assert np.isfinite(found.values).all()
    assert len(found) == len(found.target) == len(found.prediction) == len(found.inputs) == (method in ONE or 2)
    assert found.method == method
    assert found.diagnostics["seconds"] > 0
    assert found.diagnostics["model_calls"] >= 1
    shapes = {(2, 12, 12), (12, 12), (len(found.features),)}
    assert found.values.shape[1:] in shapes


# --- the explanation --------------------------------------------------------------------------------------------------


def planted(**more):
    values = np.array([[0.5, -2.0, 0.0, 1.0], [3.0, 0.1, -0.2, 0.0]])
    return Explanation("planted", "table", np.array([1, 0]), np.array([0.9, 0.4]), values, **more)


def test_the_parts_that_count_most_come_first():
    found = planted(features=("a", "b", "c", "d"))
    assert found.top(3) == (("b", -2.0), ("d", 1.0), ("a", 0.5))
    assert found.top(1, row=1) == (("a", 3.0),)
    assert len(found.top(99)) == 4
    assert planted().top(2) == (("1", -2.0), ("3", 1.0))
    image = Explanation("planted", "image", np.array([0]), np.array([1.0]), np.arange(18.0).reshape(1, 2, 3, 3))
    assert image.top(1) == (("(1, 2, 2)", 17.0),)
    with pytest.raises(ExplainError, match="k must be a whole number, 1 or more, received 0"):
        found.top(0)


def test_one_row_has_its_own_diagnostics():
    found = explain(stack(5, 8, 3), drawn(3, 5), "region")
    row = found[1]
    assert row.diagnostics["radius"] == found.diagnostics["radius"][1]
    assert row.diagnostics["seconds"] == found.diagnostics["seconds"]
    assert np.array_equal(row.values, found.values[1:2])
    assert np.array_equal(found[-1].target, found.target[2:])
    with pytest.raises(IndexError):
        found[3]
    for wrong in ("1", slice(0, 1), None, 1.0):
        with pytest.raises(ExplainError, match="examples are taken one by one, by number, received "):
            found[wrong]
    for call in (found.class_name, lambda row: found.top(2, row)):
        for wrong in (3, -4, "1", None):
            with pytest.raises(ExplainError, match="row must be a whole number, 0 to 2, received "):
                call(wrong)


def test_it_is_told_in_words():
    text = str(explain(stack(5, 8, 3), drawn(3, 5), "region", class_names=["cat", "dog", "hen"]))
    assert "region for" in text
    assert "the first of 3 examples" in text
    assert "first unit to flip" in text
    assert f"{1:,}" in text


RULE = Rule(("age > 3", "pay <= 2"), (0, 1), 0.97, 0.4, (0.9, 0.99), 0.95)
SAVED = {
    "gradient": lambda: called("gradient"),
    "contrast": lambda: called("contrast"),
    "region": lambda: explain(stack(5, 8, 3), drawn(3, 5), "region", class_names=["cat", "dog", "hen"]),
    "lime": lambda: called("lime"),
    "interactions": lambda: planted(features=("a", "b", "c", "d"), interactions=(Interaction((0, 2), -0.25),)),
    "rule": lambda: planted(rule=RULE, features=("age", "pay", "c", "d"), notes=("a note",), texts=("x y", "ü <b>")),
    "infinite": lambda: planted(diagnostics={"completeness_gap": [0.1, float("inf")]}),
}


def same(one, other, but=()):
    for name, value in vars(one).items():
        if isinstance(value, np.ndarray):
            assert np.array_equal(getattr(other, name), value, equal_nan=True), name
        elif name not in but:
            assert getattr(other, name) == value, name


@pytest.mark.parametrize("kind", SAVED)
def test_what_is_saved_is_read_back(kind, tmp_path):
    found = SAVED[kind]()
    assert found.save(tmp_path / "explanation.npz") == tmp_path / "explanation.npz"
    assert os.listdir(tmp_path) == ["explanation.npz"]
    back = Explanation.load(tmp_path / "explanation.npz")
    same(found, back, but=("diagnostics",))
    if kind != "infinite":  # JSON has no infinity
        assert back.diagnostics == json.loads(json.dumps(found.diagnostics))
        assert str(back) == str(found)
    assert back.values.dtype == found.values.dtype
    page = report_page(tmp_path / "explanation.npz")
    assert page.title.startswith(found.method.capitalize())


@pytest.mark.parametrize("kind", SAVED)
def test_it_comes_back_from_its_json(kind):
    found = SAVED[kind]()
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["kind"] == "Explanation"
    assert told["of"] == found.kind
    back = result_of(told, "explanation.json")
    assert isinstance(back, Explanation)
    assert back.to_dict() == told


def test_its_page_names_method_and_class_and_escapes_what_it_is_given(tmp_path):
    found = explain(stack(2, 4, 2), drawn(1, 2), "gradient", class_names=["<b>cat</b>", "<b>dog</b>"],
                    feature_names=["<script>alert(1)</script>", "pay"])  # fmt: skip
    page = found.to_html(tmp_path / "page.html").read_text()
    assert "Gradient: &lt;b&gt;" in page
    assert "<b>cat" not in page
    assert "<b>dog" not in page
    assert "<script>alert" not in page


def test_a_rule_is_the_verdict_of_its_page(tmp_path):
    planted(rule=RULE, notes=("drawn",)).save(tmp_path / "rule.npz")
    page = report_page(tmp_path / "rule.npz")
    assert page.verdict.startswith("age > 3 and pay <= 2: class 1 in 97.0% of cases (90.0% to 99.0%)")
    assert page.notes == ("drawn",)
    assert page.subtitle == "2 rows of a table"


@pytest.mark.parametrize(
    ("told", "arrays", "message"),
    [
        ({"of": "video"}, {}, "no kind 'video'"),
        ({}, {"values": np.zeros(3)}, "values must be (n, ...)"),
        ({}, {"values": np.array([["a", "b"]])}, "values is not an array of numbers"),
        ({}, {"inputs": np.zeros((3, 4))}, "inputs are 3, values 2"),
        ({"features": ["a"]}, {}, "features are 1, values of each 4"),
        ({}, {"method": np.zeros(3)}, "method is not an array of numbers"),
    ],
)
def test_a_file_whose_parts_do_not_fit_is_told_in_one_line(told, arrays, message, tmp_path):
    with np.load(planted().save(tmp_path / "sound.npz")) as held:
        parts = dict(held)
    body = json.loads(bytes(parts.pop("explanation"))) | told
    np.savez(
        tmp_path / "broken.npz", explanation=np.frombuffer(json.dumps(body).encode(), np.uint8), **(parts | arrays)
    )
    with pytest.raises(ExplainError) as caught:
        Explanation.load(tmp_path / "broken.npz")
    assert str(caught.value) == f"{tmp_path / 'broken.npz'} is not a saved explanation: {message}"


def broken(path, how):
    if how == "text":
        path.write_text("no explanation")
    elif how == "other arrays":
        np.savez(path, x=np.zeros(3))
    elif how == "newer":
        told = json.dumps({"kind": "Explanation", "schema_version": 2})
        np.savez(path, explanation=np.frombuffer(told.encode(), np.uint8))
    elif how == "half":
        told = json.dumps({"kind": "Explanation", "schema_version": 1, "method": 3})
        np.savez(path, explanation=np.frombuffer(told.encode(), np.uint8))
    return path


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("nothing", "explanation.npz: no such file"),
        ("text", "explanation.npz is not a saved explanation"),
        ("other arrays", "explanation.npz is not a saved explanation: KeyError"),
        ("newer", "explanation.npz was written by a newer hashlens: install that"),
        ("half", "explanation.npz is not a saved explanation: method must be"),
    ],
)
def test_a_file_that_is_no_explanation_is_told_in_one_line(how, message, tmp_path):
    with pytest.raises(ExplainError) as caught:
        Explanation.load(broken(tmp_path / "explanation.npz", how))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_transformers_take_every_method_that_needs_no_linear_regions():
    network, x = seeded(Tokens).double(), drawn(2, 1, 12, 12)
    for method in ("gradient", "guided_backprop", "integrated_gradients", "smooth_grad"):
        found = explain(network, x, method)
        assert found.values.shape == x.shape
        assert found.values.any()
    found = explain(network, x, "score_cam", layer="block", reshape=grid, relu=False)
    assert found.values.shape == (2, 12, 12)


def test_names_are_one_for_each_output():
    with pytest.raises(ExplainError, match=r"class_names must be 3 names, one for each .*, received 2: cat, dog"):
        explain(stack(5, 8, 3), drawn(1, 5), "gradient", class_names=["cat", "dog"])
