"""A network keeps the names of its classes: whoever numbers them otherwise is read by name."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import hashlens as hl
from hashlens.cli.app import app
from hashlens.data import load_data
from hashlens.errors import DataError
from hashlens.measurement.run import number_classes_alike
from hashlens.nets import load_model
from hashlens.result import Split
from hashlens.training.evaluate import accuracy

NAMES = ("ant", "bee", "cow")


def images(root, names, count, seed):
    """Write images of which a third, another for each class, is bright."""
    generator = np.random.default_rng(seed)
    for name in names:
        (root / name).mkdir(parents=True)
        for at in range(count):
            pixels = generator.integers(0, 90, (6, 6))
            pixels[:, 2 * NAMES.index(name) : 2 * NAMES.index(name) + 2] += 150
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{at}.png")
    return f"folder:{root}"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    train, test = images(root / "a", NAMES, 30, 0), images(root / "b", NAMES[1:], 12, 1)
    hl.train("mlp", train, width=24, depth=2, epochs=40, out=root / "net")
    return root / "net", train, test


def test_accuracy_without_a_class(made):
    network, train, test = load_model(str(made[0])), *made[1:]
    assert accuracy(network, load_data(train)) == 1.0
    assert accuracy(network, load_data(test)) == 1.0


def test_a_network_just_trained_says_it_too(made):
    network = hl.train("mlp", made[1], width=8, depth=1, epochs=1).network
    whole, part = load_data(made[1]).load(), load_data(made[1]).load().select(np.arange(30, 90))
    renumbered = replace(part, labels=part.labels - 1, class_names=NAMES[1:])
    assert accuracy(network, renumbered) == accuracy(network, whole.select(np.arange(30, 90)))


def test_measured_audited_and_compared_without_a_class(made):
    network, _, test = load_model(str(made[0])), *made[1:]
    data = number_classes_alike(Split(load_data(test), load_data(test)), network)
    assert data.train.class_names == data.test.class_names == NAMES
    assert set(data.test.labels.tolist()) == {1, 2}
    audited = hl.compare_models(network, network, test)
    assert audited.accuracy == (1.0, 1.0)
    assert audited.class_names == NAMES
    found = hl.audit(network, made[1], test)
    assert found.accuracy.steps[0].accuracy == 1.0
    assert found.label_issues.test.likely == 0
    assert found.class_names == NAMES


def test_explanations_name_the_class_of_the_network(made, tmp_path):
    network, _, test = load_model(str(made[0])), *made[1:]
    bee = next(load_data(test).batches(1)).inputs
    assert hl.explain(network, bee, "gradient").class_name() == "bee"
    assert hl.explain(network, bee, "gradient", target="cow").target.tolist() == [2]
    out = tmp_path / "found.json"
    asked = ["explain", str(made[0]), "--data", test, "--id", "bee/0.png", "--json", str(out)]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    assert json.loads(out.read_text())["class_names"] == list(NAMES)
    assert "bee" in result.output


def test_regions_name_the_class_of_the_network(made):
    asked = ["regions", "at", str(made[0]), "--data", made[2], "--id", "bee/0.png"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    assert "bee (" in result.output
    assert "ant" not in result.output


def test_classes_that_the_network_does_not_know_are_others(made, tmp_path):
    network, other = load_model(str(made[0])), images(tmp_path / "c", ("bee", "ant"), 4, 2)
    assert load_data(other).class_names == ("ant", "bee")
    renamed = replace(load_data(other).load(), class_names=("x", "y"))
    # Numbers stay as they are, as for arrays.
    assert accuracy(network, renamed) == accuracy(network, replace(renamed, class_names=None)) == 1.0


def test_rows_without_a_label(made):
    network, train = load_model(str(made[0])), load_data(made[1]).load()
    labels = np.where(np.arange(90) % 3 == 0, -1, train.labels)
    some = replace(train, labels=labels)
    assert accuracy(network, some) == 1.0
    found = hl.audit(network, some, hl.data.subset(load_data(made[2]), np.arange(24)))
    assert found.accuracy.steps[0].accuracy == 1.0
    assert any("30 of train" in note for note in found.notes)
    with pytest.raises(DataError, match="30 of 90 examples have no label"):
        hl.train("mlp", some, width=8, depth=1, epochs=1)


def test_test_rows_without_a_label_keep_their_pictures_and_folders(made, tmp_path):
    network, train = load_model(str(made[0])), load_data(made[1])
    test = load_data(made[2]).load()
    some = replace(test, labels=np.where(np.arange(24) < 10, -1, test.labels))
    found = hl.audit(network, train, some)
    assert found.accuracy.steps[0].examples == 14
    assert set(found.label_issues.test.rows.tolist()) == set(range(10, 24))
    page = found.to_html(tmp_path / "audit.html").read_text()
    assert "no label" in page
    loaded = type(found).load(found.to_csv(tmp_path / "audit"))
    assert loaded.to_html(tmp_path / "again.html").exists()
    measured = hl.measure(network, train, some, k=3, controls=False)
    assert measured.exhibits.map.rows.tolist() == list(range(10, 24))
    assert measured.exhibits.map.ids.tolist() == test.ids[10:].tolist()
    assert measured.network_accuracy.test == 1.0
    assert torch.equal(torch.from_numpy(measured.exhibits.map.labels), torch.from_numpy(test.labels[10:] + 1))
