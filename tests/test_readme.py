"""What the README and the documentation print is what there is: the example, and every command line."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from hashlens.cli.app import app

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


def test_the_readme_shows_every_command():
    shown = {
        shlex.split(line)[1] for block in blocks("README.md", "sh") for line in block.splitlines() if "hash" in line
    }
    assert shown >= set(typer.main.get_command(app).commands)


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
