from dataclasses import asdict, replace
from itertools import pairwise

import pytest

from hashlens.errors import StudyError
from hashlens.study.networks.measures import MEASURES
from hashlens.study.spec import StudySpec
from hashlens.training.recipe import find_recipe

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
LAUGHS = "a: &a [1, 2]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{of}'] * 9)}]\n" for of, name in pairwise("abcdefghi")
)


def test_a_file_is_read_as_it_is_written(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(FULL, encoding="utf-8")
    spec = StudySpec.load(file)
    assert spec.data is not None
    assert spec.data.train == "parquet:data/mnist#train[:48000]"
    assert spec.axes.width == (10, 20, 40)
    assert spec.axes.batch_norm == (None, False)
    assert spec.axes.depth is None
    assert spec.checkpoints == (0, 1, 100)
    assert spec.random_inputs == ("uniform",)
    assert (spec.repeats, spec.seed, spec.k, spec.logistic, spec.ensemble) == (3, 7, 5, "multinomial", 8)


def test_a_spec_survives_yaml_and_plain():
    spec = StudySpec.from_yaml(FULL)
    assert StudySpec.from_yaml(spec.to_yaml(), "elsewhere.yaml") == spec
    assert StudySpec.from_plain(spec.to_plain()) == spec
    assert hash(StudySpec.from_plain(spec.to_plain())) == hash(spec)


def test_the_spec_of_nothing_but_a_name_is_one_network_as_the_recipe_says():
    spec = StudySpec()
    assert spec == StudySpec.from_yaml("name: study")
    assert spec.to_yaml() == "{name: study}\n"
    assert spec.recipe() == find_recipe("figures")
    assert spec.checkpoints == (spec.last_epoch,) == (100,)
    assert spec.random_inputs == ()
    assert spec.measures == ("redundancy_ratio", "knn", "logistic", "kmeans", "network_accuracy")


def test_a_spec_made_in_python_takes_mappings_without_data():
    spec = StudySpec(axes={"width": (10, 20)}, training={"recipe": "scripts"})
    assert spec == StudySpec.from_yaml("training: {recipe: scripts}\naxes: {width: [10, 20]}")
    assert spec.data is None
    with pytest.raises(StudyError, match=r"^study: axes\.width\[1\]: must be a whole number, 1 or more, received 0$"):
        StudySpec(axes={"width": [10, 0]})


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({"recipe": "scripts"}, {}),
        ({"recipe": "scripts", "patience": "recipe"}, {"patience": 10}),
        ({"recipe": "scripts", "patience": None}, {"patience": None}),
        ({"recipe": "scripts", "patience": 3}, {"patience": 3}),
        ({"recipe": "scripts", "epochs": 7, "batch_size": 32}, {"epochs": 7, "batch_size": 32}),
        ({"recipe": "scripts", "learning_rate": 0.5, "weight_decay": 0}, {"learning_rate": 0.5, "weight_decay": 0.0}),
        ({"recipe": "scripts", "loss": "mse"}, {"loss": "mse"}),
        ({"recipe": "scripts", "optimizer": "sgd", "schedule": "cosine"}, {"optimizer": "sgd", "schedule": "cosine"}),
        ({"recipe": "scripts", "init": "he", "decay_every": 5}, {"init": "he", "decay_every": 5}),
    ],
)
def test_the_recipe_is_that_of_the_name_with_what_training_changes(training, expected):
    assert asdict(StudySpec(training=training).recipe()) == {**asdict(find_recipe("scripts")), **expected}


