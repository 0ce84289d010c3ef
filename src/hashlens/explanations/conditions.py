"""Conditions of a rule, and random examples that satisfy them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from hashlens.explanations.parts import QUARTERS, Columns, Parts, Segments

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Condition:
    """A condition: a part is present; or a column's value is above `low` and at most `high`, or equals `equals`."""

    feature: int
    text: str
    low: float = -np.inf
    high: float = np.inf
    equals: float | None = None

    def holds(self, values: Array) -> Array:
        """Return which of a column's values satisfy the condition."""
        return values == self.equals if self.equals is not None else (values > self.low) & (values <= self.high)

    def implies(self, other: "Condition") -> bool:
        """Return whether every value that satisfies this condition satisfies the other one too."""
        if self.feature != other.feature or None not in (self.equals, other.equals):
            return False
        return self.low >= other.low and self.high <= other.high


@dataclass(frozen=True, eq=False)
class DrawnExamples:
    """Examples drawn for a rule.

    Attributes
    ----------
    inputs
        Inputs of the model.
    satisfied : numpy.ndarray
        ``(n, conditions)`` bool: which of all conditions each example satisfies.
    """

    inputs: Any
    satisfied: Array


class Space(Protocol):
    """Interface of a source of random examples."""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All conditions that the explained example satisfies."""

    def draw(self, rule: Sequence[int], count: int, generator: np.random.Generator) -> DrawnExamples:
        """Draw examples that satisfy the conditions with these indices."""

    def coverage(self, rule: Sequence[int]) -> float:
        """Return the share of examples drawn without a rule that satisfy this one."""

    def stored_form(self, drawn: DrawnExamples, at: int) -> Any:
        """Return an example in a form to store: a row, a text, or the indices of its present segments."""


@dataclass(frozen=True, eq=False)
class MaskSpace:
    """Examples in which each part is replaced with probability one half."""

    parts: Parts
    conditions: tuple[Condition, ...]

    def draw(self, rule: Sequence[int], count: int, generator: np.random.Generator) -> DrawnExamples:
        """Draw examples; the parts in the rule are not replaced."""
        present = generator.random((count, len(self.conditions))) < 0.5
        present[:, list(rule)] = True
        replaced_by = generator.integers(self.parts.replacements, size=count)
        return DrawnExamples(self.parts.inputs(present, replaced_by), present)

    def coverage(self, rule: Sequence[int]) -> float:
        """Return one half to the power of the number of parts in the rule."""
        return float(0.5 ** len(rule))

    def stored_form(self, drawn: DrawnExamples, at: int) -> Any:
        """Return the text, or the indices of the present segments."""
        return drawn.inputs[at] if isinstance(drawn.inputs, list) else np.flatnonzero(drawn.satisfied[at]).tolist()


@dataclass(frozen=True, eq=False)
class RowSpace:
    """Background rows; values that break the rule are replaced by values of the same column that satisfy it."""

    columns: Columns
    conditions: tuple[Condition, ...]

    def draw(self, rule: Sequence[int], count: int, generator: np.random.Generator) -> DrawnExamples:
        """Draw rows."""
        row, background = self.columns.values
        drawn = background[generator.integers(len(background), size=count)]
        for feature in sorted({self.conditions[index].feature for index in rule}):
            wanted = [self.conditions[index] for index in rule if self.conditions[index].feature == feature]
            fits = background[_all_hold(wanted, background[:, feature]), feature]
            fits = fits if len(fits) else row[[feature]]
            broken = np.flatnonzero(~_all_hold(wanted, drawn[:, feature]))
            drawn[broken, feature] = fits[generator.integers(len(fits), size=len(broken))]
        satisfied = np.column_stack([condition.holds(drawn[:, condition.feature]) for condition in self.conditions])
        own = self.columns.row
        return DrawnExamples(torch.as_tensor(drawn, dtype=own.dtype, device=own.device), satisfied)

    def coverage(self, rule: Sequence[int]) -> float:
        """Return the share of background rows."""
        background = self.columns.values[1]
        satisfied = [self.conditions[index].holds(background[:, self.conditions[index].feature]) for index in rule]
        return float(np.mean(np.all(satisfied, axis=0))) if satisfied else 1.0

    def stored_form(self, drawn: DrawnExamples, at: int) -> Any:
        """Return the row."""
        return drawn.inputs[at].tolist()


def space_of(parts: Parts) -> Space:
    """Return the source of random examples around this one."""
    if isinstance(parts, Columns):
        return RowSpace(
            parts, tuple(index for column in range(len(parts.names)) for index in _of_column(parts, column))
        )
    ending = "" if isinstance(parts, Segments) else " is present"
    return MaskSpace(parts, tuple(Condition(i, name + ending) for i, name in enumerate(parts.names)))


def _of_column(columns: Columns, column: int) -> list[Condition]:
    """Return equality for a categorical column; for another column, the row's side of each quartile."""
    row, background = columns.values
    name, value = columns.names[column], float(row[column])
    if columns.categorical[column]:
        return [Condition(column, f"{name} = {value:.4g}", equals=value)]
    conditions = []
    for edge in np.unique(np.quantile(background[:, column], QUARTERS)).tolist():
        if value > edge:
            conditions.append(Condition(column, f"{name} > {edge:.4g}", low=edge))
        elif (background[:, column] > edge).any():
            conditions.append(Condition(column, f"{name} <= {edge:.4g}", high=edge))
    return conditions


def _all_hold(conditions: Sequence[Condition], values: Array) -> Array:
    satisfied: Array = np.all([condition.holds(values) for condition in conditions], axis=0)
    return satisfied
