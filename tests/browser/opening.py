"""Pages opened in chromium with networking off, and what is waited for there."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HEIGHT = 900
THUMBNAIL = Path(__file__).with_name("thumbnail.js").read_text(encoding="utf-8")


@contextmanager
def opened(browser, path: Path, scheme: str = "light", width: int = 1280) -> Iterator:
    """Open a file with networking off; whatever the page says or asks for is an error in the end."""
    with blank(browser, scheme, width) as page:
        page.goto(path.as_uri())
        yield page


@contextmanager
def blank(browser, scheme: str = "light", width: int = 1280) -> Iterator:
    """Open an empty page with networking off; whatever pages in it say or ask for is an error in the end."""
    wrong: list[str] = []

    def refuse(dialog):
        wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def asked(request):
        if not request.url.startswith(("file:", "data:", "blob:")):
            wrong.append(f"asked for {request.url}")

    viewport = {"width": width, "height": HEIGHT}
    context = browser.new_context(viewport=viewport, color_scheme=scheme, offline=True, accept_downloads=True)
    try:
        context.set_default_timeout(120_000)  # milliseconds; the machine may be busy
        page = context.new_page()
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("dialog", refuse)
        page.on("request", asked)
        yield page
    finally:
        context.close()
    assert wrong == []


def see_all(page) -> None:
    """Scroll through a page, so that every chart is drawn."""
    for place in page.locator(".plot:visible").all():
        place.scroll_into_view_if_needed()
        place.locator(".main-svg").first.wait_for()
    page.evaluate("window.scrollTo(0, 0)")


def until(page, condition: str, seconds: float = 120) -> None:
    """Wait for a page to become as told; Playwright's own wait breaks the pages' policy."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"never came true: {condition}"
        page.wait_for_timeout(30)


def opening_seconds(browser, path: Path) -> float:
    """Return the processor time that a page takes until its first chart is drawn.

    Chromium counts the seconds in which the page's thread ran, so that other work on the machine does not count.
    """
    with blank(browser) as page:
        counted = page.context.new_cdp_session(page)
        counted.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.goto(path.as_uri())
        page.locator(".main-svg, .counts:not(:empty)").first.wait_for()
        metrics = counted.send("Performance.getMetrics")["metrics"]
    return next(one["value"] for one in metrics if one["name"] == "TaskDuration")


def pixels(thumbnail) -> list[list[int]]:
    """Return what a thumbnail shows, row by row; of colours, the red."""
    return thumbnail.evaluate(THUMBNAIL)