def test_batch_norm_of_the_network_is_that_of_the_recipe_that_is_trained():
    scripts = find_recipe("scripts")
    spec = StudySpec(network={"batch_norm": False}, training={"recipe": "scripts"})
    assert spec.recipe() == replace(scripts, batch_norm=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Names
        ("axes:\n  widht: [1]", "line 2: axes.widht: unknown axis; did you mean 'width'?"),
        ("axes:\n  k: [1]", "line 2: axes.k: unknown axis; it belongs under the top level"),
        ("repeat: 3", "line 1: repeat: unknown field; did you mean 'repeats'?"),
        ("seed: 1\nwidth: 3", "line 2: width: unknown field; it belongs under 'network' or 'axes'"),
        ("training:\n  batch_norm: true", "line 2: training.batch_norm: unknown field; it belongs under 'network'"),
        ("data: {train: a}", "line 1: data.test: is missing"),
        ("network: {architecture: mpl}", "network.architecture: unknown architecture 'mpl'; did you mean 'mlp'?"),
        (
            "axes:\n  architecture:\n  - mlp\n  - vgg17",
            "line 4: axes.architecture[1]: unknown architecture 'vgg17'; did",
        ),
        ("measures: [knn, knm]", "line 1: measures[1]: unknown measure 'knm'; did you mean 'knn'?"),
        ("measures: [[]]", "measures[0]: unknown measure []; known: bits_to_determinism, chord, code_movement"),
        ("training: {recipe: figure}", "training.recipe: unknown recipe 'figure'; did you mean 'figures'?"),
        ("training: {optimizer: lion}", "training.optimizer: unknown optimizer 'lion'; known: adam, sgd"),
        ("training: {loss: mes}", "training.loss: unknown loss 'mes'; did you mean 'mse'?"),
        ("training: {schedule: steps}", "training.schedule: unknown schedule 'steps'; did you mean 'step'?"),
        ("training: {init: glorto}", "training.init: unknown init 'glorto'; did you mean 'glorot'?"),
        ("logistic: one_vs_one", "logistic: unknown logistic regression 'one_vs_one'; did you mean 'one-vs-one'?"),
        ("axes: {random_inputs: [unifrom]}", "axes.random_inputs[0]: unknown random inputs 'unifrom'; did you mean"),
        ("axes: {random_inputs: [null]}", "axes.random_inputs[0]: unknown random inputs null; did you mean 'none'?"),
        # Ranges
        ("axes: {width: [10, 0]}", "axes.width[1]: must be a whole number, 1 or more, received 0"),
        ("axes: {width: [-10]}", "axes.width[0]: must be a whole number, 1 or more, received -10"),
        ("axes: {samples: [0]}", "axes.samples[0]: must be a whole number, 1 or more, received 0"),
        ("axes: {depth: [0]}", "axes.depth[0]: must be a whole number, 1 or more, received 0"),
        ("axes: {epochs: [-1]}", "axes.epochs[0]: must be a whole number, 0 or more, received -1"),
        ("axes: {label_noise: [-0.1]}", "axes.label_noise[0]: must be a number, 0 to 1, received -0.1"),
        ("axes: {label_noise: [1.5]}", "axes.label_noise[0]: must be a number, 0 to 1, received 1.5"),
        ("axes: {weight_decay: [-1e-3]}", "axes.weight_decay[0]: must be a number, 0 or more, received -0.001"),
        ("axes: {weight_decay: [.nan]}", "axes.weight_decay[0]: must be a number, 0 or more, received NaN"),
        ("axes: {dropout: [1.0]}", "axes.dropout[0]: must be a number, 0 or more and less than 1, received 1.0"),
        ("network: {dropout: 1}", "network.dropout: must be a number, 0 or more and less than 1, received 1"),
        ("training: {learning_rate: 0}", "training.learning_rate: must be a number, more than 0, received 0"),
        ("training: {batch_size: 0}", "training.batch_size: must be a whole number, 1 or more, received 0"),
        ("training: {patience: 0}", "training.patience: must be 'recipe', null for no early stopping, or a whole"),
        ("repeats: 0", "repeats: must be a whole number, 1 or more, received 0"),
        ("seed: -1", "seed: must be a whole number, 0 or more, received -1"),
        ("k: 0", "k: must be a whole number, 1 or more, received 0"),
        ("ensemble: 0", "ensemble: must be a whole number, 1 or more, received 0"),
        ("axes: {width: [1e400]}", "axes.width[0]: must be a whole number, 1 or more, received Infinity"),
        ("axes: {weight_decay: [1e400]}", "axes.weight_decay[0]: must be a number, 0 or more, received Infinity"),
        (f"axes: {{weight_decay: [{10**400}]}}", "axes.weight_decay[0]: must be a number, 0 or more, received 1000"),
        ("axes: {width: [2147483648]}", "axes.width[0]: must be at most 2147483647, received 2147483648"),
        ("repeats: 100001", "line 1: repeats: all axes crossed with 100,001 repeats make 100,001 networks, at most"),
        (
            f"repeats: 1000\naxes: {{width: {[*range(1, 12)]}, depth: {[*range(1, 12)]}}}",
            "line 2: axes: all axes crossed with 1,000 repeats make 121,000 networks, at most 100,000 are allowed",
        ),
        # Types
        ('axes: {width: ["ten"]}', "axes.width[0]: must be a whole number, 1 or more, received 'ten'"),
        ("axes: {width: [10.5]}", "axes.width[0]: must be a whole number, 1 or more, received 10.5"),
        ("axes: {width: [true]}", "axes.width[0]: must be a whole number, 1 or more, received true"),
        ("axes: {width: [null]}", "axes.width[0]: must be a whole number, 1 or more, received null"),
        ('training: {learning_rate: "1e-3"}', "training.learning_rate: must be a number, more than 0, received '1e-3'"),
        ("axes: {dropout: [true]}", "axes.dropout[0]: must be a number, 0 or more and less than 1, received true"),
        ("axes: {batch_norm: [1]}", "axes.batch_norm[0]: must be true, false, or null for the recipe's, received 1"),
        ("name: 3", "name: must be text, received 3"),
        ('name: "\\ud800"', "name: must be text that UTF-8 can write, received "),
        ("axes: {width: 10}", "axes.width: must be a list, received 10: write [10]"),
        ("measures: knn", "measures: must be a list, received 'knn': write ['knn']"),
        ("axes: {width: {from: 1}}", 'axes.width: must be a list, received {"from": 1}'),
        ("axes:", "axes: must be a mapping of architecture, width, depth, samples, "),
        (
            "network: mlp",
            "network: must be a mapping of architecture, width, depth, batch_norm, dropout, received 'mlp'",
        ),
        # Lists
        ("axes: {width: []}", "axes.width: is empty, received []: list at least one value, or leave it out"),
        ("measures: []", "measures: is empty, received []: list at least one value"),
        ("axes: {width: [10, 20, 10]}", "axes.width: 10 is listed twice, received [10, 20, 10]: list each value once"),
        ("axes: {dropout: [0, 0.0]}", "axes.dropout: 0.0 is listed twice"),
        ("axes: {weight_decay: [0, -0.0]}", "axes.weight_decay: 0.0 is listed twice"),
        ("axes: {epochs: [1, 1]}", "axes.epochs: 1 is listed twice"),
        (
            "axes: {batch_norm: [null, false]}",
            "axes.batch_norm: null is the value of network or recipe, false, which is",
        ),
        # Fields that do not fit each other
        (
            "axes:\n  epochs:\n  - 1\n  - 200",
            "line 4: axes.epochs[1]: must be at most 100, the last epoch, received 200",
        ),
        ("training: {epochs: 5}\naxes: {epochs: [6]}", "line 2: axes.epochs[0]: must be at most 5, the last epoch"),
        (
            "network: {architecture: lenet}\naxes: {width: [10]}",
            "line 2: axes.width: lenet has no width, received [10]",
        ),
        ("axes: {architecture: [mlp, vgg16], width: [10]}", "vgg16 has no width, received [10]: it takes batch_norm, "),
        (
            "network: {architecture: resnet20, depth: 3}",
            "network.depth: resnet20 has no depth, received 3: it takes none of width",
        ),
        (
            "measures: [knn]\naxes: {random_inputs: [uniform]}",
            "line 2: axes.random_inputs: random inputs have no labels",
        ),
        ("measures: [loss]\naxes: {epochs: [0]}", "measures: there is no loss at initialisation, received "),
        (
            "k: 9\naxes: {samples: [100, 8]}",
            "line 1: k: must be at most 8 for knn, with 8 training examples, received 9: give k: 8, or more examples",
        ),
        ("measures: [knn_train]\naxes: {samples: [9]}", "k: must be at most 8 for knn_train, with 9 training examples"),
        # YAML
        ("", "study.yaml: the file is empty"),
        ("# nothing\n", "study.yaml: the file is empty"),
        ("- 1", "study.yaml line 1: a study is a mapping of fields such as 'axes: ...', received [1]"),
        ("name: a\nname: b", "line 2: name: given twice, first on line 1"),
        ("axes:\n  width: [1]\n  width: [2]", "line 3: axes.width: given twice, first on line 2"),
        ("axes:\n  1: [1]", "line 2: the name of a field must be text, received 1"),
        ("name: a\naxes: [", "line 2: not YAML: expected the node content"),
        ("name: a: b", "line 1: not YAML: mapping values are not allowed here"),
        ("name: !!python/name:os.system x", "line 1: not YAML: could not determine a constructor for the tag"),
        ("name: !!int ten", "line 1: name: cannot be read as int, received 'ten'"),
        ("seed: 0\nk: !!bool x", "line 2: k: cannot be read as bool, received 'x'"),
        ("seed: " + "9" * 5000, "line 1: seed: cannot be read as int, received '999"),
        ("axes:\n  <<: {width: [3]}", "line 2: merge keys are not taken, received '<<': write the fields out"),
        (LAUGHS, "study.yaml: not a study: it holds more than 100,000 values; look for aliases of aliases"),
        ("name: \x01", "study.yaml: not YAML: unacceptable character"),
        ("axes: &all [*all]", "study.yaml: not a study: it nests too deeply"),
        ("a: 1\n---\nb: 2", "line 2: not YAML: but found another document"),
    ],
)
def test_a_wrong_spec_is_refused_in_one_line(text, expected):
    with pytest.raises(StudyError) as caught:
        StudySpec.from_yaml(text)
    message = str(caught.value)
    assert expected in message
    assert message.startswith("study.yaml")
    assert "\n" not in message
    assert "more)" not in message


