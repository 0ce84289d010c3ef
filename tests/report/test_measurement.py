import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import hashlens as hl
from hashlens.data.examples import ArrayExamples
from hashlens.measurement.figures import MAX_CLASSES, code_map, distance_table, measurement_figures
from hashlens.measurement.page import measurement_page
from hashlens.report.figures import Scatter
from hashlens.report.page import Chart, Gallery, page_html
from hashlens.result import Split

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def narrow():
    """A network too narrow for the digits: many of them share a code."""
    return hl.train("mlp", hl.load_data("digits#train"), epochs=8, width=6, depth=2).network


@pytest.fixture(scope="module")
def measured(narrow):
    return hl.measure(narrow, "digits#train", "digits#test")


def galleries(page):
    return [block for section in page.sections for block in section.blocks if isinstance(block, Gallery)]


def test_the_verdict_comes_first_and_all_parts_are_there(measured):
    page = measurement_page(measured)
    # Six units a layer do worse than the pixels, which is said before the regime.
    said = r"The network's accuracy is .*, and the raw inputs alone give .*; under-expressive"
    assert re.fullmatch(said, page.verdict)
    assert "first make the network learn" in page.reason
    assert [section.title for section in page.sections] == [
        "Redundancy and categorization", "Layer by layer", "Distances", "Map of the codes",
        "Examples that share a code", "Labels to check", "Novel examples", "Origin",
    ]  # fmt: skip
    assert page.command == measured.command
    assert all(section.blocks for section in page.sections)
    text = page_html(page)
    assert text.index("under-expressive") < text.index("redundancy ratio R") < text.index("Layer by layer</h2>")
    assert measured.provenance.train.parameters_digest in text


def test_every_example_shown_has_its_image_once(measured):
    page = measurement_page(measured)
    (chart,) = (at for at in page.sections[3].blocks if isinstance(at, Chart))
    assert isinstance(chart.figure, Scatter)
    assert len(chart.figure.images) == len(chart.figure.x) == 360
    shown = measured.exhibits.collisions
    train = {row for group in shown.train for row in group.rows.tolist()}
    assert len(page.sprite.images) == 360 + len(train)
    test = hl.load_data("digits#test").load().inputs
    place, row = chart.figure.images[7], measured.exhibits.map.rows[7]
    image = test[row, 0].numpy().astype(float)
    assert np.abs(page.sprite.images[place] - 255 * (image - image.min()) / np.ptp(image)).max() <= 0.5
    assert all(item.images for gallery in galleries(page) for item in gallery.items)


def test_collisions_name_classes_and_conflicts_first(measured):
    train = galleries(measurement_page(measured))[0]
    assert train.title == f"Train: {len(measured.conflicts.train)} codes shared by several classes"
    told = ["different labels" in item.caption for item in train.items]
    assert told[0]
    assert told == sorted(told, reverse=True)
    assert train.items[0].caption.startswith(f"{len(measured.conflicts.train[0])} examples")


def test_distances_are_told_in_whole_bits(measured):
    bins = [row[0] for row in distance_table(measured).rows]
    assert bins == [str(at) for at in range(len(bins))]
    assert len(bins) <= measured.code_bits + 1


@pytest.mark.slow
def test_user_strings_are_text(narrow):
    model = type(EVIL, (nn.Sequential,), {})()
    model.add_module(EVIL, narrow)
    train = hl.load_data("digits#train[:300]").load()
    named = replace(train, class_names=tuple(f"{EVIL}{at}" for at in range(10)), name=EVIL)
    named = replace(named, ids=np.array([f"{EVIL}{at}" for at in range(300)]))
    found = hl.measure(model, named, named, controls=False)
    assert EVIL in found.layers[0].name
    found = replace(found, command=EVIL, notes=(EVIL,))
    text = page_html(measurement_page(found))
    assert EVIL not in text
    assert text.count("&lt;script&gt;alert(1)") > 400
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1]
    for part in json.loads(data)["parts"]:
        assert "<script" not in json.dumps(part.get("chart") or "")
    canvas = found.plot()
    canvas.canvas.draw()


def test_examples_that_are_no_images_have_captions_only():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(200, 5, generator=generator)
    table = ArrayExamples(rows, (rows[:, 0] > 0).long().numpy(), np.arange(200))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2))
    page = measurement_page(hl.measure(model, table, table, controls=False))
    assert page.sprite.images == []
    assert any(gallery.items for gallery in galleries(page))
    assert all(item.images == () and item.caption for gallery in galleries(page) for item in gallery.items)
    assert 'class="thumb"' not in page_html(page)


def test_a_page_without_the_data_is_whole_but_for_images(measured):
    page = measurement_page(replace(measured, data=None))
    full = measurement_page(measured)
    assert [len(gallery.items) for gallery in galleries(page)] == [len(gallery.items) for gallery in galleries(full)]
    assert page.sprite.images == []
    assert [at.title for at in measurement_page(replace(measured, exhibits=None)).sections][-2:] == [
        "Distances", "Origin",
    ]  # fmt: skip


def test_numbers_keep_the_exhibits_and_not_the_inputs(measured):
    body = json.loads(json.dumps(measured.to_dict()))
    assert "data" not in body
    assert body["command"] == measured.command
    shown = body["exhibits"]
    assert shown["map"]["rows"] == measured.exhibits.map.rows.tolist()
    assert len(shown["map"]["x"]) == len(shown["map"]["labels"]) == 360
    assert shown["collisions"]["train"][0]["size"] == measured.exhibits.collisions.train[0].size
    assert set(shown["labels"]) >= {"rows", "ids", "given", "suggested", "share"}
    assert set(shown["novel"]) >= {"rows", "ids", "distances"}


def test_rare_classes_share_a_colour(measured):
    shown = measured.exhibits
    labels = np.concatenate([np.arange(300) % 5, np.arange(60) + 5])
    many = replace(shown, class_names=(), map=replace(shown.map, labels=labels))
    figure = code_map(many)
    assert len(figure.groups) == MAX_CLASSES + 1
    assert figure.groups[-1] == "other classes"
    assert (figure.group < len(figure.groups)).all()
    for group, name in enumerate(figure.groups[:-1]):
        assert set(labels[figure.group == group]) == {int(name)}
    assert (figure.group == MAX_CLASSES).sum() == 360 - 300 - (MAX_CLASSES - 5)


def test_figures_are_drawn_by_both_backends(measured):
    titles = [figure.title for figure in measurement_figures(measured)]
    assert len(titles) == 7
    assert [axes.get_title(loc="left") for axes in measured.plot().axes] == titles


def test_a_page_of_channel_values_speaks_of_channels(measured):
    def of_channels(split):
        return replace(split, granularity="channel")

    parts = measured.provenance
    page = measurement_page(replace(measured, provenance=Split(of_channels(parts.train), of_channels(parts.test))))
    notes = {section.title: section.note for section in page.sections}
    assert "points far apart have different channel values" in notes["Map of the codes"]
    (novel,) = next(section.blocks for section in page.sections if section.title == "Novel examples")
    assert f"Euclidean over {measured.exhibits.bits} channels" in novel.note
    (novel,) = next(section.blocks for section in measured.page().sections if section.title == "Novel examples")
    assert f"in {measured.exhibits.bits} bits" in novel.note
