"""The tables of a study's store, and the records that go into and come out of them."""

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
"""Raised whenever a table changes; a store of a later version is refused, one of an earlier version used as it is."""

PENDING, LEASED, DONE, FAILED = "pending", "leased", "done", "failed"


@dataclass(frozen=True, eq=False)
class Tables:
    """The tables of one version of the schema; whatever differs between versions is said here.

    Attributes
    ----------
    version : int
        Of the schema.
    metadata : MetaData
        Of all of them.
    study, cell, run, row : Table
        The tables. A row's step is ``row.c.step``, whatever its column is called.
    """

    version: int
    metadata: MetaData
    study: Table
    cell: Table
    run: Table
    row: Table

    def cell_values(self, cell: CellLike) -> dict[str, Any]:
        """Return what the table of cells takes of a cell, besides its number."""
        return {"key": cell.key, "factors": json.dumps(dict(cell.factors), ensure_ascii=False)}

    def cell_factors(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the level of each factor, of a row of the table of cells."""
        return dict(json.loads(row["factors"]))


def study_columns() -> list[Any]:
    """Return the columns of the table that says which study it is, as every version has them."""
    return [
        Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
        Column("schema_version", Integer, nullable=False),
        Column("hashlens_version", String, nullable=False),
        Column("created", Float(53), nullable=False),
        Column("spec", Text, nullable=False),
        Column("digests", Text, nullable=False),
    ]


def cell_columns() -> list[Any]:
    """Return the columns of a cell that every version has."""
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
    """Return the table of rows, whose step is in a column of that name."""
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
"""The tables of stores that are begun now."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run as the study was begun with.

    Attributes
    ----------
    id : int
        Its place in the order of the study's runs.
    cell : str
        Key of its cell.
    repeat, seed, pack : int
        Which repeat, its seed, and the number of the pack that it is done in.
    """

    id: int
    cell: str
    repeat: int
    seed: int
    pack: int


@dataclass(frozen=True, slots=True)
class Claimed(PlannedRun):
    """A run that a worker holds.

    Attributes
    ----------
    facts : mapping
        What is known of it, where it was done before its study grew; else empty.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredRun(PlannedRun):
    """A run as the store knows it.

    Attributes
    ----------
    state : str
        ``pending``, ``leased``, ``done`` or ``failed``.
    worker : str or None
        Who holds it, finished it or failed at it.
    reason : str or None
        Why it failed.
    facts : mapping
        What was recorded with its numbers: seconds, versions, files that were kept and so on; empty until it is done.
    """

    state: str
    worker: str | None
    reason: str | None
    facts: Mapping[str, Any]


def run_settings(runs: Iterable[StoredRun]) -> dict[str, str]:
    """Return what the facts of runs say, each value once."""
    distinct: dict[str, dict[str, None]] = {"versions": {}, "device": {}, "dtype": {}, "threads": {}}
    for run in runs:
        versions = run.facts.get("versions") or {}
        distinct["versions"][", ".join(f"{package} {version}" for package, version in versions.items())] = None
        for fact in ("device", "dtype", "threads"):
            if fact in run.facts:
                distinct[fact][str(run.facts[fact])] = None
    return {fact: "; ".join(values) for fact, values in distinct.items() if values}
