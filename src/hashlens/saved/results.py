"""Loading of results from the JSON that ``--json`` and ``to_dict`` write."""

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from hashlens.arguments import excerpt
from hashlens.errors import ReportError, nearest
from hashlens.plain import fields_from_plain, from_plain
from hashlens.result import Result
from hashlens.saved.json_files import restore_arrays
from hashlens.saved.kinds import KINDS

READ_AS = {"PlaneTable": "SavedPlane"}
"""Class that reads the JSON of each kind whose JSON is incomplete."""


def load_result(path: str | Path, kinds: Mapping[str, type[Result]] | None = None) -> Result:
    """Load a result from a JSON file.

    Arrays, tuples, nested results and infinite numbers are restored. Fields that the file leaves out are empty: the
    data of any result, and the groups of colliding examples of a measurement.

    Parameters
    ----------
    path : str or Path
        A file that ``--json`` of a command wrote, or that contains ``json.dumps(result.to_dict())``.
    kinds : mapping of str to class, optional
        Result classes of other packages, by the ``kind`` in their JSON. Names in a file are never imported.

    Raises
    ------
    ReportError
        If the file contains no result, one that a newer hashlens wrote, or one whose JSON is too incomplete to load.
    """
    return result_of(read_json(path), path, kinds)


def read_json(path: str | Path) -> dict[str, Any]:
    """Return the content of a JSON file, which must be an object."""
    try:
        body = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ReportError(f"{path} cannot be read as JSON: {reason}") from error
    if not isinstance(body, dict):
        raise ReportError(f"{path} holds no result but {excerpt(body)}: give what --json of a command wrote")
    return restore_arrays(body, path)


def result_of(body: dict[str, Any], path: str | Path, kinds: Mapping[str, type[Result]] | None = None) -> Result:
    """Return the result of a dict that ``to_dict`` returned; see :func:`load_result`."""
    kind = body.get("kind")
    if not isinstance(kind, str):
        raise ReportError(f"{path} does not say what kind of result it holds: write it again with --json")
    result_type = result_class(READ_AS.get(kind, kind), kinds)
    if result_type is None:
        known = nearest(kind, (*KINDS, *(kinds or ())))
        raise ReportError(f"{path} holds a result of the unknown kind {kind!r}: {known}")
    version = body.get("schema_version")
    if not isinstance(version, int) or version > result_type.schema_version:
        raise ReportError(
            f"{path} holds a {kind} of schema version {excerpt(version)}, this hashlens reads up to "
            f"{result_type.schema_version}; upgrade hashlens"
        )
    try:
        result: Result = CUSTOM_READERS[kind](body) if kind in CUSTOM_READERS else from_plain(result_type, body)
    except ReportError as error:
        raise ReportError(f"{path} holds a {kind} that cannot be read back: {error}") from error
    return result


def result_class(kind: str, kinds: Mapping[str, type[Result]] | None = None) -> type[Result] | None:
    """Return the result class of a kind; None if there is none."""
    if kinds is not None and kind in kinds:
        return kinds[kind]
    if kind not in KINDS:
        return None
    result: type[Result] = getattr(import_module(KINDS[kind]), kind)
    return result


def _results(body: dict[str, Any]) -> Result:
    from hashlens.study.results import Results, default_variables
    from hashlens.study.variables import Variables

    # Earlier versions had only the variables of networks, and did not write them.
    variables = from_plain(Variables, body["terms"], "terms") if "terms" in body else default_variables()
    names, text = variables.columns, variables.text
    columns = {name: np.array(body[name], object if name in text else None) for name in names if name in body}
    if len(columns) < len(names):
        raise ReportError(f"{next(name for name in names if name not in body)} is missing")
    if len({column.shape for column in columns.values()}) > 1:
        raise ReportError("its columns are not of one length")
    columns["value"] = columns["value"].astype(np.float64)
    return Results(columns, str(body.get("study", "")), variables)


def _audit(body: dict[str, Any]) -> Result:
    """Return the audit; or only its accuracy, for files of earlier versions, which contain little else."""
    from hashlens.audit.audit import Audit
    from hashlens.audit.audited_accuracy import AuditedAccuracy

    issues = body.get("label_issues")
    result: Result
    if isinstance(issues, dict) and isinstance(issues.get("test"), dict) and "rows" not in issues["test"]:
        fields_from_plain(AuditedAccuracy, body.get("accuracy"), "accuracy")  # raises an error if a field is invalid
        return AuditedAccuracy.from_dict(body["accuracy"], body.get("leaks") is not None)
    result = from_plain(Audit, body)
    return result


def _reproduction(body: dict[str, Any]) -> Result:
    if "pictures" not in body:
        raise ReportError(
            "an earlier version of hashlens saved too little of it: see report.html in the folder of the run"
        )
    result: Result = from_plain(result_class("Reproduction"), body)
    return result


CUSTOM_READERS: dict[str, Callable[[dict[str, Any]], Result]] = {
    "Results": _results, "Audit": _audit, "Reproduction": _reproduction,
}  # fmt: skip
"""Functions for reading kinds that are not read field by field."""
