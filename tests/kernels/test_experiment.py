"""The study of finite and infinite networks, on digits."""

import numpy as np
import pytest

from hashlens.errors import StudyError
from hashlens.kernels import Predictor, compute
from hashlens.kernels.experiment_data import open_all
from hashlens.kernels.named import parse_network
from hashlens.study.charts.effects import effect_table
from hashlens.study.page.page import study_page
from hashlens.study.reproduce.preset import find_preset
from hashlens.study.spec import StudySpec
from hashlens.study.study import Study
from hashlens.testing.experiment_contract import check_experiment, check_packing, check_spec

SMALL = {"experiment": "finite-vs-infinite", "steps": 10, "test": 60, "test_convolutional": 40, "repeats": 2}
FEW = {"examples": [24], "width": [12]}


def run(tmp_path, designs, **fields):
    study = Study(StudySpec(**{**SMALL, **fields}, designs=designs), tmp_path / "kernels.db").run()
    assert study.status().finished, study.status().failures
    return study


def values(study, measure, **where):
    return study.results.where(measure=measure, **where).columns["value"]


def test_designs_have_axes_of_their_own():
    spec = StudySpec(**SMALL, designs={"a": {"width": [8, 16]}, "b": {"centred": [True, False], "examples": 12}})
    check_spec(spec)
    cells = spec.cells()
    assert [(cell["design"], cell["width"], cell["centred"], cell["examples"]) for cell in cells] == [
        ("a", 8, True, 256), ("a", 16, True, 256), ("b", 256, True, 12), ("b", 256, False, 12),
    ]  # fmt: skip
    assert len({cell.key for cell in cells}) == 4


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"designs": {"a": {"depth": [1]}}}, "designs.a.depth: unknown axis"),
        ({"designs": {"a": {"width": ["wide"]}}}, "must be a whole number"),
        ({"designs": {"a": {"design": ["b"]}}}, "leave it out"),
        ({"designs": {"a": {}}, "axes": {"width": [8]}}, "cannot be combined"),
        ({"designs": ["a"]}, "must be a mapping of axes"),
    ],
)
def test_what_is_no_design(fields, fault):
    with pytest.raises(StudyError, match=fault):
        StudySpec(**SMALL, **fields)


def test_a_kernel_of_the_study_is_what_the_room_computes(tmp_path):
    designs = {"kernels": {"predictor": ["nngp", "ntk"], "examples": [40], "network": ["fc:1"], "diag_reg": [0.01]}}
    study = run(tmp_path, designs)
    check_packing(study)
    resources = study.experiment.open(study.spec)
    draw = resources.draw(study.spec.cells()[0], 0)
    found = compute(parse_network("fc:1"), draw.x), compute(parse_network("fc:1"), draw.test, draw.x)
    mean = Predictor(draw.targets, found[0].nngp, None, 0.01).predict(found[1].nngp).mean
    assert values(study, "accuracy", predictor="nngp", repeat=0) == [np.mean(mean.argmax(1) == draw.test_labels)]
    assert len(values(study, "stopped_mse")) == 4


def test_more_examples_are_added_to_fewer(tmp_path):
    spec = StudySpec(**SMALL, designs={"n": {"examples": [10, 20]}})
    few, many = spec.cells()
    resources = Study(spec, tmp_path / "a.db").experiment.open(spec)
    assert np.array_equal(resources.draw(few, 0).x, resources.draw(many, 0).x[:10])
    assert not np.array_equal(resources.draw(few, 0).x, resources.draw(few, 1).x)
    assert np.array_equal(resources.draw(few, 0).test, resources.draw(many, 0).test)


def test_a_wide_centred_network_is_near_its_limit(tmp_path):
    study = run(tmp_path, {"width": {"predictor": ["finite"], "examples": [24], "width": [8, 512]}}, steps=40)
    narrow, wide = (values(study, "distance", width=width).mean() for width in (8, 512))
    assert wide < 0.5 * narrow


def test_an_ensemble_is_of_the_networks_of_single_cells(tmp_path):
    designs = {"variance": {"predictor": ["finite"], "examples": [24], "width": [128], "centred": [True, False],
                            "members": [1, 2]}}  # fmt: skip
    study = run(tmp_path, designs)
    check_packing(study)
    one, two = (values(study, "seed_variance", centred=False, members=members) for members in (1, 2))
    assert (two < one).all()
    assert (values(study, "seed_variance", centred=True, members=1) < one).all()


