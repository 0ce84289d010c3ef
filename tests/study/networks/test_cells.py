from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hashlens.nets import build
from hashlens.study.networks.cells import Cell, cells, runs
from hashlens.study.networks.variables import FACTORS
from hashlens.study.spec import StudySpec


def test_axes_are_crossed_in_the_order_of_the_factors():
    spec = StudySpec(axes={"label_noise": [0, 0.5], "width": [10, 20, 40], "epochs": [0, 1], "samples": [9, 30]})
    found = cells(spec, 30)
    assert len(found) == 3 * 2 * 2 == len({cell.key for cell in found})
    assert [(cell.width, cell.samples, cell.label_noise) for cell in found[:5]] == [
        (10, 9, 0.0),
        (10, 9, 0.5),
        (10, 30, 0.0),
        (10, 30, 0.5),
        (20, 9, 0.0),
    ]


def test_checkpoints_and_random_inputs_make_no_cells():
    spec = StudySpec(axes={"epochs": [0, 1, 100], "random_inputs": ["none", "bytes"]})
    assert len(cells(spec, 50)) == 1


def test_the_key_says_every_factor():
    (cell,) = cells(StudySpec(network={"width": 40}), 48000)
    assert cell.key == ("mlp width=40 depth=1 samples=48000 label_noise=0 weight_decay=0 batch_norm=false dropout=0")
    assert [word.split("=")[0] for word in cell.key.split()[1:]] == list(FACTORS[1:])


def test_keys_tell_apart_numbers_that_round_alike():
    found = cells(StudySpec(axes={"weight_decay": [1e-6, 1.0000000001e-6]}), 10)
    assert len({cell.key for cell in found}) == 2


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"width": 100, "depth": 1, "batch_norm": False, "weight_decay": 0.0, "dropout": 0.0, "samples": 500}),
        ({"training": {"recipe": "scripts"}}, {"batch_norm": True, "weight_decay": 1e-6}),
        ({"training": {"recipe": "scripts", "weight_decay": 0}}, {"weight_decay": 0.0}),
        ({"training": {"weight_decay": 1e-3}, "axes": {"weight_decay": [0.5]}}, {"weight_decay": 0.5}),
        ({"training": {"recipe": "scripts"}, "network": {"batch_norm": False}}, {"batch_norm": False}),
        ({"network": {"batch_norm": True, "width": 7, "depth": 3}}, {"batch_norm": True, "width": 7, "depth": 3}),
        ({"network": {"width": 7, "dropout": 0.1}, "axes": {"width": [9]}}, {"width": 9, "dropout": 0.1}),
        ({"network": {"batch_norm": False}, "axes": {"batch_norm": [True]}}, {"batch_norm": True}),
        ({"training": {"recipe": "scripts"}, "axes": {"batch_norm": [None]}}, {"batch_norm": True}),
        ({"network": {"architecture": "vgg16"}}, {"width": 0, "depth": 0, "batch_norm": False, "dropout": 0.5}),
        ({"network": {"architecture": "resnet20"}}, {"width": 0, "depth": 0, "batch_norm": False, "dropout": 0.0}),
    ],
)
def test_a_factor_is_its_axis_or_the_network_s_or_the_recipe_s(given, expected):
    (cell,) = cells(StudySpec(**given), 500)
    assert {factor: getattr(cell, factor) for factor in expected} == expected


def test_a_cell_is_built_as_it_says():
    spec = StudySpec(axes={"architecture": ["mlp", "lenet"]}, network={"width": 12, "depth": 2, "dropout": 0.1})
    mlp, lenet = cells(spec, 20)
    assert mlp.arguments() == {"width": 12, "depth": 2, "batch_norm": False, "dropout": 0.1}
    assert lenet.arguments() == {}
    assert lenet.key == "lenet samples=20 label_noise=0 weight_decay=0"
    network = build(mlp.architecture, input_shape=(1, 8, 8), classes=3, **mlp.arguments())
    assert [tuple(weight.shape) for weight in network.parameters() if weight.ndim == 2] == [(12, 64), (12, 12), (3, 12)]


