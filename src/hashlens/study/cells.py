"""Cells, runs and packs (runs that are executed together) of a study; the spec alone determines all three."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, Protocol

from hashlens.seeds import torch_seed
from hashlens.study.variables import Variables

if TYPE_CHECKING:
    from hashlens.study.spec import StudySpec

_NEEDS_NO_QUOTES = re.compile(r"[\w.,:/+-]+")


class CellLike(Protocol):
    """Interface of a cell: one combination of levels of the factors."""

    @property
    def key(self) -> str:
        """Stable, readable name; seeds are derived from it."""

    @property
    def factors(self) -> Mapping[str, Any]:
        """Level of each factor of the experiment."""


@dataclass(frozen=True)
class Cell:
    """One combination of levels of the factors.

    Attributes
    ----------
    levels : tuple of (str, level)
        Factors and their levels, in order.
    """

    levels: tuple[tuple[str, Any], ...]

    @cached_property
    def factors(self) -> dict[str, Any]:
        """The level of each factor."""
        return dict(self.levels)

    @cached_property
    def key(self) -> str:
        """Name in seeds and stores, such as ``coin=fair bias=0.5``."""
        return " ".join(f"{name}={level_text(level)}" for name, level in self.levels) or "all"

    def __getitem__(self, factor: str) -> Any:
        return self.factors[factor]


@dataclass(frozen=True)
class Run:
    """One repeat of a cell.

    Attributes
    ----------
    cell : CellLike
        The cell.
    repeat : int
        Number of the repeat, from 0.
    seed : int
        Seed of 63 bits. It depends only on the seed of the study, the cell and the repeat.
    pack : int
        Number of the pack, from 0. The runs of one pack are executed together.
    """

    cell: Any
    repeat: int
    seed: int
    pack: int


def level_text(level: Any) -> str:
    """Return a level in the form used in the key of a cell.

    >>> level_text(10.0), level_text(True), level_text("two words"), level_text("fair")
    ('10', 'true', '"two words"', 'fair')
    """
    if isinstance(level, str):
        return level if _NEEDS_NO_QUOTES.fullmatch(level) else json.dumps(level, ensure_ascii=False)
    return str(level).lower().removesuffix(".0")


def cross_levels(spec: "StudySpec", variables: Variables) -> tuple[Cell, ...]:
    """Return a cell for every combination of levels of the axes; all other factors have their defaults."""
    levels = [
        [(factor.name, level) for level in spec.levels(factor.name) or (factor.default,)]
        for factor in variables.factors
    ]
    return tuple(Cell(combination) for combination in product(*levels))


def cross_repeats(cells: Iterable[CellLike], repeats: int) -> list[tuple[Any, int]]:
    """Return every repeat of every cell."""
    return [(cell, repeat) for cell in cells for repeat in range(repeats)]


def runs_of_packs(packs: Iterable[Sequence[tuple[Any, int]]], seed: int, first: int = 0) -> tuple[Run, ...]:
    """Return the runs of packs that are numbered from `first`, with their seeds.

    Parameters
    ----------
    packs : iterable of sequences of (cell, repeat)
        The packs, in order: the pairs of each are executed together.
    seed : int
        Seed of the study.
    first : int
        Number of the first pack.
    """
    return tuple(
        Run(cell, repeat, torch_seed(seed, "study", cell.key, repeat), number)
        for number, pack in enumerate(packs, first)
        for cell, repeat in pack
    )
