"""``hashlens reproduce``: what it lists, what it refuses, and a whole reproduction of the smallest kind."""

import io
import json
import re
from importlib import import_module

import pytest

from hashlens.cli.app import run
from hashlens.study.reproduce.preset import find_preset, preset_names


def test_the_list_names_every_preset(capsys):
    assert run(["reproduce", "--list"]) == 0
    printed = capsys.readouterr().out
    rows = {row[0]: row[1:] for line in printed.splitlines() if len(row := re.split(r"\s{2,}", line.strip())) > 2}
    assert all(len(rows[name]) == 5 for name in preset_names())
    assert rows["mnist-width"] == ["width, random inputs", "60", "7 min", "230", "1 h"]
    assert rows["mnist-noise"] == ["width, label noise", "42", "–", "210", "–"]
    assert "mnist-..., cifar10-... and encoders need --data DIR" in " ".join(printed.split())


MISTAKES = {
    "no name": (["reproduce"], "say what to reproduce"),
    "unknown name": (["reproduce", "mnist-widht"], "did you mean 'mnist-width'?"),
    "unknown preset": (["reproduce", "digits-width", "--preset", "long"], "one of quick, paper, received 'long'"),
    "no data": (["reproduce", "cifar10-time"], "cifar10-time needs --data DIR, a folder with the Parquet files"),
    "no such folder": (["reproduce", "mnist-time", "--data", "/nowhere/mnist"], "parquet:DIR#test"),
    "empty folder": (["reproduce", "mnist-time", "--data", "EMPTY"], "there are none"),
    "other images": (["reproduce", "mnist-time", "--data", "OTHER"], "is not MNIST: expected 48,000 train examples"),
    "data not taken": (["reproduce", "digits-width", "--data", "EMPTY"], "digits-width takes no data"),
    "no cuda": (["reproduce", "digits-width", "--device", "cuda:9"], "CUDA"),
    "foreign folder": (["reproduce", "digits-width", "--out", "OTHER"], "but no reproduction"),
}


@pytest.fixture
def places(tmp_path):
    """An empty folder, and one of two images that are not MNIST."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    empty, other = tmp_path / "empty", tmp_path / "other"
    empty.mkdir()
    other.mkdir()
    written = io.BytesIO()
    Image.new("L", (28, 28)).save(written, "png")
    rows = {"image": [{"bytes": written.getvalue(), "path": None}] * 2, "label": [0, 1]}
    for split in ("train", "test"):
        pq.write_table(pa.table(rows), other / f"{split}-00000-of-00001.parquet")
    return {"EMPTY": str(empty), "OTHER": str(other)}


@pytest.mark.slow
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(name, places, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments, message = MISTAKES[name]
    assert run([places.get(argument, argument) for argument in arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert message in lines[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "other"]


@pytest.mark.slow
def test_a_reproduction_from_end_to_end(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = {"training": {"epochs": 2}, "axes": {"width": [4, 16], "samples": [60, 300], "epochs": [0, 2]}}
    preset = find_preset("digits-phase")
    where = {"width-epochs": {"samples": 300}, "width-samples": {"epochs": 2}}
    pictures = {
        name: tuple(panel.model_copy(update={"where": where[name]}) for panel in preset.pictures[name])
        for name in where
    }
    shrunk = preset.model_copy(update={"quick": small, "pictures": pictures})
    monkeypatch.setattr(import_module("hashlens.study.reproduce.reproduce"), "find_preset", lambda name: shrunk)
    assert run(["reproduce", "digits-phase", "--json", "found.json"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("Phase chart: ") == 2
    assert "The paper has no such figures: the tables show only our results." in printed
    out = tmp_path / "hashlens-reproduce/digits-phase-quick"
    for file in ("width-epochs.png", "width-samples.svg", "table.md", "results.parquet", "report.html"):
        assert (out / file).stat().st_size > 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["name"] == "digits-phase"
    assert found["provenance"]["networks"] == 4
    assert found["comparisons"] == []


def test_a_list_has_no_json(capsys):
    assert run(["reproduce", "--list", "--json", "-"]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert "--list prints a table, which has no JSON" in printed.err