def test_every_repeat_of_every_cell_is_one_run_of_its_own_seed():
    spec = StudySpec(axes={"width": [10, 20], "dropout": [0, 0.5]}, repeats=3)
    found = runs(spec, 60)
    assert Counter((run.cell, run.repeat) for run in found) == Counter(
        (cell, repeat) for cell in cells(spec, 60) for repeat in range(3)
    )
    assert len({run.seed for run in found}) == len(found) == 12


def _seeds(spec: StudySpec) -> dict[tuple[Cell, int], int]:
    return {(run.cell, run.repeat): run.seed for run in runs(spec, 60)}


def test_seeds_depend_on_the_cell_alone_and_not_on_the_others():
    few = _seeds(StudySpec(axes={"width": [10, 20]}, repeats=2))
    many = _seeds(StudySpec(axes={"width": [40, 20, 10], "epochs": [1, 2]}, repeats=5, ensemble=3, measures=["loss"]))
    assert few.items() <= many.items()
    other = _seeds(StudySpec(axes={"width": [10, 20]}, repeats=2, seed=1))
    assert not set(few.values()) & set(other.values())


def test_a_pack_holds_mlps_of_like_cost_and_the_dearest_come_first():
    spec = StudySpec(axes={"width": [3, 100, 10, 200]}, repeats=3, ensemble=4)
    assert [(run.pack, run.cell.width, run.repeat) for run in runs(spec, 60)] == [
        (0, 200, 0),
        (0, 200, 1),
        (0, 200, 2),
        (0, 100, 0),
        (1, 100, 1),
        (1, 100, 2),
        (1, 10, 0),
        (1, 10, 1),
        (2, 10, 2),
        (2, 3, 0),
        (2, 3, 1),
        (2, 3, 2),
    ]


def test_other_networks_have_packs_of_their_own_before_all_mlps():
    spec = StudySpec(axes={"architecture": ["mlp", "lenet", "resnet20"]}, repeats=2, ensemble=4)
    assert [(run.pack, run.cell.architecture, run.repeat) for run in runs(spec, 60)] == [
        (0, "lenet", 0),
        (1, "lenet", 1),
        (2, "resnet20", 0),
        (3, "resnet20", 1),
        (4, "mlp", 0),
        (4, "mlp", 1),
    ]


axes = st.fixed_dictionaries(
    {},
    optional={
        "width": st.lists(st.integers(1, 300), min_size=1, max_size=5, unique=True),
        "depth": st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True),
        "label_noise": st.lists(st.sampled_from([0, 0.25, 1]), min_size=1, unique=True),
        "batch_norm": st.lists(st.booleans(), min_size=1, unique=True),
    },
)


@settings(max_examples=60, deadline=None)
@given(axes, st.integers(1, 4), st.integers(1, 20), st.randoms(use_true_random=False))
def test_packs_part_the_runs_whatever_the_order_of_the_axes(axes, repeats, ensemble, shuffler):
    found = runs(StudySpec(axes=axes, repeats=repeats, ensemble=ensemble), 60)
    shuffled = {name: shuffler.sample(levels, len(levels)) for name, levels in reversed(axes.items())}
    assert runs(StudySpec(axes=shuffled, repeats=repeats, ensemble=ensemble), 60) == found

    assert len({(run.cell.key, run.repeat) for run in found}) == len(found)
    packs: dict[int, list] = {}
    for run in found:
        packs.setdefault(run.pack, []).append(run)
    assert list(packs) == list(range(len(packs)))
    kinds = {number: {(run.cell.depth, run.cell.batch_norm) for run in pack} for number, pack in packs.items()}
    assert all(len(kind) == 1 for kind in kinds.values())
    assert all(len(pack) <= ensemble for pack in packs.values())
    # Of one kind no two packs would fit into one, and no width of an earlier pack is below one of a later pack.
    for kind in {frozenset(kind) for kind in kinds.values()}:
        of_kind = [packs[number] for number in packs if kinds[number] == kind]
        assert all(len(pack) == ensemble for pack in of_kind[:-1])
        assert all(
            min(run.cell.width for run in earlier) >= max(run.cell.width for run in later)
            for earlier, later in pairwise(of_kind)
        )
