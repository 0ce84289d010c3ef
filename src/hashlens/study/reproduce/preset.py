"""Presets: the studies that `reproduce` knows, each a YAML file in the room of its experiment, or of one's own."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from hashlens.errors import StudyError, nearest
from hashlens.study.claims.read import AnyClaim, claims_of
from hashlens.study.spec import StudySpec
from hashlens.study.spec.lines import FieldPath, read_yaml
from hashlens.study.spec.section import Section

Size = Literal["quick", "paper"]
SIZES: tuple[Size, ...] = ("quick", "paper")
Level = bool | int | float | str
Levels = tuple[tuple[Level, float], ...]
PRESETS = {
    "networks": "hashlens.study.reproduce:presets",
    "ted": "hashlens.ted:presets",
    "tuning": "hashlens.tuning:presets",
}
"""By experiment, the folder of a package in which its reproductions are."""


class Expected(Section):
    """What the data of a preset must be, so that no other is taken for it.

    Attributes
    ----------
    name : str
        For people.
    train, test : int
        How many examples.
    input_shape : tuple of int
        Of one.
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
        As in the results.
    over : str
        The axis.
    at : dict
        Levels of the other factors.
    values : tuple of (level, value)
        The level ``last`` is the last that a study has.
    at_most : tuple of (level, value)
        Where only a bound is known.
    """

    measure: str
    split: str = "test"
    over: str
    at: dict[str, Level] = Field(default_factory=dict)
    values: Levels = ()
    at_most: Levels = ()


class Reference(Section):
    """The figures of the paper that a study is set beside.

    Attributes
    ----------
    source : str
        Where they are from.
    bands : dict of str to float
        By measure, how far a mean may be from the paper's to count as the same; this project's.
    points : tuple of Points
        The figures.
    """

    source: str
    bands: dict[str, float]
    points: tuple[Points, ...]


class Panel(Section):
    """One part of a picture.

    Attributes
    ----------
    kind : {"curve", "phase", "sensitivity", "effects"}
        What it is.
    x, y : str
        Axes; a curve has `x` alone.
    measures, splits : tuple of str
        The lines of a curve; where no split is named, on test, or where else the measure was taken.
    by : str, optional
        The factor that tells its lines apart.
    where : dict
        Levels at which to hold the others.
    """

    kind: Literal["curve", "phase", "sensitivity", "effects"] = "curve"
    x: str = ""
    y: str = ""
    measures: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    by: str | None = None
    where: dict[str, Level] = Field(default_factory=dict)


class Preset(Section):
    """A study that `reproduce` knows, in two sizes.

    Attributes
    ----------
    title, shows, note : str
        For people: what it is, what it shows, and which recipe it follows and why.
    expects : Expected, optional
        What ``--data`` must hold; None for data that come with the library.
    reference : Reference, optional
        The paper's figures, where they are known.
    claims : tuple of Claim
        What is put to the test.
    pictures : dict of str to tuple of Panel
        By name of the file.
    took : dict of str to str
        About how long each size took on two CPU cores; sizes that were never timed are left out.
    study : dict
        The spec: what both sizes share; the experiment too, where it is not networks.
    quick, paper : dict
        What each says besides or otherwise.
    """

    title: str
    shows: str
    note: str
    expects: Expected | None = None
    reference: Reference | None = None
    claims: tuple[AnyClaim, ...] = ()
    pictures: dict[str, tuple[Panel, ...]]
    took: dict[Size, str] = Field(default_factory=dict)
    study: dict[str, Any]
    quick: dict[str, Any]
    paper: dict[str, Any]

    def spec(self, name: str, size: Size, data: str | None = None) -> Any:
        """Return the spec of a size.

        Parameters
        ----------
        name : str
            Of the study.
        size : {"quick", "paper"}
            Which.
        data : str, optional
            The folder that ``{data}`` stands for.
        """
        merged = _merged(self.study, getattr(self, size))
        if "data" in merged:
            merged["data"] = {split: text.replace("{data}", data or "DIR") for split, text in merged["data"].items()}
        return StudySpec(name=name, description=self.shows, **merged)


def preset_names() -> tuple[str, ...]:
    """Return the names of all presets: those of the paper's data first."""
    data = ("mnist", "cifar10", "digits")
    studies = ("width", "time", "samples", "noise", "regularization", "random-inputs", "phase", "effects")
    order = {
        f"{source}-{study}": i
        for i, (source, study) in enumerate((source, study) for source in data for study in studies)
    }
    return tuple(sorted(_files(), key=lambda name: (order.get(name, len(order)), name)))


@cache
def find_preset(name: str) -> Preset:
    """Return the preset of a name, or the one that a YAML file holds.

    Raises
    ------
    StudyError
        If there is none, or a field of it is wrong: with its line.
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
    """Return the preset that a YAML file holds; errors as of :func:`find_preset`."""
    try:
        return preset_of(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError as error:
        raise StudyError(f"{path}: there is no such file; expected the YAML file of a reproduction") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise StudyError(f"{path}: cannot be read as the YAML file of a reproduction: {reason}") from error


def preset_of(text: str, name: str) -> Preset:
    """Return the preset that YAML text holds; errors name its place `name`, and the line."""
    fields, source = read_yaml(text, name)
    claims = claims_of(fields.pop("claims", ()), source)
    try:
        return Preset(claims=claims, **fields)
    except ValidationError as error:
        raise source.error(*_explained(error)) from None


def _explained(error: ValidationError) -> Iterator[tuple[FieldPath, str]]:
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
    """Return the size of a preset that `size` names.

    Raises
    ------
    StudyError
        If there is none.
    """
    for allowed in SIZES:
        if size == allowed:
            return allowed
    raise StudyError(f"preset must be one of {', '.join(SIZES)}, received {size!r}")


@cache
def _files() -> dict[str, Any]:
    """Return the files of all presets by their names."""
    return {
        entry.name.removesuffix(".yaml"): entry
        for room, _, folder in (place.partition(":") for place in PRESETS.values())
        for entry in (files(room) / folder).iterdir()
        if entry.name.endswith(".yaml")
    }


def _merged(shared: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of both; sections are merged field by field, and `overrides` wins."""
    sections = {
        name: {**shared[name], **value}
        for name, value in overrides.items()
        if isinstance(value, dict) and isinstance(shared.get(name), dict)
    }
    return {**shared, **overrides, **sections}
