"""``hashlens regions`` from end to end: what it prints and writes is what the library computes."""

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import hashlens as hl
from hashlens import regions
from hashlens.cli.app import run
from hashlens.regions.tables import Piece, PieceTable

NETWORKS = """
import torch
from itertools import pairwise
from torch import nn

def stack(*sizes):
    torch.manual_seed(0)
    layers = [part for pair in pairwise(sizes) for part in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers[:-1])

def two():
    return stack(2, 16, 16, 1).double()

def soft():
    return nn.Sequential(nn.Linear(2, 3), nn.GELU(), nn.Linear(3, 1))

def blind():
    '''A convolution without bias, whose units are zero wherever the image is black.'''
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
"""


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    out = tmp_path_factory.mktemp("train") / "net"
    arguments = ["train", "mlp", "--data", "digits#train", "--width", "16", "--depth", "2", "--epochs", "5"]
    assert run([*arguments, "--out", str(out), "--seed", "1"]) == 0
    return out


@pytest.fixture(scope="module")
def places(tmp_path_factory, digits):
    folder = tmp_path_factory.mktemp("networks")
    (folder / "nets.py").write_text(NETWORKS)
    line = np.stack([np.full(4, at, np.float32) for at in (0.0, 1.0, 2.0, 4.0)])
    np.savez(folder / "line.npz", x=line, y=np.array([0, 1, 0, 1]))
    np.savez(folder / "points.npz", x=np.array([[0.5, 0.5], [-0.5, 0.2]]), y=np.array([0, 1]))
    np.savez(folder / "bytes.npz", x=np.zeros((3, 4), np.int64), y=np.zeros(3, np.int64))
    named = {name: f"{folder}/nets.py:{name}" for name in ("two", "soft", "blind")}
    data = {name.upper(): f"npz:{folder}/{name}.npz" for name in ("line", "points", "bytes")}
    return {"NET": str(digits), "FOLDER": str(folder), **named, **data}


def rows(*wanted):
    examples = hl.load_data("digits").load()
    return examples.tensor(list(wanted))


# --- at ---------------------------------------------------------------------------------------------------------------


def test_radii_are_those_of_the_library(digits, tmp_path, capsys):
    target, picture = tmp_path / "at.json", tmp_path / "radii.png"
    arguments = ["regions", "at", str(digits), "--data", "digits", "--id", "17", "--id", "3", "--norm", "inf"]
    assert run([*arguments, "--json", str(target), "-o", str(picture)]) == 0
    found = json.loads(target.read_text())
    region = regions.at(hl.load_model(digits), rows(17, 3))
    radius = region.radius(math.inf)
    assert found["norm"] == "inf"
    assert [one["id"] for one in found["examples"]] == ["17", "3"]
    for row, one in enumerate(found["examples"]):
        assert one["radius"] == pytest.approx(radius.distance[row], rel=1e-9)
        assert one["radius_255"] == pytest.approx(255 * radius.distance[row])
        assert one["unit"] == str(radius.units[row])
        assert one["output"] == pytest.approx(region.output[row].tolist(), rel=1e-9)
        assert one["predicted"] == int(region.output[row].argmax())
    printed = capsys.readouterr().out
    assert f"{radius.distance[0]:.4g}" in printed
    assert str(radius.units[0]) in printed
    assert "boundaries of" not in printed
    with Image.open(picture) as image:
        image.verify()


def test_all_examples_are_measured_where_none_is_chosen(digits, tmp_path, capsys):
    target = tmp_path / "at.json"
    assert run(["regions", "at", str(digits), "--data", "digits#test[:100]", "--json", str(target)]) == 0
    found = json.loads(target.read_text())["examples"]
    assert len(found) == 100
    every = regions.at(hl.load_model(digits), hl.load_data("digits#test[:100]").load().tensor())
    assert [one["radius"] for one in found] == pytest.approx(every.radius().distance.tolist(), rel=1e-9)
    printed = " ".join(capsys.readouterr().out.split())
    assert "The first 20 of 100 examples." in printed
    assert f"median {np.median(every.radius().distance):.4g}" in printed


def test_examples_on_a_boundary_are_said_aloud(places, tmp_path, capsys):
    target = tmp_path / "at.json"
    assert run(["regions", "at", places["blind"], "--data", "digits[:40]", "--json", str(target)]) == 0
    ties = regions.at(hl.load_model(places["blind"]), rows(*range(40))).on_boundary
    assert 0 < (ties > 0).sum() < 40
    printed = " ".join(capsys.readouterr().out.split())
    assert f"{(ties > 0).sum()} of 40 lie exactly on a boundary, where the radius is 0." in printed
    found = json.loads(target.read_text())["examples"]
    assert [one["on_boundaries"] for one in found] == ties.tolist()
    assert [str(one["radius"]) == "0.0" for one in found] == (ties > 0).tolist()