def test_the_first_of_several_errors_is_shown_and_the_others_are_counted():
    with pytest.raises(StudyError) as caught:
        StudySpec.from_yaml("name: a\nkk: 0\naxes:\n  width: [0, ten]\nrepeats: 0")
    assert str(caught.value) == "study.yaml line 2: kk: unknown field; did you mean 'k'? (and 3 more)"


def test_an_axis_wins_over_the_same_factor_of_the_network():
    spec = StudySpec(network={"width": 3}, axes={"width": [10]})
    assert spec.axes.width == (10,)


def test_what_some_architecture_of_the_axis_takes_may_be_fixed():
    assert StudySpec(network={"width": 3}, axes={"architecture": ["lenet", "mlp"]}).architectures == ("lenet", "mlp")


def test_dates_are_text_and_exponents_are_numbers():
    spec = StudySpec.from_yaml("name: 2021-01-13\ntraining: {learning_rate: 1e-3, weight_decay: 5E-4}")
    assert spec.name == "2021-01-13"
    assert (spec.training.learning_rate, spec.training.weight_decay) == (0.001, 0.0005)


@pytest.mark.parametrize(
    ("fields", "n", "has_labels", "expected"),
    [
        (
            {"axes": {"samples": [10, 2000]}},
            1797,
            True,
            "axes.samples[1]: must be at most 1797, the number of training",
        ),
        ({}, 8, True, "k: must be at most 8 for knn, with 8 training examples, received 9"),
        ({"measures": ["knn_train"]}, 9, True, "k: must be at most 8 for knn_train, with 9 training examples"),
        (
            {"measures": ["knn_train"], "axes": {"samples": [1]}},
            9,
            True,
            "k: must be at most 0 for knn_train, with 1 training examples, received 9: leave knn_train out",
        ),
        (
            {},
            100,
            False,
            "measures[1]: 'knn' needs labels, but the data have none; measures that need none: redundancy",
        ),
        ({"measures": ["redundancy_ratio"]}, None, False, "data: training needs labels, but the data have none"),
    ],
)
def test_data_that_do_not_fit_are_refused(fields, n, has_labels, expected):
    with pytest.raises(StudyError) as caught:
        StudySpec(**fields).check_against(n, has_labels)
    assert str(caught.value).startswith(f"study: {expected}")


