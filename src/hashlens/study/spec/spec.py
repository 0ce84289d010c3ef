"""The spec of a study: the fields that all experiments share. Each experiment adds its own."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, get_args

import yaml
from pydantic import PrivateAttr, ValidationError

from hashlens.arguments import excerpt
from hashlens.errors import StudyError, nearest
from hashlens.study.spec.fields import Count, Listed, Seed, Text, value_text
from hashlens.study.spec.lines import FieldPath, Source, read_yaml
from hashlens.study.spec.section import Section
from hashlens.study.variables import Variables

DEFAULT = "networks"
"""The experiment of a spec without the field ``experiment``."""
MAX_RUNS = 100_000
"""Largest number of runs; more are probably a mistake in an axis, and would not fit in memory."""


class StudySpec(Section):
    """Definition of a study: the experiment, the axes over which it is repeated, the repeats, and the measures.

    The constructor returns the spec class of the experiment: ``StudySpec(axes={"width": [10, 20]})`` is a
    :class:`~hashlens.study.networks.spec.NetworksSpec`.

    Parameters
    ----------
    name, description : str
        Name and description of the study, for readers.
    experiment : str
        ``networks``, the name of another experiment of the library, or ``package.module:object``, which is imported.
    axes : mapping of str to list
        Factors of the experiment that vary, and the levels of each.
    repeats : int
        Number of runs of each cell, each with its own seed.
    seed : int
        Seed of the study; all other seeds are derived from it.
    measures : list of str
        Names of the measures to compute.
    **fields
        Other fields of the experiment's spec.

    Raises
    ------
    StudyError
        If there is no such experiment, or a field is unknown, out of range, or inconsistent with the others. The
        message gives the field, the value received and the values allowed.
    """

    runs_noun: ClassVar[str] = "runs"
    """Plural noun for the runs of this experiment, in messages."""
    variables: ClassVar[Variables]
    """The factors, the step and the measures of the experiment."""

    name: Text = "study"
    description: Text = ""
    experiment: Text = DEFAULT
    axes: Section = Section()
    repeats: Count = 1
    seed: Seed = 0
    measures: Listed[Text] = ()

    _source: Source = PrivateAttr(default=Source())

    def __new__(cls, source: Source | None = None, /, **fields: Any) -> "StudySpec":
        """Return an empty instance of the spec class of the experiment in `fields`."""
        if cls is not StudySpec:
            return super().__new__(cls)
        from hashlens.study.experiment import find_experiment

        name = fields.get("experiment", DEFAULT)
        try:
            return super().__new__(find_experiment(name).Spec)
        except StudyError as error:
            raise (source or Source()).error((("experiment",), str(error))) from error

    def __init__(self, source: Source | None = None, /, **fields: Any) -> None:
        if source is not None and not isinstance(source, Source):
            raise StudyError(
                f"a spec is made of fields by name, such as StudySpec(axes={{'width': [10, 20]}}), received "
                f"{excerpt(source)}; StudySpec.load reads a file"
            )
        source = source or Source()
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise source.error(*_field_errors(error, type(self))) from None
        self._source = source
        self.require(self.misfits())

    @classmethod
    def load(cls, path: str | Path) -> "StudySpec":
        """Read a spec from a YAML file.

        Raises
        ------
        StudyError
            If the file cannot be read, or a field is wrong; the message gives the line.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except TypeError as error:
            raise StudyError(f"the YAML file of a study is a path, received {excerpt(path)}") from error
        except FileNotFoundError as error:
            raise StudyError(f"{path}: there is no such file; expected the YAML file of a study") from error
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            raise StudyError(f"{path}: cannot be read as the YAML file of a study: {reason}") from error
        return cls.from_yaml(text, str(path))

    @classmethod
    def from_yaml(cls, text: str, name: str = "study.yaml") -> "StudySpec":
        """Read a spec from YAML text; error messages give `name` as its file."""
        fields, source = read_yaml(text, name)
        return cls(source, **fields)

    def to_yaml(self) -> str:
        """Return the spec as YAML text; fields with their default value are left out."""
        fields = self.model_dump(mode="json", exclude_defaults=True)
        first = [name for name in ("description", "experiment", *self.sections()) if name in fields]
        ordered = {"name": self.name, **{name: fields[name] for name in first}, **fields}
        return str(yaml.safe_dump(ordered, sort_keys=False, default_flow_style=None, width=120))

    def levels(self, factor: str) -> tuple[Any, ...] | None:
        """Return the levels of a factor if it is an axis of the study, else None."""
        axis_levels: tuple[Any, ...] | None = getattr(self.axes, factor, None)
        return axis_levels

    def misfits(self) -> Iterator[tuple[FieldPath, str]]:
        """Yield the path of each field that is inconsistent with others, and what is wrong with it."""
        levels = (self.levels(factor.name) for factor in self.variables.factors)
        if (runs := self.repeats * math.prod(len(values or (None,)) for values in levels)) > MAX_RUNS:
            total = (
                f"all axes crossed with {self.repeats:,} repeats make {runs:,} {self.runs_noun}, at most "
                f"{MAX_RUNS:,} are allowed"
            )
            field = "repeats" if self.repeats > MAX_RUNS else "axes"
            yield (field,), f"{total}: shorten an axis, or take fewer repeats"

    def error(self, path: FieldPath, text: str) -> StudyError:
        """Return an error about a field of this spec, with the line of the field if it is known."""
        return self._source.error((path, text))

    def require(self, problems: Iterator[tuple[FieldPath, str]]) -> None:
        """Raise an error if there are problems, each the path of a field and what is wrong with it."""
        if listed := list(problems):
            raise self._source.error(*listed)

    @classmethod
    def sections(cls) -> dict[str, type[Section]]:
        """Return the class of every section by the name of its field, ``axes`` last."""
        names = sorted(cls.model_fields, key=lambda name: name == "axes")
        kinds = {
            name: (cls.model_fields[name].annotation, *get_args(cls.model_fields[name].annotation)) for name in names
        }
        return {
            name: kind
            for name, parts in kinds.items()
            for kind in parts
            if isinstance(kind, type) and issubclass(kind, Section)
        }


def _field_errors(error: ValidationError, spec: type[StudySpec]) -> Iterator[tuple[FieldPath, str]]:
    """Yield the path of each wrong field, and what is wrong with it."""
    for problem in error.errors(include_url=False):
        path, kind = problem["loc"], problem["type"]
        if kind == "extra_forbidden":
            yield path, _unknown(path, spec)
        elif kind == "missing":
            yield path, "is missing"
        elif kind in ("model_type", "model_attributes_type"):
            fields = ", ".join(spec.sections()[str(path[0])].model_fields)
            yield path, f"must be a mapping of {fields}, received {value_text(problem['input'])}"
        else:
            yield path, str(problem.get("ctx", {}).get("error", problem["msg"]))


def _unknown(path: FieldPath, spec: type[StudySpec]) -> str:
    """Return a hint for a name that is not a field of its section."""
    name, sections = str(path[-1]), spec.sections()
    fields = spec.model_fields if len(path) == 1 else sections[str(path[0])].model_fields
    elsewhere = [f"'{section}'" for section, model in sections.items() if name in model.model_fields]
    elsewhere += ["the top level"] if name in spec.model_fields else []
    hint = f"it belongs under {' or '.join(elsewhere)}" if elsewhere else nearest(name, fields)
    return f"unknown {'axis' if path[0] == 'axes' else 'field'}; {hint}"
