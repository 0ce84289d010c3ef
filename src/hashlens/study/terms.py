"""What the numbers of an experiment are of: its factors, its steps and its measures, in words and types."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from hashlens.errors import StudyError

FactorType = Literal["text", "int", "float", "bool"]
TYPES: dict[FactorType, type] = {"text": str, "int": int, "float": float, "bool": bool}
RESERVED = ("cell", "repeat", "measure", "split", "layer", "value", "kind", "schema_version", "study", "terms")
"""Names that the table of results and its JSON use themselves."""


@dataclass(frozen=True)
class Axis:
    """What charts can be drawn over.

    Attributes
    ----------
    name : str
        Of its column in the results.
    label : str
        As people read it, with its unit; by default its name.
    """

    name: str
    label: str = ""

    @property
    def display_name(self) -> str:
        """Its label."""
        return self.label or self.name.replace("_", " ")


@dataclass(frozen=True)
class Factor(Axis):
    """What tells cells apart.

    Attributes
    ----------
    type : {"text", "int", "float", "bool"}
        Of its levels.
    default : str, int, float or bool
        Its level in cells of a study that does not vary it.
    allowed : tuple
        All its levels, where only some are possible.
    rests : {"last", "first"}
        At which of its levels a page holds it while others are looked at.
    """

    type: FactorType = "text"
    default: Any = ""
    allowed: tuple[Any, ...] = ()
    rests: Literal["last", "first"] = "last"


@dataclass(frozen=True)
class MeasureInfo:
    """What is known of a measure before it is taken.

    Attributes
    ----------
    label : str
        As people read it; by default its name.
    heading : str
        The same where columns are many; by default its label.
    low, high : float or None
        Ends of its range; None where there is none.
    better : {"higher", "lower"} or None
        Which way people want it.
    group : str
        Measures of one group are drawn together: ``accuracy``.
    every_split : bool
        Whether a summary shows it on every split, because it says something else there.
    may_lack : bool
        Whether it may be NaN, where it has no value.
    scale : {"plain", "logit"}
        On which an effect table shares out its variance: logit for a share that spans orders of magnitude near 0 or 1.
    """

    label: str = ""
    heading: str = ""
    low: float | None = None
    high: float | None = None
    better: Literal["higher", "lower"] | None = None
    group: str = ""
    every_split: bool = False
    may_lack: bool = False
    scale: Literal["plain", "logit"] = "plain"

    @property
    def is_share(self) -> bool:
        """Whether it is from 0 to 1."""
        return (self.low, self.high) == (0.0, 1.0)


@dataclass(frozen=True)
class Terms:
    """The factors, steps and measures of an experiment.

    Attributes
    ----------
    experiment : str
        Its name.
    factors : tuple of Factor
        In order.
    step : Axis or None
        Along which a run has several rows of one measure, such as ``epochs``; whole numbers. None where there is none.
    measures : dict of str to MeasureInfo
        By the name that rows have, in the order in which they are spoken of.
    responses : tuple of str
        Measures that an effect table takes if nothing else is said, in order; all where none is named.
    """

    experiment: str
    factors: tuple[Factor, ...]
    step: Axis | None = None
    measures: Mapping[str, MeasureInfo] = field(default_factory=dict)
    responses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [axis.name for axis in self.axes]
        for i, name in enumerate(names):
            if not name.isidentifier() or name in RESERVED or name in names[:i]:
                raise StudyError(
                    f"experiment {self.experiment!r}: {name!r} cannot be the name of a factor or step: names are "
                    f"words such as label_noise, all different, and none of {', '.join(RESERVED)}"
                )

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """What charts can be drawn over: the factors, then the step."""
        return (*self.factors, *(() if self.step is None else (self.step,)))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of results, in order."""
        steps = () if self.step is None else (self.step.name,)
        factors = (factor.name for factor in self.factors)
        return ("cell", *factors, "repeat", *steps, "measure", "split", "layer", "value")

    @cached_property
    def types(self) -> dict[str, type]:
        """The type of each axis by its name."""
        steps: dict[str, type] = {} if self.step is None else {self.step.name: int}
        return {factor.name: TYPES[factor.type] for factor in self.factors} | steps

    def label(self, name: str) -> str:
        """Return an axis, or a measure, as people read it."""
        axis_name = next((axis.display_name for axis in self.axes if axis.name == name), "")
        measured = self.measures.get(name)
        return axis_name or (measured.label if measured else "") or name.replace("_", " ")

    def heading(self, measure: str) -> str:
        """Return a measure as people read it where columns are many."""
        measured = self.measures.get(measure)
        return (measured.heading if measured else "") or self.label(measure)

    def only(self, axes: Iterable[str], measures: Iterable[str]) -> "Terms":
        """Return the terms of some axes and measures: what one chart needs to know."""
        axis_names, measured = set(axes), set(measures)
        return replace(
            self,
            factors=tuple(factor for factor in self.factors if factor.name in axis_names),
            step=self.step if self.step is not None and self.step.name in axis_names else None,
            measures={name: info for name, info in self.measures.items() if name in measured},
        )

    @cached_property
    def text(self) -> frozenset[str]:
        """The names of the columns that hold text."""
        factors = (factor.name for factor in self.factors if factor.type == "text")
        return frozenset(("cell", *factors, "measure", "split", "layer"))
