"""Loading a ``torch.export`` program, after checking every part of it that could run code.

``torch.export.load`` may run code from many parts of an archive: tensors and constants that are marked as pickled, the
legacy layout, compiled libraries, and the program itself. Its symbolic expressions are passed to ``eval``, its guards
and names become the source of a Python function, and its tree specifications may import modules. Each part is compared
with a list of what is allowed; everything else is refused before torch reads it.
"""

import ast
import io
import json
import logging
import re
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import nn

from hashlens.errors import ModelError

# Names of the files that an archive may have.
MEMBERS = re.compile(
    r"archive_format|archive_version|byteorder|\.data/(version|serialization_id)|\.format_version|\.storage_alignment"
    r"|models/model\.json|data/sample_inputs/model\.pt|extra/[\w./-]+"
    r"|data/weights/(model_weights_config\.json|weight_\d+)"
    r"|data/constants/(model_constants_config\.json|tensor_\d+)"
)
PROGRAM = "models/model.json"
SAMPLE_INPUTS = "data/sample_inputs/model.pt"
PAYLOADS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")

NAME = re.compile(r"[\w.+-]*", re.ASCII)
# Operators that a program may call.
TARGET = re.compile(
    r"torch\.ops\.(aten|prims|torchvision)\.(?!__|from_file|save\b|load\b)\w+(\.\w+)?"
    r"|torch\.ops\.higher_order\.(cond|wrap_with_set_grad_enabled|wrap_with_autocast)"
    r"|_operator\.[a-z]+_?|math\.[a-z]+|torch\.sym_[a-z]+|torch\._sym_sqrt",
    re.ASCII,
)
TREE_TYPES = (None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")
# Functions that symbolic expressions may call.
# fmt: off
FUNCTIONS = frozenset(
    {
        "Abs", "Add", "And", "CeilDiv", "CeilToInt", "CleanDiv", "Eq", "Equality", "ExprCondPair", "Float",
        "FloatPow", "FloatTrueDiv", "FloorDiv", "FloorToInt", "Ge", "GreaterThan", "Gt", "Identity", "IntTrueDiv",
        "Integer", "Le", "LessThan", "Lt", "LShift", "Max", "Min", "Mod", "ModularIndexing", "Mul", "Ne", "Not",
        "Or", "Piecewise", "Pow", "PowByNatural", "PythonMod", "RShift", "Rational", "RoundDecimal", "RoundToInt",
        "StrictGreaterThan", "StrictLessThan", "Symbol", "ToFloat", "TruncToFloat", "TruncToInt", "Tuple",
        "Unequality", "Where", "ceiling", "floor",
    }
)
# fmt: on
# Keys of metadata that only describe where a node comes from.
DESCRIPTIONS = {"stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "custom", "from_node"}
# Methods of tensors that symbolic expressions may call.
METHODS = ("size", "stride", "storage_offset")


class _Refused(Exception):
    """Raised for a part of the archive that is not allowed."""


class _ErrorRecorder(logging.Filter):
    """Record the error that torch would log with a traceback, to report it in one line instead."""

    error: BaseException | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        self.error = record.exc_info[1] if record.exc_info else self.error
        return False


def load_program(path: str | Path) -> nn.Module:
    """Return the module of a program that ``torch.export.save`` wrote.

    Parameters
    ----------
    path : str or Path
        Path of a ``.pt2`` archive.

    Returns
    -------
    torch.nn.Module
        The module ``torch.export.load(path).module()``.

    Raises
    ------
    ModelError
        If the archive is missing, damaged, in the legacy layout, compiled by AOTInductor, or contains anything that
        could run code when it is loaded.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"{path} is not there: give a .pt2 file that torch.export.save wrote")
    # The file is read only once, so that the checked content is the loaded content.
    content = path.read_bytes()
    try:
        _check_archive(content)
    except _Refused as refusal:
        raise ModelError(
            f"{path} was not loaded: {refusal}: export it again with torch.export.save, "
            "plain tensors as inputs and nothing else in the file"
        ) from refusal
    recorded = _ErrorRecorder()
    log = logging.getLogger("torch.export")
    log.addFilter(recorded)
    try:
        module: nn.Module = torch.export.load(io.BytesIO(content)).module()
    except Exception as error:
        reason = str(recorded.error or error or type(error).__name__).strip().split("\n")[0][:200]
        raise ModelError(f"{path}: torch {torch.__version__} cannot load this program ({reason})") from error
    finally:
        log.removeFilter(recorded)
    return module


def _check_archive(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            listed = archive.namelist()
    except zipfile.BadZipFile as error:
        raise _Refused("it is not a torch.export archive") from error
    members = [name.partition("/")[2] for name in listed]
    _check_members(listed, members)
    try:
        from torch.export.pt2_archive import PT2ArchiveReader
    except ImportError as error:
        raise ModelError(f"torch {torch.__version__} writes legacy .pt2 files: torch >= 2.8 is needed") from error
    try:
        reader = PT2ArchiveReader(io.BytesIO(content))
    except (RuntimeError, AssertionError) as error:
        raise _Refused("it is not a torch.export archive") from error
    # torch has its own zip reader: a member that only one of the two readers sees would not be checked.
    if sorted(reader.get_file_names()) != sorted(members):
        raise _Refused("its table of contents is ambiguous")
    _check_sample_inputs(reader.read_bytes(SAMPLE_INPUTS))
    for member in PAYLOADS:
        _check_payloads(member, _json(member, reader.read_bytes(member)), members)
    _check_program(_json(PROGRAM, reader.read_bytes(PROGRAM)))


def _check_members(listed: list[str], members: list[str]) -> None:
    if "serialized_exported_program.json" in listed:
        raise _Refused("it has the legacy layout of torch < 2.8, whose weights are pickles")
    if any(name.endswith("/constants.pkl") for name in listed):
        raise _Refused("it is a TorchScript archive")
    if len({name.partition("/")[0] for name in listed}) != 1 or len(set(members)) != len(members):
        raise _Refused("its table of contents is ambiguous")
    for member in members:
        if member.startswith("data/aotinductor/"):
            raise _Refused(f"it was compiled by AOTInductor: {member!r} is native code")
        if member.startswith(("data/constants/custom_obj_", "data/constants/opaque_obj_")):
            raise _Refused(f"its constant {member!r} is a pickled object")
        if not MEMBERS.fullmatch(member):
            raise _Refused(f"it has a member {member!r} that is neither weights nor program")
    for needed in (PROGRAM, SAMPLE_INPUTS, *PAYLOADS):
        if needed not in members:
            raise _Refused(f"it has no member {needed!r}")


def _json(member: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise _Refused(f"its member {member!r} is damaged") from error


def _check_sample_inputs(content: bytes) -> None:
    if not content:
        return
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except Exception as error:
        raise _Refused("its sample inputs hold pickled objects, which could run code") from error


def _check_payloads(member: str, document: Any, members: list[str]) -> None:
    try:
        payloads = dict(document["config"]).items()
        for name, payload in payloads:
            if payload["use_pickle"] is not False:
                raise _Refused(f"its tensor {name!r} is stored as a pickle, which could run code")
            if f"{Path(member).parent.as_posix()}/{payload['path_name']}" not in members:
                raise _Refused(f"its tensor {name!r} is missing")
    except (KeyError, TypeError, ValueError) as error:
        raise _Refused(f"its member {member!r} is damaged") from error


def _check_program(part: Any, key: str = "") -> None:
    """Check the JSON of the program recursively; `key` is the nearest key above `part`."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "metadata" and _is_description(value):
                continue
            _check_text(name, "")
            _check_program(value, name)
    elif isinstance(part, list):
        for value in part:
            _check_program(value, key)
    elif isinstance(part, str):
        _check_text(part, key)


def _is_description(metadata: Any) -> bool:
    """Return whether metadata only describes the origin of a node, and is never run."""
    return (
        isinstance(metadata, dict)
        and metadata.keys() <= DESCRIPTIONS
        and all(isinstance(t, str) for t in metadata.values())
    )


def _check_text(text: str, key: str) -> None:
    match key:
        case "expr_str" | "guards_code":
            _check_expression(text)
        case "in_spec" | "out_spec":
            _check_tree(text)
        # Arguments of operators, which torch quotes.
        case "as_string" | "as_strings":
            pass
        case "target" | "as_operator":
            if not TARGET.fullmatch(text):
                raise _Refused(f"it calls {text!r}, which is not an operator on tensors")
        case _:
            if not NAME.fullmatch(text):
                _refuse_text(text)


def _refuse_text(text: str) -> NoReturn:
    raise _Refused(f"its program has {text[:60]!r} where a name or a size is expected, which could run code")


def _check_expression(text: str) -> None:
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError):
        _refuse_text(text)
    if not text.isascii():
        _refuse_text(text)
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
                pass
            case ast.Call(func=ast.Attribute(attr=name)) | ast.Attribute(attr=name) if name in METHODS:
                pass
            case ast.Constant(value=str(value)) if not NAME.fullmatch(value):
                _refuse_text(text)
            case ast.Name(id=name) if name.startswith("__"):
                _refuse_text(text)
            case ast.Call() | ast.Attribute():
                _refuse_text(text)
            case ast.Expression() | ast.Constant() | ast.Name() | ast.Subscript() | ast.Compare() | ast.keyword():
                pass
            case ast.BinOp() | ast.UnaryOp() | ast.BoolOp() | ast.Tuple():
                pass
            case ast.operator() | ast.unaryop() | ast.boolop() | ast.cmpop() | ast.expr_context():
                pass
            case _:
                _refuse_text(text)


def _check_tree(text: str) -> None:
    """Check the structure of inputs and outputs: only tuples, lists and dicts with plain keys are allowed."""
    try:
        _, tree = json.loads(text)
        pending = [tree]
        while pending:
            node = pending.pop()
            keys = json.loads(node["context"] or "null") or []
            plain_keys = isinstance(keys, list) and all(isinstance(k, str) and NAME.fullmatch(k) for k in keys)
            if node["type"] not in TREE_TYPES or not plain_keys:
                raise _Refused(f"its inputs or outputs are of type {node['type']!r}")
            pending.extend(node["children_spec"])
    except (ValueError, KeyError, TypeError) as error:
        raise _Refused("its inputs or outputs are not described") from error
