import numpy as np
import pytest

from hashlens.errors import StudyError
from hashlens.measures import RegimeThresholds, regime
from hashlens.plain import from_plain
from hashlens.study.networks.regimes.phase import REGIMES, PhaseChart, phase_chart, phase_slices
from hashlens.study.networks.regimes.sensitivity import RANGES, THRESHOLDS, phase_sensitivity

FULL = {"samples": 48000}


def numbers(ratio, knn, logistic=0.0, own=1.0):
    return {("redundancy_ratio", "train"): ratio, ("redundancy_ratio", "test"): ratio / 2, ("knn", "test"): knn,
            ("logistic", "test"): logistic, ("network_accuracy", "test"): own}  # fmt: skip


def of_cells(made, table, repeats=3):
    """Results over widths 10 and 40 and epochs 1 and 100 from {(width, epochs): numbers of each repeat}."""
    return made(
        {"width": [10, 40], "epochs": [1, 100]},
        lambda repeat, width, epochs, **_: table.get((width, epochs), [{}] * repeats)[repeat],
        repeats,
    )


@pytest.fixture
def four(made):
    table = {
        (10, 1): [numbers(0.9, 0.9), numbers(0.8, 0.9), numbers(0.7, 0.9)],
        (10, 100): [numbers(0.4, 0.9), numbers(0.6, 0.7, 0.9), numbers(0.1, 0.9)],
        (40, 1): [numbers(0.3, 0.4, 0.45, own=0.5)] * 3,
        (40, 100): [numbers(0.01, 0.96), numbers(0.02, 0.97), numbers(0.09, 0.98)],
    }
    return of_cells(made, table)


def test_cells_hold_means_regimes_and_the_shares_of_repeats(four):
    chart = phase_chart(four, against="own")
    assert [(cell.x, cell.y) for cell in chart.cells] == [(10, 1), (10, 100), (40, 1), (40, 100)]
    assert [cell.regime for cell in chart.cells] == [REGIMES[0], REGIMES[1], REGIMES[1], REGIMES[2]]
    mixed = chart.cell(10, 100)
    assert mixed.redundancy_ratio.train.mean == pytest.approx(1.1 / 3)
    assert mixed.redundancy_ratio.test.mean == pytest.approx(1.1 / 6)
    assert list(mixed.shares.values()) == pytest.approx([1 / 3, 2 / 3, 0])
    assert mixed.agreement == pytest.approx(2 / 3)
    assert chart.cell(40, 100).agreement == pytest.approx(2 / 3)
    assert chart.cell(40, 1).retention.mean == pytest.approx(0.9)
    assert chart.counts() == {REGIMES[0]: 1, REGIMES[1]: 2, REGIMES[2]: 1}
    assert chart.classifiers == ("knn", "logistic")


def test_codes_are_held_against_the_best_network_of_the_study(four):
    chart = phase_chart(four)
    assert chart.reference == 1.0
    # A network that knows half as much as the best, and whose codes keep nine tenths of that half.
    assert chart.cell(40, 1).retention.mean == pytest.approx(0.45)
    assert chart.cell(40, 1).regime == REGIMES[0]
    halved = phase_chart(four, against=0.5)
    assert halved.cell(40, 1).retention.mean == pytest.approx(0.9)
    for wrong in (0, 1.5, "mean"):
        with pytest.raises(StudyError, match="against must be 'best', 'own' or an accuracy"):
            phase_chart(four, against=wrong)


def test_every_cell_agrees_with_regime_of_its_means(mnist):
    chart = phase_chart(mnist, where=FULL)
    for cell in chart.cells:
        assert cell.regime == regime(cell.redundancy_ratio.train.mean, cell.retention.mean).name
        assert sum(cell.shares.values()) == pytest.approx(1)
        assert cell.redundancy_ratio.train.low < cell.redundancy_ratio.train.mean < cell.redundancy_ratio.train.high


