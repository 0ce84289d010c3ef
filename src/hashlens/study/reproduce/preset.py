"""Presets: definitions of studies for `reproduce`, each a YAML file of an experiment's package or of the user."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field, ValidationError

from hashlens.errors import StudyError, nearest
from hashlens.study.claims.read import AnyClaim, claims_of
from hashlens.study.reproduce.bars import Bar
from hashlens.study.spec import StudySpec
from hashlens.study.spec.lines import FieldPath, read_yaml
from hashlens.study.spec.section import Section

Size = Literal["quick", "paper"]
SIZES: tuple[Size, ...] = ("quick", "paper")
Level = bool | int | float | str
Levels = tuple[tuple[Level, float], ...]
PRESETS = {
    "encoders": "hashlens.generative:presets",
    "finite-vs-infinite": "hashlens.kernels:presets",
    "networks": "hashlens.study.reproduce:presets",
    "ted": "hashlens.ted:presets",
    "tuning": "hashlens.tuning:presets",
}
"""Package and folder of the presets, by experiment."""


class Expected(Section):
    """Properties that the data of a preset must have, so that other data are rejected.

    Attributes
    ----------
    name : str
        Readable name of the data set.
    train, test : int
        Number of training and test examples.
    input_shape : tuple of int
        Shape of one input.
    """

    name: str
    train: int
    test: int
    input_shape: tuple[int, ...]


class Points(Section):
    """Values of the paper for one measure along one axis.

    Attributes
    ----------
    measure, split : str
        Names of the measure and of the split, as in the results.
    over : str
        Name of the axis.
    at : dict
        Levels of the other factors.
    values : tuple of (level, value)
        The paper's values; the level ``last`` stands for the last level of the study.
    at_most : tuple of (level, value)
        The paper's upper bounds, for levels of which no exact value is known.
    """

    measure: str
    split: str = "test"
    over: str
    at: dict[str, Level] = Field(default_factory=dict)
    values: Levels = ()
    at_most: Levels = ()


class Reference(Section):
    """The figures of the paper with which a study is compared.

    Attributes
    ----------
    source : str
        Source of the figures.
    bands : dict of str to float
        Tolerance of each measure, set by hashlens: the largest difference of means that counts as agreement.
    points : tuple of Points
        The figures.
    """

    source: str
    bands: dict[str, float]
    points: tuple[Points, ...]


class Panel(Section):
    """Definition of one part of a picture.

    Attributes
    ----------
    kind : {"curve", "phase", "sensitivity", "effects"}
        Kind of the chart.
    x, y : str
        Names of the axes; a curve has only `x`.
    measures, splits : tuple of str
        Measures and splits of the lines of a curve; by default the test examples, or the only split of the measure.
    by : str, optional
        Factor that has a line for each of its levels.
    where : dict
        Fixed levels of other factors.
    """

    kind: Literal["curve", "phase", "sensitivity", "effects"] = "curve"
    x: str = ""
    y: str = ""
    measures: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    by: str | None = None
    where: dict[str, Level] = Field(default_factory=dict)


class Preset(Section):
    """A study that `reproduce` can run, in two sizes.

    Attributes
    ----------
    title, shows, note : str
        Texts for readers: the title, what the study shows, and which recipe it follows and why.
    expects : Expected, optional
        Properties that the examples of ``--data`` must have; None for data that come with the library.
    needs : str
        Other files that ``--data`` must hold; empty if none.
    reference : Reference, optional
        The paper's figures, if they are known.
    claims : tuple of Claim
        Claims that are tested on the results.
    bars : tuple of Bar
        Values that medians over the repeats must reach.
    pictures : dict of str to tuple of Panel
        Panels of each picture, by file name.
    durations : dict of str to str
        Approximate duration of each size on two CPU cores; sizes that were never timed are left out.
    study : dict
        Fields of the spec that both sizes share; ``experiment`` too, unless it is networks.
    quick, paper : dict
        Fields of the spec that each size adds or replaces.
    """

    title: str
    shows: str
    note: str
    expects: Expected | None = None
    needs: str = ""
    reference: Reference | None = None
    claims: tuple[AnyClaim, ...] = ()
    bars: tuple[Bar, ...] = ()
    pictures: dict[str, tuple[Panel, ...]]
    # Files of earlier commits call it `took`.
    durations: dict[Size, str] = Field(default_factory=dict, validation_alias=AliasChoices("durations", "took"))
    study: dict[str, Any]
    quick: dict[str, Any]
    paper: dict[str, Any]

    def spec(self, name: str, size: Size, data: str | None = None) -> Any:
        """Return the spec of a size.

        Parameters
        ----------
        name : str
            Name of the study.
        size : {"quick", "paper"}
            Size of the study.
        data : str, optional
            Folder that replaces ``{data}`` in the spec.
        """
        merged = _merge(self.study, getattr(self, size))
        folder = data or "DIR"
        merged = {
            name: text.replace("{data}", folder) if isinstance(text, str) else text for name, text in merged.items()
        }
        if "data" in merged:
            merged["data"] = {split: text.replace("{data}", folder) for split, text in merged["data"].items()}
        return StudySpec(name=name, description=self.shows, **merged)


def preset_names() -> tuple[str, ...]:
    """Return the names of all presets; presets on the paper's data come first."""
    data = ("mnist", "cifar10", "digits")
    studies = ("width", "time", "samples", "noise", "regularization", "random-inputs", "phase", "effects")
    order = {
        f"{source}-{study}": i
        for i, (source, study) in enumerate((source, study) for source in data for study in studies)
    }
    return tuple(sorted(_files(), key=lambda name: (order.get(name, len(order)), name)))


