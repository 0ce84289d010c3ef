"""The page of an audit: what is said of what, what can be ticked, and that names are shown as text."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

import hashlens as hl
from hashlens.audit.audit import Audit, audit
from hashlens.audit.galleries import LISTED, LISTED_UNFLAGGED
from hashlens.audit.page import audit_page
from hashlens.report.page import Gallery, page_html
from hashlens.result import Split
from hashlens.tables import Table

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def found() -> Audit:
    """An audit of a network that is none too good, so that there is something on every list."""
    network = hl.train("cnn", "digits#train", recipe="figures", epochs=2, width=8, seed=1).network
    return audit(network, "digits#train", "digits#test")


def galleries(found: Audit) -> dict[str, Gallery]:
    page = audit_page(found)
    blocks = [block for section in page.sections for block in section.blocks]
    return {block.name: block for block in blocks if isinstance(block, Gallery)}


def told(text: str) -> list[dict]:
    """Return what a page's script reads of its parts."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])["parts"]


def test_the_verdict_is_the_accuracy_and_comes_first(found):
    page = audit_page(found)
    assert page.verdict == str(found.accuracy)
    assert [section.title for section in page.sections] == [
        "Accuracy", "Leaks", "Labels of test", "Labels of train", "Blind spots", "Novel examples", "Provenance",
    ]  # fmt: skip
    assert page.command == "hashlens.audit(model, 'digits#train', 'digits#test')"


def test_each_list_is_a_gallery_named_like_its_file(found):
    assert set(galleries(found)) == set(found.parts)


def test_a_list_calls_its_columns_as_the_file_does(found):
    for name, gallery in galleries(found).items():
        known = set(found.parts[name].columns) | ({"label"} if name == "novel" else set())
        assert set(gallery.columns) <= known, name
        assert {len(item.cells) for item in gallery.items} <= {len(gallery.columns)}


def test_a_page_and_a_terminal_show_the_same_table_of_labels(found):
    page = [block for section in audit_page(found).sections for block in section.blocks if isinstance(block, Table)]
    shown, terminal = next(at for at in page if at.title == "Most likely wrong"), found.label_issues.test.__rich__()
    assert [row[:7] for row in terminal.rows] == list(shown.rows[: len(terminal.rows)])
    assert terminal.columns[:7] == shown.columns


def test_what_is_ticked_can_be_found_again(found):
    text = page_html(audit_page(found))
    lists = {part["gallery"]: part for part in told(text) if "gallery" in part}
    novel = lists["novel"]
    rows = [int(row[novel["columns"].index("row")]) for row in novel["rows"]]
    assert rows == found.novel.rows[: len(rows)].tolist()
    ids = [row[lists["leaks"]["columns"].index("train_id")] for row in lists["leaks"]["rows"]]
    assert ids == [str(identity) for identity in found.leaks.train_ids[: len(ids)]]
    assert text.count('type="checkbox"') == sum(len(part["rows"]) for part in lists.values())


def test_a_leak_shows_both_images_and_the_others_one(found):
    shown = galleries(found)
    assert {len(item.images) for item in shown["leaks"].items} == {2}
    assert {len(item.images) for item in shown["novel"].items} == {1}
    assert "→" in shown["blind-spots"].items[0].caption


def test_a_gallery_says_when_it_is_cut(found):
    everything = replace(found, novel=replace(found.novel, threshold=-1.0))
    gallery = galleries(everything)["novel"]
    assert len(gallery.items) == LISTED
    assert f"The first {LISTED} of {len(found.novel):,} that are novel" in gallery.note
    assert "novel.csv" in gallery.note


def test_where_nothing_is_flagged_the_first_are_shown_and_called_so(found):
    none = replace(found, novel=replace(found.novel, threshold=float("inf")))
    gallery = galleries(none)["novel"]
    assert len(gallery.items) == LISTED_UNFLAGGED
    assert gallery.note.startswith("None is novel")
    assert page_html(audit_page(none))


def test_no_leaks_looked_for_is_said(found):
    page = audit_page(replace(found, leaks=None, notes=("leaks were not searched: too few bits",)))
    assert "could not be searched" in page.reason
    assert "too few bits" in page_html(page)


def test_no_mistakes_are_no_failure(found):
    spots = found.blind_spots
    empty = {name: getattr(spots, name)[:0] for name in ("ids", "rows", "labels", "predicted", "agreement")}
    text = page_html(audit_page(replace(found, blind_spots=replace(spots, **empty))))
    assert "0 of 0 mistakes" in text


def test_examples_that_are_no_images_get_captions(found):
    parts = (found.data.train, found.data.test)
    features = [hl.load_data((np.zeros((len(part), 5), np.float32), part.labels)) for part in parts]
    bare = replace(found, data=Split(*features))
    page = audit_page(bare)
    assert page.sprite.images == []
    assert 'class="thumb"' not in page_html(page)
    assert f"test {found.novel.ids[0]}" in page_html(page)


def test_names_are_shown_as_text(found):
    origin = replace(found.provenance.train, data=f"folder:{EVIL}")
    origins = Split(origin, origin)
    evil = replace(
        found, model=EVIL, class_names=(EVIL,) * 10, provenance=origins, command=EVIL, notes=(EVIL,)
    )  # fmt: skip
    text = page_html(audit_page(evil))
    assert EVIL not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    # Plotly reads a little HTML in its labels: they must not be tags there either.
    bars = next(part["chart"] for part in told(text) if part.get("chart") and part["chart"]["data"][0]["type"] == "bar")
    assert "<script" not in json.dumps(bars)


def test_as_many_labels_are_listed_as_are_expected_to_be_wrong(found):
    issues = replace(found.label_issues.test, expected=40.4)
    changed = replace(found, label_issues=Split(found.label_issues.train, issues))
    assert len(galleries(changed)["label-issues-test"].items) == max(issues.likely, 40)
