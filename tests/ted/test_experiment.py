import numpy as np
import pytest

from hashlens.study.reproduce.preset import find_preset, preset_names
from hashlens.study.spec import StudySpec
from hashlens.study.study import Study
from hashlens.ted import TEDClassifier, retention
from hashlens.ted.experiment import CLASSIFIERS
from hashlens.testing.experiment_contract import check_experiment, check_packing, check_spec

SMALL = {"experiment": "ted", "rows": 400, "trees": 3, "repeats": 2}


def test_a_cell_is_what_the_classifier_gives_on_its_table(tmp_path):
    axes = {"classifier": ["decision tree"], "noise": [0.0, 0.4], "missing": [0.5]}
    study = Study(StudySpec(**SMALL, axes=axes), tmp_path / "ted.db").run()
    check_spec(study.spec)
    check_packing(study)
    found = study.results.where(noise=0.4).columns
    from hashlens.seeds import torch_seed

    for repeat in range(2):
        seed = torch_seed(0, "ted", repeat) % (2**32 - 1)
        table = retention(400, seed, noise=0.4, missing=0.5)
        make = CLASSIFIERS["decision tree"]
        model = TEDClassifier(make(seed, 3)).fit(table.rows[:320], table.labels[:320], table.E[:320])
        score = model.score_ted(table.rows[320:], table.labels[320:], table.explanations[320:])
        alone = make(seed, 3).fit(table.rows[:320], table.labels[:320]).score(table.rows[320:], table.labels[320:])
        of = found["repeat"] == repeat
        numbers = dict(zip(found["measure"][of].tolist(), found["value"][of].tolist(), strict=True))
        expected = {"label_accuracy": score.label.value, "pair_accuracy": score.pair.value, "label_alone": alone}
        assert numbers == pytest.approx(expected)


def test_cells_of_a_repeat_share_their_rows(tmp_path):
    study = Study(StudySpec(**SMALL, axes={"noise": [0.0, 0.4]}), tmp_path / "ted.db").run()
    of = study.results.columns["measure"] == "label_alone"
    values, repeats = study.results.columns["value"][of], study.results.columns["repeat"][of]
    assert all(np.ptp(values[repeats == repeat]) == 0 for repeat in (0, 1))
    assert of.sum() == 4


@pytest.mark.slow
def test_it_keeps_the_contract_of_experiments(tmp_path):
    check_experiment({**SMALL, "axes": {"classifier": ["decision tree", "K-NN"]}}, tmp_path)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_every_classifier_can_be_studied(classifier, tmp_path):
    axes = {"classifier": [classifier], "table": ["credit"]}
    study = Study(StudySpec(**{**SMALL, "repeats": 1}, axes=axes), tmp_path / "ted.db").run()
    assert study.status().finished, study.status().failures


def test_credit_has_no_other_number_of_explanations(tmp_path):
    study = Study(StudySpec(**SMALL, axes={"table": ["credit"], "explanations": [7]}), tmp_path / "ted.db").run()
    assert "credit has 8 explanations" in study.status().failures[0].reason


@pytest.mark.parametrize("name", ["ted-robustness", "ted-missing"])
def test_presets_are_read_in_both_sizes(name):
    assert name in preset_names()
    preset = find_preset(name)
    assert len(preset.claims) == 4
    for size in ("quick", "paper"):
        check_spec(preset.spec(name, size))
