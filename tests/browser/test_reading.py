"""That everyone can read the pages, wide and narrow, light and dark."""

from pathlib import Path

import pytest
from PIL import Image
from tests.browser.opening import opened, see_all, until
from tests.browser.test_page import REAL

pytestmark = pytest.mark.browser

CONTRASTS = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
GRID = "getComputedStyle(document.querySelector('.plot .gridlayer path')).stroke"
INK = "getComputedStyle(document.querySelector('.plot text.xtitle')).fill"
PAPER = {"light": (255, 255, 255), "dark": (13, 17, 23)}
SERIOUS = """async () => (await axe.run({ resultTypes: ['violations'] })).violations
  .filter(one => ['serious', 'critical'].includes(one.impact))
  .map(one => one.id + ': ' + one.nodes[0].html.slice(0, 200))"""
# The sample is read in every way, pages of results in light and in dark, wide and narrow.
WAYS = [
    ("sample", "light", 1280),
    ("sample", "dark", 400),
    *(
        pytest.param(way, marks=pytest.mark.slow)
        for way in (
            ("sample", "light", 400),
            ("sample", "dark", 1280),
            *((name, *how) for name in REAL for how in (("light", 1280), ("dark", 400))),
        )
    ),
]


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: "-".join(map(str, way)))
def way(request):
    """Return a page's name, light or dark, and the width of the window; the tests of one share one visit."""
    return request.param


@pytest.fixture(scope="module")
def seen(request, browser, way):
    """Return a page that was scrolled through."""
    name, *how = way
    with opened(browser, request.getfixturevalue(f"{name}_page"), *how) as page:
        see_all(page)
        yield page


def test_nothing_overflows_sideways(seen, way):
    assert seen.evaluate("document.documentElement.scrollWidth") <= way[2]


def test_texts_stand_out_from_what_is_behind_them(seen):
    assert seen.evaluate(CONTRASTS) == {}


def test_axe_finds_nothing_serious(seen, axe):
    seen.evaluate(axe)
    assert seen.evaluate(SERIOUS) == []


@pytest.mark.slow
def test_a_picture_of_it_can_be_taken(seen, way, tmp_path):
    _, scheme, width = way
    seen.screenshot(path=tmp_path / "page.png", full_page=True)
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.width == width
        assert picture.height > 900
        assert picture.convert("RGB").getpixel((1, 1)) == PAPER[scheme]
        assert len(picture.resize((200, 2000)).convert("RGB").getcolors(400_000)) > 100


def test_charts_follow_when_light_turns_to_dark(visit, pages):
    page = visit(pages["sample"])
    see_all(page)
    light = page.evaluate(GRID)
    page.emulate_media(color_scheme="dark")
    until(page, f"{INK} === 'rgb(230, 237, 243)'")
    assert (light, page.evaluate(GRID)) == ("rgb(208, 215, 222)", "rgb(48, 54, 61)")
    assert page.evaluate(CONTRASTS) == {}
