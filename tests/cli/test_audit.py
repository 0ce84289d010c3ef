"""``hashlens audit``, from a network on disk to a page and tables."""

import json

import pytest

import hashlens as hl
from hashlens.cli.app import run


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audited") / "cnn"
    hl.train("cnn", "digits#train", recipe="figures", epochs=3, width=8, out=folder)
    return str(folder)


@pytest.mark.slow
def test_page_tables_and_numbers(network, tmp_path, capsys):
    page, tables, numbers = tmp_path / "audit.html", tmp_path / "tables", tmp_path / "audit.json"
    line = ["audit", network, "--train", "digits#train", "--test", "digits#test"]
    assert run([*line, "--html", str(page), "--csv", str(tables), "--json", str(numbers)]) == 0
    printed = capsys.readouterr().out
    told = json.loads(numbers.read_text())
    assert f"Reported accuracy {told['accuracy']['steps'][0]['accuracy']:.2%}" in printed
    assert "audited" in page.read_text()
    assert {file.name for file in tables.iterdir()} >= {"label-issues-test.csv", "novel.csv", "blind-spots.csv"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "test", "says"),
    [
        ("digits#train", "digits#train", "same examples"),
        ("digits#test", "digits#train", "swapped"),
        ("digits#train", "digits#tset", "tset"),
    ],
)
def test_mistakes_are_one_line(network, data, test, says, capsys):
    assert run(["audit", network, "--train", data, "--test", test]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.strip().splitlines()) == 1


def test_nothing_is_overwritten_without_force(network, tmp_path, capsys):
    page = tmp_path / "audit.html"
    page.write_text("mine")
    assert run(["audit", network, "--train", "digits#train", "--test", "digits#test", "--html", str(page)]) == 2
    assert page.read_text() == "mine"


def test_exact_copies_are_suspected_or_kept_as_wished(network, tmp_path):
    numbers = tmp_path / "audit.json"
    line = ["audit", network, "--train", "digits#train", "--test", "digits#test", "--json", str(numbers)]
    assert run([*line, "--keep-copies"]) == 0
    told = json.loads(numbers.read_text())
    assert told["leaks"]["copies"]["suspected"] is False
    assert "--keep-copies" in told["command"]


@pytest.mark.slow
def test_views_are_searched_where_they_are_asked_for(network, tmp_path, capsys):
    numbers = tmp_path / "audit.json"
    line = ["audit", network, "--train", "digits#train", "--test", "digits#test", "--json", str(numbers)]
    assert run([*line, "--views", "darker, mirrored"]) == 0
    told = json.loads(numbers.read_text())
    assert told["leaks"]["views"].startswith("test images were also encoded darker, mirrored: 3,594 images more in")
    assert "--views 'darker, mirrored'" in told["command"]
    assert "test images were also encoded darker, mirrored" in " ".join(capsys.readouterr().out.split())
    assert run([*line, "--force", "--views", "upside-down"]) == 2
    assert "no view 'upside-down'" in capsys.readouterr().err
