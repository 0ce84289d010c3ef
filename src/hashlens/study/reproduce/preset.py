"""Presets: the studies that `reproduce` knows, each a YAML file in the package."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from pydantic import Field

from hashlens.errors import StudyError, nearest
from hashlens.study.claims.read import AnyClaim
from hashlens.study.spec import StudySpec
from hashlens.study.spec.lines import read_yaml
from hashlens.study.spec.section import Section

Size = Literal["quick", "paper"]
SIZES: tuple[Size, ...] = ("quick", "paper")
Level = bool | int | float | str
Levels = tuple[tuple[Level, float], ...]


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
        The lines of a curve.
    by : str, optional
        The factor that tells its lines apart.
    where : dict
        Levels at which to hold the others.
    """

    kind: Literal["curve", "phase", "sensitivity", "effects"] = "curve"
    x: str = ""
    y: str = ""
    measures: tuple[str, ...] = ()
    splits: tuple[str, ...] = ("test",)
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
        The spec: what both sizes share.
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
        said = _merged(self.study, getattr(self, size))
        said["data"] = {split: text.replace("{data}", data or "DIR") for split, text in said["data"].items()}
        return StudySpec(name=name, description=self.shows, **said)


def preset_names() -> tuple[str, ...]:
    """Return the names of all presets: those of the paper's data first."""
    found = [entry.name.removesuffix(".yaml") for entry in _folder().iterdir() if entry.name.endswith(".yaml")]
    data = ("mnist", "cifar10", "digits")
    studies = ("width", "time", "samples", "noise", "regularization", "random-inputs", "phase", "effects")
    known = {f"{of}-{study}": at for at, (of, study) in enumerate((of, study) for of in data for study in studies)}
    return tuple(sorted(found, key=lambda name: (known.get(name, len(known)), name)))


@cache
def find_preset(name: str) -> Preset:
    """Return the preset of a name.

    Raises
    ------
    StudyError
        If there is none.
    """
    if name not in preset_names():
        hint = nearest(name, preset_names())
        raise StudyError(f"there is nothing to reproduce by the name {name!r}: {hint}; see hashlens reproduce --list")
    file = _folder() / f"{name}.yaml"
    fields, _ = read_yaml(file.read_text(encoding="utf-8"), file.name)
    return Preset(**fields)


def require_size(size: str) -> Size:
    """Return the size of a preset that `size` names.

    Raises
    ------
    StudyError
        If there is none.
    """
    for known in SIZES:
        if size == known:
            return known
    raise StudyError(f"preset must be one of {', '.join(SIZES)}, received {size!r}")


def _folder() -> Any:
    return files("hashlens.study.reproduce") / "presets"


def _merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of both; sections are merged field by field, and `own` wins."""
    sections = {
        name: {**shared[name], **value}
        for name, value in own.items()
        if isinstance(value, dict) and isinstance(shared.get(name), dict)
    }
    return {**shared, **own, **sections}
