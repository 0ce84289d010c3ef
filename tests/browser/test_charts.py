import numpy as np
import pytest
from tests.browser.sample import POINTS, scatter, stripes

pytestmark = pytest.mark.browser

# The pixels that a thumbnail shows, one a bit: from the page's picture, at the place that its style says.
SHOWN = """async () => {
  const thumb = document.querySelector('.hover .thumb'), style = getComputedStyle(thumb);
  const picture = new Image();
  picture.src = style.backgroundImage.slice(5, -2);
  await picture.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [picture.width, picture.height];
  canvas.getContext('2d').drawImage(picture, 0, 0);
  const zoom = parseFloat(style.backgroundSize) / picture.width;
  const [left, top] = style.backgroundPosition.split(' ').map(at => Math.round(-parseFloat(at) / zoom));
  const row = canvas.getContext('2d').getImageData(left, top, 8, 1).data;
  return [...Array(8).keys()].map(at => row[4 * at]);
}"""


@pytest.fixture
def shown(visit, pages):
    page = visit(pages["sample"])
    page.locator(".plot .points path").first.wait_for()
    return page


def test_pointing_at_an_example_shows_its_image(shown, until):
    figure, images = scatter("a class", list(range(POINTS))), stripes(POINTS)
    for group, nth in [(0, 3), (2, 7)]:
        example = np.flatnonzero(figure.group == group)[nth]
        box = shown.locator(".plot .trace").nth(group).locator(".points path").nth(nth).bounding_box()
        shown.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
        shown.locator(".hover .thumb").wait_for()
        assert shown.locator(".hover").inner_text() == figure.texts[example]
        assert shown.evaluate(SHOWN) == images[example][0].tolist()
    shown.mouse.move(5, 5)
    until(shown, "document.querySelector('.hover').hidden")


def test_arrow_keys_walk_from_example_to_example(shown):
    figure, images = scatter("a class", list(range(POINTS))), stripes(POINTS)
    order = np.argsort(figure.group, kind="stable")  # group by group, as they are drawn
    shown.locator(".plot").first.focus()
    for example in order[:3]:
        shown.keyboard.press("ArrowRight")
        assert shown.locator(".hover").inner_text() == figure.texts[example] == shown.locator(".said").inner_text()
        assert shown.evaluate(SHOWN) == images[example][0].tolist()
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


def test_the_label_stays_inside_the_window(visit, pages):
    page = visit(pages["sample"], width=400)
    page.locator(".plot .points path").first.wait_for()
    page.locator(".plot").first.focus()
    for _ in range(POINTS):
        page.keyboard.press("ArrowRight")
        box = page.locator(".hover").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 400
