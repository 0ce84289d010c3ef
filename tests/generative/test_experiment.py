"""The study of encoders."""

import pytest

from hashlens.generative import VAE, evaluate
from hashlens.generative.experiment import BIGAN, EXPERIMENT, INVERTED, INVERTED_IMAGES, VAE_NAME, measure_values
from hashlens.seeds import torch_seed
from hashlens.study.reproduce.preset import find_preset
from hashlens.study.spec import StudySpec
from hashlens.study.study import Study
from hashlens.testing.experiment_contract import check_experiment, check_packing, check_spec

FEW = {
    "experiment": "encoders", "data": {"train": "digits#train[:600]", "test": "digits#test[:100]"}, "images": 600,
    "epochs": 25, "classifier_epochs": 20, "classifier_width": 16, "latent": 4, "width": 32, "evaluated": 80,
    "learning_rate": 0.01,
}  # fmt: skip


@pytest.mark.slow
def test_a_cell_is_what_evaluation_finds_of_its_model(tmp_path):
    study = Study(StudySpec(**FEW, axes={"model": [VAE_NAME], "ae_weight": [0.0, 1.0]}), tmp_path / "it.db").run()
    check_spec(study.spec)
    check_packing(study)
    resources = EXPERIMENT.open(study.spec)
    seed = torch_seed(0, "encoders", 0) % (2**31 - 1)
    model = VAE(latent=4, width=32, learning_rate=0.01, seed=seed).fit(resources.data.train, epochs=25)
    parts = resources.data.train, resources.data.test
    found = evaluate(model, *parts, classifier=resources.classifier, n=80, seed=seed)
    for weight in (0.0, 1.0):
        rows = study.results.where(ae_weight=weight).columns
        values = dict(zip(rows["measure"].tolist(), rows["value"].tolist(), strict=True))
        assert values == pytest.approx(measure_values(found))
    assert values["share_of_random_pairs"] < 1


def test_a_collapsed_run_is_a_failure_and_no_result(tmp_path):
    fields = {**FEW, "epochs": 1, "learning_rate": 1e-6}
    study = Study(StudySpec(**fields, axes={"model": [BIGAN]}), tmp_path / "it.db").run()
    assert len(study.results.columns["value"]) == 0
    assert study.status().failures[0].reason.startswith("samples have collapsed: diversity 0.")


def test_what_shares_a_training_is_one_pack():
    axes = {"model": [BIGAN, INVERTED, INVERTED_IMAGES, VAE_NAME], "ae_weight": [0.0, 1.0]}
    resources = EXPERIMENT.open(StudySpec(**FEW, axes=axes, repeats=2))
    pairs = [(cell, repeat) for cell in EXPERIMENT.cells(resources) for repeat in range(2)]
    assert sorted(len(pack) for pack in EXPERIMENT.packs(pairs, resources)) == [1, 1, 1, 1, 2, 2, 4, 4]


@pytest.mark.slow
def test_it_keeps_the_contract_of_experiments(tmp_path):
    check_experiment({**FEW, "repeats": 2, "axes": {"model": [VAE_NAME], "ae_weight": [0.0, 1.0]}}, tmp_path)


@pytest.mark.parametrize("size", ["quick", "paper"])
def test_the_preset_is_a_study_whose_claims_are_of_its_axes(size):
    preset = find_preset("encoders")
    spec = preset.spec("encoders", size, "data/mnist")
    assert spec.repeats >= 3
    assert {0.0, 1.0, 10.0} <= set(spec.axes.ae_weight)
    measures = {measure for claim in preset.claims for measure in claim.measures}
    assert measures <= set(spec.measures)
