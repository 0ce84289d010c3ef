"""The store of a study: which runs there are, who works on them, and what they found.

Every change is one transaction, so that a process killed at any moment leaves whole runs or none.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, and_, func, insert, inspect, or_, select, update

from hashlens.errors import StudyError
from hashlens.plain import plain
from hashlens.study.results import Results
from hashlens.study.store.database import CORRUPT, Database
from hashlens.study.store.identity import Identity, check_same, described, put
from hashlens.study.store.long_table import LongTable
from hashlens.study.store.schema import (
    DONE,
    FAILED,
    LEASED,
    PENDING,
    Claimed,
    Row,
    RunLike,
    StoredRun,
    cell_table,
    metadata,
    row_table,
    run_table,
    study_table,
)
from hashlens.study.store.status import Failure, Lease, StudyStatus

_RUNS_AT_ONCE = 256
_run, _cell = run_table.c, cell_table.c


class Store:
    """One study in an SQLite file or a PostgreSQL schema, shared by any number of workers; see :meth:`open`.

    Workers hold runs by leases, which end unless :meth:`beat` extends them. Leases are compared with the clock of
    whoever asks: clocks of several machines may differ by as much as the lease is longer than the time between two
    beats. If they differ by more, a run may be done twice, which costs time and nothing else: the first to commit wins.
    An SQLite file is shared by processes of one machine; workers on several machines need PostgreSQL.
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    @classmethod
    def open(
        cls,
        target: str | Path,
        *,
        create: bool = True,
        timeout: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> "Store":
        """Return the store at `target`; nothing is written before :meth:`begin`.

        Parameters
        ----------
        target : str or Path
            Path of an SQLite file, or a URL ``sqlite:///PATH`` or ``postgresql://USER@HOST/NAME``.
        create : bool
            Whether there may be no study yet.
        timeout : float
            Seconds to wait for the locks of others.
        clock : callable
            Returns the time in seconds.

        Raises
        ------
        StudyError
            If there is something else at `target`, a store of a later version, or none and `create` is false.
        OutputError
            If it cannot be a file.
        MissingExtraError
            If the driver of PostgreSQL is not installed.
        """
        database = Database(target, timeout)
        tables = database.tables()
        if study_table.name in tables:
            with database.reading() as connection:
                described(database, connection)
        elif tables and database.path:
            raise database.error(StudyError, "is an SQLite file of something else: choose another path for the store")
        elif not create:
            there = database.path is None or database.path.exists()
            what = "holds no study" if there else "is not there"
            raise database.error(StudyError, f"{what}: begin the study with `hashlens study run`")
        return cls(database, clock)

    def __repr__(self) -> str:
        return f"Store({self._database.name!r})"

    @property
    def name(self) -> str:
        """Path or URL, without a password."""
        return self._database.name

    @property
    def spec(self) -> dict[str, Any]:
        """The spec that the study was begun with, or last resumed with."""
        return self._identity().spec

    @property
    def digests(self) -> dict[str, str]:
        """Digests of the data."""
        return self._identity().digests

    def begin(self, spec: Mapping[str, Any], runs: Sequence[RunLike], digests: Mapping[str, str]) -> bool:
        """Put the study into the store, or make sure that the store holds this study.

        Parameters
        ----------
        spec : mapping
            The spec as JSON takes it. Its ``name``, ``description`` and ``data`` (where the examples are) may change.
        runs : sequence
            All runs, in order; each with ``cell`` (``key`` and factors), ``repeat``, ``seed`` and ``pack``.
        digests : mapping of str to str
            What the data is, by split.

        Returns
        -------
        bool
            Whether the study is new.

        Raises
        ------
        StudyError
            If the store holds a study of another spec or other data.
        """
        study = Identity.of(spec, digests)
        with self._database.writing(create=True) as connection:
            if inspect(connection).has_table(study_table.name):
                check_same(self._database, connection, study, runs)
                return False
            metadata.create_all(connection)
            put(connection, study, runs, self._clock())
        self._database.keep_readers_going()
        return True

    def claim(self, worker: str, *, lease: float) -> tuple[Claimed, ...]:
        """Take the first pack that has runs to do and that nobody holds a run of, whole; nothing if there is none.

        Parameters
        ----------
        worker : str
            A name that no other worker has, nor had before a restart.
        lease : float
            Seconds until somebody else may take the runs.

        Returns
        -------
        tuple of Claimed
            The runs of the pack that are neither done nor failed, in order.
        """
        with self._database.writing() as connection:
            now = self._clock()
            free = or_(_run.state == PENDING, and_(_run.state == LEASED, _run.leased_until <= now))
            held = select(_run.pack).where(_run.state == LEASED, _run.leased_until > now)
            pack = connection.scalar(select(func.min(_run.pack)).where(free, _run.pack.not_in(held)))
            if pack is None:
                return ()
            connection.execute(
                update(run_table)
                .where(_run.pack == pack, free)
                .values(state=LEASED, worker=worker, leased_since=now, leased_until=now + lease)
            )
            return _held(connection, worker, _run.pack == pack)

    def beat(self, worker: str, lease: float) -> tuple[Claimed, ...]:
        """Extend the leases of `worker` to `lease` seconds from now, and return the runs that it still holds."""
        with self._database.writing() as connection:
            connection.execute(
                update(run_table)
                .where(_run.state == LEASED, _run.worker == worker)
                .values(leased_until=self._clock() + lease)
            )
            return _held(connection, worker)

    def release(self, worker: str) -> int:
        """Give back what `worker` holds and has not done; return how many runs."""
        with self._database.writing() as connection:
            return connection.execute(
                update(run_table).where(_run.state == LEASED, _run.worker == worker).values(**_released())
            ).rowcount

    def commit(self, run: Claimed, worker: str, rows: Sequence[Row], facts: Mapping[str, Any]) -> bool:
        """Store what a run found and mark it done, in one transaction.

        Parameters
        ----------
        run : Claimed
            The run.
        worker : str
            Who did it; its lease may have run out.
        rows : sequence of Row
            What it found. NaN is kept as NULL.
        facts : mapping
            What else to know of it, as JSON takes it: ``seconds`` (its share of its pack's time), dtype, device,
            threads, versions, digest of the parameters and so on.

        Returns
        -------
        bool
            False, and nothing is written, if the run is done already: the first to commit wins.

        Raises
        ------
        StudyError
            If two rows have the same key.
        """
        values = _values(run, rows)
        facts = plain(dict(facts))
        with self._database.writing() as connection:
            done = connection.execute(
                update(run_table)
                .where(_run.id == run.id, _run.state != DONE)
                .values(
                    **_released()
                    | {
                        "state": DONE,
                        "worker": worker,
                        "seconds": facts.get("seconds"),
                        "facts": json.dumps(facts, allow_nan=False),
                        "reason": None,
                    }
                )
            ).rowcount
            if done and values:
                connection.execute(insert(row_table), values)
        return bool(done)

    def fail(self, run: Claimed, worker: str, reason: str) -> bool:
        """Mark a run of `worker` as failed, until :meth:`retry_failed`; False if it does not hold the run any more."""
        with self._database.writing() as connection:
            failed = connection.execute(
                update(run_table)
                .where(_run.id == run.id, _run.state == LEASED, _run.worker == worker)
                .values(**_released() | {"state": FAILED, "worker": worker, "reason": reason})
            )
            return bool(failed.rowcount)

    def retry_failed(self) -> int:
        """Let the failed runs be claimed again; return how many there are."""
        with self._database.writing() as connection:
            return connection.execute(
                update(run_table).where(_run.state == FAILED).values(**_released(), reason=None)
            ).rowcount

    def runs(self) -> tuple[StoredRun, ...]:
        """Return all runs in order, with their states and facts."""
        columns = ("id", "repeat", "seed", "pack", "state", "worker", "reason", "facts")
        query = (
            select(_cell.key.label("cell"), *(run_table.c[name] for name in columns))
            .join_from(run_table, cell_table)
            .order_by(_run.id)
        )
        with self._database.reading() as connection:
            return tuple(
                StoredRun(**{**found, "facts": json.loads(found["facts"] or "{}")})
                for found in connection.execute(query).mappings()
            )

    def status(self) -> StudyStatus:
        """Return what is done, held, waiting and failed, and how long the rest will take."""
        now = self._clock()
        living = and_(_run.state == LEASED, _run.leased_until > now)
        with self._database.reading() as connection:
            study = described(self._database, connection)
            by_state = select(_run.state, func.count()).group_by(_run.state)
            counts: dict[str, int] = dict(connection.execute(by_state).all())
            leases = connection.execute(
                select(_run.worker, func.count(), func.min(_run.leased_since))
                .where(living)
                .group_by(_run.worker)
                .order_by(_run.worker)
            ).all()
            failures = connection.execute(
                select(_cell.key, _run.repeat, _run.reason)
                .join_from(run_table, cell_table)
                .where(_run.state == FAILED)
                .order_by(_run.id)
            ).all()
            seconds = connection.scalars(select(_run.seconds).where(_run.seconds.is_not(None))).all()
        at_work = sum(runs for _, runs, _ in leases)
        left = counts.get(PENDING, 0) + counts.get(LEASED, 0)
        median = float(np.median(seconds)) if seconds else None
        return StudyStatus(
            study=study.name,
            runs=sum(counts.values()),
            done=counts.get(DONE, 0),
            pending=left - at_work,
            leases=tuple(Lease(worker, runs, max(now - since, 0.0)) for worker, runs, since in leases),
            failures=tuple(Failure(cell, repeat, reason or "") for cell, repeat, reason in failures),
            seconds_per_run=median,
            seconds_left=None if median is None else left * median / max(len(leases), 1),
        )

    def results(self) -> Results:
        """Return all that was found, sorted."""
        with self._database.reading() as connection:
            study = described(self._database, connection)
            cells = [dict(cell) for cell in connection.execute(select(cell_table)).mappings()]
            runs = connection.execute(select(_run.id, _run.cell, _run.repeat).order_by(_run.id)).all()
            table = LongTable()
            for first in range(0, len(runs), _RUNS_AT_ONCE):
                # Run by run, because that bounds the memory in every database; straight from the driver, because
                # SQLAlchemy would wrap each of millions of rows.
                some = row_table.c.run.between(first, first + _RUNS_AT_ONCE - 1)
                cursor = connection.execute(select(row_table).where(some)).cursor
                try:
                    table.add(cursor.fetchall() if cursor else ())
                except (TypeError, ValueError) as error:
                    raise self._database.error(StudyError, CORRUPT) from error
        return Results(table.columns(cells, runs), study.name)

    def _identity(self) -> Identity:
        with self._database.reading() as connection:
            return described(self._database, connection)


def _released() -> dict[str, str | None]:
    return {"state": PENDING, "worker": None, "leased_since": None, "leased_until": None}


def _held(connection: Connection, worker: str, *conditions: ColumnElement[bool]) -> tuple[Claimed, ...]:
    query = (
        select(_run.id, _cell.key, _run.repeat, _run.seed, _run.pack)
        .join_from(run_table, cell_table)
        .where(_run.state == LEASED, _run.worker == worker, *conditions)
        .order_by(_run.id)
    )
    return tuple(Claimed(*found) for found in connection.execute(query))


def _values(run: Claimed, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return what the table of rows takes."""
    values = {
        (row.epochs, row.measure, row.split, row.layer): None if np.isnan(row.value) else float(row.value)
        for row in rows
    }
    if len(values) != len(rows):
        keys = Counter((row.epochs, row.measure, row.split, row.layer) for row in rows)
        twice = keys.most_common(1)[0][0]
        raise StudyError(f"{run.cell} repeat {run.repeat}: two rows for epochs, measure, split, layer = {twice}")
    return [
        {"run": run.id, "epochs": int(epochs), "measure": measure, "split": split, "layer": layer, "value": value}
        for (epochs, measure, split, layer), value in values.items()
    ]
