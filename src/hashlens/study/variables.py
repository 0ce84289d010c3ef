"""Descriptions of an experiment's factors, step and measures: their names, labels and types."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from hashlens.errors import StudyError
from hashlens.plain import written_as

FactorType = Literal["text", "int", "float", "bool"]
TYPES: dict[FactorType, type] = {"text": str, "int": int, "float": float, "bool": bool}
RESERVED = ("cell", "repeat", "measure", "split", "layer", "value", "kind", "schema_version", "study", "terms")
"""Reserved names: the table of results and its JSON use them."""


@dataclass(frozen=True)
class Axis:
    """An axis of charts: a factor, or the step.

    Attributes
    ----------
    name : str
        Name of its column in the results.
    label : str
        Readable name, with the unit; by default `name`.
    """

    name: str
    label: str = ""

    @property
    def display_name(self) -> str:
        """The label of the axis."""
        return self.label or self.name.replace("_", " ")


@dataclass(frozen=True)
class Factor(Axis):
    """A factor: a setting whose levels distinguish the cells of a study.

    Attributes
    ----------
    type : {"text", "int", "float", "bool"}
        Type of its levels.
    default : str, int, float or bool
        Its level in studies that do not vary it.
    allowed : tuple
        All possible levels; empty if any level of the type is possible.
    fixed_at : {"last", "first"}
        The level at which a page fixes it in charts over other axes.
    """

    type: FactorType = "text"
    default: Any = ""
    allowed: tuple[Any, ...] = ()
    fixed_at: Literal["last", "first"] = field(default="last", metadata=written_as("rests"))


@dataclass(frozen=True)
class MeasureInfo:
    """Description of a measure.

    Attributes
    ----------
    label : str
        Readable name; by default the name of the measure.
    heading : str
        Short label for tables with many columns; by default `label`.
    low, high : float or None
        Bounds of its range; None if unbounded.
    better : {"higher", "lower"} or None
        Direction that is better; None if neither is.
    group : str
        Name of a group of measures that are drawn in one chart, such as ``accuracy``.
    every_split : bool
        True if a summary shows it on every split, because its meaning differs between splits.
    may_be_nan : bool
        True if its value may be undefined (NaN).
    scale : {"plain", "logit"}
        Scale on which an effect table partitions its variance: logit for shares that span orders of magnitude near 0
        or 1.
    """

    label: str = ""
    heading: str = ""
    low: float | None = None
    high: float | None = None
    better: Literal["higher", "lower"] | None = None
    group: str = ""
    every_split: bool = False
    may_be_nan: bool = field(default=False, metadata=written_as("may_lack"))
    scale: Literal["plain", "logit"] = "plain"

    @property
    def is_share(self) -> bool:
        """True if its range is from 0 to 1."""
        return (self.low, self.high) == (0.0, 1.0)


@dataclass(frozen=True)
class Variables:
    """The factors, steps and measures of an experiment.

    Attributes
    ----------
    experiment : str
        Name of the experiment.
    factors : tuple of Factor
        The factors, in order.
    step : Axis or None
        Integer axis along which a run has several rows of one measure, such as ``epochs``; None if there is none.
    measures : dict of str to MeasureInfo
        Description of each measure by its name in the results, in the order of tables.
    responses : tuple of str
        Default measures of an effect table, in order; all measures if empty.
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
        """Axes of charts: the factors, then the step."""
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
        """Return the readable name of an axis or a measure."""
        axis_name = next((axis.display_name for axis in self.axes if axis.name == name), "")
        measured = self.measures.get(name)
        return axis_name or (measured.label if measured else "") or name.replace("_", " ")

    def heading(self, measure: str) -> str:
        """Return the short label of a measure, for tables with many columns."""
        measured = self.measures.get(measure)
        return (measured.heading if measured else "") or self.label(measure)

    def only(self, axes: Iterable[str], measures: Iterable[str]) -> "Variables":
        """Return the variables of some axes and measures, such as those of one chart."""
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