@cache
def find_preset(name: str) -> Preset:
    """Return the preset of a name, or read it from a YAML file.

    Raises
    ------
    StudyError
        If there is no such preset, or one of its fields is wrong; the message gives the line.
    """
    if name.endswith((".yaml", ".yml")):
        return read_preset(Path(name))
    presets = _files()
    if name not in presets:
        hint = nearest(name, preset_names())
        raise StudyError(
            f"there is no reproduction named {name!r}: {hint}; or give a YAML file; see hashlens reproduce --list"
        )
    return preset_of(presets[name].read_text(encoding="utf-8"), f"{name}.yaml")


def read_preset(path: Path) -> Preset:
    """Read a preset from a YAML file; raises the same errors as :func:`find_preset`."""
    try:
        return preset_of(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError as error:
        raise StudyError(f"{path}: there is no such file; expected the YAML file of a reproduction") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise StudyError(f"{path}: cannot be read as the YAML file of a reproduction: {reason}") from error


def preset_of(text: str, name: str) -> Preset:
    """Read a preset from YAML text; error messages give `name` and the line."""
    fields, source = read_yaml(text, name)
    claims = claims_of(fields.pop("claims", ()), source)
    try:
        return Preset(claims=claims, **fields)
    except ValidationError as error:
        raise source.error(*_field_errors(error)) from None


def _field_errors(error: ValidationError) -> Iterator[tuple[FieldPath, str]]:
    for problem in error.errors(include_url=False):
        path = problem["loc"]
        if problem["type"] == "missing":
            yield path, "is missing"
        elif problem["type"] == "extra_forbidden":
            fields = Preset.model_fields if len(path) == 1 else ()
            yield path, f"unknown field; {nearest(str(path[-1]), fields)}" if fields else "unknown field"
        else:
            message = str(problem.get("ctx", {}).get("error", problem["msg"]))
            yield path, f"{message[:1].lower()}{message[1:]}, received {problem['input']!r:.60}"


def require_size(size: str) -> Size:
    """Return `size` if it is the name of a size of presets.

    Raises
    ------
    StudyError
        If it is not.
    """
    for allowed in SIZES:
        if size == allowed:
            return allowed
    raise StudyError(f"preset must be one of {', '.join(SIZES)}, received {size!r}")


@cache
def _files() -> dict[str, Any]:
    """Return the file of each preset, by name of the preset."""
    return {
        entry.name.removesuffix(".yaml"): entry
        for package, _, folder in (place.partition(":") for place in PRESETS.values())
        for entry in (files(package) / folder).iterdir()
        if entry.name.endswith(".yaml")
    }


def _merge(shared: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two mappings; sections are merged field by field, and `overrides` takes precedence."""
    sections = {
        name: {**shared[name], **value}
        for name, value in overrides.items()
        if isinstance(value, dict) and isinstance(shared.get(name), dict)
    }
    return {**shared, **overrides, **sections}
