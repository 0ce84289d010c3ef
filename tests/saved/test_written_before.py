"""What earlier versions wrote: it opens, has a page, and shows what it showed when it was written."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import hashlens as hl
from hashlens.codes import Codes
from hashlens.index import Index
from hashlens.nets import load_model
from hashlens.report.page import page_html
from hashlens.saved import load_result, report_page
from hashlens.study.study import Study

WRITTEN = Path(__file__).parent / "written"
VERSIONS = sorted(folder.name for folder in WRITTEN.iterdir())
FOLDERS = ("codes", "index", "index-ivf", "index-hnsw", "network", "audit", "explanation.npz", "study.db")
INDEX_OPTIONS = {
    "ivf": {"nlist": 6, "nprobe": 1, "seed": 3},
    "hnsw": {"M": 4, "efConstruction": 80, "efSearch": 64, "seed": 3},
}
"""Their manifests name these lists, effort, links and build_effort."""
SHOWN = "shown.json"
"""What every page says, written when the files were: its headings, and the first table cells."""


class Words(HTMLParser):
    """Collects the headings and the table cells of a page."""

    def __init__(self):
        super().__init__()
        self.headings, self.cells, self.inside = [], [], ""

    def handle_starttag(self, tag, attributes):
        self.inside = tag if tag in ("h1", "h2", "h3", "figcaption", "td", "th") else self.inside

    def handle_endtag(self, tag):
        self.inside = "" if tag == self.inside else self.inside

    def handle_data(self, data):
        if self.inside in ("h1", "h2", "h3", "figcaption"):
            self.headings.append(" ".join(data.split()))
        elif self.inside:
            self.cells.append(" ".join(data.split()))


def shown(path):
    words = Words()
    words.feed(page_html(report_page(path, images=False)))
    cells = [cell for cell in words.cells if not re.search(r"\d+\.\d+\.\d+|/", cell)]  # versions and places move
    return {"headings": words.headings, "cells": cells[:60]}


def things(version):
    folder = WRITTEN / version
    files = sorted(file.name for file in folder.glob("*.json") if file.name != SHOWN)
    return [folder / name for name in (*FOLDERS, *files)]


EVERY = [pytest.param(path, id=f"{version}-{path.name}") for version in VERSIONS for path in things(version)]


@pytest.mark.slow
@pytest.mark.parametrize("path", EVERY)
def test_it_has_the_page_that_it_had(path):
    before = json.loads((path.parent / SHOWN).read_text(encoding="utf-8"))[path.name]
    found = shown(path)
    assert set(before["headings"]) <= set(found["headings"])
    assert found["cells"] == before["cells"]


@pytest.mark.slow
@pytest.mark.parametrize("path", [case for case in EVERY if case.values[0].suffix == ".json"])
def test_results_are_drawn(path):
    assert load_result(path).plot().get_figwidth() > 0.5


@pytest.mark.parametrize("version", VERSIONS)
def test_what_they_are_of_can_be_used(version):
    folder = WRITTEN / version
    codes, queries = Codes.load(folder / "codes"), Codes.load(folder / "queries")
    found = Index.load(folder / "index").search(queries, 3)
    assert found.ids.tolist() == load_result(folder / "neighbours.json").ids.tolist()
    for kind, options in INDEX_OPTIONS.items():
        index = Index.load(folder / f"index-{kind}")
        assert (index.kind, index.options) == (kind, options)
        assert (index.search(queries, 3).distances >= found.distances).all()
    again = hl.encode(load_model(str(folder / "network")), "digits#train[:90]")
    assert (again.packed == codes.packed).all()
    assert load_model(str(folder / "network/checkpoints/epoch-0001")) is not None
    assert len(hl.Audit.load(folder / "audit").label_issues.test) == 40
    assert len(hl.Explanation.load(folder / "explanation.npz")) == 2
    assert len(Study.load(folder / "study.yaml").results) > 20