def test_training_can_be_layerwise_decayed_and_local(tmp_path):
    decay = {"predictor": ["finite"], **FEW, "layerwise": [False, True], "weight_decay": [2.0],
             "parameterization": ["standard"], "network": ["vec:1"]}  # fmt: skip
    local = {"predictor": ["finite", "locally connected"], **FEW, "network": ["vec:1"]}
    study = run(tmp_path, {"decay": decay, "local": local})
    uniform, layerwise = (values(study, "train_mse", design="decay", layerwise=one) for one in (False, True))
    assert (uniform != layerwise).all()
    assert len(values(study, "distance", design="local")) == 4


def test_a_network_that_diverges_is_a_failure_of_its_run(tmp_path):
    designs = {"rates": {"predictor": ["finite"], **FEW, "learning_rate": [0.5, 1000.0]}}
    study = Study(StudySpec(**{**SMALL, "steps": 60}, designs=designs), tmp_path / "kernels.db").run()
    assert study.status().done == 2
    assert "lower the learning rate" in study.status().failures[0].reason


def test_rounding_and_whitening_and_mirrored_images(tmp_path):
    designs = {
        "precision": {"precision": ["bfloat16"], "examples": [128], "predictor": ["nngp"]},
        "zca": {"zca": [0.0, 0.1], "diag_reg": [0.01], "examples": [40]},
        "mirrored": {"augmentations": [1, 2], "diag_reg": [0.01], "examples": [40]},
    }
    study = run(tmp_path, designs)
    assert np.isfinite(values(study, "predicted_size")).all()
    for design, factor in (("zca", "zca"), ("mirrored", "augmentations")):
        levels = study.results.where(design=design).levels(factor)
        assert len({float(values(study, "mse", design=design, **{factor: level})[0]) for level in levels}) == 2


def test_images_of_another_size_are_means_over_squares():
    assert list(open_all(["digits"], "", 5)) == ["digits"]
    with pytest.raises(StudyError, match="give folder"):
        open_all(["mnist 7x7"], "", 5)


@pytest.mark.shared
def test_images_of_files(shared_data):
    found = open_all(["mnist 7x7"], str(shared_data), 20)
    whole, small = found["mnist"], found["mnist 7x7"]
    assert small.train.inputs.shape[1:] == (1, 7, 7)
    assert float(small.train.inputs[3].mean()) == pytest.approx(float(whole.train.tensor()[3].mean()), rel=1e-5)
    assert small.train.labels.tolist() == whole.train.labels.tolist()


@pytest.mark.parametrize("size", ["quick", "paper"])
def test_the_preset_is_read(size):
    preset = find_preset("finite-vs-infinite")
    spec = preset.spec("finite-vs-infinite", size)
    check_spec(spec)
    table = {"best practice, VEC", "best practice, GAP"}
    assert {claim.where["design"] for claim in preset.claims} == set(spec.designs) - table


@pytest.mark.slow
def test_it_keeps_the_contract_of_experiments(tmp_path):
    check_experiment({**SMALL, "designs": {"a": {"predictor": ["finite", "ntk"], **FEW}}}, tmp_path)


def test_a_study_gets_further_designs(tmp_path):
    kernels = {"kernels": {"examples": [30], "network": ["fc:1"], "diag_reg": [0.01]}}
    first = run(tmp_path, kernels)
    before = first.store.runs()
    grown = run(tmp_path, {**kernels, "more": {"examples": [20], "network": ["fc:1"], "diag_reg": [0.01]}})
    assert list(grown.store.runs()[: len(before)]) == list(before)
    assert len(grown.store.runs()) == 2 * len(before)
    with pytest.raises(StudyError, match="not in this spec"):
        run(tmp_path, {"more": {"examples": [20], "network": ["fc:1"], "diag_reg": [0.01]}})


def test_the_page_of_designs_has_no_table_of_all_combinations(tmp_path):
    """Effects need crossed axes; that of sixteen factors would not fit into memory."""
    designs = {
        f"design {i}": {
            "examples": [20 + i],
            "network": [f"fc:{i}"],
            "diag_reg": [0.1 * i],
            "width": [i],
            "members": [i],
            "learning_rate": [float(i)],
        }
        for i in range(1, 5)
    }
    results = run(tmp_path, designs, repeats=1).results
    with pytest.raises(StudyError, match="16,384 cells"):
        effect_table(results)
    sections = [section.title for section in study_page(results).sections]
    assert sections == ["Numbers", "Factors"]