def test_thresholds_are_parameters(four):
    lenient = RegimeThresholds(under_redundancy=1, sufficient_redundancy=1, under_retention=0, sufficient_retention=0)
    chart = phase_chart(four, thresholds=lenient)
    assert {cell.regime for cell in chart.cells} == {"sufficiently-expressive"}
    assert chart.thresholds == lenient


def test_unmeasured_cells_are_left_out_and_incomplete_repeats_do_not_count(made):
    half = {key: value for key, value in numbers(0.9, 0.9).items() if key[0] != "logistic"}
    table = {(10, 1): [numbers(0.2, 0.9), half, numbers(0.4, 0.9)], (40, 100): [numbers(0, 1)] * 3}
    table[10, 100] = [half] * 3
    chart = phase_chart(of_cells(made, table))
    assert [(cell.x, cell.y, cell.repeats) for cell in chart.cells] == [(10, 1, 2), (40, 100, 3)]
    assert chart.cell(10, 1).redundancy_ratio.train.mean == pytest.approx(0.3)
    with pytest.raises(StudyError, match="width=40, epochs=1 is not measured yet"):
        chart.cell(40, 1)
    assert "–" in str(chart)


def test_a_network_that_is_never_right_leaves_the_categorizer_as_it_is(made):
    table = {cell: [numbers(0.1, 0.3, 0.2, own=0.0)] * 3 for cell in [(10, 1), (10, 100), (40, 1), (40, 100)]}
    assert phase_chart(of_cells(made, table)).cell(10, 1).retention.mean == pytest.approx(0.3)


def test_one_categorizer_is_enough_and_is_named(mnist):
    chart = phase_chart(mnist.where(measure=["redundancy_ratio", "network_accuracy", "logistic"]), where=FULL)
    assert chart.classifiers == ("logistic",)


def test_boundaries_are_where_the_mean_crosses(mnist):
    chart = phase_chart(mnist, where={**FULL, "epochs": [10, 100]})
    lines = {boundary.name: boundary for boundary in chart.boundaries}
    assert list(lines) == ["under_redundancy", "sufficient_redundancy", "under_retention", "sufficient_retention"]
    (line,) = lines["under_redundancy"].lines
    at = min(line, key=lambda point: -point[1])
    ratios = [(cell.x, cell.redundancy_ratio.train.mean) for cell in chart.cells if cell.y == 100]
    log_width = np.interp(-0.5, [-ratio for _, ratio in ratios], [np.log(width) for width, _ in ratios])
    assert at == pytest.approx((np.exp(log_width), 100))
    (low,), (high,) = lines["under_redundancy"].low, lines["under_redundancy"].high
    assert max(low, key=lambda p: p[1])[0] < at[0] < max(high, key=lambda p: p[1])[0]


def test_axes_without_numbers_have_a_chart_and_no_boundaries(made):
    results = made(
        {"architecture": ["lenet", "mlp"], "batch_norm": [False, True]},
        lambda repeat, architecture, batch_norm, **_: numbers(0.9 if architecture == "mlp" else 0.0, 1.0 - batch_norm),
    )
    chart = phase_chart(results, "architecture", "batch_norm")
    assert chart.boundaries == ()
    assert chart.cell("lenet", False).regime == "sufficiently-expressive"
    assert chart.cell("lenet", True).regime == "under-expressive"


def test_slices_are_the_charts_at_each_level(mnist):
    slices = phase_slices(mnist, z="samples")
    assert slices.levels == (1000, 10000, 48000)
    for level, chart in zip(slices.levels, slices, strict=True):
        assert chart.to_dict() == phase_chart(mnist, where={"samples": level}).to_dict()
    assert len(phase_slices(mnist, "width", "samples", "epochs", where={"epochs": [1, 100]})) == 2


def test_the_table_reads(mnist, four):
    text = str(phase_chart(mnist, where=FULL, against="own"))
    assert "width (down) by epochs (across) at samples 48000" in text.replace(",", "")
    assert "The thresholds are hashlens's own, not the paper's." in " ".join(text.split())
    assert "untrained" in text
    assert "untrained" not in str(phase_chart(four, against="own"))
    assert "on the codes / 0.984" in str(phase_chart(mnist, where=FULL)).replace("\n", " ")
    assert "c? .37" in str(phase_chart(four))


