"""Figure data of exact geometry against the network itself, and what is drawn of it."""

import io
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from tests.browser.opening import opened, see_all, until
from torch import nn

from hashlens.errors import DataError
from hashlens.regions import along, at, decision_boundary, plane
from hashlens.regions.figures import along_figure, plane_figure, radius_figure
from hashlens.regions.page import plane_page, region_notes
from hashlens.report import polygon_traces, polygons
from hashlens.report.colours import FILLS, class_colours, code_colours, scale_colours
from hashlens.report.figures import Histogram
from hashlens.report.page import write_page
from hashlens.report.plots import draw, save


def stack(seed, sizes):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [part for sizes in pairwise(sizes) for part in (nn.Linear(*sizes), nn.ReLU())]
    return nn.Sequential(*layers[:-1]).double()


def normal(*shape, seed=1):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def flat():
    return plane(stack(0, [2, 16, 16, 1]))


@pytest.fixture(scope="module")
def several():
    """A network of four classes on a plane in six dimensions."""
    network = stack(0, [6, 16, 16, 4])
    return network, plane(network, through=normal(3, 6))


def areas(figure):
    found = []
    for start, end in pairwise(figure.starts):
        x, y = figure.corners[start:end].T
        found.append((x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)
    return np.array(found)


def inner_points(figure, polygon):
    """Points of a polygon, near its corners and in its middle."""
    corners = figure.corners[figure.starts[polygon] : figure.starts[polygon + 1]]
    middle = corners.mean(axis=0)
    return np.concatenate([middle[None], corners + 1e-3 * (middle - corners)])


# --- planes -----------------------------------------------------------------------------------------------------------


def test_by_gradient_every_region_is_one_polygon_and_the_steepest_is_lightest(flat):
    figure = plane_figure(flat)
    assert figure.title == "127 linear regions"
    assert (figure.x_label, figure.y_label) == ("s: first input", "t: second input")
    assert len(figure) == flat.count == 127
    assert areas(figure) == pytest.approx(flat.areas)
    order = np.argsort(flat.gradient_norms)
    assert (np.diff(figure.shade[order]) >= 0).all()
    assert figure.shade[order[-1]] == len(figure.palette) - 1
    inside = (flat.gradient_norms >= figure.scale.low) & (flat.gradient_norms <= figure.scale.high)
    assert flat.areas[inside].sum() / flat.areas.sum() > 0.97


def test_the_sampled_count_stands_beside_the_exact_one(flat):
    assert plane_figure(flat, sampled=120).title == "127 linear regions (120 found by sampling)"


def test_by_class_a_polygon_has_one_class_everywhere(several):
    network, flat = several
    figure = plane_figure(flat, "class")
    assert areas(figure).sum() == pytest.approx(flat.areas.sum())
    per_face = np.bincount(figure.face, areas(figure), minlength=flat.count)
    assert per_face == pytest.approx(flat.areas)
    assert len(figure) > flat.count, "no face is cut: the network should have a decision boundary here"
    for polygon in np.flatnonzero(areas(figure) > 1e-9):
        with torch.no_grad():
            output = network(flat.slice.points(inner_points(figure, polygon)))
        assert set(output.argmax(dim=1).tolist()) == {figure.shade[polygon]}


def test_by_class_a_single_output_is_told_by_its_sign(flat):
    figure = plane_figure(flat, "class")
    assert figure.names == ("output ≤ 0", "output > 0")
    assert figure.boundary_name == "decision boundary: output = 0"
    assert plane_figure(flat, "class", class_names=("cat", "dog")).names == ("cat", "dog")


def test_a_class_and_a_code_have_their_colour_in_every_picture(flat):
    assert class_colours(4) == FILLS[:4]
    assert len(set(class_colours(100))) == 100
    part = plane(stack(0, [2, 16, 16, 1]), box=(0, 0.5, 0, 0.5))
    whole, detail = plane_figure(flat, "code"), plane_figure(part, "code")
    assert whole.palette == detail.palette == code_colours()
    assert (whole.shade[flat.locate(part.centers)] == detail.shade).all()


@pytest.mark.parametrize("colour", ["gradient", "class", "code"])
def test_the_boundary_and_all_edges_are_there(several, colour):
    _, flat = several
    figure = plane_figure(flat, colour)
    assert np.array_equal(figure.boundary, decision_boundary(flat).segments)
    assert len(figure.edges) == len(flat.edges[0])


def test_a_flat_network_has_a_scale():
    network = stack(0, [2, 3, 1]).requires_grad_(False)
    for parameter in network.parameters():
        parameter.zero_()
    figure = plane_figure(plane(network))
    assert (figure.title, len(figure.boundary)) == ("1 linear region", 0)
    assert figure.scale.low < figure.scale.high


def test_examples_are_named_where_the_plane_goes_through_them(several):
    _, flat = several
    assert [mark.name for mark in plane_figure(flat).marks] == ["first", "second", "third"]
    part = plane(stack(0, [6, 16, 16, 4]), through=normal(3, 6), box=(-0.1, 0.1, -0.1, 0.1))
    assert [mark.name for mark in plane_figure(part, marks=["a", "b", "c"]).marks] == ["a"]
    figure = plane_figure(flat, marks=["a", "b", "c"])
    places = np.array([(mark.x, mark.y) for mark in figure.marks])
    assert flat.slice.points(places) == pytest.approx(normal(3, 6))
    assert "second example" in figure.x_label


def test_points_are_projected_and_those_outside_left_out(flat, several):
    x = torch.tensor([[0.5, -0.5], [3.0, 0.0], [-1.0, 1.0]])
    points = plane_figure(flat, "class", points=x, labels=[1, 0, 7]).points
    assert points.name == "examples"
    assert points.places.tolist() == [[0.5, -0.5], [-1.0, 1.0]]
    assert points.shade.tolist() == [1, -1]
    _, other = several
    _, distance = other.slice.project(normal(9, 6, seed=2))
    name = plane_figure(other, points=normal(9, 6, seed=2)).points.name
    assert name == f"examples, projected (median distance {np.median(distance):.3g})"


def test_a_principal_plane_shows_its_examples():
    x = normal(20, 6)
    figure = plane_figure(plane(stack(0, [6, 8, 2]), pca=x))
    assert figure.marks == ()
    assert (figure.points.name, len(figure.points.places)) == ("examples, projected", 20)
    assert "principal component" in figure.x_label


MISTAKES = {
    "unknown colour": ({"colour": "clas"}, "not coloured by 'clas': did you mean 'class'?"),
    "too few names": ({"marks": ["a", "b"]}, "goes through 3 examples, but received 2 names"),
    "labels": ({"points": normal(4, 6), "labels": [0, 1]}, r"labels must be \(4,\)"),
    "points of another shape": ({"points": normal(4, 5)}, r"x must be \(n, 6\), received \(4, 5\)"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told(name, several):
    arguments, message = MISTAKES[name]
    with pytest.raises(DataError, match=message):
        plane_figure(several[1], **arguments)


# --- segments and radii -----------------------------------------------------------------------------------------------


def test_lines_over_a_segment_are_the_outputs():
    network, a, b = stack(3, [6, 32, 32, 3]), normal(2, 6), normal(2, 6, seed=2)
    pieces = along(network, a, b)
    figure = along_figure(pieces, 1, ends=("3", "8"))
    count = int(pieces.counts[1])
    assert figure.title == f"{count} linear pieces"
    assert figure.x_label == "from 3 at 0 to 8 at 1"
    assert len(figure.colours) == len(figure.ends) - 1 == count
    assert list(figure.ends[1:-1]) == pieces.breakpoints[pieces.segment[pieces.after] == 1].tolist()
    t = np.linspace(0, 1, 101)
    with torch.no_grad():
        outputs = network(a[1] + torch.from_numpy(t)[:, None] * (b[1] - a[1])).T
    for series, output in zip(figure.series, outputs, strict=True):
        assert np.interp(t, series.x, series.y) == pytest.approx(output.numpy(), abs=1e-12)


def test_of_many_outputs_those_that_may_be_the_largest_are_drawn():
    pieces = along(stack(3, [6, 32, 30]), normal(1, 6), normal(1, 6, seed=2))
    figure = along_figure(pieces)
    assert len(figure.series) == 10
    assert figure.title.endswith("linear pieces; 10 of 30 outputs")
    t = torch.linspace(0, 1, 200, dtype=torch.float64)[:, None]
    winners = stack(3, [6, 32, 30])(pieces.a + t * (pieces.b - pieces.a)).argmax(dim=1)
    assert {str(at) for at in winners.tolist()} <= {series.name for series in figure.series}


def test_there_is_no_segment_beyond_the_last():
    with pytest.raises(DataError, match="no segment 1: segments are numbered from 0 to 0"):
        along_figure(along(stack(3, [6, 4, 1]), normal(1, 6), normal(1, 6, seed=2)), 1)


def test_radii_are_counted_but_for_those_at_zero_or_far_from_any_boundary():
    near = at(stack(0, [6, 16, 1]), normal(50, 6)).radius().distance
    figure = radius_figure({"near": near, "mixed": np.array([0.0, np.inf, near.max(), near.min()])})
    assert isinstance(figure, Histogram)
    (one, shares), (other, mixed) = figure.shares
    assert (one, other) == ("near", "mixed (2 of 4 on a boundary or far from any)")
    assert (sum(shares), sum(mixed)) == pytest.approx((1.0, 0.5))
    assert (figure.edges[0], figure.edges[-1]) == pytest.approx((near.min(), near.max()))
    with pytest.raises(DataError, match="no example has a radius to draw"):
        radius_figure({"dead": [0.0, np.inf]})


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("colour", ["gradient", "class", "code"])
def test_the_paint_of_each_colour_covers_what_its_polygons_do(several, colour):
    figure = plane_figure(several[1], colour)
    used, paths = polygons.fill_paths(figure)
    for shade, path in zip(used, paths, strict=True):
        painted = list(path.to_polygons(closed_only=True))
        assert len(painted) == (figure.shade == shade).sum()
        area = sum(abs(x[:-1] @ y[1:] - y[:-1] @ x[1:]) / 2 for x, y in (part.T for part in painted))
        assert area == pytest.approx(areas(figure)[figure.shade == shade].sum())


def test_pixels_have_the_colour_of_the_region_under_them(flat):
    figure = plane_figure(flat, "code")
    canvas = draw([figure])
    canvas.canvas.draw()
    pixels = np.asarray(canvas.canvas.buffer_rgba())
    wide = np.flatnonzero(flat.areas > 0.03)
    assert len(wide) > 10
    # Seen from the middle of a wide region, a pixel is the whole of it; the boundary may cover a few.
    x, y = canvas.axes[0].transData.transform(flat.centers[wide]).round().astype(int).T
    seen = ["#{:02x}{:02x}{:02x}".format(*pixels[len(pixels) - 1 - j, i, :3]) for i, j in zip(x, y, strict=True)]
    expected = [figure.palette[at] for at in figure.shade[wide]]
    assert np.mean([one == other for one, other in zip(seen, expected, strict=True)]) > 0.7


def svg_parts(path):
    tags = [element.tag.rpartition("}")[2] for element in ElementTree.parse(path).iter()]
    return {tag: tags.count(tag) for tag in ("image", "path")}


@pytest.mark.slow
def test_pictures_are_files_of_their_kind(several, tmp_path):
    _, flat = several
    canvas = draw([plane_figure(flat, "class"), plane_figure(flat), along_figure(along(*_segment()))])
    with Image.open(save(canvas, tmp_path / "a.png")) as picture:
        picture.verify()
        assert picture.format == "PNG"
    assert save(canvas, tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    # The colour bar is an image in any case.
    assert svg_parts(save(canvas, tmp_path / "a.svg"))["image"] <= 1
    assert "http://www.w3.org" in (tmp_path / "a.svg").read_text()


def _segment():
    return stack(3, [6, 32, 3]), normal(1, 6), normal(1, 6, seed=2)


def test_very_many_regions_are_an_image_and_the_boundary_stays_lines(several, tmp_path, monkeypatch):
    figure = plane_figure(several[1], "class")
    whole = svg_parts(save(draw([figure]), tmp_path / "a.svg"))
    monkeypatch.setattr(polygons, "MAX_VECTORS", 10)
    image = svg_parts(save(draw([figure]), tmp_path / "b.svg"))
    assert (whole["image"], image["image"]) == (0, 2)
    assert image["path"] < whole["path"]
    ends = "M" + " ".join(re.findall(r"M [\d.]+ [\d.]+", (tmp_path / "b.svg").read_text()))
    assert ends.count("M ") >= len(figure.boundary)


@pytest.mark.slow
@pytest.mark.parametrize("box", [(-9, 9, -4, 4), (-4, 4, -9, 9), (-20, 20, -1, 1), None])
@pytest.mark.parametrize(("count", "colour"), [(1, "class"), (3, "class"), (30, "class"), (3, "gradient"), (3, "code")])
def test_nothing_of_a_plane_is_cut_off(count, colour, box):
    flat = plane(stack(0, [6, 24, count]), through=normal(3, 6), box=box)
    names = [f"class number {at}" for at in range(count)]
    figure = plane_figure(flat, colour, points=normal(5, 6), class_names=names, sampled=flat.count)
    canvas = draw([figure, figure])
    canvas.canvas.draw()
    boxes = [axes.get_tightbbox() for axes in canvas.axes]
    for shown in boxes:
        assert canvas.bbox.x0 <= shown.x0 < shown.x1 <= canvas.bbox.x1
        assert canvas.bbox.y0 <= shown.y0 < shown.y1 <= canvas.bbox.y1
    assert boxes[0].x1 <= boxes[1].x0
    frame = canvas.axes[0].get_window_extent()
    left, right, bottom, top = figure.box
    if box != (-20, 20, -1, 1):
        assert frame.width / frame.height == pytest.approx((right - left) / (top - bottom))


def test_numbers_go_from_dark_to_light():
    channels = [[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in scale_colours()]
    lightness = [np.dot((0.3, 0.59, 0.11), channel) for channel in channels]
    assert (np.diff(lightness) > 0).mean() > 0.95
    assert lightness[-1] - lightness[0] > 150


# --- pages ------------------------------------------------------------------------------------------------------------


class Fetched(HTMLParser):
    """Everything that a page would fetch, and what is in its scripts."""

    def __init__(self):
        super().__init__()
        self.links, self.scripts, self.policy, self._inside = [], [], "", False

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.links += [given[name] for name in ("src", "href", "data", "action") if name in given]
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append("")
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]

    def handle_endtag(self, tag):
        self._inside = self._inside and tag != "script"

    def handle_data(self, data):
        if self._inside:
            self.scripts[-1] += data


def page(path):
    parser = Fetched()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser


def notes_of(parser):
    (script,) = (script for script in parser.scripts if script.startswith('{"title"'))
    return json.loads(script)["parts"][0]["widget"]["notes"]


def test_a_page_fetches_nothing_and_says_all_of_each_region(several, tmp_path):
    _, flat = several
    figure = plane_figure(flat, "class", class_names=["</script><b>", "b", "c", "d"], marks=["<i>one</i>", "two", "3"])
    found = page(write_page(plane_page(flat, figure), tmp_path / "plane.html"))
    assert all(link.startswith("#") for link in found.links)
    assert found.policy.startswith("default-src 'none'")
    assert notes_of(found) == region_notes(flat, figure.classes)
    assert len(notes_of(found)) == flat.count
    assert "sendChartToCloud" not in found.scripts[0] + found.scripts[-1]


def test_notes_say_the_affine_map_of_the_region(several):
    network, flat = several
    notes = region_notes(flat, "abcd")
    with torch.no_grad():
        outputs = network(flat.slice.points(flat.centers))
    for face in range(0, flat.count, 7):
        s, t = flat.centers[face]
        for output, *parts in re.findall(r"output (\d) = (\S+) (. \S+) s (. \S+) t", notes[face]):
            value, across, upward = (float(part.replace(" ", "")) for part in parts)
            assert value + s * across + t * upward == pytest.approx(float(outputs[face, int(output)]), abs=5e-3)
        assert f"class     {'abcd'[int(outputs[face].argmax())]} " in notes[face]
    assert len({note.split("\n")[0] for note in notes}) == flat.count


def test_very_many_regions_are_an_image_on_the_page(several, tmp_path, monkeypatch):
    monkeypatch.setattr(polygon_traces, "MAX_POLYGONS", 10)
    monkeypatch.setattr(polygon_traces, "PIXELS", 200)
    found = page(write_page(plane_page(several[1], plane_figure(several[1])), tmp_path / "plane.html"))
    text = (tmp_path / "plane.html").read_text(encoding="utf-8")
    assert notes_of(found) == []
    assert "data:image/png;base64,iVBOR" in text
    assert "they are drawn as an image" in text
    assert all(link.startswith("#") for link in found.links)


POINT = """places => {
  const plot = document.querySelector('.plane'), area = plot.querySelector('.nsewdrag');
  const frame = area.getBoundingClientRect();
  return places.map(([x, y]) => {
    area.dispatchEvent(new MouseEvent('mousemove', {
      clientX: frame.left + x * frame.width, clientY: frame.top + (1 - y) * frame.height, bubbles: true}));
    return document.querySelector('.hover').textContent;
  });
}"""


@pytest.mark.slow
@pytest.mark.browser
def test_pointing_at_a_region_says_what_it_is(flat, tmp_path, browser):
    path = write_page(plane_page(flat, plane_figure(flat, "class")), tmp_path / "plane.html")
    faces = np.argsort(-flat.areas)[:20]
    with opened(browser, path) as shown:
        see_all(shown)
        until(shown, "document.querySelector('.plane .nsewdrag') !== null")
        told = shown.evaluate(POINT, ((flat.centers[faces] + 1) / 2).tolist())
    notes = region_notes(flat, ("output ≤ 0", "output > 0"))
    assert told == [notes[face] for face in faces]


def test_a_picture_is_the_same_bytes_twice(flat):
    written = []
    for _ in range(2):
        target = io.BytesIO()
        draw([plane_figure(flat)]).savefig(target, format="png")
        written.append(target.getvalue())
    assert written[0] == written[1]
