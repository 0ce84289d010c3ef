import pytest
from tests.browser.opening import opening_seconds, see_all, until
from tests.browser.sample import HOSTILE, PAIRS, QUOTED

pytestmark = pytest.mark.browser

# A sample has one of every part; what real results add is their size and their words.
REAL = ("demo", "audit", "study", "reproduction")
LONG = [pytest.param(name, marks=pytest.mark.slow) for name in REAL]
MNIST = [pytest.param(name, marks=[pytest.mark.shared, pytest.mark.slow]) for name in ("mnist", "mnist_study")]
# What the keyboard must reach, in the order of the page; charts' own buttons come on top.
REACHED = ".skip, nav a, .plot, .table[tabindex], canvas, select, input, summary, button:not(.modebar-btn)"
VISIBLE = "one => one.checkVisibility({ visibilityProperty: true })"
FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const seen = box.bottom > 0 && box.top < innerHeight;
  return [one === document.body ? null : one.dataset.at || '', `${style.outlineStyle} ${style.outlineWidth}`, seen];
}"""
WORDS = "() => document.body.innerText + [...document.querySelectorAll('svg text')].map(one => one.textContent)"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sample", *LONG, *MNIST])
def test_opens_from_disk_with_networking_off(browser, pages, name):
    path = pages[name]
    assert path.stat().st_size < 8_000_000
    assert opening_seconds(browser, path) < 2


@pytest.mark.parametrize("name", ["sample", pytest.param("study", marks=pytest.mark.slow)])
def test_the_keyboard_reaches_everything_in_order(visit, pages, name):
    page = visit(pages[name])
    see_all(page)
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


@pytest.mark.parametrize("scheme", [pytest.param("light", marks=pytest.mark.slow), "dark"])
def test_paper_shows_tables_in_ink_on_white(visit, pages, scheme):
    page = visit(pages["sample"], scheme)
    page.emulate_media(media="print")
    until(page, f"[...document.querySelectorAll('tbody')].every({VISIBLE})")
    until(page, "[...document.querySelectorAll('.plot')].every(one => one.querySelector('.main-svg'))")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("tbody").count() > 5
    assert not page.locator("nav").is_visible()
    until(page, "getComputedStyle(document.querySelector('.plot text.xtitle')).fill === 'rgb(27, 31, 36)'")
    assert page.pdf().startswith(b"%PDF")
    page.emulate_media(media="screen")
    until(page, "!document.querySelector('details[open]')")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "said"), [("hostile", HOSTILE), ("quoted", QUOTED)])
def test_strings_of_users_are_text(visit, pages, name, said):
    page = visit(pages[name])
    see_all(page)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    # A dialog or an error, of a policy broken too, fails the test when it ends.
    assert page.evaluate("document.querySelectorAll('img:not([src^=\"data:\"]), script[src]').length") == 0
    text = page.evaluate(WORDS)
    assert page.title() == f"A page of {said}"
    assert text.count(said) > 2 * PAIRS
    for place in ("h1", "figcaption", "thead th", "tbody td", ".caption", "nav a", "pre", "li"):
        assert any(said in one for one in page.locator(place).all_inner_texts()), place
    assert said in page.evaluate("[...document.querySelectorAll('svg .legendtext')].map(t => t.textContent).join()")


def test_a_tall_page_has_a_way_back(visit, pages):
    page = visit(pages["sample"], width=400)
    assert not page.locator(".up").is_visible()
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.locator(".up").click()
    until(page, "window.scrollY === 0 && document.querySelector('.up').hidden")