def test_thresholds_that_were_passed_are_not_called_those_of_hashlens(four):
    chart = phase_chart(four, thresholds=RegimeThresholds(under_redundancy=0.6))
    (figure,) = chart.figures()
    (widget,) = chart.page().sections[0].blocks
    for text in (str(chart), figure.note, widget.table.note, " ".join(chart.page().notes)):
        assert "hashlens's own" not in text
        assert "The thresholds are those that were passed" in " ".join(text.split())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda at: phase_chart(at), "samples takes 3 values"),
        (lambda at: phase_chart(at.where(split="train"), where=FULL), "hold no redundancy_ratio on test"),
        (lambda at: phase_chart(at.where(measure=["redundancy_ratio", "network_accuracy"]), where=FULL),
         "hold no knn on test"),
        (lambda at: phase_chart(at.where(measure=["redundancy_ratio", "knn"]), where=FULL), "no network_accuracy"),
        (lambda at: phase_chart(at.where(width=-1)), "no results yet"),
        (lambda at: phase_chart(at, where={**FULL, "width": 40}), "width takes one value"),
        (lambda at: phase_chart(at, where=FULL, confidence=95), "confidence must be"),
        (lambda at: phase_chart(at, where=FULL, confidence="0.95"), "confidence must be .*, received '0.95'"),
        (lambda at: phase_chart(at, where=FULL, against=True), "against must be 'best', 'own' or an accur.* True"),
        (lambda at: phase_chart(at, where=FULL).cell(41, 1), "width 41 is not on the chart"),
        (lambda at: phase_chart(at, where=FULL).cell(6, 1), "width 6 is not .*: known: 10, 20, 27, 40, 53, 100$"),
        (lambda at: phase_sensitivity(at, where=FULL, steps="21"), "steps must be a whole number, 2 or more, .* '21'"),
        (lambda at: phase_chart(at.to_dict()), "results of a study, such as study.results, received a dict"),
        (lambda at: phase_chart(at, where=["samples"]), r"where is a mapping such as .*, received \['samples'\]"),
        (lambda at: phase_chart(at, where={"width": np.ones((2, 2))}), "no results where width is array"),
        (lambda at: phase_slices(at, z="depth"), "depth takes one value"),
    ],
)  # fmt: skip
def test_bad_requests(mnist, change, message):
    with pytest.raises(StudyError, match=message) as raised:
        change(mnist)
    assert "\n" not in str(raised.value)


def test_no_random_combination_of_thresholds_leaves_the_bounds_of_sensitivity(mnist):
    found = phase_sensitivity(mnist, where=FULL)
    order = {name: at for at, name in enumerate(REGIMES)}
    rng = np.random.default_rng(0)
    seen = [set() for _ in found.fixed]
    for _ in range(300):
        limits = RegimeThresholds(**{name: rng.uniform(*RANGES[name]) for name in THRESHOLDS})
        for at, cell in enumerate(found.chart.cells):
            name = regime(cell.redundancy_ratio.train.mean, cell.retention.mean, thresholds=limits).name
            assert order[found.lowest[at]] <= order[name] <= order[found.highest[at]]
            seen[at].add(name)
    assert all(len(names) == 1 for names, fixed in zip(seen, found.fixed, strict=True) if fixed)
    assert 0 < sum(found.fixed) < len(found.fixed)


