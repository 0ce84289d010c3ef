"""That an image on a page is that of the example beside it."""

import numpy as np
import pytest
from tests.browser.opening import pixels, see_all

import hashlens as hl
from hashlens.data.thumbnails import as_image

pytestmark = pytest.mark.browser

# Where in the window the points of the map of codes are.
POINTS = """() => {
  const plot = [...document.querySelectorAll('.plot')].find(one => one.data.some(trace => trace.customdata));
  plot.scrollIntoView({ block: 'center' });
  const frame = plot.getBoundingClientRect(), { xaxis, yaxis } = plot._fullLayout;
  return plot.data.flatMap(trace => [...trace.x].map((x, at) => [
    frame.left + xaxis._offset + xaxis.l2p(x), frame.top + yaxis._offset + yaxis.l2p(trace.y[at])]));
}"""
# Where a gallery is on a page, and the rows of the data that it shows.
ROWS = """name => {
  const at = hashlens.data.parts.findIndex(part => part.gallery === name), part = hashlens.data.parts[at];
  return [at, part.rows.map(row => Number(row[part.columns.indexOf('row')]))];
}"""


def image(examples, row) -> list[list[int]]:
    return as_image(examples.inputs[row]).tolist()


def check_map(page, test) -> None:
    see_all(page)
    points = np.array(page.evaluate(POINTS))
    texts = set()
    for x, y in points[[*points.argmin(0), *points.argmax(0)]].tolist():  # the outermost, left to right
        page.mouse.move(x, y)
        page.locator(".hover .thumb").wait_for()
        text = page.locator(".hover").inner_text()
        row = test.ids.tolist().index(int(text.split(":")[0]))
        assert text == f"{test.ids[row]}: {test.class_names[test.labels[row]]}"
        assert pixels(page.locator(".hover .thumb")) == image(test, row)
        texts.add(text)
        page.mouse.move(2, 2)
        page.locator(".hover").wait_for(state="hidden")
    assert len(texts) > 1


@pytest.mark.slow
def test_pointing_at_the_map_of_the_demo_shows_the_digit(visit, pages):
    check_map(visit(pages["demo"]), hl.load_data("digits#test").load())


@pytest.mark.slow
@pytest.mark.shared
def test_pointing_at_the_map_of_mnist_shows_the_digit(visit, pages, shared_data):
    check_map(visit(pages["mnist"]), hl.load_data(f"parquet:{shared_data}/mnist#test[:1000]").load())


@pytest.mark.slow
def test_the_lists_of_an_audit_show_what_they_name(visit, pages):
    page = visit(pages["audit"])
    for name, split in (("label-issues-test", "test"), ("label-issues-train", "train"), ("novel", "test")):
        examples = hl.load_data(f"digits#{split}").load()
        part, rows = page.evaluate(ROWS, name)
        shown = page.locator(f".part[data-part='{part}'] .thumb")
        assert shown.count() == len(rows) > 5
        for at in range(5):
            assert pixels(shown.nth(at)) == image(examples, rows[at])
