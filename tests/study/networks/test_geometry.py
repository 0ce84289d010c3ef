"""Linear regions as measures of a study, against the library's own functions and a slower way to find a chord."""

import numpy as np
import pytest
import torch
from torch import nn

import hashlens as hl
from hashlens import regions
from hashlens.data.noise import random_inputs
from hashlens.errors import StudyError
from hashlens.nets import build
from hashlens.nets.build import ARCHITECTURES
from hashlens.regions.directions import random_directions
from hashlens.regions.local_complexity import local_complexity, typical_distance
from hashlens.result import Split
from hashlens.seeds import numpy_generator
from hashlens.study.charts.intervals import limits_of
from hashlens.study.charts.summary import summarize
from hashlens.study.networks.evaluate import Evaluation, evaluate
from hashlens.study.networks.geometry import DIAMETERS, DIRECTIONS, EXAMPLES
from hashlens.study.networks.variables import VARIABLES
from hashlens.study.spec import StudySpec
from hashlens.study.study import Study

DATA = Split(hl.load_data("digits[:300]").load(), hl.load_data("digits[300:420]").load())
NOISE = random_inputs(DATA.test, 120, numpy_generator(0, "noise"), "bytes")
SPLITS = {"train": DATA.train, "test": DATA.test, "bytes": NOISE}
GEOMETRY = ("local_complexity", "chord")


def points(split):
    return SPLITS[split].tensor(slice(EXAMPLES))


def network(width=12, depth=2):
    return build("mlp", input_shape=(1, 8, 8), classes=10, width=width, depth=depth, seed=1)


def values(found):
    return {(row.measure, row.split): row.value for row in found}


@pytest.fixture(scope="module")
def rows():
    return values(evaluate(network(), 0, Evaluation(DATA, {"bytes": NOISE}, GEOMETRY)))


@pytest.mark.parametrize("split", SPLITS)
def test_local_complexity_is_that_of_the_first_examples_in_balls_of_one_size(rows, split):
    radius = typical_distance(points("train")) / 10
    found = local_complexity(network(), points(split), radius, DIAMETERS)
    assert rows["local_complexity", split] == found.regions.mean()
    assert rows["local_complexity", split] > 1.2
    if split == "train":
        assert np.array_equal(local_complexity(network(), points(split), directions=DIAMETERS).counts, found.counts)


@pytest.mark.parametrize("split", SPLITS)
def test_the_chord_length_is_that_of_the_piece_around_the_example(rows, split):
    """Found by cutting a long segment through each example; the median is of a chord that ends on it."""
    x, far = points(split).double(), 1e4
    lines = random_directions(x, DIRECTIONS).flatten(0, 1)
    centers = x.repeat_interleave(DIRECTIONS, dim=0)
    pieces = regions.along(network(), centers - far * lines, centers + far * lines)
    around = (pieces.start < 0.5) & (pieces.end > 0.5)
    assert np.array_equal(pieces.segment[around], np.arange(len(lines)))
    expected = np.median(pieces.lengths[around])
    assert expected < far / 100
    assert rows["chord_length", split] == pytest.approx(expected, rel=1e-6)


def test_a_network_without_boundaries_has_one_region_without_end():
    still = network()
    with torch.no_grad():
        for block in still.hidden:
            block.linear.weight.zero_()
            block.linear.bias.fill_(-1.0)
    found = values(evaluate(still, 0, Evaluation(DATA, {}, GEOMETRY)))
    assert {found["local_complexity", split] for split in ("train", "test")} == {1.0}
    assert {found["chord_length", split] for split in ("train", "test")} == {np.inf}


def run(path, measures=GEOMETRY, train=DATA.train, **axes):
    given = {"axes": {"width": [1, 16], **axes}, "training": {"epochs": 1}, "measures": list(measures)}
    return Study(StudySpec(**given), path / "study.db", train=train, test=DATA.test).run()


def test_all_cells_of_a_study_have_balls_of_one_size(tmp_path):
    """Also those of one training example, from which no radius would follow."""
    study = run(tmp_path, samples=[1, 20, 300], random_inputs=["bytes"])
    results, expected = study.results, typical_distance(points("train")) / 10
    assert {stored.metadata["local_complexity_radius"] for stored in study.store.runs()} == {expected}
    counts = results.where(measure="local_complexity", width=16)
    assert len(counts) == 3 * 3
    assert (counts.columns["value"] > 1).all()


def test_infinite_chords_are_kept_and_left_out_of_means(tmp_path):
    """One unit never bounds a line on both sides."""
    results = run(tmp_path).results
    length = results.where(measure="chord_length", split="train").columns
    assert length["width"].tolist() == [1, 16]
    assert np.isfinite(length["value"]).tolist() == [False, True]
    curve = hl.curve(results, "chord_length", over="width", split="train").series[0].estimates
    assert curve[0] is None
    assert curve[1].mean == length["value"][1]
    for split in ("train", "test"):
        assert ("local_complexity", split) in summarize(results).measures


def test_lengths_and_counts_are_no_shares():
    for measure in ("local_complexity", "chord_length"):
        assert limits_of(VARIABLES.measures[measure], np.array([0.2, 1.0])) == (VARIABLES.measures[measure].low, None)


def test_networks_and_data_without_regions_are_refused_before_anything_is_written(tmp_path, monkeypatch):
    def soft(input_shape, classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 9), nn.GELU(), nn.Linear(9, classes))

    monkeypatch.setitem(ARCHITECTURES, "soft", soft)
    text = "network: {architecture: soft}\nmeasures:\n- redundancy_ratio\n- chord"
    study = Study(StudySpec.from_yaml(text), tmp_path / "study.db", train=DATA.train, test=DATA.test)
    with pytest.raises(StudyError) as error:
        study.run()
    assert str(error.value).startswith(
        "study.yaml line 4: measures[1]: 'chord' cannot be measured: 2 (GELU): the operator 'gelu' is a soft gate"
    )
    same = DATA.train.select([0] * 30)
    with pytest.raises(StudyError, match=r"measures\[0\]: 'local_complexity' cannot be measured: all 30 examples are"):
        run(tmp_path, train=same)
    assert list(tmp_path.iterdir()) == []
    assert len(run(tmp_path, ["chord"], train=same).results) == 4


def test_a_study_that_does_not_ask_for_regions_does_not_import_them(fresh, tmp_path):
    code = """
import sys
import hashlens as hl
before = {name for name in sys.modules if name.startswith("hashlens.regions")}
from hashlens.study.study import Study
from hashlens.study.spec import StudySpec
spec = StudySpec(axes={"width": [3]}, training={"epochs": 1})
Study(spec, sys.argv[1], train="digits[:60]", test="digits[60:90]").run()
print({name for name in sys.modules if name.startswith("hashlens.regions")} - before)
"""
    assert fresh(code, tmp_path / "study.db").stdout.strip() == "set()"
