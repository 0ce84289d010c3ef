import numpy as np
import pytest

from hashlens.study.reproduce.preset import find_preset
from hashlens.study.spec import StudySpec
from hashlens.study.study import Study
from hashlens.testing.experiment_contract import check_experiment
from hashlens.tuning.experiment import measured, tuned_trace
from hashlens.tuning.named_rules import rule_named

FIELDS = {"name": "tuned", "experiment": "tuning", "axes": {"rule": ["no-improvement:1", "no-improvement:2"]},
          "trials": 24, "folds": 2, "repeats": 2}  # fmt: skip


def test_rules_of_a_repeat_are_replayed_on_one_run(tmp_path):
    study = Study(StudySpec(**{**FIELDS, "repeats": 1}), tmp_path / "t.db").run()
    assert study.status().finished
    values = study.results.where(measure="rtc").columns["value"]
    assert 0 <= values[1] <= values[0] < 1
    assert tuned_trace.cache_info().hits >= 1
    assert np.ptp(study.results.where(measure="gap").columns["value"]) == 0


def test_numbers_of_rows_lie_in_each_other_and_losses_are_errors():
    trace = tuned_trace("breast cancer", "support vectors", 40, "random", 1, 22, 2)
    assert trace.direction == "minimize"
    assert ((trace.values > 0) & (trace.values < 1)).all()
    found = measured(trace, rule_named("no-improvement:1000"))
    assert (found["rtc"], found["ryc"]) == (0.0, 0.0)


@pytest.mark.slow
def test_a_study_of_tuning_keeps_the_contract(tmp_path):
    check_experiment(FIELDS, tmp_path)


@pytest.mark.parametrize("name", ["bo-overfitting", "bo-early-stopping"])
def test_the_abstracts_claims_are_put_to_the_test_by_name(name):
    preset = find_preset(name)
    for size in ("quick", "paper"):
        spec = preset.spec(name, size)
        assert spec.experiment == "tuning"
        assert spec.repeats >= 5
    assert len(preset.claims) >= 3
