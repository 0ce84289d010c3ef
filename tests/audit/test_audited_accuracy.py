"""Accuracy with and without what is wrong with a test set."""

import json
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from scipy.stats import binom

from hashlens.audit.audited_accuracy import AuditedAccuracy, audited_accuracy
from hashlens.audit.goodness_of_fit import REASONS

from .overlapping import RATES, TABLES, gaussians, half_sharper, noisy, table_draw


def made(seed=0, n=4000, classes=5):
    """A network right on 80 % of ordinary examples, of which it knows, and on all leaked ones; 5 % of labels wrong."""
    generator = np.random.default_rng(seed)
    leaked = generator.random(n) < 0.2
    predicted = generator.integers(classes, size=n)
    sure = generator.random(n) < 0.5
    right = leaked | (generator.random(n) < np.where(sure, 1.0, 0.6))
    true = np.where(right, predicted, (predicted + generator.integers(1, classes, n)) % classes)
    probabilities = np.where((sure | leaked)[:, None], 0.0, 0.1) * np.ones(classes)
    probabilities[np.arange(n), predicted] = np.where(sure | leaked, 1.0, 0.6)
    given = np.where(generator.random(n) < 0.05, (true + generator.integers(1, classes, n)) % classes, true)
    return predicted == given, leaked, probabilities, given


def test_what_is_planted_is_taken_out():
    found = audited_accuracy(*made())
    assert found.reported.accuracy == pytest.approx(0.95 * (0.2 + 0.8 * 0.8), abs=0.02)
    assert found.steps[1].accuracy == pytest.approx(0.95 * 0.8, abs=0.02)
    assert found.estimate.accuracy == pytest.approx(0.8, abs=0.02)
    assert found.estimate.examples == found.unleaked.examples == pytest.approx(4000 * 0.8, rel=0.05)


def test_changes_add_up():
    found = audited_accuracy(*made(1))
    assert sum(step.change for step in (*found.steps, found.estimate)) == pytest.approx(
        found.estimate.accuracy - found.reported.accuracy
    )
    assert found.reported.change == 0


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say():
    estimates = [audited_accuracy(*made(seed, 500), seed=seed).estimate for seed in range(60)]
    made_ones = [estimate.interval for estimate in estimates if estimate is not None]
    assert len(made_ones) >= 50  # the fit is right, and said not to be in one of twenty
    assert 0.86 <= np.mean([low <= 0.8 <= high for low, high in made_ones]) <= 1


def test_the_interval_is_the_binomial_one_where_nothing_is_wrong():
    correct = np.arange(2000) < 1600
    low, high = audited_accuracy(correct, np.zeros(2000, bool)).unleaked.interval
    width = 2 * 1.96 * np.sqrt(0.8 * 0.2 / 2000)
    assert high - low == pytest.approx(width, rel=0.1)


@pytest.mark.parametrize("p", [0.97, 0.99, 0.998])
def test_the_interval_holds_the_accuracy_as_often_as_it_says_where_hardly_any_is_wrong(p):
    rows, held = 120, 0.0
    for wrong in range(12):
        correct = np.arange(rows) >= wrong
        for step in audited_accuracy(correct, np.zeros(rows, bool)).steps:
            low, high = step.interval
            held += (low <= p <= high) * binom.pmf(wrong, rows, 1 - p) / 2
    assert held >= 0.95  # of resamples it is 0.87, 0.7 and 0.21


def test_where_all_are_right_neither_the_accuracy_nor_the_estimate_is_certain():
    labels = np.arange(72) % 3
    found = audited_accuracy(np.ones(72, bool), None, np.eye(3)[labels] * 0.97 + 0.01, labels)
    for step in (found.reported, found.estimate):
        assert (step.accuracy, step.interval[1]) == (1, 1)
        assert step.interval[0] == pytest.approx(0.025 ** (1 / 72))
    assert "100.00% (95.01% to 100.00%)" in str(found)


def test_a_change_is_surer_than_the_two_accuracies():
    found = audited_accuracy(*made())
    low, high = found.steps[1].change_interval
    assert high < 0
    assert high - low < found.steps[1].interval[1] - found.steps[1].interval[0]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_intervals():
    one, other = (audited_accuracy(*made(), seed=3).to_dict() for _ in range(2))
    assert one == other


@pytest.mark.slow
def test_the_headline_names_what_was_measured_and_what_was_not_done():
    correct, leaked, probabilities, labels = made()
    whole = audited_accuracy(correct, leaked, probabilities, labels)
    unleaked, (low, high) = whole.steps[1].accuracy, whole.steps[1].interval
    assert str(whole) == (
        f"Reported accuracy {correct.mean():.2%}; without test data suspected as leaked {unleaked:.2%} "
        f"({low:.2%} to {high:.2%}), labels assumed to be right"
    )
    bare = audited_accuracy(correct, None, probabilities, labels)
    low, high = bare.reported.interval
    assert str(bare) == (
        f"Reported accuracy {correct.mean():.2%} ({low:.2%} to {high:.2%}); no search for leaks was possible, and "
        "labels are assumed to be right"
    )
    assert bare.unleaked is None
    assert [step.name for step in bare.steps] == ["all"]