# --- along ------------------------------------------------------------------------------------------------------------


def test_pieces_are_those_of_the_library(digits, tmp_path, capsys):
    target, picture = tmp_path / "along.json", tmp_path / "along.svg"
    arguments = ["regions", "along", str(digits), "--data", "digits", "--from", "3", "--to", "8"]
    assert run([*arguments, "--json", str(target), "-o", str(picture)]) == 0
    x = rows(3, 8)
    pieces = regions.along(hl.load_model(digits), x[:1], x[1:])
    found = json.loads(target.read_text())
    assert [one["start"] for one in found["pieces"]] == pieces.start.tolist()
    assert [one["unit"] for one in found["pieces"]] == [None, *map(str, pieces.units)]
    assert found["length"] == pytest.approx(float((x[1] - x[0]).double().norm()))
    middle = hl.load_model(digits).double()(pieces.middles())
    assert [one["predicted"] for one in found["pieces"]] == middle.argmax(dim=1).tolist()
    assert f"{len(pieces):,} linear pieces from 3 (id 3) to 8 (id 8)" in capsys.readouterr().out
    assert picture.read_text().startswith("<?xml")
    (shown,), (whole,) = hl.load_result(target).figures(), pieces.figures()
    assert [line.y for line in shown.series] == [pytest.approx(line.y) for line in whole.series]
    assert (shown.title, shown.ends) == (whole.title, whole.ends)
    assert shown.x_label == "from 3 (id 3) at 0 to 8 (id 8) at 1"
    assert all(before != behind for before, behind in pairwise(shown.colours))


def test_pieces_are_of_classes_by_their_names(tmp_path):
    piece = Piece(0.0, 1.0, 2.0, None, 1, (0.0, 0.5), (0.0, 1.0))
    found = PieceTable("made", "a", "b", 2.0, (piece,), ("cat", "dog"))
    assert str(found).split()[:4] == ["1", "linear", "piece", "from"]
    assert "dog" in str(found)
    assert [(line.name, line.y) for line in found.figures()[0].series] == [("cat", (0.0, 0.0)), ("dog", (0.5, 1.5))]


