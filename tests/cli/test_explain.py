"""``hashlens explain`` from end to end: what it prints and writes is what the library says."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import hashlens as hl
from hashlens.cli.app import run


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    out = tmp_path_factory.mktemp("train") / "net"
    arguments = ["train", "cnn", "--data", "digits#train", "--width", "8", "--epochs", "2"]
    assert run([*arguments, "--out", str(out), "--seed", "1"]) == 0
    return out


def rows(*wanted):
    return hl.load_data("digits").load().tensor(list(wanted))


def explain(network, *more):
    return run(["explain", str(network), "--data", "digits", *more])


@pytest.mark.slow
def test_what_is_kept_is_what_the_library_says(network, tmp_path, capsys):
    kept, told = tmp_path / "why.npz", tmp_path / "why.json"
    assert explain(network, "--id", "17", "--id", "3", "-m", "ig", "-o", str(kept), "--json", str(told)) == 0
    ours = hl.explain(hl.load_model(network), rows(17, 3), "integrated_gradients")
    found = hl.Explanation.load(kept)
    assert np.array_equal(found.values, ours.values)
    assert np.array_equal(found.target, ours.target)
    assert json.loads(told.read_text())["of"] == "image"
    assert f"integrated_gradients for {found.class_name()}" in capsys.readouterr().out
    page = tmp_path / "page.html"
    assert run(["report", str(kept), "-o", str(page)]) == 0
    assert "Integrated gradients" in page.read_text()
    again = tmp_path / "again.html"
    assert run(["report", str(told), "-o", str(again)]) == 0
    assert "Integrated gradients" in again.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["why.html", "why.png", "why.svg"])
def test_it_is_seen(network, tmp_path, name):
    out = tmp_path / name
    assert explain(network, "--id", "17", "--method", "grad_cam", "--target", "3", "-o", str(out)) == 0
    if name.endswith("png"):
        with Image.open(out) as image:
            image.verify()
    else:
        assert "grad cam: 3" in out.read_text()


def test_a_background_is_spread_over_the_data(network, tmp_path):
    kept = tmp_path / "why.npz"
    assert explain(network, "--id", "17", "-m", "contrast", "--background", "digits#train", "-o", str(kept)) == 0
    train = hl.load_data("digits#train").load()
    background = train.tensor(list(range(0, len(train), len(train) // 100))[:100])
    ours = hl.explain(hl.load_model(network), rows(17), "contrast", background=background)
    assert np.array_equal(hl.Explanation.load(kept).values, ours.values)


MISTAKES = {
    "unknown method": (["--id", "0", "-m", "grad_cm"], "no method 'grad_cm': did you mean 'grad_cam'?"),
    "unknown id": (["--id", "9999"], "has no example '9999': ids go from 0 to 1796"),
    "no id": ([], "Missing option '--id'"),
    "unknown class": (["--id", "0", "--target", "cat"], "no class 'cat'"),
    "class out of range": (["--id", "0", "--target", "11"], "target 11 is out of range"),
    "unknown layer": (["--id", "0", "-m", "gradcam", "--layer", "nowhere"], "no layer 'nowhere'"),
    "no background": (["--id", "0", "-m", "contrast"], "give --background,"),
    "unknown kind of file": (["--id", "0", "-o", "why.txt"], "explanations are written as .html, .png, .svg, .pdf"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_in_one_line(network, mistake, capsys):
    arguments, message = MISTAKES[mistake]
    assert explain(network, *arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_what_is_there_is_not_overwritten(network, tmp_path, capsys):
    out = tmp_path / "why.html"
    out.write_text("mine")
    assert explain(network, "--id", "0", "-o", str(out)) == 2
    assert out.read_text() == "mine"
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["explain", "regions at"])
def test_examples_are_chosen_by_id_and_not_by_row(command, network, capsys):
    """The test rows of digits have ids from 1437 on: 0 is a row of them, and no id."""
    line = [*command.split(), str(network), "--data", "digits#test", "--id"]
    assert run([*line, "1437"]) == 0
    assert run([*line, "0"]) == 2
    assert "digits#test has no example '0': ids go from 1437 to 1796" in capsys.readouterr().err


@pytest.mark.parametrize("classes", [3, 10])
def test_names_of_a_source_that_lacks_classes_are_not_those_of_the_outputs(network, tmp_path, classes):
    unnamed = shutil.copytree(network, tmp_path / "net")
    info = json.loads((unnamed / "network.json").read_text())
    (unnamed / "network.json").write_text(json.dumps(info | {"class_names": None}))
    names = [f"pet {number}" for number in range(classes)]
    for name in names:
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.new("L", (8, 8), 90).save(tmp_path / "pets" / name / "0.png")
    out = tmp_path / "why.npz"
    line = ["explain", str(unnamed), "--data", f"folder:{tmp_path / 'pets'}", "--id", "pet 0/0.png", "-m", "gradient"]
    assert run([*line, "-o", str(out)]) == 0
    assert hl.Explanation.load(out).class_names == (tuple(names) if classes == 10 else ())
