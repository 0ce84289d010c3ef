import numpy as np
import pytest
from tests.browser.opening import pixels, until
from tests.browser.sample import POINTS, scatter, stripes

pytestmark = pytest.mark.browser

FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture
def shown(visit, pages):
    page = visit(pages["sample"])
    page.locator(".plot .points path").first.wait_for()
    return page


def test_pointing_at_an_example_shows_its_image(shown):
    figure, images = scatter("a class", list(range(POINTS))), stripes(POINTS)
    for group, nth in [(0, 3), (2, 7)]:
        example = np.flatnonzero(figure.group == group)[nth]
        box = shown.locator(".plot .trace").nth(group).locator(".points path").nth(nth).bounding_box()
        shown.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        shown.locator(".hover .thumb").wait_for()
        shown.locator(".hover", has_text=figure.texts[example]).wait_for()
        assert pixels(shown.locator(".hover .thumb")) == images[example].tolist()
    shown.mouse.move(5, 5)
    until(shown, "document.querySelector('.hover').hidden")


def test_arrow_keys_walk_from_example_to_example(shown):
    figure, images = scatter("a class", list(range(POINTS))), stripes(POINTS)
    order = np.argsort(figure.group, kind="stable")  # group by group, as they are drawn
    shown.locator(".plot").first.focus()
    for example in order[:3]:
        shown.keyboard.press("ArrowRight")
        assert shown.locator(".hover").inner_text() == figure.texts[example] == shown.locator(".said").inner_text()
        assert pixels(shown.locator(".hover .thumb")) == images[example].tolist()
    shown.keyboard.press("ArrowLeft")
    assert shown.locator(".hover").inner_text() == figure.texts[order[1]]
    shown.keyboard.press("Escape")
    assert not shown.locator(".hover").is_visible()


def test_arrow_keys_tell_the_points_of_every_chart(shown):
    lines = shown.locator(".plot").nth(1)
    lines.scroll_into_view_if_needed()
    lines.locator(".main-svg").first.wait_for()
    lines.focus()
    shown.keyboard.press("ArrowRight")
    shown.keyboard.press("ArrowRight")
    assert shown.locator(".said").inner_text() == "a class: a class 10, R 0.3"
    lines.locator(".hoverlayer .hovertext, .hoverlayer .axistext").first.wait_for()


def test_a_label_outlives_the_scrolling_before_it_and_none_after_it(shown):
    # All in one go: the page has scrolled to the chart, but is told so only later.
    shown.evaluate(
        """() => {
            window.scrollTo(0, 60);
            const plot = document.querySelector('.plot');
            plot.focus({ preventScroll: true });
            plot.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }));
        }"""
    )
    shown.evaluate(FRAMES)
    assert shown.locator(".hover").is_visible()
    shown.evaluate("window.scrollTo(0, 90)")
    until(shown, "document.querySelector('.hover').hidden")


def test_the_label_stays_inside_the_window(visit, pages):
    page = visit(pages["sample"], "light", 400)
    page.locator(".plot .points path").first.wait_for()
    page.locator(".plot").first.focus()
    for _ in range(POINTS):
        page.keyboard.press("ArrowRight")
        box = page.locator(".hover").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 400
