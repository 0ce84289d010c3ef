"""Every kind of result: it is drawn, has a page, shows in a notebook, and comes back from its JSON."""

import ast
from dataclasses import fields, is_dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.naive_bayes import GaussianNB
from torch import nn

import hashlens as hl
from hashlens import kernels, regions
from hashlens.audit import compare_models, coverage, duplicates
from hashlens.data.sources import load_data
from hashlens.generative import VAE, evaluate
from hashlens.index import Index
from hashlens.integrations.history import CodeHistory, CodeReading
from hashlens.kernels.accuracy import kernel_accuracy
from hashlens.kernels.summary import summarise
from hashlens.measures.features import as_features
from hashlens.measures.kmeans import kmeans
from hashlens.measures.projection import project
from hashlens.regions.boundary import class_parts
from hashlens.regions.tables import RadiusTable, piece_table, radius_rows
from hashlens.result import Result, Split
from hashlens.retrieval import quality_curve
from hashlens.saved.kinds import KINDS
from hashlens.saved.results import READ_AS, load_result, result_class
from hashlens.study.charts.curves import curve
from hashlens.study.charts.effects import effect_table
from hashlens.study.charts.summary import summarize
from hashlens.study.networks.regimes.phase import phase_chart, phase_slices
from hashlens.study.networks.regimes.sensitivity import phase_sensitivity
from hashlens.study.networks.variables import VARIABLES
from hashlens.study.results import Results
from hashlens.ted import TEDClassifier, retention
from hashlens.ted.predictions import predictions_of
from hashlens.testing.result_contract import check_result
from hashlens.training.recipe import Recipe
from hashlens.tuning import NoImprovement, Trace, Tuned, overfitting_report

WRITTEN = Path(__file__).parents[1] / "saved/written/0.1"
SOURCE = Path(hl.__file__).parent
ELSEWHERE = {
    "Reproduction", "Provenance", "Finding", "EarlierFinding", "Comparison", "Picture", "StudyStatus",  # tests/study
    "BarCheck",  # tests/study/reproduce
}  # fmt: skip
"""Results that are made by long runs, in the tests of their own rooms."""
COMES_BACK: dict[str, str] = {}
"""The one list of results whose JSON tells less than they hold: all others come back whole."""


def declared():
    """Return the names of all classes of the package that are made from Result."""
    bases = {}
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.decorator_list:
                bases[node.name] = [ast.unparse(base).partition("[")[0] for base in node.bases]
    return {name for name, of in bases.items() if {"Result", "Ranked"} & set(of)}


def study_results():
    rows = []
    for width, epochs, noise, repeat in product((4, 16, 64), (1, 10), (0.0, 0.5), range(2)):
        ratio = 1 / (1 + width * epochs / 40) + 0.01 * repeat
        numbers = {("redundancy_ratio", "train"): ratio, ("redundancy_ratio", "test"): ratio / 2,
                   ("knn", "test"): 0.9 - ratio / 4 - noise / 5,
                   ("network_accuracy", "test"): 0.95 - noise / 5}  # fmt: skip
        for (measure, split), value in numbers.items():
            rows.append((f"{width}-{noise}", "mlp", width, 1, 1000, noise, 0.0, False, 0.0, repeat, epochs, measure,
                         split, "", value))  # fmt: skip
    columns = zip(VARIABLES.columns, zip(*rows, strict=True), strict=True)
    return Results({name: np.array(column) for name, column in columns}, "made")


def region_results():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).double()
        x = torch.randn(5, 4, dtype=torch.float64)
    region, flat = regions.at(network, x), regions.plane(network, through=x[:3])
    along = regions.along(network, x[:1], x[1:2])
    return [
        flat, along, region.radius(), regions.decision_boundary(flat), class_parts(flat),
        regions.chord(network, x, x.flip(0)), regions.local_complexity(network, x, 0.5, 4),
        piece_table(along, "made", "a", "b"),
        RadiusTable("made", np.inf, tuple(radius_rows(region, np.inf, list("abcde"), None)), ("x", "y", "z")),
    ]  # fmt: skip