@pytest.mark.parametrize(
    ("fields", "n"),
    [({"axes": {"samples": [10, 1797]}}, 1797), ({}, 9), ({"measures": ["knn_train"]}, 10), ({}, None)],
)
def test_data_that_fit_are_accepted(fields, n):
    StudySpec(**fields).check_against(n, has_labels=True)


def test_samples_past_the_data_name_their_line():
    spec = StudySpec.from_yaml("axes:\n  samples:\n  - 10\n  - 99", "here.yaml")
    with pytest.raises(StudyError, match=r"^here.yaml line 4: axes.samples\[1\]: must be at most 50"):
        spec.check_against(50, has_labels=True)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(StudyError, match=r"none\.yaml: there is no such file"):
        StudySpec.load(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StudyError, match="it is not text in UTF-8"):
        StudySpec.load(tmp_path / "binary.yaml")
    with pytest.raises(StudyError, match="cannot be read as the YAML file of a study: "):
        StudySpec.load(tmp_path)


def test_only_measures_without_labels_can_be_taken_on_random_inputs():
    assert {name for name, measure in MEASURES.items() if measure.random_inputs} == {
        *("redundancy_ratio", "collision_probability", "local_complexity", "chord")
    }
    assert not any(measure.labels and measure.random_inputs for measure in MEASURES.values())
