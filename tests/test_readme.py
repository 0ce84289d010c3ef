"""What the README and the documentation print is what there is: the example, and every command line."""

import json
import re
import shlex
from pathlib import Path

import pytest
import torch
import typer
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC
from torch import nn
from torch.utils.data import TensorDataset

import hashlens as hl
from hashlens.cli.app import app
from hashlens.study.reproduce.preset import find_preset

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")))
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<content>.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<target>[^)#:]+)(#[^)]*)?\)")


def blocks(page: str, language: str) -> list[str]:
    return [found["content"] for found in BLOCK.finditer((ROOT / page).read_text()) if found["language"] == language]


def command_lines() -> list[str]:
    lines = [line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    return sorted({line for line in lines if line.startswith("hashlens ")})


def test_the_first_example_is_the_one_that_runs():
    assert blocks("README.md", "python")[0] == (ROOT / "examples/readme.py").read_text()


@pytest.mark.slow
def test_every_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hl, "reproduce", find_preset)  # minutes; tests of its own run it
    axes = {"width": [4, 16], "epochs": [1, 2]}
    spec = {"data": {"train": "digits[:200]", "test": "digits[200:300]"}, "axes": axes, "repeats": 2}
    Path("study.yaml").write_text(json.dumps({"name": "small", **spec}))
    train, test = (hl.load_data(f"digits#{split}").load() for split in ("train[:600]", "test[:240]"))
    (x_train, y_train), (x_test, y_test) = (
        (torch.as_tensor(part.inputs).float().reshape(-1, 1, 8, 8) / 16, torch.as_tensor(part.labels))
        for part in (train, test)
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        my_model = nn.Sequential()
        my_model.features = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU())
        my_model.head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 10))
    names = {
        "hl": hl,
        "my_model": my_model,
        "my_dataset": TensorDataset(x_test, y_test),
        "images": x_test,
        "labels": y_test.numpy(),
        "x_train": x_train,
        "y_train": y_train,
        "x_test": x_test,
        "y_test": y_test,
        "x": x_test[:2],
        "a": x_test[:1],
        "b": x_test[1:2],
        "three_images": x_test[:3],
        "train_codes": hl.encode(my_model, (x_train, y_train)),
        "test_codes": hl.encode(my_model, (x_test, y_test)),
        "rows": x_test.flatten(1).numpy(),
        "reasons": [None, "round", "straight"] * 80,
        "RandomForestClassifier": RandomForestClassifier,
        "SVC": SVC,
    }
    for number, block in enumerate(blocks("README.md", "python")):
        exec(compile(block, f"README.md, example {number + 1}", "exec"), names)


def test_the_readme_shows_every_command():
    shown = {
        shlex.split(line)[1] for block in blocks("README.md", "sh") for line in block.splitlines() if "hash" in line
    }
    assert shown >= set(typer.main.get_command(app).commands)


@pytest.mark.slow
@pytest.mark.parametrize("line", command_lines())
def test_command_lines_parse(line: str):
    name, *arguments = shlex.split(line)[1:]
    command = typer.main.get_command(app).commands[name]
    command.make_context(name, arguments)  # raises on an option that is not there, and on a value of another kind


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page: str):
    targets = {found["target"] for found in LINK.finditer((ROOT / page).read_text())}
    assert [target for target in sorted(targets) if not (ROOT / target).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_no_page_has_the_name_of_one_that_sphinx_writes(page: str):
    assert Path(page).with_suffix("").relative_to("docs" if page.startswith("docs") else ".").as_posix() not in {
        "search", "genindex", "modindex", "py-modindex"
    }  # fmt: skip
