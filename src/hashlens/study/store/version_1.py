"""Stores of version 1, all of them studies of networks: they are used unchanged.

Their table of cells has a column for each factor that networks had then, and their column of the step is ``epochs``.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Boolean, Column, Float, Integer, MetaData, String, Table
from sqlalchemy.types import TypeEngine

from hashlens.study.cells import CellLike
from hashlens.study.store.schema import CURRENT, Tables, cell_columns, row_table, run_table, study_columns

FACTORS: dict[str, TypeEngine[Any]] = {
    "architecture": String(),
    "width": Integer(),
    "depth": Integer(),
    "samples": Integer(),
    "label_noise": Float(53),
    "weight_decay": Float(53),
    "batch_norm": Boolean(),
    "dropout": Float(53),
}


class Version1(Tables):
    """The tables of a store of version 1."""

    def cell_values(self, cell: CellLike) -> dict[str, Any]:
        """Return the values of a cell for the table of cells, without its id."""
        return {"key": cell.key} | {name: cell.factors[name] for name in FACTORS}

    def cell_factors(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the level of each factor, from a row of the table of cells."""
        return {name: row[name] for name in FACTORS}


def _tables() -> Version1:
    metadata = MetaData()
    study = Table("hashlens_study", metadata, *study_columns())
    factors = (Column(name, kind, nullable=False) for name, kind in FACTORS.items())
    cell = Table("hashlens_cell", metadata, *cell_columns(), *factors)
    run = run_table(metadata, cell)
    return Version1(1, metadata, study, cell, run, row_table(metadata, run, "epochs"))


TABLES: dict[int, Tables] = {1: _tables(), CURRENT.version: CURRENT}
"""The tables of each version that can be read, by version number."""
