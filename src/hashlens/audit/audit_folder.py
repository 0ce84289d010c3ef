"""Audits on disk: a folder of ranked tables, and one JSON file with everything else.

::

    audit.json              accuracy, counts, thresholds, provenance, notes; "kind": "Audit"
    leaks.csv               this table and the next: one line an example, in the order of the ranking
    label-issues-test.csv
    label-issues-train.csv
    blind-spots.csv
    novel.csv
"""

import json
import os
from collections.abc import Mapping
from dataclasses import fields
from math import inf
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from hashlens.audit.audit import Audit
from hashlens.audit.audited_accuracy import AuditedAccuracy
from hashlens.audit.blind_spots import BlindSpots
from hashlens.audit.label_issues import LabelIssues
from hashlens.audit.leaks import Leaks
from hashlens.audit.novel_items import NovelItems
from hashlens.csv_cells import from_cell
from hashlens.errors import AuditError, ReportError
from hashlens.files import atomic_write, check_writable
from hashlens.plain import from_plain
from hashlens.ranked import Column, Ranked

SUMMARY = "audit.json"


def save_audit(audit: Audit, folder: str | Path, overwrite: bool = False) -> Path:
    """Write an audit as a folder; see :meth:`Audit.to_csv`."""
    folder = Path(folder)
    for name in (*(f"{name}.csv" for name in audit.parts), SUMMARY):
        check_writable(folder / name, overwrite=overwrite)
    # The folder is not a valid audit until all tables are written.
    (folder / SUMMARY).unlink(missing_ok=True)
    for name, part in audit.parts.items():
        part.to_csv(folder / f"{name}.csv", overwrite=overwrite)
    with atomic_write(folder / SUMMARY, overwrite=overwrite) as partial:
        partial.write_text(json.dumps(_summary(audit), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return folder


def _summary(audit: Audit) -> dict[str, Any]:
    """Return an audit without the columns of its tables, as values that JSON can hold."""
    body, issues = audit.to_dict(), audit.label_issues
    bodies = (body["leaks"], body["label_issues"]["test"], body["label_issues"]["train"], body["blind_spots"],
              body["novel"])  # fmt: skip
    for part, part_body in zip(audit.parts.values(), filter(None, bodies), strict=True):
        for field in fields(part):
            if isinstance(getattr(part, field.name), np.ndarray):
                del part_body[field.name]
    ids = (("train", issues.train.ids), ("test", issues.test.ids))
    return {**body, "text_ids": {name: values.dtype.kind not in "iu" for name, values in ids}}


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
        raise AuditError(
            f"{folder / SUMMARY} is not the summary of an audit: write one with Audit.to_csv or `hashlens audit --csv`"
        )
    if summary.get("schema_version") != Audit.schema_version:
        raise AuditError(
            f"{folder / SUMMARY} has schema version {summary.get('schema_version')!r}, and {Audit.schema_version} is "
            "known: write the audit again"
        )
    try:
        return _audit(folder, summary)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, ReportError) as error:
        detail = " ".join(str(error).replace(f"{folder}{os.sep}", "").split())
        raise AuditError(
            f"{folder} is broken ({type(error).__name__}: {detail:.120}): write the audit again"
        ) from error


def _audit(folder: Path, summary: dict[str, Any]) -> Audit:
    def table(kind: type[Ranked], name: str, fields_read: dict[str, Any]) -> dict[str, Any]:
        # In older audits the tables do not hold the names of classes.
        columns = _read(folder / f"{name}.csv", kind.COLUMNS, summary["text_ids"])
        needed = [name for name, hint in get_type_hints(kind).items() if get_origin(hint) is np.ndarray]
        if missing := [name for name in needed if name not in columns]:
            raise KeyError(f"{name}.csv has no {missing[0]}")
        return {"class_names": summary["class_names"], **fields_read, **columns}

    fields_read, novel = summary["label_issues"], summary["novel"]
    issues = {name: table(LabelIssues, f"label-issues-{name}", fields_read[name]) for name in ("train", "test")}
    leaked = None if summary["leaks"] is None else table(Leaks, "leaks", summary["leaks"])
    if leaked is not None:
        leaked["groups"] = [_group(group, issues) for group in leaked["groups"]]
    # Older versions wrote null for infinity, the threshold that no score reaches.
    no_threshold = {"threshold": inf} if novel["threshold"] is None else {}
    audit: Audit = from_plain(
        Audit,
        {
            **summary,
            "accuracy": AuditedAccuracy.from_dict(summary["accuracy"], leaked is not None).to_dict(),
            "leaks": leaked,
            "label_issues": issues,
            "blind_spots": table(BlindSpots, "blind-spots", summary["blind_spots"]),
            "novel": {**table(NovelItems, "novel", novel), **no_threshold},
        },
    )
    return audit


def _group(group: dict[str, Any], issues: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a group of leaks in today's format; older versions wrote all ids in one list, or none."""
    if "rows" in group:
        return group
    rows = {name: group[name] for name in ("train", "test")}
    if "ids" in group:
        ids = dict(zip(rows, np.split(np.array(group["ids"]), [len(rows["train"])]), strict=True))
    else:
        ids = {name: table["ids"][np.argsort(table["rows"])][rows[name]] for name, table in issues.items()}
    return {"rows": rows, "ids": ids}


def _read(path: Path, columns: tuple[Column, ...], text_ids: Mapping[str, bool]) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of a table, by the names of the attributes of its result."""
    import pyarrow as pa
    import pyarrow.csv

    # Ids that are text stay text where they look like numbers.
    is_text = {"id": text_ids["train" if path.stem.endswith("train") else "test"], "train_id": text_ids["train"]}
    texts = [column.name for column in columns if column.dtype is str or is_text.get(column.name)]
    options = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(texts, pa.string()))
    cells = pyarrow.csv.read_csv(path, convert_options=options)
    present = {column.name: column for column in columns if column.attribute and column.name in cells.column_names}
    return {column.attribute: _values(cells.column(name), column, name in texts) for name, column in present.items()}


def _values(column: Any, spec: Column, is_text: bool) -> npt.NDArray[Any]:
    if is_text:
        return np.asarray([None if cell is None else from_cell(cell) for cell in column.to_pylist()])
    # The types of a table without rows are unknown, and a column of floats without fractions is read as integers.
    return (column.to_numpy() if len(column) else np.zeros(0)).astype(spec.dtype or np.int64)