# --- plane ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("colour", ["gradient", "class", "code"])
@pytest.mark.parametrize("suffix", [".png", ".PNG", ".svg", ".pdf", ".html"])
def test_a_plane_is_drawn_in_every_way(digits, tmp_path, suffix, colour):
    picture = tmp_path / f"plane{suffix}"
    arguments = ["regions", "plane", str(digits), "--data", "digits", "--through", "3", "8", "15"]
    assert run([*arguments, "--colour", colour, "--out", str(picture)]) == 0
    beginning = {".png": b"\x89PNG", ".PNG": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF", ".html": b"<!doctype html>"}
    assert picture.read_bytes().startswith(beginning[suffix])
    assert [path.name for path in tmp_path.iterdir()] == [picture.name]


def test_counts_are_those_of_the_library(digits, tmp_path, capsys):
    target = tmp_path / "plane.json"
    arguments = ["regions", "plane", str(digits), "--data", "digits", "--through", "3", "8", "15"]
    assert run([*arguments, "--sampled", "40", "--json", str(target)]) == 0
    flat = regions.plane(hl.load_model(digits), through=rows(3, 8, 15))
    sampled = flat.sampled_count(40)
    found = json.loads(target.read_text())
    assert (found["count"], found["sampled"], found["per_side"]) == (flat.count, sampled, 40)
    assert found["box"] == list(flat.box)
    assert len(found["regions"]) == flat.count == len({one["code"] for one in found["regions"]})
    assert [one["area"] for one in found["regions"]] == flat.areas.tolist()
    assert [one["predicted"] for one in found["regions"]] == flat.classes.tolist()
    assert found["regions"][5]["corners"] == flat.polygon(5).tolist()
    assert found["boundary_length"] == regions.decision_boundary(flat).length
    printed = " ".join(capsys.readouterr().out.split())
    assert f"regions {flat.count:,} edges" in printed
    assert f"finds {sampled:,} regions and misses {flat.count - sampled:,}." in printed


def test_a_network_of_two_inputs_needs_no_data(places, tmp_path, capsys):
    target = tmp_path / "plane.json"
    assert run(["regions", "plane", places["two"], "--json", str(target)]) == 0
    assert json.loads(target.read_text())["count"] == 127
    assert " 127 " in capsys.readouterr().out
    arguments = ["regions", "plane", places["two"], "--data", places["POINTS"], "--box", "-2", "2", "-1", "1"]
    assert run([*arguments, "--json", str(target), "--force", "--out", str(tmp_path / "plane.png")]) == 0
    assert json.loads(target.read_text())["box"] == [-2, 2, -1, 1]


def test_the_principal_plane_is_that_of_the_first_examples(digits, tmp_path):
    target = tmp_path / "plane.json"
    arguments = ["regions", "plane", str(digits), "--data", "digits", "--pca", "50", "--json", str(target)]
    assert run([*arguments, "--out", str(tmp_path / "plane.svg")]) == 0
    assert json.loads(target.read_text())["count"] == regions.plane(hl.load_model(digits), pca=rows(*range(50))).count


def test_examples_are_fed_as_encode_feeds_them(digits, tmp_path):
    target = tmp_path / "at.json"
    assert run(["regions", "at", str(digits), "--data", "digits[:40]", "--json", str(target)]) == 0
    outputs = torch.tensor([one["output"] for one in json.loads(target.read_text())["examples"]])
    batch = next(hl.load_data("digits[:40]").batches(40))
    assert batch.inputs.dtype == torch.float32
    with torch.no_grad():
        assert torch.allclose(hl.load_model(digits).double()(batch.inputs.double()), outputs.double(), atol=1e-12)


# --- mistakes ---------------------------------------------------------------------------------------------------------

AT = ["regions", "at", "NET", "--data", "digits#test"]
PLANE = ["regions", "plane", "NET", "--data"]
MISTAKES = {
    "id": ([*AT, "--id", "5000"], "digits#test has no example '5000': ids go from 1437 to 1796"),
    "no number": ([*AT, "--id", "first"], "has no example 'first'"),
    "norm": ([*AT, "--norm", "1"], "--norm is 2 or inf, received '1'"),
    "no data": (["regions", "at", "NET"], "--data"),
    "integers": (["regions", "at", "NET", "--data", "BYTES"], "received int64"),
    "same ends": (["regions", "along", "NET", "--data", "digits", "--from", "3", "--to", "3"], "same"),
    "no end": (["regions", "along", "NET", "--data", "digits", "--from", "3"], "--to"),
    "along as html": (
        ["regions", "along", "NET", "--data", "digits", "--from", "3", "--to", "8", "-o", "a.html"],
        "pictures are written as .png, .svg, .pdf",
    ),
    "one line": ([*PLANE, "LINE", "--through", "0", "1", "2"], "lie on one line"),
    "two examples": ([*PLANE, "digits", "--through", "0", "1"], "--through"),
    "through and pca": ([*PLANE, "digits", "--through", "0", "1", "2", "--pca", "9"], "not both"),
    "too many for pca": ([*PLANE, "digits[:9]", "--pca", "10"], "has only 9 examples"),
    "pca of two": ([*PLANE, "digits", "--pca", "2"], "--pca"),
    "no plane": ([*PLANE, "digits"], "choose one with --through or --pca"),
    "nowhere": (["regions", "plane", "NET"], "does not take two numbers"),
    "through without data": (["regions", "plane", "NET", "--through", "0", "1", "2"], "give their source with --data"),
    "colour": ([*PLANE, "digits", "--pca", "9", "--colour", "clas"], "did you mean 'class'?"),
    "picture": ([*PLANE, "digits", "--pca", "9", "--out", "plane.gif"], ".png, .svg, .pdf, .html"),
    "existing picture": ([*PLANE, "digits", "--pca", "9", "--out", "FOLDER/there.png"], "exists already"),
    "box": (["regions", "plane", "two", "--box", "1", "-1", "0", "1"], "left < right"),
    "short box": (["regions", "plane", "two", "--box", "1", "-1", "0"], "--box"),
    "too many regions": (["regions", "plane", "two", "--max-regions", "50"], "more than 50 regions"),
    "soft": (["regions", "plane", "soft"], "'gelu' is a soft gate"),
    "grid": (["regions", "plane", "two", "--sampled", "1"], "--sampled"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(name, places, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path(places["FOLDER"], "there.png").touch()
    arguments, message = MISTAKES[name]
    filled = [
        f"{places['FOLDER']}/there.png" if one == "FOLDER/there.png" else places.get(one, one) for one in arguments
    ]
    assert run(filled) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert message in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_help_names_the_commands(capsys):
    assert run(["regions", "--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f" {command} " in printed for command in ("at", "along", "plane"))
