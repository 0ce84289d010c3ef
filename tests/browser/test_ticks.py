import csv
from pathlib import Path

import pytest
from tests.browser.sample import HOSTILE, PAIRS, ROWS, gallery, sample_page

from hashlens.report.page import SHOWN_ITEMS, write_page

pytestmark = pytest.mark.browser


def downloaded(page, button) -> list[list[str]]:
    with page.expect_download() as waited:
        button.click()
    text = Path(waited.value.path()).read_text(encoding="utf-8")
    return list(csv.reader(text.splitlines()))


def tick(page, row):
    page.locator(f"input[data-row='{row}']").check()


def test_what_is_ticked_is_exported_and_survives_a_reload(visit, pages):
    page = visit(pages["hostile"])
    assert not page.locator(".ticked").is_visible()
    tick(page, 2)
    tick(page, 5)
    assert page.locator(".ticked [role=status]").inner_text() == "2 ticked"
    page.reload()
    assert page.locator(".ticked [role=status]").inner_text() == "2 ticked"
    found = gallery(HOSTILE, list(range(2 * PAIRS)))
    wanted = [["list", *found.columns], *([found.title, *found.items[row].cells] for row in (2, 5))]
    assert downloaded(page, page.locator(".ticked .export")) == wanted
    page.locator(".ticked .clear").click()
    page.reload()
    assert page.locator(":checked").count() == 0


def test_ticks_stay_with_their_examples_when_a_page_is_written_anew(visit, tmp_path):
    path = write_page(sample_page("one"), tmp_path / "page.html")
    page = visit(path)
    tick(page, 2)
    write_page(sample_page("one"), path, overwrite=True)
    page.reload()
    assert page.locator(":checked").count() == 1
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('["2","one, 2"]', '["2","another"]'), encoding="utf-8")
    page.reload()
    assert page.locator(":checked").count() == 0


def test_show_all_shows_the_others_and_goes_there(visit, pages):
    page = visit(pages["sample"])
    visible = "() => [...document.querySelectorAll('.gallery li')].filter(one => one.checkVisibility()).length"
    assert page.evaluate(visible) == SHOWN_ITEMS < PAIRS
    page.get_by_role("button", name=f"Show all {PAIRS}").click()
    assert page.evaluate(visible) == PAIRS
    assert page.evaluate("document.activeElement.dataset.row") == str(SHOWN_ITEMS)


def test_a_long_table_is_exported_whole(visit, pages):
    page = visit(pages["sample"])
    rows = downloaded(page, page.locator("button.csv:visible"))
    assert rows[0][:3] == ["id", "label", "measure 0"]
    assert [row[0] for row in rows[1:]] == [str(at) for at in range(ROWS)]
