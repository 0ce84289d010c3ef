"""The store of a study: its runs, the workers that compute them, and the results.

Every change is one transaction, so that a process killed at any moment leaves no partial run.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, and_, func, insert, inspect, or_, select, update

from hashlens.errors import StudyError
from hashlens.plain import to_plain
from hashlens.study.cells import Run
from hashlens.study.results import Results
from hashlens.study.store.database import CORRUPT, Database
from hashlens.study.store.identity import Identity, StudyStart, read_identity, resume, tables_of, write_study
from hashlens.study.store.long_table import LongTable
from hashlens.study.store.schema import CURRENT, DONE, FAILED, LEASED, PENDING, ClaimedRun, Row, StoredRun, Tables
from hashlens.study.store.status import Failure, Lease, StudyStatus
from hashlens.study.variables import Variables

_RUNS_AT_ONCE = 256


class Store:
    """One study in an SQLite file or a PostgreSQL schema, shared by any number of workers; see :meth:`open`.

    A worker leases its runs for some seconds, and :meth:`extend_leases` renews the leases. Leases are compared with the
    clock of the caller. Clocks of several machines may differ by the length of a lease minus the time between two
    renewals. If they differ by more, a run may be computed twice, which costs only time: the first commit wins. An
    SQLite file can be shared by processes of one machine; workers on several machines need PostgreSQL.
    """

    def __init__(self, database: Database, clock: Callable[[], float], tables: Tables = CURRENT) -> None:
        self._database = database
        self._clock = clock
        self._tables = tables
        self.is_begun = False
        """Whether the store holds a study."""

    @classmethod
    def open(
        cls,
        target: str | Path,
        *,
        create: bool = True,
        timeout: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> "Store":
        """Open the store at `target`; nothing is written before :meth:`begin`.

        Parameters
        ----------
        target : str or Path
            Path of an SQLite file, or a URL ``sqlite:///PATH`` or ``postgresql://USER@HOST/NAME``.
        create : bool
            Whether the store may be missing, so that :meth:`begin` creates it.
        timeout : float
            Seconds to wait for locks of other processes.
        clock : callable
            Function that returns the current time in seconds.

        Raises
        ------
        StudyError
            If `target` is not a store, is a store of a later version, or is missing and `create` is false.
        OutputError
            If no file can be created at `target`.
        MissingExtraError
            If the driver of PostgreSQL is not installed.
        """
        database = Database(target, timeout)
        tables, names = CURRENT, database.tables()
        if CURRENT.study.name in names:
            with database.reading() as connection:
                tables = tables_of(database, connection)
                read_identity(database, connection, tables)
        elif names and database.path:
            raise database.error(StudyError, "is an SQLite file of something else: choose another path for the store")
        elif not create:
            exists = database.path is None or database.path.exists()
            problem = "holds no study" if exists else "is not there"
            raise database.error(StudyError, f"{problem}: begin the study with `hashlens study run`")
        store = cls(database, clock, tables)
        store.is_begun = CURRENT.study.name in names
        return store

    @property
    def _run(self) -> Any:
        return self._tables.run.c

    @property
    def _cell(self) -> Any:
        return self._tables.cell.c

    def __repr__(self) -> str:
        return f"Store({self._database.name!r})"

    @property
    def name(self) -> str:
        """Path or URL, without a password."""
        return self._database.name

    @property
    def spec(self) -> dict[str, Any]:
        """Spec of the study, as of its start or its last resumption."""
        return self._identity().spec

    @property
    def digests(self) -> dict[str, str]:
        """Digest of the data of each split."""
        return self._identity().digests

    @property
    def variables(self) -> Variables:
        """Factors, step and measures of the experiment."""
        return self._identity().variables

    @property
    def kept_folder(self) -> Path | None:
        """Folder of the files that the experiment keeps; None if the store is not a file."""
        path = self._database.path
        return None if path is None else path.with_name(f"{path.name}.kept")

    def begin(
        self,
        spec: Mapping[str, Any],
        runs: Sequence[Run],
        digests: Mapping[str, str],
        variables: Variables | None = None,
        *,
        extendable_fields: Collection[str] = (),
        can_remeasure: Callable[[Mapping[str, Any]], bool] = lambda metadata: False,
    ) -> StudyStart:
        """Write the study to the store, or check that the store contains it, or a part that can be extended.

        Parameters
        ----------
        spec : mapping
            The spec in JSON types. Its ``name``, ``description``, ``data`` (path of the examples) and ``keep`` may
            change later.
        runs : sequence
            All runs, in order; each with ``cell`` (``key`` and factors), ``repeat``, ``seed`` and ``pack``.
        digests : mapping of str to str
            Digest of the data of each split.
        variables : Variables, optional
            Factors, step and measures of the experiment; by default those of networks.
        extendable_fields : collection of str
            Dotted paths of lists in the spec, such as measures, to which values may be added after runs are done.
        can_remeasure : callable
            Function of the metadata of a run that returns whether the run can be measured again for added values.

        Returns
        -------
        StudyStart
            Numbers of runs that were in the store, and of new ones.

        Raises
        ------
        StudyError
            If the store contains a study with another spec or other data.
        """
        study = Identity.from_spec(spec, digests, variables)
        with self._database.writing(create=True) as connection:
            if inspect(connection).has_table(CURRENT.study.name):
                self._tables = tables_of(self._database, connection)
                self.is_begun = True
                return resume(self._database, connection, self._tables, study, runs, extendable_fields, can_remeasure)
            self._tables = CURRENT
            CURRENT.metadata.create_all(connection)
            start = write_study(connection, study, runs, self._clock())
        self.is_begun = True
        self._database.enable_write_ahead_log()
        return start

    def claim(self, worker: str, *, lease: float) -> tuple[ClaimedRun, ...]:
        """Claim the first pack that has remaining runs, none of them claimed by a worker.

        Parameters
        ----------
        worker : str
            Name of the worker; it must differ from the names of all other workers, earlier ones included.
        lease : float
            Seconds until other workers may claim the runs.

        Returns
        -------
        tuple of ClaimedRun
            The runs of the pack that are neither done nor failed, in order; empty if there is no such pack.
        """
        with self._database.writing() as connection:
            now = self._clock()
            free = or_(self._run.state == PENDING, and_(self._run.state == LEASED, self._run.leased_until <= now))
            leased_packs = select(self._run.pack).where(self._run.state == LEASED, self._run.leased_until > now)
            pack = connection.scalar(select(func.min(self._run.pack)).where(free, self._run.pack.not_in(leased_packs)))
            if pack is None:
                return ()
            connection.execute(
                update(self._tables.run)
                .where(self._run.pack == pack, free)
                .values(state=LEASED, worker=worker, leased_since=now, leased_until=now + lease)
            )
            return _claimed_runs(connection, self._tables, worker, self._run.pack == pack)

    def extend_leases(self, worker: str, lease: float) -> tuple[ClaimedRun, ...]:
        """Extend the leases of `worker` to `lease` seconds from now; return the runs that it still has claimed."""
        with self._database.writing() as connection:
            connection.execute(
                update(self._tables.run)
                .where(self._run.state == LEASED, self._run.worker == worker)
                .values(leased_until=self._clock() + lease)
            )
            return _claimed_runs(connection, self._tables, worker)

    def release(self, worker: str) -> int:
        """Release the runs that `worker` has claimed and not done; return their number."""
        with self._database.writing() as connection:
            return connection.execute(
                update(self._tables.run)
                .where(self._run.state == LEASED, self._run.worker == worker)
                .values(**_released_values())
            ).rowcount

    def commit(self, run: ClaimedRun, worker: str, rows: Sequence[Row], metadata: Mapping[str, Any]) -> bool:
        """Store the results of a run and mark it as done, in one transaction.

        Parameters
        ----------
        run : ClaimedRun
            The run.
        worker : str
            Name of the worker that computed it; its lease may have expired.
        rows : sequence of Row
            The results. NaN is stored as NULL.
        metadata : mapping
            Other information about the run, in JSON types: ``seconds`` (its share of its pack's time), dtype, device,
            threads, versions, digest of the parameters and so on.

        Returns
        -------
        bool
            False if the run was done already; then nothing is written, because the first commit wins.

        Raises
        ------
        StudyError
            If two rows have the same key.
        """
        values = _row_values(run, rows)
        metadata = {**run.metadata, **to_plain(dict(metadata))}
        with self._database.writing() as connection:
            done = connection.execute(
                update(self._tables.run)
                .where(self._run.id == run.id, self._run.state != DONE)
                .values(
                    **_released_values()
                    | {
                        "state": DONE,
                        "worker": worker,
                        "seconds": metadata.get("seconds"),
                        "facts": json.dumps(metadata, allow_nan=False),
                        "reason": None,
                    }
                )
            ).rowcount
            if run.metadata:
                values = self._missing(connection, run, values)
            if done and values:
                connection.execute(insert(self._tables.row), values)
        return bool(done)

    def _missing(self, connection: Connection, run: ClaimedRun, values: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return those rows of a run measured again that the store lacks."""
        names = ("step", "measure", "split", "layer")
        columns = (self._tables.row.c[name] for name in names)
        stored = connection.execute(select(*columns).where(self._tables.row.c.run == run.id))
        keys = {tuple(row) for row in stored}
        return [value for value in values if tuple(value[name] for name in names) not in keys]

    def fail(self, run: ClaimedRun, worker: str, reason: str) -> bool:
        """Mark a run as failed, until :meth:`retry_failed`; return False if `worker` no longer has it claimed."""
        with self._database.writing() as connection:
            failed = connection.execute(
                update(self._tables.run)
                .where(self._run.id == run.id, self._run.state == LEASED, self._run.worker == worker)
                .values(**_released_values() | {"state": FAILED, "worker": worker, "reason": reason})
            )
            return bool(failed.rowcount)

    def retry_failed(self) -> int:
        """Make the failed runs pending again, so that they can be claimed; return their number."""
        with self._database.writing() as connection:
            return connection.execute(
                update(self._tables.run).where(self._run.state == FAILED).values(**_released_values(), reason=None)
            ).rowcount

    def runs(self) -> tuple[StoredRun, ...]:
        """Return all runs in order, with their states and metadata."""
        names = ("id", "repeat", "seed", "pack", "state", "worker", "reason")
        columns = (*(self._tables.run.c[name] for name in names), self._run.facts.label("metadata"))
        query = (
            select(self._cell.key.label("cell"), *columns)
            .join_from(self._tables.run, self._tables.cell)
            .order_by(self._run.id)
        )
        with self._database.reading() as connection:
            return tuple(
                StoredRun(**{**row, "metadata": json.loads(row["metadata"] or "{}")})
                for row in connection.execute(query).mappings()
            )

    def status(self) -> StudyStatus:
        """Return the numbers of runs done, claimed, pending and failed, and an estimate of the remaining time."""
        now = self._clock()
        is_leased = and_(self._run.state == LEASED, self._run.leased_until > now)
        with self._database.reading() as connection:
            study = read_identity(self._database, connection, self._tables)
            by_state = select(self._run.state, func.count()).group_by(self._run.state)
            counts: dict[str, int] = dict(connection.execute(by_state).all())
            leases = connection.execute(
                select(self._run.worker, func.count(), func.min(self._run.leased_since))
                .where(is_leased)
                .group_by(self._run.worker)
                .order_by(self._run.worker)
            ).all()
            failures = connection.execute(
                select(self._cell.key, self._run.repeat, self._run.reason)
                .join_from(self._tables.run, self._tables.cell)
                .where(self._run.state == FAILED)
                .order_by(self._run.id)
            ).all()
            seconds = connection.scalars(select(self._run.seconds).where(self._run.seconds.is_not(None))).all()
        leased = sum(runs for _, runs, _ in leases)
        unfinished = counts.get(PENDING, 0) + counts.get(LEASED, 0)
        median = float(np.median(seconds)) if seconds else None
        return StudyStatus(
            study=study.name,
            runs=sum(counts.values()),
            done=counts.get(DONE, 0),
            pending=unfinished - leased,
            leases=tuple(Lease(worker, runs, max(now - since, 0.0)) for worker, runs, since in leases),
            failures=tuple(Failure(cell, repeat, reason or "") for cell, repeat, reason in failures),
            seconds_per_run=median,
            seconds_left=None if median is None else unfinished * median / max(len(leases), 1),
        )

    def results(self) -> Results:
        """Return all results, sorted."""
        with self._database.reading() as connection:
            study = read_identity(self._database, connection, self._tables)
            rows = connection.execute(select(self._tables.cell)).mappings()
            cells = [(cell["id"], cell["key"], self._tables.cell_factors(dict(cell))) for cell in rows]
            runs = connection.execute(
                select(self._run.id, self._run.cell, self._run.repeat).order_by(self._run.id)
            ).all()
            table = LongTable()
            for first in range(0, len(runs), _RUNS_AT_ONCE):
                # Rows are fetched for some runs at a time, to bound the memory, and directly from the driver, because
                # SQLAlchemy would wrap each of millions of rows.
                chunk = self._tables.row.c.run.between(first, first + _RUNS_AT_ONCE - 1)
                cursor = connection.execute(select(self._tables.row).where(chunk)).cursor
                try:
                    table.add(cursor.fetchall() if cursor else ())
                except (TypeError, ValueError) as error:
                    raise self._database.error(StudyError, CORRUPT) from error
        return Results(table.columns(study.variables, cells, runs), study.name, study.variables)

    def _identity(self) -> Identity:
        with self._database.reading() as connection:
            return read_identity(self._database, connection, self._tables)


def _released_values() -> dict[str, str | None]:
    return {"state": PENDING, "worker": None, "leased_since": None, "leased_until": None}


def _claimed_runs(
    connection: Connection, tables: Tables, worker: str, *conditions: ColumnElement[bool]
) -> tuple[ClaimedRun, ...]:
    _cell, _run = tables.cell.c, tables.run.c
    query = (
        select(_run.id, _cell.key, _run.repeat, _run.seed, _run.pack, _run.facts)
        .join_from(tables.run, tables.cell)
        .where(_run.state == LEASED, _run.worker == worker, *conditions)
        .order_by(_run.id)
    )
    return tuple(
        ClaimedRun(number, cell, repeat, seed, pack, json.loads(metadata or "{}"))
        for number, cell, repeat, seed, pack, metadata in connection.execute(query)
    )


def _row_values(run: ClaimedRun, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the values of results for the table of rows."""
    values = {
        (row.step, row.measure, row.split, row.layer): None if np.isnan(row.value) else float(row.value) for row in rows
    }
    if len(values) != len(rows):
        keys = Counter((row.step, row.measure, row.split, row.layer) for row in rows)
        twice = keys.most_common(1)[0][0]
        raise StudyError(f"{run.cell} repeat {run.repeat}: two rows for step, measure, split, layer = {twice}")
    return [
        {"run": run.id, "step": int(step), "measure": measure, "split": split, "layer": layer, "value": value}
        for (step, measure, split, layer), value in values.items()
    ]
