"""The identity of the study in a store: written once, compared at every start, and extended if the study grows."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from hashlens.errors import StudyError
from hashlens.plain import from_plain, to_plain
from hashlens.study.cells import Run
from hashlens.study.results import default_variables
from hashlens.study.store.changes import changes, comparable_fields, join_first
from hashlens.study.store.database import CORRUPT, Database
from hashlens.study.store.schema import CURRENT, DONE, PENDING, SCHEMA_VERSION, Tables
from hashlens.study.store.version_1 import TABLES
from hashlens.study.variables import Variables
from hashlens.version import __version__

WAY_OUT = "go back to it, or choose another store"


@dataclass(frozen=True)
class Identity:
    """The properties that identify a study; its runs follow from them.

    Attributes
    ----------
    spec : dict
        The spec, as read from JSON.
    digests : dict of str to str
        Digest of the data of each split.
    plain_variables : dict, optional
        Factors, step and measures of the experiment, as read from JSON; None for those of networks.
    hashlens_version : str
        Version of hashlens that divided the study into runs.
    """

    spec: dict[str, Any]
    digests: dict[str, str]
    plain_variables: dict[str, Any] | None = None
    hashlens_version: str = __version__

    @classmethod
    def from_spec(
        cls, spec: Mapping[str, Any], digests: Mapping[str, str], variables: Variables | None = None
    ) -> "Identity":
        """Return the identity of a study that this version of hashlens starts."""
        return cls(
            json.loads(json.dumps(dict(spec), allow_nan=False)),
            dict(digests),
            to_plain(variables or default_variables()),
        )

    @property
    def variables(self) -> Variables:
        """Factors, step and measures of the experiment."""
        variables: Variables = (
            default_variables()
            if self.plain_variables is None
            else from_plain(Variables, self.plain_variables, "terms")
        )
        return variables

    @property
    def name(self) -> str:
        """Name of the study; empty if the spec has none."""
        return str(self.spec.get("name") or "")


@dataclass(frozen=True)
class StudyStart:
    """State of a store when a study was started on it.

    Attributes
    ----------
    existing : int
        Number of runs that were in the store already.
    done : int
        Number of existing runs that were done.
    added : int
        Number of new runs.
    remeasured : int
        Number of runs that are done and will be measured again, because the study has new measures.
    """

    existing: int
    done: int
    added: int
    remeasured: int = 0

    @property
    def is_new(self) -> bool:
        """True if the store was empty."""
        return not self.existing

    def __str__(self) -> str:
        if self.remeasured:
            new = f"; {self.added:,} are new" if self.added else ""
            return f"{self.remeasured:,} of {self.existing + self.added:,} runs are done and get further measures{new}"
        if self.existing and self.added:
            waiting = f", {self.done} of them done" if self.done < self.existing else ""
            runs = self.existing + self.added
            return f"{self.existing:,} of {runs:,} runs are there{waiting}; {self.added:,} are new"
        return f"{self.done:,} of {self.existing:,} runs are done" if self.done else ""


def tables_of(database: Database, connection: Connection) -> Tables:
    """Return the tables of the store, if this hashlens can read their version."""
    version = connection.scalar(select(CURRENT.study.c.schema_version))
    if version is None:
        raise database.error(StudyError, "holds no study: put back a copy of it, or choose another path for the store")
    if version > SCHEMA_VERSION:
        raise database.error(
            StudyError,
            f"has schema {version}, this hashlens reads up to {SCHEMA_VERSION}: upgrade with `pip install -U hashlens`",
        )
    if version not in TABLES:
        raise database.error(StudyError, CORRUPT)
    return TABLES[version]


def read_identity(database: Database, connection: Connection, tables: Tables) -> Identity:
    """Return the study in the store."""
    record = connection.execute(select(tables.study)).mappings().one()
    try:
        spec, digests = dict(json.loads(record["spec"])), dict(json.loads(record["digests"]))
        variables = dict(json.loads(record["terms"])) if "terms" in record else None
    except (TypeError, ValueError) as error:
        raise database.error(StudyError, CORRUPT) from error
    return Identity(spec, digests, variables, record["hashlens_version"])


def write_study(connection: Connection, study: Identity, runs: Sequence[Run], created: float) -> StudyStart:
    """Write the study and its runs into empty tables."""
    connection.execute(
        insert(CURRENT.study).values(
            id=1,
            schema_version=SCHEMA_VERSION,
            hashlens_version=study.hashlens_version,
            created=created,
            spec=json.dumps(study.spec),
            digests=json.dumps(study.digests),
            terms=json.dumps(study.plain_variables),
        )
    )
    _add(connection, CURRENT, runs)
    return StudyStart(0, 0, len(runs))


def _add(connection: Connection, tables: Tables, runs: Sequence[Run]) -> None:
    """Write runs, and the cells of these runs that the store lacks."""
    if not runs:
        return
    cell, run = tables.cell, tables.run
    stored: dict[str, int] = dict(connection.execute(select(cell.c.key, cell.c.id)).all())
    new_cells = {run_.cell.key: run_.cell for run_ in runs if run_.cell.key not in stored}
    numbers = stored | {key: number for number, key in enumerate(new_cells, len(stored))}
    if new_cells:
        rows = [{"id": numbers[key]} | tables.cell_values(cell_) for key, cell_ in new_cells.items()]
        connection.execute(insert(cell), rows)
    first = connection.scalar(select(func.count()).select_from(run)) or 0
    connection.execute(
        insert(run),
        [
            {"id": number, "cell": numbers[run_.cell.key], "repeat": run_.repeat, "seed": run_.seed, "pack": run_.pack}
            | {"state": PENDING}
            for number, run_ in enumerate(runs, first)
        ],
    )


def resume(
    database: Database,
    connection: Connection,
    tables: Tables,
    study: Identity,
    runs: Sequence[Run],
    extendable_fields: Collection[str] = (),
    can_remeasure: Callable[[Mapping[str, Any]], bool] = lambda metadata: False,
) -> StudyStart:
    """Check that the store contains this study or a part of it, and add the new runs.

    A new name, description, path of the data or value of ``keep`` is written. New levels of axes and more repeats
    extend the study: existing runs keep their seeds, and so their results.

    Raises
    ------
    StudyError
        If the spec would change the results of existing runs.
    """
    stored = read_identity(database, connection, tables)
    changed = changes(comparable_fields(stored.spec), comparable_fields(study.spec))
    grows = {"repeats", *(f"axes.{factor.name}" for factor in stored.variables.factors)}
    gained = [path for path in extendable_fields if _grew(stored.spec, study.spec, path)]
    # Designs may get cells too; that none is lost is tested below.
    if blocking := [
        line for line in changed if line.partition(": ")[0] not in {*grows, *gained} and not line.startswith("designs.")
    ]:
        lines = [*blocking, *(line for line in changed if line not in blocking)]
        raise database.error(StudyError, f"holds a study with another spec: {join_first(lines)}; {WAY_OUT}")
    if differing := changes(stored.digests, study.digests):
        raise database.error(StudyError, f"holds a study of other data, by digest: {join_first(differing)}; {WAY_OUT}")

    cell, run = tables.cell.c, tables.run.c
    query = select(cell.key, run.repeat, run.seed).join_from(tables.run, tables.cell)
    existing = {(key, repeat): seed for key, repeat, seed in connection.execute(query)}
    expected = {(run_.cell.key, run_.repeat): run_ for run_ in runs}
    lost = [run_key for run_key, seed in existing.items() if run_key not in expected or expected[run_key].seed != seed]
    added = [run_ for run_key, run_ in expected.items() if run_key not in existing]
    if lost and changed:
        raise database.error(
            StudyError, f"holds {len(lost):,} runs that are not in this spec: {join_first(changed)}; {WAY_OUT}"
        )
    if lost or (added and not changed):
        raise database.error(
            StudyError,
            f"holds a study that hashlens {stored.hashlens_version} divided into other runs than "
            f"{__version__} does: resume it with that version, or choose another store",
        )
    _add(connection, tables, added)
    if stored.spec != study.spec:
        connection.execute(update(tables.study).values(spec=json.dumps(study.spec)))
    done = connection.execute(select(run.id, run.facts).where(run.state == DONE)).all()
    if not gained:
        return StudyStart(len(existing), len(done), len(added))
    if lacking := sum(not can_remeasure(json.loads(metadata or "{}")) for _, metadata in done):
        raise database.error(
            StudyError,
            f"holds {lacking:,} runs without the saved files that more measures need: {join_first(changed)}; {WAY_OUT}",
        )
    connection.execute(update(tables.run).where(run.state == DONE).values(state=PENDING, worker=None))
    return StudyStart(len(existing), len(done), len(added), len(done))


def _grew(earlier: Mapping[str, Any], later: Mapping[str, Any], path: str) -> bool:
    """Return whether the list at a dotted path contains all its earlier values, and more."""
    earlier_values, later_values = _field(earlier, path), _field(later, path)
    return bool(later_values) and set(earlier_values or ()) < set(later_values)


def _field(spec: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path; None if there is none."""
    value: Any = spec
    for name in path.split("."):
        value = (value or {}).get(name)
    return value
