"""The space of hyperparameters, and their points in the unit cube."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt, is_finite
from hashlens.errors import TuningError

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Kind = Literal["float", "int", "category"]


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter.

    Attributes
    ----------
    name : str
        Name in the trials.
    kind : {"float", "int", "category"}
        Kind of its values.
    low, high : float
        Bounds; for a category 0 and the number of its choices minus 1.
    log : bool
        Whether it has a logarithmic scale.
    step : float
        Step between values; 0 if it is continuous.
    choices : tuple
        Choices of a category.
    """

    name: str
    kind: Kind = "float"
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    step: float = 0.0
    choices: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        if self.kind == "category":
            if not self.choices:
                raise TuningError(f"parameter {self.name!r} is a category without choices")
        elif not self.low <= self.high or (self.log and self.low <= 0):
            raise TuningError(
                f"parameter {self.name!r} must have low <= high, above 0 if log, received {self.low:g} and "
                f"{self.high:g}"
            )

    def place(self, value: Any) -> float:
        """Return the coordinate of a value: from 0 to 1, or the index of a choice.

        Each whole number, or value with a step, lies in a cell from half a step below it to half a step above it. All
        cells together have the coordinates from 0 to 1.
        """
        if self.kind == "category":
            if value not in self.choices:
                raise TuningError(
                    f"parameter {self.name!r} has no choice {value!r}: {', '.join(map(str, self.choices))}"
                )
            return float(self.choices.index(value))
        if not is_finite(value) or (self.log and value <= 0):
            wanted = "a number above 0" if self.log else "a finite number"
            raise TuningError(f"parameter {self.name!r} must be {wanted}, received {excerpt(value)}")
        half = self._step / 2
        low, high, at = (math.log(x) if self.log else float(x) for x in (self.low - half, self.high + half, value))
        return 0.5 if high == low else (at - low) / (high - low)

    @property
    def _step(self) -> float:
        return self.step or (1.0 if self.kind == "int" else 0.0)

    @property
    def grid(self) -> Floats:
        """All coordinates of a discrete parameter; empty if it is continuous, or has more than 1,000 values."""
        if self.kind == "category":
            return np.arange(float(len(self.choices)))
        step = self._step
        count = int((self.high - self.low) / step + 1e-9) + 1 if step else 0
        if not 0 < count <= LARGEST_GRID:
            return np.empty(0)
        return np.array([self.place(self.low + at * step) for at in range(count)])

    def cells_of(self, numbers: Floats, count: int) -> npt.NDArray[np.int64]:
        """Return the index of the value in whose cell each number from 0 to 1 is; `count` is the number of values."""
        if self.log:
            low, high = self.low - self._step / 2, self.high + self._step / 2
            numbers = (low * (high / low) ** numbers - low) / (high - low)
        return np.minimum((numbers * count).astype(np.int64), count - 1)


LARGEST_GRID = 1000
"""Largest number of values of a parameter that counts as discrete."""


@dataclass(frozen=True)
class Space:
    """Space of several hyperparameters."""

    parameters: tuple[Parameter, ...]

    @classmethod
    def of_trials(cls, trials: Sequence[Mapping[str, Any]]) -> "Space":
        """Return the smallest space that contains all trials, if no space was declared."""
        names = list(dict.fromkeys(name for trial in trials for name in trial))
        return cls(
            tuple(_smallest_parameter(name, [trial[name] for trial in trials if name in trial]) for name in names)
        )

    def __len__(self) -> int:
        return len(self.parameters)

    @property
    def categories(self) -> Flags:
        """Which parameters are categories, bool ``(dimensions,)``."""
        return np.array([one.kind == "category" for one in self.parameters], dtype=bool)

    @property
    def unhashable_parameter(self) -> str:
        """Name of a parameter with choices that cannot be hashed, such as lists; empty if there is none."""
        for parameter in self.parameters:
            try:
                hash(parameter)
            except TypeError:
                return parameter.name
        return ""

    def places(self, trials: Sequence[Mapping[str, Any]]) -> Floats:
        """Return the points of trials, float64 ``(trials, dimensions)``; NaN where a trial lacks a parameter."""
        found = np.full((len(trials), len(self)), np.nan)
        for row, trial in enumerate(trials):
            for column, parameter in enumerate(self.parameters):
                if parameter.name in trial:
                    found[row, column] = parameter.place(trial[parameter.name])
        return found

    def conditional(self, trials: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, int]]:
        """Yield each parameter that not all trials have, and the number of trials that have it."""
        for parameter in self.parameters:
            count = sum(parameter.name in trial for trial in trials)
            if count < len(trials):
                yield parameter.name, count

    def spread(self, count: int, seed: int = 0) -> Floats:
        """Return points that fill the space evenly, ``(count, dimensions)``: a Sobol sequence, rounded to the grid."""
        from scipy.stats import qmc

        return self.on_grid(qmc.Sobol(len(self), rng=np.random.default_rng(seed)).random(count))

    def on_grid(self, drawn: Floats) -> Floats:
        """Return numbers from 0 to 1, ``(count, dimensions)``, as points, with discrete parameters on their grid."""
        for column, parameter in enumerate(self.parameters):
            if len(grid := parameter.grid):
                drawn[:, column] = grid[parameter.cells_of(drawn[:, column], len(grid))]
        return np.asarray(drawn)


def _smallest_parameter(name: str, values: Sequence[Any]) -> Parameter:
    for value in values:
        if value is not None and not isinstance(value, bool | str) and not is_finite(value):
            raise TuningError(
                f"parameter {name!r} must be a finite number, text, true, false or null in each trial, received "
                f"{excerpt(value)}"
            )
    if any(isinstance(value, bool | str) or value is None for value in values):
        return Parameter(name, "category", choices=tuple(dict.fromkeys(values)))
    kind: Kind = "int" if all(float(value).is_integer() for value in values) else "float"
    return Parameter(name, kind, float(min(values)), float(max(values)))
