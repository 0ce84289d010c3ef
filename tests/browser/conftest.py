"""A browser with networking off, and pages written once."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.browser.sample import HOSTILE, QUOTED, sample_page

import hashlens as hl
from hashlens.report.page import write_page


@pytest.fixture
def visit(browser) -> Iterator[Callable]:
    """Return a function that opens a file with networking off; whatever a page says or asks for fails the test."""
    contexts, wrong = [], []

    def refuse(dialog):
        wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def asked(request):
        if not request.url.startswith(("file:", "data:", "blob:")):
            wrong.append(f"asked for {request.url}")

    def opened(path: Path, scheme: str = "light", width: int = 1280):
        viewport = {"width": width, "height": 900}
        context = browser.new_context(viewport=viewport, color_scheme=scheme, offline=True, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("dialog", refuse)
        page.on("request", asked)
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture(scope="session")
def axe() -> str:
    """Return the script of axe-core, which is not part of hashlens: $HASHLENS_AXE says where it lies."""
    place = os.environ.get("HASHLENS_AXE")
    if place is None or not Path(place).is_file():
        pytest.skip("HASHLENS_AXE does not name axe.min.js of axe-core")
    return Path(place).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="session")
def digits() -> tuple:
    """Return a network of digits with its train and test."""
    train, test = hl.load_data("digits#train").load(), hl.load_data("digits#test").load()
    return hl.train("mlp", train, epochs=10, seed=0, width=40).network, train, test


@pytest.fixture(scope="session")
def pages(folder, digits) -> dict[str, Path]:
    """Return pages by name: one of every part, the same of hostile strings, a measurement's and an audit's."""
    return {
        "sample": write_page(sample_page(), folder / "sample.html"),
        "hostile": write_page(sample_page(HOSTILE), folder / "hostile.html"),
        "quoted": write_page(sample_page(QUOTED), folder / "quoted.html"),
        "measurement": hl.measure(*digits).to_html(folder / "measurement.html"),
        "audit": hl.audit(*digits).to_html(folder / "audit.html"),
    }


@pytest.fixture(scope="session")
def seen_all() -> Callable:
    """Return a function that scrolls through a page, so that every chart is drawn."""

    def through(page) -> None:
        for place in page.locator(".plot").all():
            place.scroll_into_view_if_needed()
            place.locator(".main-svg").first.wait_for()
        page.evaluate("window.scrollTo(0, 0)")

    return through


@pytest.fixture(scope="session")
def until() -> Callable:
    """Return a function that waits for a page to become as told; Playwright's own breaks the pages' policy."""

    def waited(page, condition: str, seconds: float = 10) -> None:
        end = time.monotonic() + seconds
        while not page.evaluate(condition):
            assert time.monotonic() < end, f"never came true: {condition}"
            page.wait_for_timeout(30)

    return waited
