"""The tables of a study's store, and the records that are written to and read from them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from hashlens.study.cells import CellLike
from hashlens.study.row import Row

__all__ = ["Row"]
SCHEMA_VERSION = 2
"""Version of the tables; later versions are rejected, and stores of earlier versions are used unchanged."""

PENDING, LEASED, DONE, FAILED = "pending", "leased", "done", "failed"


@dataclass(frozen=True, eq=False)
class Tables:
    """The tables of one version of the schema, with all differences between versions.

    Attributes
    ----------
    version : int
        Version of the schema.
    metadata : MetaData
        SQLAlchemy's metadata of all tables.
    study, cell, run, row : Table
        The tables. ``row.c.step`` is the step of a row in every version, although column names differ.
    """

    version: int
    metadata: MetaData
    study: Table
    cell: Table
    run: Table
    row: Table

    def cell_values(self, cell: CellLike) -> dict[str, Any]:
        """Return the values of a cell for the table of cells, without its id."""
        return {"key": cell.key, "factors": json.dumps(dict(cell.factors), ensure_ascii=False)}

    def cell_factors(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the level of each factor, from a row of the table of cells."""
        return dict(json.loads(row["factors"]))


def study_columns() -> list[Any]:
    """Return the columns of the table with the study's identity, which all versions share."""
    return [
        Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
        Column("schema_version", Integer, nullable=False),
        Column("hashlens_version", String, nullable=False),
        Column("created", Float(53), nullable=False),
        Column("spec", Text, nullable=False),
        Column("digests", Text, nullable=False),
    ]


def cell_columns() -> list[Any]:
    """Return the columns of the table of cells that all versions share."""
    return [
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("key", String, nullable=False, unique=True),
    ]


def run_table(metadata: MetaData, cell: Table) -> Table:
    """Return the table of runs."""
    return Table(
        "hashlens_run",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("cell", ForeignKey(cell.c.id), nullable=False),
        Column("repeat", Integer, nullable=False),
        Column("seed", BigInteger, nullable=False),
        Column("pack", Integer, nullable=False),
        Column("state", String, nullable=False),
        Column("worker", String),
        Column("leased_since", Float(53)),
        Column("leased_until", Float(53)),
        Column("seconds", Float(53)),
        Column("facts", Text),
        Column("reason", Text),
        UniqueConstraint("cell", "repeat"),
        Index("hashlens_run_by_state", "state", "pack"),
    )


def row_table(metadata: MetaData, run: Table, step: str) -> Table:
    """Return the table of rows; `step` is the name of the column with the step."""
    return Table(
        "hashlens_row",
        metadata,
        Column("run", ForeignKey(run.c.id), primary_key=True),
        Column(step, Integer, key="step", primary_key=True, autoincrement=False),
        Column("measure", String, primary_key=True),
        Column("split", String, primary_key=True),
        Column("layer", String, primary_key=True),
        Column("value", Float(53)),
        sqlite_with_rowid=False,
    )


def _current() -> Tables:
    metadata = MetaData()
    study = Table("hashlens_study", metadata, *study_columns(), Column("terms", Text, nullable=False))
    cell = Table("hashlens_cell", metadata, *cell_columns(), Column("factors", Text, nullable=False))
    run = run_table(metadata, cell)
    return Tables(SCHEMA_VERSION, metadata, study, cell, run, row_table(metadata, run, "step"))


CURRENT = _current()
"""The tables of new stores."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run as it was planned when the study was started.

    Attributes
    ----------
    id : int
        Position of the run among the study's runs, from 0.
    cell : str
        Key of its cell.
    repeat, seed, pack : int
        Number of the repeat, its seed, and the number of its pack.
    """

    id: int
    cell: str
    repeat: int
    seed: int
    pack: int


@dataclass(frozen=True, slots=True)
class ClaimedRun(PlannedRun):
    """A run that a worker has claimed.

    Attributes
    ----------
    metadata : mapping
        Metadata recorded when the run was done, before its study grew; empty if it was not done.
    """

    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredRun(PlannedRun):
    """A run in the store, with its state.

    Attributes
    ----------
    state : str
        ``pending``, ``leased``, ``done`` or ``failed``.
    worker : str or None
        Name of the worker that has claimed the run, or finished it, or failed.
    reason : str or None
        Reason of the failure.
    metadata : mapping
        Metadata recorded with the results: seconds, versions, kept files and so on; empty until the run is done.
    """

    state: str
    worker: str | None
    reason: str | None
    metadata: Mapping[str, Any]


def run_settings(runs: Iterable[StoredRun]) -> dict[str, str]:
    """Return the settings in the metadata of runs, with each distinct value once."""
    distinct: dict[str, dict[str, None]] = {"versions": {}, "device": {}, "dtype": {}, "threads": {}}
    for run in runs:
        versions = run.metadata.get("versions") or {}
        distinct["versions"][", ".join(f"{package} {version}" for package, version in versions.items())] = None
        for name in ("device", "dtype", "threads"):
            if name in run.metadata:
                distinct[name][str(run.metadata[name])] = None
    return {name: "; ".join(values) for name, values in distinct.items() if values}
