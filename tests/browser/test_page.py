import time

import pytest
from tests.browser.sample import HOSTILE, PAIRS, QUOTED

pytestmark = pytest.mark.browser

PAGES = ("sample", "measurement", "audit")
# What the keyboard must reach, in the order of the page; charts' own buttons come on top.
REACHED = (
    ".skip, nav a, .plot, .table[tabindex], canvas, select, input, summary, button:not(.modebar-btn), pre[tabindex]"
)
VISIBLE = "one => one.checkVisibility({ visibilityProperty: true })"
FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const seen = box.bottom > 0 && box.top < innerHeight;
  return [one === document.body ? null : one.dataset.at || '', `${style.outlineStyle} ${style.outlineWidth}`, seen];
}"""
WORDS = "() => document.body.innerText + [...document.querySelectorAll('svg text')].map(one => one.textContent)"


@pytest.mark.parametrize("name", PAGES)
def test_opens_from_disk_with_networking_off(visit, pages, seen_all, name):
    begun = time.perf_counter()
    page = visit(pages[name])
    page.locator("h1").wait_for()
    if page.locator(".plot").count():
        page.locator(".plot .main-svg").first.wait_for()
    assert time.perf_counter() - begun < 2
    seen_all(page)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_overflows_sideways(visit, pages, seen_all, name, width):
    page = visit(pages[name], width=width)
    seen_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", PAGES)
def test_the_keyboard_reaches_everything_in_order(visit, pages, seen_all, name):
    page = visit(pages[name])
    seen_all(page)
    wanted = page.evaluate(
        f"""() => [...document.querySelectorAll('{REACHED}')].filter({VISIBLE})
            .filter(one => !one.closest('details:not([open])') || one.matches('summary'))
            .map((one, at) => one.dataset.at = String(at))"""
    )
    got = []
    for _ in range(4 * len(wanted) + 200):
        page.keyboard.press("Tab")
        at, outline, inside = page.evaluate(FOCUSED)
        if at is None:
            break
        assert (outline, inside) == ("solid 3px", True), page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        got.append(at)
    assert [at for at in got if at] == wanted


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paper_shows_tables_in_ink_on_white(visit, pages, scheme, until):
    page = visit(pages["sample"], scheme)
    page.emulate_media(media="print")
    until(page, "document.querySelectorAll('.plot .main-svg').length >= document.querySelectorAll('.plot').length")
    hidden = f"() => [...document.querySelectorAll('tbody')].filter(one => !({VISIBLE})(one)).length"
    assert page.evaluate(hidden) == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("tbody").count() > 5
    assert not page.locator("nav").is_visible()
    until(page, "getComputedStyle(document.querySelector('.plot text.xtitle')).fill === 'rgb(27, 31, 36)'")
    assert page.pdf().startswith(b"%PDF")
    page.emulate_media(media="screen")
    until(page, "!document.querySelector('details[open]')")


@pytest.mark.parametrize(("name", "said"), [("hostile", HOSTILE), ("quoted", QUOTED)])
def test_strings_of_users_are_text(visit, pages, seen_all, name, said):
    page = visit(pages[name])
    seen_all(page)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    # A dialog or an error, of a policy broken too, fails the test when it ends.
    assert page.evaluate("document.querySelectorAll('img:not([src^=\"data:\"]), script[src]').length") == 0
    text = page.evaluate(WORDS)
    assert page.title() == f"A page of {said}"
    assert text.count(said) > 2 * PAIRS
    for place in ("h1", "figcaption", "thead th", "tbody td", ".caption", "nav a", "pre", "li"):
        assert any(said in one for one in page.locator(place).all_inner_texts()), place
    assert said in page.evaluate("[...document.querySelectorAll('svg .legendtext')].map(t => t.textContent).join()")


def test_a_tall_page_has_a_way_back(visit, pages, until):
    page = visit(pages["sample"], width=400)
    assert not page.locator(".up").is_visible()
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.locator(".up").click()
    until(page, "window.scrollY === 0 && document.querySelector('.up').hidden")
