"""Storage of Optuna studies: a file of SQLite or a database, opened with errors of one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hashlens.errors import MissingExtraError, TuningError, nearest
from hashlens.tuning.study_trace import study_trace
from hashlens.tuning.trace import Direction, Trace

if TYPE_CHECKING:
    from optuna.study import Study

SQLITE = b"SQLite format 3\0"
"""First bytes of a file of SQLite."""
MEMORY = ("sqlite:///", "sqlite:///:memory:")
"""URLs of a database of SQLite in memory."""


def open_study(
    name: str, storage: str | Path | None, direction: Direction = "minimize", sampler: Any = None, pruner: Any = None
) -> "Study":
    """Return the study with a name; it is created if there is none.

    Raises
    ------
    TuningError
        If the storage cannot be opened or has another schema, or the study has another direction.
    """
    optuna = require_optuna()
    if storage is not None:
        _sqlite_file(storage)
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with storage_errors(storage, "opened", Exception):
            study: Study = optuna.create_study(
                storage=_url(storage), study_name=name, load_if_exists=True, direction=direction, sampler=sampler,
                pruner=pruner,
            )  # fmt: skip
    finally:
        optuna.logging.set_verbosity(before)
    found = study_trace(study, ()).direction
    if found != direction:
        raise TuningError(
            f"study {name!r} in {display_name(storage)} is to {found}, and this tuning to {direction}: minimize and "
            "maximize are mixed up; give another name= or storage="
        )
    return study


def load_study_trace(storage: str | Path, name: str) -> Trace:
    """Return the trace of a study stored by Optuna. Nothing is written.

    Parameters
    ----------
    storage : str or Path
        A file of SQLite, or the URL of a database.
    name : str
        Name of the study.

    Raises
    ------
    TuningError
        If there is no such study, or it has several objectives.
    """
    optuna = require_optuna()
    file = _sqlite_file(storage)
    if file is not None and not file.exists():
        raise TuningError(
            f"there is no storage {display_name(storage)!r}: give a file of SQLite, or the URL of a database"
        )
    with storage_errors(storage, "opened", Exception):
        # Optuna would create its tables where there are none.
        if not _has_studies(_url(storage)):
            raise TuningError(
                f"storage {display_name(storage)!r} has no studies of Optuna: give the one that was tuned in"
            )
        try:
            study = optuna.load_study(storage=_url(storage), study_name=name)
        except KeyError as error:
            known = optuna.get_all_study_names(_url(storage))
            raise TuningError(f"{display_name(storage)} has no study {name!r}; {nearest(name, known)}") from error
    return study_trace(study)


def display_name(storage: str | Path | None) -> str:
    """Return a storage as text for messages, without the password of a URL."""
    if storage is None:
        return "memory"
    if "://" not in str(storage):
        return str(storage)
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(str(storage))
        return str(storage) if url.password is None else url.render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return str(storage).split("://")[0] + "://..."


@contextmanager
def storage_errors(storage: str | Path | None, what: str, *others: type[Exception]) -> Iterator[None]:
    """Replace an error of the storage in the body by a TuningError of one line.

    Parameters
    ----------
    storage : str, Path or None
        The storage, for the message.
    what : {"opened", "written"}
        What the body does with the storage: the message says that it cannot be opened, or written.
    *others : type
        Types of errors that count as errors of the storage too, besides Optuna's own.
    """
    from optuna.exceptions import StorageInternalError

    kinds: tuple[type[Exception], ...] = (StorageInternalError, *others)
    try:
        yield
    except TuningError:
        raise
    except kinds as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        message = " ".join(str(getattr(cause, "orig", None) or cause).split())
        way_out = "; upgrade it by `optuna storage upgrade`, or give another file" if "schema" in message else ""
        raise TuningError(
            f"storage {display_name(storage)!r} cannot be {what} by Optuna: {message[:200]}{way_out}"
        ) from error


def require_optuna() -> Any:
    """Return the module of Optuna.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("optuna", "tune", "tuning") from error
    return optuna


def _url(storage: str | Path | None) -> str | None:
    return None if storage is None else str(storage) if "://" in str(storage) else f"sqlite:///{storage}"


def _sqlite_file(storage: str | Path) -> Path | None:
    """Return the file of a storage in SQLite, which may be missing; None for another database, or one in memory.

    Raises
    ------
    TuningError
        If it cannot be such a file.
    """
    place = str(storage)
    if "://" in place:
        if not place.startswith("sqlite:///") or place.startswith("sqlite:///file:") or place in MEMORY:
            return None
        place = place.removeprefix("sqlite:///").partition("?")[0]
    file = Path(place)
    if not place or file.is_dir():
        raise TuningError(f"storage {place!r} is {'a folder' if place else 'empty'}: give a file, such as tuning.db")
    if not file.parent.is_dir():
        raise TuningError(f"storage {place!r}: the folder {str(file.parent)!r} is missing: make it first")
    if file.exists():
        try:
            with file.open("rb") as opened:
                head = opened.read(len(SQLITE))
        except OSError as error:
            raise TuningError(f"storage {place!r} cannot be read: {error.strerror or error}") from error
        if head and head != SQLITE:
            raise TuningError(f"storage {place!r} is not a file of SQLite: give another, such as tuning.db")
    return file


def _has_studies(url: str | None) -> bool:
    from sqlalchemy import create_engine, inspect

    engine = create_engine(str(url))
    try:
        return bool(inspect(engine).has_table("studies"))
    finally:
        engine.dispose()
