"""Audits on disk: a folder of ranked tables, and one JSON file with everything else.

::

    audit.json              accuracy, counts, thresholds, provenance, notes; "kind": "Audit"
    leaks.csv               these and the others: one line an example, in the order of the ranking
    label-issues-test.csv
    label-issues-train.csv
    blind-spots.csv
    novel.csv
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import numpy as np
import numpy.typing as npt

from hashlens.audit.audit import Audit
from hashlens.audit.audited_accuracy import AuditedAccuracy
from hashlens.audit.blind_spots import BlindSpots
from hashlens.audit.label_issues import LabelIssues
from hashlens.audit.leaks import LeakGroup, Leaks
from hashlens.audit.novel_items import NovelItems
from hashlens.codes.provenance import Provenance
from hashlens.csv_cells import from_cell
from hashlens.errors import AuditError, ReportError
from hashlens.files import check_writable, written_whole
from hashlens.plain import plain, rebuilt
from hashlens.ranked import Column, Ranked
from hashlens.result import Result, Split

SUMMARY = "audit.json"
R = TypeVar("R", bound=Ranked)


def save_audit(audit: Audit, folder: str | Path, overwrite: bool = False) -> Path:
    """Write an audit as a folder; see :meth:`Audit.to_csv`."""
    folder = Path(folder)
    for name in (*(f"{name}.csv" for name in audit.parts), SUMMARY):
        check_writable(folder / name, overwrite=overwrite)
    # Until all tables are there, the folder is none of an audit.
    (folder / SUMMARY).unlink(missing_ok=True)
    for name, part in audit.parts.items():
        part.to_csv(folder / f"{name}.csv", overwrite=overwrite)
    with written_whole(folder / SUMMARY, overwrite=overwrite) as beside:
        beside.write_text(json.dumps(told(audit), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return folder


def told(audit: Audit) -> dict[str, Any]:
    """Return all of an audit but its rankings as JSON takes it."""
    leaked, issues, spots, novel = audit.leaks, audit.label_issues, audit.blind_spots, audit.novel
    return {
        "kind": "Audit",
        "schema_version": audit.schema_version,
        "model": audit.model,
        "accuracy": audit.accuracy.to_dict(),
        "leaks": None
        if leaked is None
        else {
            "suspected": leaked.suspected,
            **_unranked(leaked),
            "groups": [
                plain({"train": group.rows.train, "test": group.rows.test, "ids": [*group.ids.train, *group.ids.test]})
                for group in leaked.groups
            ],
        },
        "label_issues": {
            name: {"likely": part.likely, **_unranked(part)}
            for name, part in (("train", issues.train), ("test", issues.test))
        },
        "blind_spots": {"blind": spots.blind, "mistakes": len(spots), **_unranked(spots)},
        "novel": {"novel": novel.novel, **_unranked(novel)},
        "provenance": plain({"train": audit.provenance.train, "test": audit.provenance.test}),
        "notes": list(audit.notes),
        "class_names": list(audit.class_names),
        "command": audit.command,
        "text_ids": {
            name: part.ids.dtype.kind not in "iu" for name, part in (("train", issues.train), ("test", issues.test))
        },
    }


def _unranked(part: Result) -> dict[str, Any]:
    """Return what a part knows besides its columns."""
    named = {field.name: getattr(part, field.name) for field in fields(part)}  # type: ignore[arg-type]
    return {
        name: plain(value)
        for name, value in named.items()
        if not isinstance(value, np.ndarray) and name != "groups" and value is not None
    }


def load_audit(folder: str | Path) -> Audit:
    """Read an audit; see :meth:`Audit.load`."""
    folder = Path(folder)
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or error
        raise AuditError(
            f"{folder} holds no audit: {SUMMARY}: {reason}; write one with Audit.to_csv or `hashlens audit --csv`"
        ) from error
    except ValueError as error:
        raise AuditError(f"{folder / SUMMARY} is broken ({error}): write the audit again") from error
    if not isinstance(summary, dict) or summary.get("kind") != "Audit":
        raise AuditError(f"{folder / SUMMARY} is of no audit: write one with Audit.to_csv or `hashlens audit --csv`")
    if summary.get("schema_version") != Audit.schema_version:
        raise AuditError(
            f"{folder / SUMMARY} has schema version {summary.get('schema_version')!r}, and {Audit.schema_version} is "
            "known: write the audit again"
        )
    try:
        return _audit(folder, summary)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, ReportError) as error:
        detail = " ".join(str(error).split())
        raise AuditError(
            f"{folder} is broken ({type(error).__name__}: {detail:.120}): write the audit again"
        ) from error


def _audit(folder: Path, summary: dict[str, Any]) -> Audit:
    learnt, issues = (
        _part(LabelIssues, folder / f"label-issues-{name}.csv", summary, summary["label_issues"][name])
        for name in ("train", "test")
    )
    origins = summary["provenance"]
    # Older versions wrote null for infinity, which is the threshold that no score reaches.
    unreached = {} if summary["novel"]["threshold"] is not None else {"threshold": float("inf")}
    return Audit(
        model=summary["model"],
        accuracy=AuditedAccuracy.from_dict(summary["accuracy"], summary["leaks"] is not None),
        leaks=None if summary["leaks"] is None else _leaks(folder, summary, learnt, issues),
        label_issues=Split(learnt, issues),
        blind_spots=_part(BlindSpots, folder / "blind-spots.csv", summary, summary["blind_spots"]),
        novel=_part(NovelItems, folder / "novel.csv", summary, {**summary["novel"], **unreached}),
        provenance=Split(*(Provenance.from_record(origins[name]) for name in ("train", "test"))),
        notes=tuple(summary["notes"]),
        class_names=tuple(summary["class_names"]),
        command=summary["command"],
    )


def _part(kind: type[R], path: Path, summary: dict[str, Any], known: dict[str, Any]) -> R:
    """Return a ranked part from its table and from what is known besides."""
    values, hints = _read(path, kind.COLUMNS, summary["text_ids"]), get_type_hints(kind)
    # Parts of older audits do not say the names of classes themselves.
    known = {"class_names": summary["class_names"], **known}
    given: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name in known:
            given[field.name] = rebuilt(hints[field.name], known[field.name], field.name)
        elif field.name in values:
            given[field.name] = values[field.name]
        elif field.default is MISSING and type(None) in get_args(hints[field.name]):
            given[field.name] = None
    return kind(**given)


def _read(path: Path, columns: tuple[Column, ...], text: Mapping[str, bool]) -> dict[str, npt.NDArray[Any]]:
    """Return what a table holds, by the attributes of its result."""
    import pyarrow as pa
    import pyarrow.csv

    # Ids that are text stay text where they look like numbers.
    named = {"id": text["train" if path.stem.endswith("train") else "test"], "train_id": text["train"]}
    texts = [column.name for column in columns if column.dtype is str or named.get(column.name)]
    options = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(texts, pa.string()))
    read = pyarrow.csv.read_csv(path, convert_options=options)
    found = {column.name: column for column in columns if column.attribute and column.name in read.column_names}
    return {column.attribute: _values(read.column(name), column, name in texts) for name, column in found.items()}


def _values(column: Any, known: Column, is_text: bool) -> npt.NDArray[Any]:
    if is_text:
        return np.asarray([None if cell is None else from_cell(cell) for cell in column.to_pylist()])
    # A table without rows tells no types, and a number of which no row has a fraction is read as a whole one.
    return (column.to_numpy() if len(column) else np.zeros(0)).astype(known.dtype or np.int64)


def _leaks(folder: Path, summary: dict[str, Any], learnt: LabelIssues, issues: LabelIssues) -> Leaks:
    known = dict(summary["leaks"])
    ids = {"train": _by_row(learnt), "test": _by_row(issues)}
    known_groups = known.pop("groups")
    groups = [Split(*(np.array(group[name], np.int64) for name in ("train", "test"))) for group in known_groups]
    found = tuple(
        LeakGroup(
            rows,
            # Audits of older versions know them by their rows only.
            Split(*np.split(np.array(group["ids"]), [len(rows.train)]))
            if "ids" in group
            else Split(ids["train"][rows.train], ids["test"][rows.test]),
        )
        for rows, group in zip(groups, known_groups, strict=True)
    )
    return replace(_part(Leaks, folder / "leaks.csv", summary, known), groups=found)


def _by_row(issues: LabelIssues) -> npt.NDArray[Any]:
    """Return the ids in the order of the data."""
    return issues.ids[np.argsort(issues.rows)]
