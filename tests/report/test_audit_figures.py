"""The figures of audits and searches: whole samples, marks where the lines are drawn, both backends."""

from dataclasses import replace

import numpy as np
import pytest

import hashlens as hl
from hashlens.audit import blind_spots, compare_models, coverage, duplicates, label_issues, leaks
from hashlens.audit.audited_accuracy import audited_accuracy
from hashlens.audit.novel_items import NovelItems
from hashlens.codes.codes import Codes
from hashlens.index.neighbours import Neighbours
from hashlens.report.figure_tables import figure_table
from hashlens.report.figures import Bars, Histogram, Intervals, Lines, Rule
from hashlens.report.plots import draw
from hashlens.report.traces import plotly
from hashlens.result import Split
from hashlens.retrieval.curve import quality_curve
from hashlens.retrieval.quality import retrieval_quality

SIDE = 64


@pytest.fixture(scope="module")
def codes() -> Split[Codes]:
    """Codes of 64 bits whose distances vary, of two classes."""
    generator = np.random.default_rng(0)
    labels = np.arange(150) % 2
    share = 0.3 + 0.4 * labels[:, None] * (np.arange(SIDE) % 2)
    bits = generator.random((150, SIDE)) < share
    return Split(*(Codes.from_bits(bits[rows], labels=labels[rows]) for rows in (slice(0, 100), slice(100, 150))))


def in_both(figures) -> None:
    """Draw figures with matplotlib, and give Plotly and readers all they need."""
    draw(figures)
    for figure in figures:
        assert plotly(figure)["data"]
        assert figure_table(figure).rows


def test_accuracy_is_drawn_with_its_intervals():
    right, leaked = np.array([True, True, False, True]), np.array([True, False, False, False])
    labels = np.array([0, 1, 0, 1])
    found = audited_accuracy(right, leaked, np.eye(2)[np.where(right, labels, 1 - labels)], labels)
    (figure,) = found.figures()
    assert isinstance(figure, Intervals)
    assert figure.values == tuple(step.accuracy for step in (*found.steps, found.estimate))
    assert plotly(figure)["data"][0]["error_x"]["array"][0] == pytest.approx(
        found.steps[0].interval[1] - 0.75, abs=1e-5
    )
    in_both((figure,))


def test_ratios_lie_beside_what_is_ordinary_with_the_threshold(codes):
    for found in (leaks(codes.train, codes.test), duplicates(codes.train)):
        (figure,) = found.figures()
        assert isinstance(figure, Histogram)
        assert [rule.at for rule in figure.rules] == [found.threshold]
        (_, _), (name, ordinary) = figure.shares
        assert name == "ordinary examples (measured)"
        edge = found.ratios.min() + 0.1
        below = sum(share for share, end in zip(ordinary, figure.edges[1:], strict=True) if end <= edge)
        last = max(end for end in figure.edges if end <= edge)
        expected = found.expected[found.ratios <= last].max() / len(found.ratios)
        assert below == pytest.approx(expected)
        for _, shares in figure.shares:
            assert sum(shares) == pytest.approx(1)
        assert plotly(figure)["layout"]["shapes"][0]["x0"] == found.threshold
        in_both((figure,))


def test_no_threshold_is_drawn_where_no_layer_can_be_used(codes):
    blank = Codes(np.zeros_like(codes.train.packed), codes.train.layers)
    (figure,) = duplicates(blank).figures()
    assert figure.rules == ()
    in_both((figure,))


def test_labels_by_rank_begin_with_the_likeliest_and_end_with_the_last(codes):
    found = label_issues(codes.test, reference=codes.train, k=5)
    (figure,) = found.figures()
    assert isinstance(figure, Lines)
    assert figure.series[0].y[0] == found.probability[0]
    assert figure.series[0].x[-1] == len(found)
    assert figure.rules == (Rule("y", 0.5),)
    in_both((figure,))


def test_blind_spots_are_counted_by_pair(codes):
    found = blind_spots(codes.train, codes.test, 1 - codes.test.labels, 5)
    (figure,) = found.figures()
    assert isinstance(figure, Bars)
    assert sum(figure.groups[0][1]) == len(found) == 50
    assert sum(figure.groups[1][1]) == found.blind
    in_both((figure,))
    none = {name: getattr(found, name)[:0] for name in ("ids", "rows", "labels", "predicted", "agreement")}
    assert replace(found, **none).figures() == ()


def test_novelty_is_marked_where_it_begins():
    scores = np.array([3.0, 1.0, 1.0, 0.5])
    found = NovelItems(np.arange(4), np.arange(4), scores, scores, 2.0, 0.05, "other rows")
    (figure,) = found.figures()
    assert figure.rules == (Rule("x", 2.0, "novel above"),)
    assert figure.edges[-1] > 3.0
    assert sum(figure.shares[0][1]) == pytest.approx(1)
    in_both((figure,))
    (unmarked,) = replace(found, threshold=float("inf")).figures()
    assert unmarked.rules == ()
    assert "shapes" not in plotly(unmarked)["layout"]


def test_coverage_is_a_curve_and_layers(codes):
    curve, layers = coverage(codes.train, codes.test).figures()
    assert curve.series[0].y[-1] == len(np.unique(codes.train.packed, axis=0))
    assert [series.name for series in layers.series] == [
        "never on", "always on", "unique pattern", "new patterns",
    ]  # fmt: skip
    in_both((curve, layers))


def test_models_are_compared_layer_by_layer_and_example_by_example():
    a, b = (hl.train("mlp", "digits#train[:200]", width=8, epochs=1, seed=seed).network for seed in (0, 1))
    found = compare_models(a, b, "digits#test[:60]", k=5)
    layers, examples = found.figures()
    assert [name for _, name in layers.ticks] == [at.name for at in found.layers]
    overlap = next(series for series in layers.series if series.name == "5 nearest in common")
    assert overlap.y == tuple(at.overlap for at in found.layers)
    assert sum(examples.shares[0][1]) == pytest.approx(1)
    in_both((layers, examples))


def test_distances_found_are_those_of_all_queries():
    distances = np.array([[0, 3, 7], [2, 2, 4]], np.int32)
    found = Neighbours(np.zeros((2, 3), int), distances, np.zeros((2, 3), int), np.arange(2))
    (figure,) = found.figures()
    assert [name for name, _ in figure.shares] == ["nearest", "number 3"]
    for _, shares in figure.shares:
        assert sum(shares) == pytest.approx(1)
    in_both((figure,))


def test_retrieval_is_drawn_over_cuts_and_over_bits(codes):
    quality = retrieval_quality(codes.test, codes.train, k=(1, 10))
    (cuts,) = quality.figures()
    assert cuts.series[0].y == quality.precision
    curve = quality_curve(codes, (16, 32, 64), methods=("random",))
    (bits,) = curve.figures()
    assert bits.series[0].x == (16.0, 32.0, 64.0)
    assert bits.series[0].y[-1] == curve.of("neural code", "random")[64].mean_average_precision
    in_both((cuts, bits))
