"""The five kinds of claims, on results that say what is so."""

import numpy as np
import pytest

from hashlens.errors import StudyError
from hashlens.study.claims import Correlation, Difference, Equivalence, Threshold, Trend, decide, read_claims
from hashlens.study.claims.correlation import correlations, drop_missing, fisher_interval
from hashlens.study.claims.read import decide_or_explain

WIDTHS = {"width": [10, 20, 40]}


@pytest.fixture
def along(made):
    """Results over widths whose means are as said, and whose repeats differ a little."""

    def build(means, spread=0.002, repeats=5, **others):
        def measure(repeat, width, **_):
            noise = spread * np.random.default_rng((repeat, width)).standard_normal(1 + len(others))
            at = WIDTHS["width"].index(width)
            return {("a", "test"): means[at] + noise[0]} | {
                (name, "test"): values[at] + one for (name, values), one in zip(others.items(), noise[1:], strict=True)
            }

        return made(WIDTHS, measure, repeats=repeats)

    return build


def trend(direction="falls", **how):
    return Trend(says="", kind="trend", measures=("a",), over="width", direction=direction, **how)


TRENDS = {
    "falls": (trend(), [0.9, 0.5, 0.1], "reproduced"),
    "falls, steps too": (trend(step=0.01), [0.9, 0.5, 0.1], "reproduced"),
    "back by less than the margin": (trend(step=0.01), [0.9, 0.901, 0.1], "reproduced"),
    "back by more than the margin": (trend(step=0.01), [0.9, 0.95, 0.1], "not reproduced"),
    "back, and steps not looked at": (trend(), [0.9, 0.95, 0.1], "reproduced"),
    "stays": (trend(), [0.5, 0.5, 0.5], "inconclusive"),
    "rises": (trend("rises"), [0.1, 0.2, 0.9], "reproduced"),
    "rises, and is said to fall": (trend(), [0.1, 0.2, 0.9], "not reproduced"),
    "from a level on": (trend(since=20), [0.1, 0.9, 0.2], "reproduced"),
}


@pytest.mark.parametrize("name", TRENDS)
def test_trends(along, name):
    claim, means, verdict = TRENDS[name]
    found = decide(along(means), claim)
    assert found.verdict == verdict
    assert len(found.lines) == 1 + (2 if claim.step else 0)


def test_a_trend_is_the_slope_on_ranks(along):
    line = decide(along([0.9, 0.5, 0.1], spread=0.0), trend()).lines[0]
    assert (line.quantity, line.estimate) == ("slope on ranks", pytest.approx(-0.4))


def test_a_trend_needs_an_axis_of_numbers(made):
    results = made({"architecture": ["mlp", "cnn", "vgg16"]}, lambda repeat, **_: {("a", "test"): 0.1 * repeat})
    with pytest.raises(StudyError, match="a trend needs an axis of numbers, and architecture has other levels"):
        decide(results, Trend(says="", kind="trend", measures=("a",), over="architecture", direction="falls"))


@pytest.mark.parametrize(("since", "left"), [(40, 1), (50, 0)])
def test_a_trend_needs_two_levels(along, since, left):
    results = along([0.9, 0.5, 0.1])
    with pytest.raises(StudyError, match=f"two measured levels of width or more from {since} on, received {left}"):
        decide(results, trend(since=since))
    assert decide_or_explain(results, trend(since=since)).verdict == "inconclusive"


def difference(**how):
    return Difference(says="", kind="difference", measures=("a",), **how)


