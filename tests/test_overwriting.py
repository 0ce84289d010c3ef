"""One rule for writing over files: what is there stays, and is written over where overwrite=True says so."""

from dataclasses import dataclass

import numpy as np
import pytest

from hashlens.audit.duplicates import duplicates
from hashlens.audit.leaks import leaks
from hashlens.codes.codes import Codes
from hashlens.errors import OutputError
from hashlens.explanations.explanation import Explanation
from hashlens.files import atomic_write, check_writable, write_columns
from hashlens.index import Index
from hashlens.report.figures import Lines
from hashlens.report.page import write_page
from hashlens.report.plain_page import plain_page
from hashlens.report.plots import draw, save
from hashlens.result import Result
from hashlens.study.networks.variables import VARIABLES
from hashlens.study.results import Results


@dataclass(frozen=True)
class Nothing(Result):
    """A result of nothing."""


def codes(rows=60):
    return Codes.from_bits(np.random.default_rng(rows).integers(0, 2, (rows, 64)))


def written_with(path, **how):
    with atomic_write(path, **how) as beside:
        beside.write_text("new")
    return path


def explanation():
    return Explanation.from_dict({"of": "attribution", "method": "gradient", "model": "Net"})


def results():
    return Results(
        {name: np.zeros(0, np.str_ if name in VARIABLES.text else np.float64) for name in VARIABLES.columns}, "made"
    )


LINE = Lines("a line", "x", "y", ())
WRITERS = {
    "atomic_write": (written_with, "file"),
    "write_columns": (lambda path, **how: write_columns(path, {"a": [1]}, **how), "table.csv"),
    "write_page": (lambda path, **how: write_page(plain_page("a page", (), ()), path, **how), "page.html"),
    "save of a picture": (lambda path, **how: save(draw([LINE]), path, **how), "picture.svg"),
    "to_html": (Nothing().to_html, "page.html"),
    "Codes.save": (codes().save, "codes"),
    "Codes.export": (codes().export, "codes.parquet"),
    "Index.save": (Index(codes()).save, "index"),
    "Neighbours.to_csv": (Index(codes()).search(codes(3), 2).to_csv, "found.csv"),
    "WithinRadius.to_csv": (Index(codes()).range_search(codes(3), 30).to_csv, "near.csv"),
    "Leaks.to_csv": (leaks(codes(), codes(20), k=5).to_csv, "leaks.csv"),
    "Duplicates.to_csv": (duplicates(codes(), k=5).to_csv, "duplicates.csv"),
    "Explanation.save": (explanation().save, "why.npz"),
    "Results.export": (results().export, "results.csv"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_what_is_there_stays_unless_overwriting_is_asked_for(name, tmp_path):
    write, file = WRITERS[name]
    path = tmp_path / "folder" / file
    assert write(path) == path
    held = {at: at.read_bytes() for at in tmp_path.rglob("*") if at.is_file()}
    with pytest.raises(OutputError, match=r"exists already: choose another path, or give overwrite=True") as refused:
        write(path)
    assert "\n" not in str(refused.value)
    assert held == {at: at.read_bytes() for at in tmp_path.rglob("*") if at.is_file()}
    marked = path / "manifest.json" if path.is_dir() else path
    before = marked.stat().st_ino
    assert write(path, overwrite=True) == path
    assert marked.stat().st_ino != before
    assert [at.name for at in path.parent.iterdir()] == [file]


def test_a_check_before_the_work_has_the_same_rule(tmp_path):
    check_writable(tmp_path / "file")
    (tmp_path / "file").write_text("mine")
    check_writable(tmp_path / "file", overwrite=True)
    with pytest.raises(OutputError, match="exists already: choose another path, or give overwrite=True"):
        check_writable(tmp_path / "file")
