"""The tables of a study's store, and the records that go into and come out of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import (
    BigInteger,
    Boolean,
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
from sqlalchemy.types import TypeEngine

from hashlens.study.networks.terms import TERMS
from hashlens.study.terms import TYPES

SCHEMA_VERSION = 1
"""Raised whenever a table changes; a store of a later version is refused."""

PENDING, LEASED, DONE, FAILED = "pending", "leased", "done", "failed"

FACTOR_TYPES: dict[str, type] = {factor.name: TYPES[factor.type] for factor in TERMS.factors}
_COLUMN_TYPES: dict[type, TypeEngine[Any]] = {str: String(), int: Integer(), float: Float(53), bool: Boolean()}

metadata = MetaData()

study_table = Table(
    "hashlens_study",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("schema_version", Integer, nullable=False),
    Column("hashlens_version", String, nullable=False),
    Column("created", Float(53), nullable=False),
    Column("spec", Text, nullable=False),
    Column("digests", Text, nullable=False),
)

cell_table = Table(
    "hashlens_cell",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("key", String, nullable=False, unique=True),
    *(Column(name, _COLUMN_TYPES[FACTOR_TYPES[name]], nullable=False) for name in FACTOR_TYPES),
)

run_table = Table(
    "hashlens_run",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("cell", ForeignKey(cell_table.c.id), nullable=False),
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

row_table = Table(
    "hashlens_row",
    metadata,
    Column("run", ForeignKey(run_table.c.id), primary_key=True),
    Column("epochs", Integer, primary_key=True, autoincrement=False),
    Column("measure", String, primary_key=True),
    Column("split", String, primary_key=True),
    Column("layer", String, primary_key=True),
    Column("value", Float(53)),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class Row:
    """One number that a run found.

    Attributes
    ----------
    epochs : int
        After how many epochs.
    measure : str
        Name of the measure.
    split : str
        ``train`` or ``test``; ``uniform`` or ``bytes`` for random inputs.
    value : float
        The number; NaN where the measure has none, stored as NULL.
    layer : str
        Name of the layer, empty for the whole code.
    """

    epochs: int
    measure: str
    split: str
    value: float
    layer: str = ""


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
        Which repeat, the seed of its network, and the number of the ensemble it is trained in.
    """

    id: int
    cell: str
    repeat: int
    seed: int
    pack: int


@dataclass(frozen=True, slots=True)
class Claimed(PlannedRun):
    """A run that a worker holds."""


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
        What was recorded with its numbers: seconds, dtype, device, versions and so on; empty until it is done.
    """

    state: str
    worker: str | None
    reason: str | None
    facts: Mapping[str, Any]


def run_settings(runs: Iterable[StoredRun]) -> dict[str, str]:
    """Return what the facts of runs say, each value once."""
    said: dict[str, dict[str, None]] = {"versions": {}, "device": {}, "dtype": {}, "threads": {}}
    for run in runs:
        versions = run.facts.get("versions") or {}
        said["versions"][", ".join(f"{package} {version}" for package, version in versions.items())] = None
        for fact in ("device", "dtype", "threads"):
            said[fact][str(run.facts.get(fact, ""))] = None
    return {fact: "; ".join(values) for fact, values in said.items()}


class CellLike(Protocol):
    """What the store needs of a cell, besides its factors as attributes."""

    @property
    def key(self) -> str:
        """Its stable, readable name."""


class RunLike(Protocol):
    """What the store needs of a run."""

    @property
    def cell(self) -> CellLike:
        """The cell it is a repeat of."""

    @property
    def repeat(self) -> int:
        """Which repeat it is."""

    @property
    def seed(self) -> int:
        """The seed of its network."""

    @property
    def pack(self) -> int:
        """The number of the ensemble it is trained in."""