def results_of_a_network():
    train, test = load_data("digits#train").narrow(0, 400).load(), load_data("digits#test").narrow(0, 120).load()
    trained = hl.train("mlp", train, epochs=2, seed=0, width=30, depth=2)
    network = trained.network
    codes = Split(*(hl.encode(network, of) for of in (train, test)))
    index = Index(codes.train)
    reading = CodeReading(10, Split(0.5, 0.25), None, Split(0.5, 0.5), 30, 0.1)
    return [
        hl.measure(network, train, test), hl.audit(network, train, test), trained.info, trained.fitted,
        Recipe("figures", 2, 128, 0.001), coverage(codes.train, codes.test), duplicates(codes.train, k=5),
        compare_models(network, hl.train("mlp", train, epochs=1, seed=1, width=30, depth=2).network, test, bits=30),
        index.search(codes.test, 3), index.range_search(codes.test, 2), project(codes.test),
        quality_curve(codes, (8, 16), k=5), CodeHistory((reading,)),
        kmeans(as_features(codes.test), 3), hl.explain(network, test.tensor()[:3], "region"),
        hl.compare_explanations(network, test.tensor()[:3], ["gradient"]),
    ]  # fmt: skip


def results_of_a_study():
    found = study_results()
    one = {"where": {"label_noise": 0.0}}
    return [
        found, phase_chart(found, **one), phase_slices(found, z="label_noise"),
        phase_sensitivity(found, steps=3, **one), curve(found, "knn", "width", by="epochs", **one),
        effect_table(found, bootstrap=20, examples=1000), summarize(found),
    ]  # fmt: skip


def ted_results():
    table = retention(600, seed=0)
    model = TEDClassifier(GaussianNB()).fit(table.rows, table.labels, table.E)
    top = model.predict_explanation(table.rows, top_k=2)
    return [model.score_ted(table.rows, table.labels, table.E), predictions_of(top)]


def results_of_tuning():
    rng = np.random.default_rng(0)
    folds = rng.random((30, 5))
    trace = Trace(folds.mean(axis=1), "maximize", folds, rng.random(30), rng.random(30),
                  tuple({"C": float(x), "kernel": "rbf"} for x in rng.random(30)), name="made")  # fmt: skip
    rule = NoImprovement(k=5)
    tuned = Tuned(trace, str(rule), rng.random(30), rng.random(30), 25, "made", {"C": 0.5, "kernel": "rbf"}, 40)
    return [trace, trace.replay([rule]), rule.decide(trace), tuned, overfitting_report(trace)]


def results_of_kernels():
    x = np.random.default_rng(0).standard_normal((6, 3))
    network = nn.Sequential(nn.utils.skip_init(nn.Linear, 3, 4), nn.ReLU(), nn.utils.skip_init(nn.Linear, 4, 2))
    for parameter in network.parameters():
        parameter.data = torch.linspace(-1, 1, parameter.numel()).view_as(parameter).clone()
    linear = kernels.serial(kernels.Dense())
    return [
        kernels.predict(linear, x[:3], x[:3, 0], x[3:], diag_reg=0.1),
        kernels.compare_codes(network, torch.from_numpy(x).float(), draws=1),
        kernel_accuracy(linear, (x[:4], [0, 1, 0, 1]), (x[4:], [0, 1])),
        summarise(kernels.compute(linear, x, None, ("nngp",)).nngp, linear, "nngp", "kernel.npy", True),
    ]


def results_of_generation():
    digits = load_data("digits#train").narrow(0, 200).load()
    model = VAE(latent=2, width=8).fit(digits, epochs=2)
    classifier = hl.train("mlp", digits, epochs=1, width=8).network
    return [model.info, evaluate(model, digits, load_data("digits#test"), classifier=classifier, n=60)]


def inside(value):
    """Yield the results that a value holds, itself first."""
    if isinstance(value, Result):
        yield value
    if is_dataclass(value):
        for field in fields(value):
            yield from inside(getattr(value, field.name))
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from inside(item)


@pytest.fixture(scope="module")
def made():
    """One result of each kind, by the name of its class."""
    found = {}
    for outer in (*region_results(), *results_of_a_network(), *results_of_a_study(), *ted_results(),
                  *results_of_tuning(), *results_of_kernels(), *results_of_generation()):  # fmt: skip
        for one in inside(outer):
            found.setdefault(type(one).__name__, one)
    found["SavedPlane"] = load_result(WRITTEN / "plane.json")
    return found


@pytest.mark.slow
def test_one_of_each_kind_is_tried(made):
    assert declared() - ELSEWHERE <= made.keys()


@pytest.mark.slow
def test_every_result_keeps_the_contract(made, tmp_path):
    broken = {}
    for kind, result in made.items():
        (tmp_path / kind).mkdir()
        try:
            check_result(result, tmp_path / kind, expected_loading=COMES_BACK.get(kind, "whole"))
        except AssertionError as error:
            broken[kind] = str(error)
    assert not broken, "\n".join(broken.values())


@pytest.mark.slow
def test_every_kind_can_be_found_by_its_name():
    assert set(KINDS) == declared()
    for kind in declared() | set(READ_AS.values()):
        found = result_class(kind)
        assert found is not None, kind
        assert found.__name__ == kind
