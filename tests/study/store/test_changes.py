from hashlens.study.spec import StudySpec
from hashlens.study.store.changes import changes, comparable_fields

FULL = """\
description: how R falls with width
name: mnist-width
training: {recipe: scripts, patience: null}
seed: 7
data: {train: "parquet:data/mnist#train", test: "parquet:data/mnist#test"}
axes: {width: [10, 20, 40], random_inputs: [none, uniform]}
"""


def between(old, new):
    return changes(comparable_fields(old.to_plain()), comparable_fields(new.to_plain()))


def test_differences_name_the_fields_that_changed():
    spec = StudySpec.from_yaml(FULL)
    changed = StudySpec.from_yaml(
        FULL.replace("[10, 20, 40]", "[10, 20]")
        .replace("patience: null", "patience: recipe")
        .replace("seed: 7", "seed: 8")
        .replace("random_inputs: [none, uniform]", "random_inputs: null")
    )
    assert between(spec, changed) == [
        "axes.width: [10, 20, 40] -> [10, 20]",
        'axes.random_inputs: ["none", "uniform"] -> null',
        "seed: 7 -> 8",
        'training.patience: null -> "recipe"',
    ]


def test_names_and_places_are_no_differences():
    moved = FULL.replace("data/mnist", "elsewhere").replace("mnist-width", "other").replace("how R falls", "why")
    assert between(StudySpec.from_yaml(FULL), StudySpec.from_yaml(moved)) == []
    without = "".join(line for line in FULL.splitlines(keepends=True) if not line.startswith("data"))
    assert between(StudySpec.from_yaml(FULL), StudySpec.from_yaml(without)) == []


def test_long_lists_that_differ_at_the_end_are_shown_to_the_end():
    widths = list(range(1, 60))
    (line,) = between(StudySpec(axes={"width": widths}), StudySpec(axes={"width": [*widths, 99]}))
    assert line.endswith("58, 59, 99]")


def test_a_store_of_before_a_field_is_the_same_until_the_field_is_used():
    old = StudySpec.from_yaml(FULL).to_plain()
    del old["training"]["loss"]
    now = StudySpec.from_yaml(FULL)
    squared = StudySpec.from_yaml(FULL.replace("recipe: scripts", "recipe: scripts, loss: mse"))
    assert changes(comparable_fields(old), comparable_fields(now.to_plain())) == []
    assert changes(comparable_fields(old), comparable_fields(squared.to_plain())) == [
        'training.loss: (nothing) -> "mse"'
    ]
