"""The page of any file or folder that hashlens writes: results, audits, studies, codes, indexes and networks."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

from hashlens.codes.store import CODES_FOLDER
from hashlens.data.examples import Examples
from hashlens.data.sources import load_data
from hashlens.errors import HashlensError, ReportError
from hashlens.index.store import INDEX_FOLDER
from hashlens.manifest import MANIFEST, FolderKind
from hashlens.nets.folder import INFO_FILE, read_info
from hashlens.report.page import Page
from hashlens.result import Result, Split
from hashlens.saved.results import read_json, result_of

STORE = "study.db"
AUDIT_FILES = ("audit.json", "label-issues-test.csv")
SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True)
class Reportable:
    """One kind of file or folder that has a page.

    Attributes
    ----------
    what : str
        Readable name, with its article.
    made_with : str
        How to create one, for messages.
    matches : callable
        Function of a path that returns whether it is of this kind.
    page : callable
        Function of a path, and of whether to load images, that returns the page.
    """

    what: str
    made_with: str
    matches: Callable[[Path], bool]
    page: Callable[[Path, bool], Page]


def report_page(path: str | Path, images: bool = True, kinds: Mapping[str, type[Result]] | None = None) -> Page:
    """Return the page of a file or folder.

    Parameters
    ----------
    path : str or Path
        The JSON file of a result, a saved explanation, the folder of an audit, codes, an index, a network or a
        reproduction, or the YAML file or the store of a study.
    images : bool
        Whether to load the data, if they still exist, for thumbnails.
    kinds : mapping of str to class, optional
        Result classes of other packages, as in :func:`hashlens.saved.load_result`.

    Raises
    ------
    ReportError
        If `path` has no page.
    HashlensError
        If the file or folder is broken; the class of the error depends on its kind.
    """
    if str(path).startswith("postgresql"):
        return _store_page(str(path))
    place = Path(path)
    if not place.exists():
        raise ReportError(f"{path} is not there: give {_reportable_kinds()}")
    if place.suffix == ".json":
        return _result_page(place, images, kinds)
    for kind in REPORTABLES:
        if kind.matches(place):
            return kind.page(place, images)
    if place.suffix.lower() in (".html", ".htm"):
        raise ReportError(f"{path} is a page already: open it in a browser")
    raise ReportError(f"{path} has no report: give {_reportable_kinds()}")


def _reportable_kinds() -> str:
    *others, last = (f"{kind.what} ({kind.made_with})" for kind in REPORTABLES)
    return f"{', '.join(others)}, or {last}"


def _is_folder(kind: FolderKind) -> Callable[[Path], bool]:
    def matches(path: Path) -> bool:
        try:
            return bool(json.loads((path / MANIFEST).read_text())["format"] == kind.format)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    return matches


def _is_store(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE


def _is_audit(path: Path) -> bool:
    return all((path / name).is_file() for name in AUDIT_FILES)


def _result_page(path: Path, images: bool, kinds: Mapping[str, type[Result]] | None = None) -> Page:
    body = read_json(path)
    result = result_of(body, path, kinds)
    note = ""
    if body["kind"] == "Audit" and path.name in AUDIT_FILES and _is_audit(path.parent):
        return _audit_folder_page(path.parent, images)
    if type(result).__name__ == "Audit":
        return _audit_result_page(result, images)
    if body["kind"] == "Audit":
        note = "The rankings are not in this file: `hashlens audit --csv FOLDER` keeps them, and FOLDER has a page."
    elif images:
        result, note = attach_examples(result)
    return _with_note(result.page(), note)


def _audit_folder_page(path: Path, images: bool) -> Page:
    from hashlens.audit import Audit

    return _audit_result_page(Audit.load(path), images)


def _audit_result_page(audit: Any, images: bool) -> Page:
    note = ""
    if images:
        try:
            audit = audit.with_data()
        except HashlensError as error:
            note = _no_images_note(error)
    return _with_note(audit.page(), note)


def _is_explanation(path: Path) -> bool:
    from hashlens.explanations.explanation import MEMBER

    if not is_zipfile(path):
        return False
    with ZipFile(path) as archive:
        return f"{MEMBER}.npy" in archive.namelist()


def _explanation_page(path: Path, images: bool) -> Page:
    from hashlens.explanations.explanation import Explanation

    return Explanation.load(path).page()


def _study_page(path: Path, images: bool) -> Page:
    from hashlens.study.study import Study

    return _store_page(Study.load(path).store.name)


def _store_page(target: str | Path) -> Page:
    from hashlens.study.page.page import store_page
    from hashlens.study.store import Store

    return store_page(Store.open(target, create=False))


def _codes_page(path: Path, images: bool) -> Page:
    from hashlens.codes.codes import Codes
    from hashlens.measurement.codes_page import codes_page

    codes = Codes.load(path)
    examples, note = _load_examples(codes.provenance.data, len(codes)) if images else (None, "")
    return codes_page(codes, examples, (note,) if note else ())


def _index_page(path: Path, images: bool) -> Page:
    from hashlens.index import Index
    from hashlens.index.page import index_page

    return index_page(Index.load(path))


def _network_page(path: Path, images: bool) -> Page:
    from hashlens.training.page import checkpoints_of, network_page

    return network_page(read_info(path), checkpoints_of(path))


REPORTABLES = (
    Reportable("a result's JSON", "--json of most commands", lambda path: path.suffix == ".json", _result_page),
    Reportable("the folder of an audit", "`hashlens audit --csv`", _is_audit, _audit_folder_page),
    Reportable("a saved explanation", "`hashlens explain -o explanation.npz`", _is_explanation, _explanation_page),
    Reportable("a study's YAML file", "`hashlens study init`, then `run`",
               lambda path: path.suffix.lower() in (".yaml", ".yml"), _study_page),
    Reportable("a study's store", "`hashlens study run`", _is_store, lambda path, _: _store_page(path)),
    Reportable("the folder of a reproduction", "`hashlens reproduce`", lambda path: (path / STORE).is_file(),
               lambda path, _: _store_page(path / STORE)),
    Reportable("a folder of codes", "`hashlens encode`", _is_folder(CODES_FOLDER), _codes_page),
    Reportable("an index", "`hashlens index build`", _is_folder(INDEX_FOLDER), _index_page),
    Reportable("a network", "`hashlens train`", lambda path: (path / INFO_FILE).is_file(), _network_page),
)  # fmt: skip


def attach_examples(result: Result) -> tuple[Result, str]:
    """Return a result with its data attached, and the reason if its data are needed and cannot be loaded."""
    origin: Any = getattr(result, "provenance", None)
    takes_data = any(field.name == "data" for field in fields(result))  # type: ignore[arg-type]
    if not takes_data or not isinstance(origin, Split):
        return result, ""
    counts = getattr(result, "examples", Split(None, None))
    found = []
    for source, count in ((origin.train.data, counts.train), (origin.test.data, counts.test)):
        examples, note = _load_examples(source, count)
        if examples is None:
            return result, note
        found.append(examples)
    return replace(result, data=Split(*found)), ""  # type: ignore[type-var]


def _load_examples(source: str, count: int | None) -> tuple[Examples | None, str]:
    try:
        examples = load_data(source)
        if count is not None and len(examples) != count:
            raise ReportError(f"{source} has {len(examples):,} examples, but the result has {count:,}")
    except HashlensError as error:
        return None, _no_images_note(error)
    return examples, ""


def _no_images_note(error: HashlensError) -> str:
    return f"There are no images, because the data are no longer available: {error}."


def _with_note(page: Page, note: str) -> Page:
    return replace(page, notes=(*page.notes, note)) if note else page