def test_that_no_leak_was_found_is_another_thing_than_that_none_was_looked_for():
    correct = made()[0]
    none = audited_accuracy(correct, np.zeros(len(correct), bool))
    assert none.unleaked.accuracy == none.reported.accuracy
    assert "without test data suspected as leaked" in str(none)
    assert "no search" in str(audited_accuracy(correct))


@pytest.mark.slow
@pytest.mark.parametrize("searched", [True, False])
def test_an_older_file_keeps_the_steps_that_ran_and_no_label_weighed_one(searched):
    found = audited_accuracy(*made())
    old = {"steps": [step.to_dict() for step in (*found.steps, found.estimate)], "level": 0.95}
    read = AuditedAccuracy.from_dict(json.loads(json.dumps(old)), searched)
    assert read.steps == found.steps[: 1 + searched]
    assert read.estimate is None
    assert AuditedAccuracy.from_dict(json.loads(json.dumps(found.to_dict())), True) == found


WIDEST = {0.0: 0.1, 0.05: 0.11, 0.2: 0.14}
"""By the share of wrong labels. Mean widths of 24 other draws of each cell: .069 to .071, .081 to .083, .105 to .108; a
bar is three standard errors of four draws above."""


@pytest.mark.slow
def test_the_interval_holds_the_accuracy_by_labels_before_noise():
    held, draws = [], 4
    for power in TABLES.values():
        for rate in RATES:
            found = np.array([table_draw(seed, power, rate, rows=2000) for seed in range(draws)])
            found = found[~np.isnan(found[:, 3])]
            assert len(found) >= 3  # a right fit is denied in one of twenty; of 24 draws a cell, 21 to 24 were made
            truth, estimate, low, high = (found[:, at].mean() for at in (1, 3, 4, 5))
            assert estimate == pytest.approx(truth, abs=0.015)
            assert high - low < WIDEST[rate]
            held += found[:, 0].tolist()
    assert np.mean(held) >= 0.93


def test_where_no_temperature_fits_there_is_no_estimate_and_the_reason_is_said():
    generator = np.random.default_rng(5)
    _, labels, exact = gaussians(generator, 2000)
    probabilities = half_sharper(exact)  # fitted, it would say .70 for a true .59
    correct = probabilities.argmax(axis=1) == labels
    found = audited_accuracy(correct, None, probabilities, labels)
    assert found.estimate is None
    assert found.steps == audited_accuracy(correct).steps
    printed = found.__rich__()
    assert len(printed.rows) == len(found.figures()[0].names) == 1
    assert f"The accuracy with right labels is not estimated: {found.no_estimate}." in printed.note
    assert found.no_estimate in REASONS.values()
    assert AuditedAccuracy.from_dict(json.loads(json.dumps(found.to_dict())), True) == found


@pytest.mark.slow
def test_wrong_labels_that_a_network_has_learnt_are_within_the_interval():
    for seed in range(4):
        generator = np.random.default_rng(seed)
        _, true, exact = gaussians(generator, 1500)
        learnt = 0.8 * exact + 0.2 * (1 - exact) / 9  # as much doubt as a fifth of wrong labels asks for
        labels = noisy(generator, true, 0.2)
        predicted = exact.argmax(axis=1)
        found = audited_accuracy(predicted == labels, None, learnt, labels, seed).estimate
        if found is not None:
            low, high = found.interval
            assert low <= (predicted == true).mean() <= high
            assert found.accuracy < (predicted == true).mean() - 0.03


def test_right_doubt_is_no_evidence_of_wrong_labels():
    # 61 % right of overlapping classes, all labels right: nothing is to be corrected.
    _, truth, reported, estimate, _, _ = table_draw(0, 1.0, 0.0)
    assert truth == reported
    assert estimate == pytest.approx(truth, abs=0.005)


def test_the_table_says_that_the_last_row_is_an_estimate():
    printed = audited_accuracy(*made(0, 500)).__rich__()
    assert "if all labels were right (an estimate)" in printed.rows[-1][0]
    assert "spread evenly" in printed.note


@pytest.mark.slow
def test_many_examples_are_resampled_in_groups(monkeypatch):
    whole = audited_accuracy(*made(2)).estimate.interval
    monkeypatch.setattr(import_module("hashlens.audit.audited_accuracy"), "GROUPS", 1000)
    grouped = audited_accuracy(*made(2)).estimate.interval
    assert grouped[1] - grouped[0] == pytest.approx(whole[1] - whole[0], rel=0.15)
    assert grouped == pytest.approx(whole, abs=0.006)


def test_where_only_equal_inputs_could_be_looked_for_the_headline_says_so():
    correct, leaked, probabilities, labels = made()
    found = replace(audited_accuracy(correct, leaked, probabilities, labels), copies_only=True, doubt="for a reason")
    unleaked, (low, high) = found.steps[1].accuracy, found.steps[1].interval
    assert str(found) == (
        f"Reported accuracy {correct.mean():.2%} (for a reason); without test data that equal training data "
        f"{unleaked:.2%} ({low:.2%} to {high:.2%}); no search for near-duplicates was possible, and labels are assumed "
        "to be right"
    )
    assert AuditedAccuracy.from_dict(found.to_dict(), True) == found
    before = {name: value for name, value in found.to_dict().items() if name not in ("copies_only", "doubt")}
    assert AuditedAccuracy.from_dict(before, True) == replace(found, copies_only=False, doubt="")