DIFFERENCES = {
    "above at every level": (difference(over="width", above="b"), [0.6, 0.7, 0.8], "reproduced"),
    "once below": (difference(over="width", above="b"), [0.6, 0.4, 0.8], "not reproduced"),
    "below": (difference(over="width", below="b"), [0.4, 0.3, 0.2], "reproduced"),
    "not by the margin": (difference(over="width", above="b", margin=0.2), [0.6, 0.9, 0.9], "not reproduced"),
    "worse, within what is allowed": (difference(over="width", above="b", margin=-0.2), [0.4, 0.5, 0.6], "reproduced"),
    "worse by more": (difference(over="width", above="b", margin=-0.05), [0.4, 0.5, 0.6], "not reproduced"),
    "peak": (difference(over="width", level=20, above="others"), [0.1, 0.9, 0.2], "reproduced"),
    "peak elsewhere": (difference(over="width", level=10, above="others"), [0.1, 0.9, 0.2], "not reproduced"),
    "one level": (difference(over="width", level=20, above=10), [0.1, 0.9, 0.95], "reproduced"),
    "two levels": (difference(over="width", level=20, above=(10, 40)), [0.1, 0.9, 0.95], "not reproduced"),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_differences(along, name):
    claim, means, verdict = DIFFERENCES[name]
    assert decide(along(means, b=[0.5] * 3), claim).verdict == verdict


def test_repeats_are_paired(made):
    """Repeats differ by far more than the measures, and one is above the other in each."""

    def measure(repeat, width, **_):
        own = np.random.default_rng((repeat, width)).normal(0.0, 5.0)
        return {("a", "test"): own + 0.1 + 0.001 * repeat, ("b", "test"): own}

    (line,) = decide(made(WIDTHS, measure, repeats=4), difference(above="b", where={"width": 20})).lines
    assert line.verdict == "reproduced"
    assert line.estimate == pytest.approx(0.1015)
    assert line.high - line.low < 0.01


def test_a_repeat_that_lacks_one_of_a_pair_is_left_out(made):
    def measure(repeat, width, **_):
        if repeat == 0 and width == 40:
            return {}
        return {("a", "test"): 0.01 * width + 0.001 * repeat}

    found = decide(made(WIDTHS, measure, repeats=4), difference(over="width", level=20, above="others"))
    assert [line.repeats for line in found.lines] == [4, 3]


@pytest.mark.parametrize(("noise", "verdict"), [(0.1, "reproduced"), (0.5, "not reproduced")])
def test_factors_are_compared_by_what_they_explain(made, noise, verdict):
    def measure(repeat, width, label_noise, **_):
        own = 0.001 * np.random.default_rng((repeat, width, int(10 * label_noise))).standard_normal()
        return {("a", "test"): 0.01 * (width - 10) + noise * label_noise + own}

    results = made({"width": [10, 20, 40], "label_noise": [0.0, 1.0]}, measure)
    found = decide(results, difference(factors=("width",), above="label_noise"))
    assert found.verdict == verdict
    assert found.lines[0].name == "a test, width minus label noise"
    few = decide(results.where(repeat=[0, 1]), difference(factors=("width",), above="others"))
    assert few.verdict == "inconclusive"
    assert "2 repeats give no interval: 3 or more are needed" in str(few)


def test_factors_without_a_whole_repeat_are_undecided(made):
    def measure(repeat, width, label_noise, **_):
        return {} if width == 10 * 2**repeat and label_noise == 0.0 else {("a", "test"): 0.01 * width + label_noise}

    results = made({"width": [10, 20, 40], "label_noise": [0.0, 1.0]}, measure)
    verdict = decide(results, difference(factors=("width",), above="label_noise"))
    assert verdict.verdict == "inconclusive"
    assert verdict.lines[0].repeats == 0


@pytest.mark.parametrize(
    ("apart", "margin", "verdict"),
    [
        (0.0, 0.02, "reproduced"),
        (0.015, 0.02, "reproduced"),
        (0.05, 0.02, "not reproduced"),
        (0.0, 0.002, "inconclusive"),
    ],
)
def test_equivalence_needs_the_whole_interval_inside_the_margin(along, apart, margin, verdict):
    results = along([0.5, 0.5 + apart, 0.5])
    pairs = Equivalence(says="", kind="equivalence", measures=("a",), over="width", margin=margin)
    found = decide(results, pairs)
    assert (found.verdict, len(found.lines)) == (verdict, 3)
    one = Equivalence(says="", kind="equivalence", measures=("a",), over="width", level=20, to=40, margin=margin)
    assert decide(results, one).verdict == verdict


def test_that_nothing_is_found_is_no_equivalence(along):
    """Two repeats that differ widely: the interval holds 0, and much else."""
    results = along([0.5, 0.5, 0.5], spread=0.1, repeats=2)
    same = Equivalence(says="", kind="equivalence", measures=("a",), over="width", margin=0.05)
    assert decide(results, same).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("how", "verdict"),
    [
        ({"above": 0.45}, "reproduced"), ({"below": 0.45}, "not reproduced"), ({"above": 0.5}, "inconclusive"),
        ({"above": 0.4, "below": 0.6}, "reproduced"), ({"above": 0.6, "below": 0.7}, "not reproduced"),
    ],
)  # fmt: skip
def test_thresholds(along, how, verdict):
    results = along([0.5, 0.5, 0.5])
    claim = Threshold(says="", kind="threshold", measures=("a",), over="width", **how)
    found = decide(results, claim)
    assert (found.verdict, len(found.lines)) == (verdict, 3)


