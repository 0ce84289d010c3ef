"""Accuracy with and without what is wrong with a test set."""

import numpy as np
import pytest

from hashlens.audit.audited_accuracy import audited_accuracy


def made(seed=0, n=4000):
    """A network right on 80 % of ordinary examples, on all leaked ones, and on no wrong label."""
    generator = np.random.default_rng(seed)
    leaked, wrong = generator.random(n) < 0.2, generator.random(n) < 0.05
    correct = ((generator.random(n) < 0.8) | leaked) & ~wrong
    return correct, leaked, wrong.astype(float)


def test_what_is_planted_is_taken_out():
    found = audited_accuracy(*made())
    assert found.reported.accuracy == pytest.approx(0.95 * (0.2 + 0.8 * 0.8), abs=0.02)
    assert found.steps[1].accuracy == pytest.approx(0.95 * 0.8, abs=0.02)
    assert found.corrected.accuracy == pytest.approx(0.8, abs=0.02)
    assert found.corrected.examples == pytest.approx(4000 * 0.8 * 0.95, rel=0.05)


def test_changes_add_up():
    found = audited_accuracy(*made(1))
    assert sum(step.change for step in found.steps) == pytest.approx(found.corrected.accuracy - found.reported.accuracy)
    assert found.reported.change == 0


def test_intervals_hold_the_truth_as_often_as_they_say():
    held = [
        low <= 0.8 <= high
        for low, high in (audited_accuracy(*made(seed, 500), seed=seed).corrected.interval for seed in range(100))
    ]
    assert 0.86 <= np.mean(held) <= 1


def test_the_interval_is_the_binomial_one_where_nothing_is_wrong():
    correct = np.arange(2000) < 1600
    low, high = audited_accuracy(correct, np.zeros(2000, bool), np.zeros(2000)).corrected.interval
    width = 2 * 1.96 * np.sqrt(0.8 * 0.2 / 2000)
    assert high - low == pytest.approx(width, rel=0.1)


def test_a_change_is_surer_than_the_two_accuracies():
    found = audited_accuracy(*made())
    low, high = found.steps[1].change_interval
    assert high < 0
    assert high - low < found.steps[1].interval[1] - found.steps[1].interval[0]


def test_the_same_seed_gives_the_same_intervals():
    one, other = (audited_accuracy(*made(), seed=3).to_dict() for _ in range(2))
    assert one == other
