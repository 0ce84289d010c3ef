from hashlens.study.spec import StudySpec
from hashlens.study.store.changes import changes, compared

FULL = """\
name: mnist-width
description: how R falls with width
data: {train: "parquet:data/mnist#train[:48000]", test: "parquet:data/mnist#test"}
network: {architecture: mlp, depth: 2, dropout: 0.1}
training: {recipe: scripts, epochs: 120, learning_rate: 1e-3, patience: null}
axes:
  width: [10, 20, 40]
  epochs: [100, 0, 1]
  samples: [30, 48000]
  label_noise: [0, 0.5]
  batch_norm: [null, false]
  random_inputs: [none, uniform]
repeats: 3
seed: 7
measures: [redundancy_ratio, knn]
k: 5
logistic: multinomial
ensemble: 8
"""


def between(old, new):
    return changes(compared(old.plain()), compared(new.plain()))


def test_differences_name_the_fields_that_changed():
    spec = StudySpec.from_yaml(FULL)
    changed = StudySpec.from_yaml(
        FULL.replace("[10, 20, 40]", "[10, 20]")
        .replace("patience: null", "patience: recipe")
        .replace("seed: 7", "seed: 8")
        .replace("random_inputs: [none, uniform]", "random_inputs: null")
    )
    assert between(spec, changed) == [
        'training.patience: null -> "recipe"',
        "axes.width: [10, 20, 40] -> [10, 20]",
        'axes.random_inputs: ["none", "uniform"] -> null',
        "seed: 7 -> 8",
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
