"""Names of classes, networks, layers, studies and files that are HTML: every report shows them as text."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.browser.opening import see_all
from tests.browser.sample import HOSTILE
from torch import nn

import hashlens as hl
from hashlens.report.page import write_page
from hashlens.saved.report import report_page
from hashlens.study.spec import StudySpec

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DATA = f"npz:{HOSTILE}/digits.npz"
SEEN = "() => document.body.innerText + [...document.querySelectorAll('svg text')].map(one => one.textContent)"


@pytest.fixture(scope="module")
def place(folder) -> Iterator[Path]:
    """Return a folder where data lie under a hostile path, with a hostile class."""
    place = folder / "hostile"
    (place / HOSTILE).mkdir(parents=True)
    digits = hl.load_data("digits").load()
    names = np.array([HOSTILE, *"123456789"])[digits.labels]
    images = (digits.tensor().numpy() * 255).round().astype(np.uint8)
    arrays = {"x_train": images[:300], "y_train": names[:300], "x_test": images[300:450], "y_test": names[300:450]}
    np.savez(place / HOSTILE / "digits.npz", **arrays)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        yield place


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """Return a network whose class and layers have hostile names; little of it is trained."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = type(HOSTILE, (nn.Sequential,), {})(nn.Flatten(), nn.Linear(64, 12))
        made.add_module(HOSTILE, nn.ReLU())
        made.add_module("hidden", nn.Linear(12, 10))
        made.add_module(f"{HOSTILE} again", nn.ReLU())
        made.add_module("head", nn.Linear(10, 10))
    return made


def check(page, places: tuple[str, ...], count: int) -> None:
    """Check that places, and the page at least so often, say the name; what runs or is asked for fails the visit."""
    see_all(page)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert HOSTILE in page.title()
    assert page.evaluate(SEEN).count(HOSTILE) >= count
    for place in places:
        assert any(HOSTILE in said for said in page.locator(place).all_inner_texts()), place
    assert page.evaluate("[...document.scripts].filter(one => one.textContent.startsWith('alert')).length") == 0


def test_a_measurement_shows_hostile_names_as_text(visit, place, network):
    path = hl.measure(network, f"{DATA}#train", f"{DATA}#test", controls=False).to_html(place / "measurement.html")
    page = visit(path)
    check(page, ("h1", "header .note", "tbody th", "tbody td", ".caption", "pre"), 20)
    legends = page.evaluate("[...document.querySelectorAll('svg .legendtext')].map(one => one.textContent)")
    layers = page.evaluate("[...document.querySelectorAll('svg .xtick text')].map(one => one.textContent).join()")
    assert HOSTILE in legends, "the class on the map"
    assert HOSTILE in layers, "the layer on its chart"


def test_an_audit_shows_hostile_names_as_text(visit, place, network):
    page = visit(hl.audit(network, f"{DATA}#train", f"{DATA}#test").to_html(place / "audit.html"))
    check(page, ("h1", "header .note", "tbody td", ".caption", "pre"), 20)


def test_a_study_shows_hostile_names_as_text(visit, place):
    spec = StudySpec(
        name=HOSTILE,
        description=HOSTILE,
        data={"train": f"{DATA}#train", "test": f"{DATA}#test"},
        training={"epochs": 1},
        axes={"width": [4, 12]},
    )
    store = Path(HOSTILE) / "study.db"
    hl.Study(spec, store).run()
    check(visit(write_page(report_page(store), place / "study.html")), ("h1", "tbody td", "pre"), 4)