@pytest.mark.parametrize(
    ("other", "how", "verdict"),
    [
        ([0.1, 0.5, 0.9], {"above": 0.9}, "reproduced"),
        ([0.9, 0.5, 0.1], {"below": -0.9}, "reproduced"),
        ([0.9, 0.5, 0.1], {"above": 0.0}, "not reproduced"),
        ([0.5, 0.5, 0.5], {"above": 0.0}, "inconclusive"),
    ],
)
@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_correlations(along, other, how, verdict, method):
    results = along([0.1, 0.5, 0.9], b=other)
    claim = Correlation(says="", kind="correlation", measures=("a",), to="b", method=method, **how)
    if method == "spearman":  # of three cells: 1, .5, -.5 or -1, so that no interval lies above .9
        claim = Correlation(says="", kind="correlation", measures=("a",), to="b", method=method,
                            **dict.fromkeys(how, 0.0))  # fmt: skip
    assert decide(results, claim).verdict == verdict


def test_correlations_are_scipys_in_each_repeat():
    from scipy.stats import spearmanr

    values = np.random.default_rng(0).normal(size=(2, 6, 4))
    values[:, 2] = np.nan
    values[0, 3, 1] = np.nan
    kept = [0, 1, 3, 4, 5]
    expected = [spearmanr(*values[:, kept, repeat]).statistic for repeat in (0, 2, 3)]
    assert correlations(drop_missing(values), "spearman").tolist() == pytest.approx(expected)
    with pytest.raises(StudyError, match="needs 3 cells, received 2"):
        correlations(values[:, :2], "pearson", "a with b")


def test_a_correlation_is_over_the_cells_that_it_uses(made):
    """One repeat lacks a cell, so this repeat is left out and not the cell."""

    def measure(repeat, width, **_):
        second = {} if (repeat, width) == (1, 10) else {("b", "test"): width + 0.1 * repeat}
        return {("a", "test"): float(width + repeat)} | second

    claim = Correlation(says="", kind="correlation", measures=("a",), to="b", method="spearman", above=0.0)
    line = decide(made(WIDTHS, measure, repeats=5), claim).lines[0]
    assert (line.quantity, line.repeats) == ("spearman correlation over 3 cells", 4)


def test_few_ranks_that_agree_by_chance_decide_nothing():
    """Of three cells, a rank correlation is .5 in one of three cases, where there is none."""
    agreed = np.array([0.5, 0.5, 0.5])
    assert fisher_interval(agreed, 0, 0.95).low == pytest.approx(0.5)
    assert fisher_interval(agreed, 3, 0.95).low < 0


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_correlations_err_no_oftener_than_they_may(rho):
    rng = np.random.default_rng(0)

    def draw(size):
        one, other = rng.normal(size=(2, *size, 6))
        other = rho * one + np.sqrt(1 - rho**2) * other
        one, other = one - one.mean(-1, keepdims=True), other - other.mean(-1, keepdims=True)
        return (one * other).sum(-1) / np.sqrt((one**2).sum(-1) * (other**2).sum(-1))

    true = np.tanh(np.arctanh(draw((50_000, 1))).mean())
    found = [fisher_interval(row, 0, 0.95) for row in draw((1500, 5))]
    assert np.mean([at.low > true for at in found]) < 0.05
    assert np.mean([at.high < true for at in found]) < 0.05


def test_one_repeat_is_inconclusive_and_says_what_decides(along):
    found = decide(along([0.9, 0.5, 0.1], repeats=1), trend())
    assert found.verdict == "inconclusive"
    assert "1 repeat gives no interval: 2 or more are needed" in " ".join(str(found).split())
    assert found.figures() == ()


