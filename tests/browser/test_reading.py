"""That everyone can read the pages: contrast, and what axe-core finds."""

from pathlib import Path

import pytest
from tests.browser.test_page import PAGES

pytestmark = pytest.mark.browser

CONTRASTS = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(visit, pages, seen_all, name, scheme):
    page = visit(pages[name], scheme)
    seen_all(page)
    assert page.evaluate(CONTRASTS) == {}


def test_charts_follow_when_light_turns_to_dark(visit, pages, seen_all, until):
    page = visit(pages["sample"])
    seen_all(page)
    page.emulate_media(color_scheme="dark")
    until(page, "getComputedStyle(document.querySelector('.plot text.xtitle')).fill === 'rgb(230, 237, 243)'")
    assert page.evaluate(CONTRASTS) == {}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_axe_finds_nothing_serious(visit, pages, seen_all, axe, name, scheme, width):
    page = visit(pages[name], scheme, width)
    seen_all(page)
    page.evaluate(axe)
    found = page.evaluate("axe.run()")["violations"]
    told = [f"{one['impact']}: {one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]
    assert [line for line in told if line.startswith(("serious", "critical"))] == []
