"""The contract of a result: it can be shown, drawn, written and read back without other code that knows its class."""

import json
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from html import escape, unescape
from pathlib import Path
from typing import Any, Literal

from hashlens.errors import OutputError, ReportError
from hashlens.report.figures import Heatmap, Polygons
from hashlens.report.page import Page, Widget, page_html
from hashlens.result import Result
from hashlens.saved.json_files import save_result
from hashlens.saved.report import report_page
from hashlens.saved.results import load_result
from hashlens.testing.figure_contract import check_figure

ExpectedLoading = Literal["whole", "in part", "refused"]
WRITERS = {"to_html": "page.html", "to_csv": "table.csv", "export": "table.parquet", "save": "saved.npz"}
"""Methods that write files or folders, and a file name for each."""


def check_result(
    result: Result,
    folder: str | Path,
    kinds: Mapping[str, type[Result]] | None = None,
    expected_loading: ExpectedLoading = "whole",
) -> None:
    """Assert that a result fulfils the contract.

    Parameters
    ----------
    result : hashlens.result.Result
        A result in which no field is empty.
    folder : str or Path
        An empty folder for output.
    kinds : mapping of str to class, optional
        Result classes of other packages, as in :func:`hashlens.saved.load_result`.
    expected_loading : {"whole", "in part", "refused"}
        What must happen when its JSON is read: ``whole`` gives an equal result, ``in part`` gives a result of what the
        JSON contains, ``refused`` gives a one-line error.

    Raises
    ------
    AssertionError
        If its text, notebook view, pictures, page, JSON or overwriting of files violates the contract.
    """
    folder = Path(folder)
    check_display(result)
    for figure in result.figures():
        check_figure(figure)
    check_page(result)
    check_json(result, folder / "result.json", kinds, expected_loading)
    check_overwriting(result, folder)


def check_display(result: Result) -> None:
    """Assert that a result can be shown in a terminal, a notebook and a picture, with a readable text."""
    kind = type(result).__name__
    assert str(result).strip(), f"{kind}: a terminal shows nothing"
    assert " object at 0x" not in str(result), f"{kind}: a terminal shows the address of an object"
    notebook = result._repr_html_()
    assert notebook.startswith(("<table", "<p")), f"{kind}: a notebook shows {notebook[:60]!r}"
    canvas = result.plot()
    panels, figures = len(canvas.axes), len(result.figures())
    assert canvas.get_figwidth() > 0.5, f"{kind}: the picture has no width"
    assert panels >= figures, f"{kind}: {panels} panels for {figures} figures"


def check_page(result: Result) -> None:
    """Assert that the page of a result has a title and shows what ``plot`` shows."""
    kind, page = type(result).__name__, result.page()
    assert isinstance(page, Page), f"{kind}: page() returns {type(page).__name__}"
    assert page.title.strip(), f"{kind}: the page has no title"
    html = page_html(page)
    assert "<h1>" in html, f"{kind}: the page has no heading"
    assert "http-equiv" in html, f"{kind}: the page may fetch things"
    assert " object at 0x" not in html, f"{kind}: the page shows the address of an object"
    shown, blocks = unescape(html), [block for section in page.sections for block in section.blocks]
    # A widget replaces a heat map or a plane, and shows the same.
    in_widgets = (Heatmap, Polygons) if any(isinstance(block, Widget) for block in blocks) else ()
    for figure in result.figures():
        if not isinstance(figure, in_widgets):
            assert figure.title in shown or escape(figure.title) in shown, f"{kind}: the page lacks {figure.title!r}"


def check_json(
    result: Result,
    file: Path,
    kinds: Mapping[str, type[Result]] | None = None,
    expected_loading: ExpectedLoading = "whole",
) -> None:
    """Assert that a result can be written as JSON with its ``kind``, and read back unchanged, with the same page."""
    kind, body = type(result).__name__, result.to_dict()
    assert body["kind"] == kind, f"{kind}: the JSON says kind {body['kind']!r}"
    assert body["schema_version"] == result.schema_version, f"{kind}: the JSON says version {body['schema_version']}"
    text = json.dumps(body, allow_nan=False)
    assert json.loads(text) == body, f"{kind}: to_dict() returns a value that JSON changes"
    file.write_text(text, encoding="utf-8")
    try:
        loaded = load_result(file, kinds)
    except ReportError as error:
        refusal = str(error)
    else:
        refusal = ""
    if expected_loading == "refused":
        assert f"{kind} that cannot be read back: " in refusal, f"{kind}: its JSON is read back, but should be refused"
        assert "\n" not in refusal, f"{kind}: refused in several lines"
        return
    assert not refusal, f"{kind}: {refusal}"
    if expected_loading == "in part":
        assert loaded.page().title, f"{kind}: read back without a page"
        return
    assert type(loaded) is type(result), f"{kind}: read back as {type(loaded).__name__}"
    assert loaded.to_dict() == body, f"{kind}: read back with other values"
    assert str(loaded).split() == str(result).split(), f"{kind}: shows other text when it is read back"
    page = report_page(file, images=False, kinds=kinds)
    assert page.title == result.page().title, f"{kind}: its file has another page"


def check_overwriting(result: Result, folder: Path) -> None:
    """Assert that existing files are replaced only with ``overwrite=True``, and stay unchanged otherwise.

    Checked are the result's own methods (``to_html``, ``to_csv``, ``export``, ``save``) and its JSON file.
    """
    writers = {name: (getattr(result, name, None), place) for name, place in WRITERS.items()}
    writers["save_result"] = (partial(save_result, result), "saved.json")
    for name, (write, place) in writers.items():
        if write is not None:
            _check_overwriting(name, write, folder / "written" / name / place)
    shutil.rmtree(folder / "written")


def _check_overwriting(name: str, write: Callable[..., Any], path: Path) -> None:
    path.parent.mkdir(parents=True)
    assert Path(write(path)) == path, f"{name} returns another path"
    whole = _contents(path.parent)
    for file in whole:
        file.write_bytes(b"mine")
    refusal = ""
    try:
        write(path)
    except OutputError as error:
        refusal = str(error)
    assert "overwrite=True" in refusal, (
        f"{name} wrote over an existing file, or its error does not name overwrite=True: {refusal!r}"
    )
    assert "\n" not in refusal, f"{name} refuses in several lines"
    assert _contents(path.parent) == dict.fromkeys(whole, b"mine"), f"{name} raised an error, but changed the file"
    write(path, overwrite=True)
    assert _contents(path.parent) == whole, f"{name} writes another file if it overwrites one"


def _contents(folder: Path) -> dict[Path, bytes]:
    """Return the content of all files below a folder, by path."""
    return {file: file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