def test_every_level_of_another_factor_and_every_split(made):
    def measure(repeat, width, samples, **_):
        fall = 0.01 if samples == 100 else 0.001
        noise = 0.0001 * np.random.default_rng((repeat, width, samples)).standard_normal()
        return {("a", split): 0.9 - fall * width + noise for split in ("train", "test")}

    results = made({"width": [10, 20, 40], "samples": [100, 1000]}, measure)
    claim = Trend(says="", kind="trend", measures=("a",), splits=("train", "test"), over="width", by="samples",
                  direction="falls")  # fmt: skip
    found = decide(results, claim)
    assert [line.name for line in found.lines] == [
        "a train, samples 100", "a train, samples 1,000", "a test, samples 100", "a test, samples 1,000",
    ]  # fmt: skip
    assert found.reproduced


def test_a_measure_may_name_its_split(made):
    def measure(repeat, **_):
        return {("a", "train"): 0.6 + 0.001 * repeat, ("a", "test"): 0.5, ("c", "elsewhere"): 0.1 * repeat}

    results = made({"width": [10, 20]}, measure)
    found = decide(results, difference(above="a on train", where={"width": 10}))
    assert found.lines[0].estimate == pytest.approx(-0.101)
    alone = Threshold(says="", kind="threshold", measures=("c",), over="width", above=-1)
    assert decide(results, alone).lines[0].name == "c elsewhere, width 10"


def test_what_was_not_measured_is_said(along):
    results = along([0.9, 0.5, 0.1])
    with pytest.raises(StudyError, match="results hold no b on test"):
        decide(results, difference(above="b", where={"width": 10}))
    found = decide_or_explain(results, difference(above="b", where={"width": 10}))
    assert found.verdict == "inconclusive"
    assert "results hold no b on test" in str(found)
    with pytest.raises(StudyError, match="not measured at 15; it was at 10, 20, 40"):
        decide(results, difference(over="width", level=15, above="others"))


def test_claims_are_read_from_yaml():
    text = (
        "claims:\n  - {says: R falls, kind: trend, measures: [a], over: width, direction: falls, where: {epochs: 1}}\n"
    )
    (claim,) = read_claims(text)
    assert claim == Trend(says="R falls", kind="trend", measures=("a",), over="width", direction="falls",
                          where={"epochs": 1})  # fmt: skip


BAD = {
    "no list": ("claims: 3", "line 1: claims: must be a list of claims, received 3"),
    "another field": ("claim: []", "line 1: expected the one field claims, received claim"),
    "no mapping": ("claims:\n - 3", "line 2: claims[0]: must be a mapping of fields, received 3"),
    "no kind": ("claims:\n - says: a", "line 2: claims[0]: a claim has a kind: "),
    "unknown kind": ("claims:\n - says: a\n   kind: tend",
                     "line 3: claims[0].kind: a claim has a kind: received 'tend'; did you mean 'trend'?"),
    "unknown field": ("claims:\n - {says: a, kind: trend, measures: [b], over: c, direction: falls,\n    stp: 1}",
                      "line 3: claims[0].stp: unknown field; did you mean 'step'?"),
    "missing": ("claims:\n - {says: a, kind: trend, measures: [b], over: c}",
                "line 2: claims[0].direction: is missing"),
    "wrong value": ("claims:\n - {says: a, kind: trend, measures: [b], over: c, direction: down}",
                    "line 2: claims[0].direction: input should be 'rises' or 'falls', received 'down'"),
    "margin": ("claims:\n - {says: a, kind: equivalence, measures: [b], to: c, margin: 0}",
               "line 2: claims[0].margin: input should be greater than 0, received 0"),
    "no side": ("claims:\n - {says: a, kind: difference, measures: [b]}",
                "line 2: claims[0]: must say either above or below, and what: a measure, levels, factors, or others"),
    "no value": ("claims:\n - {says: a, kind: threshold, measures: [b]}",
                 "line 2: claims[0]: must say above, below or both"),
    "confidence": ("claims:\n - {says: a, kind: threshold, measures: [b], above: 1, confidence: 95}",
                   "line 2: claims[0].confidence: input should be less than 1, received 95"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_claim_that_cannot_be_read_names_field_line_value_and_what_is_allowed(name):
    text, message = BAD[name]
    with pytest.raises(StudyError) as raised:
        read_claims(text, "mine.yaml")
    assert str(raised.value).startswith(f"mine.yaml {message}")
