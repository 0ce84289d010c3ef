"""The database of a store, an SQLite file or a PostgreSQL schema: its transactions, and its errors in one line.

Only one transaction writes at a time. SQLite ensures this by ``BEGIN IMMEDIATE``, PostgreSQL by an advisory lock that
ends with the transaction. Waiting costs little, because writes are short and rare compared with training.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from hashlens.errors import HashlensError, MissingExtraError, OutputError, StudyError
from hashlens.passwords import mask_passwords
from hashlens.study.interrupts import delayed_interrupts

_RESUME = "finished runs are kept; run the same command again to resume"
CORRUPT = "is corrupt: put back a copy of it, or begin the study in another file"

# Prefixes of SQLite's error names and of PostgreSQL's SQLSTATE codes; the longest prefix of an error's code is used.
_FAULTS: dict[str, tuple[type[HashlensError], str]] = {
    "SQLITE_BUSY": (StudyError, f"has been locked by another program for {{timeout:g}} s; {_RESUME}"),
    "SQLITE_LOCKED": (StudyError, f"has been locked by another program for {{timeout:g}} s; {_RESUME}"),
    "SQLITE_FULL": (OutputError, f"cannot be written: the disk is full; {_RESUME} once there is space"),
    "SQLITE_READONLY": (OutputError, f"is read-only; {_RESUME} once it may be written"),
    "SQLITE_CANTOPEN": (OutputError, f"cannot be opened: check its folder and your permissions; {_RESUME}"),
    "SQLITE_IOERR": (
        OutputError,
        f"cannot be read or written: the disk reports an error; {_RESUME} once it works",
    ),
    "SQLITE_CORRUPT": (StudyError, CORRUPT),
    "SQLITE_ERROR": (StudyError, "is damaged ({reason}): put back a copy of it, or begin the study in another file"),
    "SQLITE_NOTADB": (StudyError, "is not an SQLite file: choose another path for the store"),
    "55P03": (StudyError, f"has been locked by another program for {{timeout:g}} s; {_RESUME}"),
    "57014": (StudyError, f"was stopped by the server; {_RESUME}"),
    "53": (OutputError, f"has no resources left ({{reason}}); {_RESUME} once it has"),
    "25006": (OutputError, f"is read-only; {_RESUME} once it may be written"),
    "42501": (OutputError, f"denies permission: {{reason}}; {_RESUME} once you have it"),
}


class Database:
    """The database that contains a store.

    Parameters
    ----------
    target : str or Path
        Path of an SQLite file, or a URL ``sqlite:///PATH`` or ``postgresql://USER@HOST/NAME``.
    timeout : float
        Seconds to wait for locks of other processes.

    Raises
    ------
    StudyError
        If the URL is not of such a database.
    MissingExtraError
        If the driver of PostgreSQL is not installed.
    """

    def __init__(self, target: str | Path, timeout: float) -> None:
        self.url = _url(target)
        self.timeout = timeout
        self.path = Path(str(self.url.database)) if self.url.drivername == "sqlite" else None
        shown = self.url.set(drivername="postgresql").render_as_string(hide_password=True)
        self.name = str(self.path) if self.path else mask_passwords(shown)
        # Each transaction has its own connection (no pool), so that threads and forked processes share none.
        try:
            self._engine = create_engine(
                self.url, poolclass=NullPool, connect_args={"timeout": timeout} if self.path else {}
            )
        except ModuleNotFoundError as error:
            raise MissingExtraError("psycopg", "postgres", "a store in PostgreSQL") from error
        self._writer = self._engine.execution_options(writing=True)
        event.listen(self._engine, "connect", _prepare_sqlite if self.path else _do_nothing)
        event.listen(self._engine, "begin", self._begin)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a read-only connection that sees one consistent state of the store."""
        with self._transaction(self._engine) as connection:
            yield connection

    @contextmanager
    def writing(self, *, create: bool = False) -> Iterator[Connection]:
        """Yield the only connection that may write; if the body raises, all its changes are rolled back."""
        with self._transaction(self._writer, create) as connection:
            yield connection

    def tables(self) -> list[str]:
        """Return the names of the tables; none if the file does not exist yet."""
        if self.path and not self._is_sqlite_file(self.path):
            return []
        with self.reading() as connection:
            return inspect(connection).get_table_names()

    def enable_write_ahead_log(self) -> None:
        """Turn on SQLite's write-ahead log, if the file system supports it, so that readers need not wait."""
        if self.path:
            with suppress(sqlite3.Error), closing(sqlite3.connect(self.path, timeout=self.timeout)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")

    def error(self, kind: type[HashlensError], problem: str) -> HashlensError:
        """Return an error of type `kind` whose message begins with the name of the store."""
        return kind(f"{self.name} {problem}")

    def _is_sqlite_file(self, path: Path) -> bool:
        """Return whether `path` is an SQLite file; raise if it is something else, or its folder does not exist."""
        try:
            if path.is_dir():
                raise self.error(OutputError, "is a folder: a store is a file, such as study.db")
            if not path.parent.is_dir():
                raise self.error(
                    OutputError, f"cannot be written: the folder {path.parent} is not there; make it first"
                )
            if not path.exists():
                return False
            with path.open("rb") as file:
                head = file.read(16)
        except OSError as error:
            raise self.error(OutputError, f"cannot be opened: {error.strerror or error}") from error
        if head and head != b"SQLite format 3\0":
            raise self.error(StudyError, "is not an SQLite file: choose another path for the store")
        return bool(head)

    @contextmanager
    def _transaction(self, engine: Engine, create: bool = False) -> Iterator[Connection]:
        if self.path and not create and not self.path.exists():
            raise self.error(StudyError, "is missing: restore it, or start the study again")
        try:
            with delayed_interrupts(), engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise self._one_line_error(error.orig or error) from error
        except sqlite3.Error as error:  # SQLAlchemy does not wrap errors of preparing a connection
            raise self._one_line_error(error) from error

    def _begin(self, connection: Connection) -> None:
        writing = connection.get_execution_options().get("writing", False)
        if self.path:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
            return
        # The second limit ends the lock of a worker whose machine died.
        milliseconds = round(1000 * self.timeout)
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")
        connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = {max(milliseconds, 60_000)}")
        if writing:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('hashlens ' || current_schema()))")
        else:
            # Each statement would see a newer state by default, and counts would be inconsistent.
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def _one_line_error(self, error: BaseException) -> HashlensError:
        code = str(getattr(error, "sqlite_errorname", None) or getattr(error, "sqlstate", None) or "")
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        names = [name for name in _FAULTS if code.startswith(name)]
        if not names:
            return self.error(StudyError, f"cannot be used: {reason}; {_RESUME}")
        kind, template = _FAULTS[max(names, key=len)]
        return self.error(kind, template.format(timeout=self.timeout, reason=reason))


def _prepare_sqlite(connection: Any, record: object) -> None:
    connection.isolation_level = None  # the driver must not start transactions by itself
    connection.execute("PRAGMA foreign_keys=ON")


def _do_nothing(connection: object, record: object) -> None:
    pass


def _url(target: str | Path) -> URL:
    allowed = "a store is the path of an SQLite file, or a URL sqlite:///PATH or postgresql://USER@HOST/NAME"
    if not isinstance(target, str | Path):
        raise StudyError(f"{allowed}; received {target!r}")
    if "://" not in str(target):
        if not str(target) or str(target) == ":memory:" or "\0" in str(target):
            raise StudyError(f"{allowed}; received {str(target)!r}")
        return URL.create("sqlite", database=str(target))
    try:
        url = make_url(str(target))
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise StudyError(f"{allowed}; received {mask_passwords(str(target))!r}") from error
    if backend == "sqlite" and url.database and url.database != ":memory:":
        return URL.create("sqlite", database=url.database)
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise StudyError(f"{allowed}; received {url.render_as_string(hide_password=True)!r}")