def test_sweeps_count_cells_and_pass_through_the_chart(mnist):
    found = phase_sensitivity(mnist, where=FULL)
    for sweep in found.sweeps:
        assert sweep.regimes[sweep.values.index(sweep.used)] == tuple(cell.regime for cell in found.chart.cells)
        assert {sum(counts) for counts in zip(*(sweep.counts(name) for name in REGIMES), strict=True)} == {24}
    under = found.sweeps[0].counts("under-expressive")
    assert list(under) == sorted(under, reverse=True)
    assert "never change" in str(found)


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"under": (0, 1)}, "no threshold 'under'"),
        (0.5, "ranges is a mapping such as .*, received 0.5"),
        ({"under_redundancy": 0.5}, "range of under_redundancy must be two numbers, received 0.5"),
        ({"under_redundancy": ("0.3", "0.7")}, "range of under_redundancy must be two numbers, received"),
        ({"under_redundancy": (0.6, 0.7)}, "must contain the threshold in use, 0.5"),
        ({"sufficient_redundancy": (0.01, 0.4)}, "sufficient_redundancy and under_redundancy must not overlap"),
    ],
)
def test_bad_ranges(mnist, ranges, message):
    with pytest.raises(StudyError, match=message):
        phase_sensitivity(mnist, where=FULL, ranges=ranges)


def trained(train, test):
    return {**numbers(0.6, 0.5, own=test), ("network_accuracy", "train"): train}


@pytest.fixture
def some_failed(made):
    """At width 40 and 100 epochs training failed; at width 10 and 1 epoch it has not gone far."""
    table = {
        (10, 1): [trained(0.4, 0.4)] * 3,
        (10, 100): [trained(0.9, 0.45)] * 3,
        (40, 1): [trained(0.6, 0.6)] * 3,
        (40, 100): [trained(0.1, 0.1), trained(0.1, 0.1), trained(0.9, 0.9)],
    }
    return of_cells(made, table)


def test_cells_are_marked_where_networks_have_not_learnt_their_training_examples(some_failed):
    chart = phase_chart(some_failed)
    # Low on test alone is no failure of training.
    assert {(cell.x, cell.y) for cell in chart.cells if cell.failed} == {(10, 1), (40, 100)}
    printed = " ".join(str(chart).split())
    assert "u\N{MULTIPLICATION SIGN} .60" in printed
    assert "less than 50% of the best accuracy (on train, or on test if train was not measured)" in printed
    assert "training failed" in str(chart.cell(40, 100))
    (figure,) = chart.figures()
    assert sum(tile.crossed for tile in figure.tiles) == 2
    assert [tile.text for tile in figure.tiles] == [
        "\N{MULTIPLICATION SIGN} .60",
        ".60",
        ".60",
        "\N{MULTIPLICATION SIGN} .60",
    ]


def test_where_training_counts_as_failed_is_a_parameter(some_failed):
    assert not any(cell.failed for cell in phase_chart(some_failed, min_relative_accuracy=0).cells)
    assert sum(cell.failed for cell in phase_chart(some_failed, min_relative_accuracy=0.9).cells) == 3
    assert "training failed" not in str(phase_chart(some_failed, min_relative_accuracy=0))
    for wrong in (-0.1, 1.5, "half"):
        with pytest.raises(StudyError, match="min_relative_accuracy must be a share from 0 to 1"):
            phase_chart(some_failed, min_relative_accuracy=wrong)


def test_a_chart_of_an_earlier_file_opens(some_failed):
    chart = phase_chart(some_failed, min_relative_accuracy=0.9)
    plain = chart.to_dict()
    assert (plain["retained_by"], plain["learnt"]) == (["knn", "logistic"], 0.9)  # the keys of earlier files
    assert from_plain(PhaseChart, plain) == chart


def test_the_best_is_that_of_the_whole_study_and_untrained_networks_have_not_failed(made):
    results = made(
        {"width": [10, 40], "epochs": [0, 5], "samples": [100, 200]},
        lambda repeat, width, epochs, samples, **_: trained(*[0.1 if samples == 100 or epochs == 0 else 0.9] * 2),
        2,
    )
    chart = phase_chart(results, where={"samples": 100})
    assert {(cell.x, cell.y) for cell in chart.cells if cell.failed} == {(10, 5), (40, 5)}
    assert not any(cell.failed for cell in phase_chart(results, where={"samples": 200}).cells)


def test_a_study_without_training_accuracy_is_judged_on_test(four):
    assert {(cell.x, cell.y) for cell in phase_chart(four, min_relative_accuracy=0.6).cells if cell.failed} == {(40, 1)}
