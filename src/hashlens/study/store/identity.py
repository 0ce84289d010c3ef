"""Which study a store holds: put there once, compared ever after."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from hashlens.errors import StudyError
from hashlens.study.store.changes import changes, compared, first_few
from hashlens.study.store.database import CORRUPT, Database
from hashlens.study.store.schema import (
    FACTOR_TYPES,
    PENDING,
    SCHEMA_VERSION,
    RunLike,
    cell_table,
    run_table,
    study_table,
)
from hashlens.version import __version__


@dataclass(frozen=True)
class Identity:
    """What makes a study this study, besides the runs that follow from it.

    Attributes
    ----------
    spec : dict
        The spec, as JSON gives it back.
    digests : dict of str to str
        What the data is, by split.
    hashlens_version : str
        Who cut it into runs.
    """

    spec: dict[str, Any]
    digests: dict[str, str]
    hashlens_version: str = __version__

    @classmethod
    def of(cls, spec: Mapping[str, Any], digests: Mapping[str, str]) -> "Identity":
        """Return the identity of a study of this hashlens."""
        return cls(json.loads(json.dumps(dict(spec), allow_nan=False)), dict(digests))

    @property
    def name(self) -> str:
        """The name of the study, empty where the spec has none."""
        return str(self.spec.get("name") or "")


def described(database: Database, connection: Connection) -> Identity:
    """Return the study in the store, if it is of a version that we can read."""
    version = connection.scalar(select(study_table.c.schema_version))
    if version is None:
        raise database.error(StudyError, "holds no study: put back a copy of it, or choose another path for the store")
    if version > SCHEMA_VERSION:
        raise database.error(
            StudyError,
            f"has schema {version}, this hashlens reads up to {SCHEMA_VERSION}: upgrade with `pip install -U hashlens`",
        )
    found = connection.execute(select(study_table)).one()
    try:
        spec, digests = dict(json.loads(found.spec)), dict(json.loads(found.digests))
    except (TypeError, ValueError) as error:
        raise database.error(StudyError, CORRUPT) from error
    return Identity(spec, digests, found.hashlens_version)


def put(connection: Connection, study: Identity, runs: Sequence[RunLike], created: float) -> None:
    """Write the study and its runs into empty tables."""
    connection.execute(
        insert(study_table).values(
            id=1,
            schema_version=SCHEMA_VERSION,
            hashlens_version=study.hashlens_version,
            created=created,
            spec=json.dumps(study.spec),
            digests=json.dumps(study.digests),
        )
    )
    if not runs:
        return
    keys = [run.cell.key for run in runs]
    cells = {key: run.cell for key, run in zip(keys, runs, strict=True)}
    numbers = {key: number for number, key in enumerate(cells)}
    connection.execute(
        insert(cell_table),
        [
            {"id": numbers[key], "key": key} | {name: getattr(cell, name) for name in FACTOR_TYPES}
            for key, cell in cells.items()
        ],
    )
    connection.execute(
        insert(run_table),
        [
            {"id": number, "cell": numbers[key], "repeat": run.repeat, "seed": run.seed, "pack": run.pack}
            | {"state": PENDING}
            for number, (key, run) in enumerate(zip(keys, runs, strict=True))
        ],
    )


def check_same(database: Database, connection: Connection, study: Identity, runs: Sequence[RunLike]) -> None:
    """Raise StudyError if the store holds another study; a new name, description or place of the data is written."""
    stored = described(database, connection)
    way_out = "go back to it, or choose another store"
    if changed := changes(compared(stored.spec), compared(study.spec)):
        raise database.error(StudyError, f"holds a study of another spec: {first_few(changed)}; {way_out}")
    if changed := changes(stored.digests, study.digests):
        raise database.error(StudyError, f"holds a study of other data, by digest: {first_few(changed)}; {way_out}")
    query = select(cell_table.c.key, run_table.c.repeat, run_table.c.seed, run_table.c.pack)
    found = connection.execute(query.join_from(run_table, cell_table).order_by(run_table.c.id))
    if [tuple(run) for run in found] != [(run.cell.key, run.repeat, run.seed, run.pack) for run in runs]:
        raise database.error(
            StudyError,
            f"holds a study that hashlens {stored.hashlens_version} cut into other runs than {__version__} does: "
            "resume it with that version, or choose another store",
        )
    if stored.spec != study.spec:
        connection.execute(update(study_table).values(spec=json.dumps(study.spec)))
