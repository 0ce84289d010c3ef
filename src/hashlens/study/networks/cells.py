"""The cells of a study of networks, and the packs that they are trained in: all follow from the spec alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from itertools import product
from typing import Any

from hashlens.nets.build import ARCHITECTURES, architecture_arguments
from hashlens.study.cells import Run, level_text, numbered, repeated
from hashlens.study.networks.spec import NetworksSpec
from hashlens.study.networks.terms import FACTORS

NOMINAL_INPUTS = 1000
"""Inputs of a network, for its cost relative to others'."""


@dataclass(frozen=True)
class Cell:
    """One way to build and train a network: a point of the axes, epochs and random inputs apart.

    Attributes
    ----------
    architecture : str
        Its name.
    width, depth : int
        0 where the architecture has no choice of it.
    samples : int
        Distinct training examples, the first so many.
    label_noise : float
        Share of the training labels that are shuffled.
    weight_decay : float
        L2 penalty.
    batch_norm : bool
        False where the architecture has no choice of it.
    dropout : float
        0 where the architecture has no choice of it.
    """

    architecture: str
    width: int
    depth: int
    samples: int
    label_noise: float
    weight_decay: float
    batch_norm: bool
    dropout: float

    @cached_property
    def key(self) -> str:
        """Its name in seeds and stores: ``mlp width=40 depth=1 samples=48000 label_noise=0 ...``.

        What the architecture has no choice of is left out.
        """
        arguments = self.arguments()
        factors = (factor for factor in FACTORS[1:] if factor not in CHOICES or factor in arguments)
        return " ".join((self.architecture, *(f"{factor}={level_text(getattr(self, factor))}" for factor in factors)))

    @property
    def factors(self) -> dict[str, Any]:
        """The level of each factor."""
        return {factor: getattr(self, factor) for factor in FACTORS}

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of this cell for :func:`hashlens.nets.build`."""
        taken = architecture_arguments(self.architecture)
        return {factor: getattr(self, factor) for factor in CHOICES if factor in taken}


CHOICES: dict[str, Any] = {"width": 0, "depth": 0, "batch_norm": False, "dropout": 0.0}
"""The factors that are arguments of an architecture, and what stands for them where it does not take them."""


def cells(spec: NetworksSpec, n: int) -> tuple[Cell, ...]:
    """Return the cells of a study: all axes crossed, in the order of the factors.

    Parameters
    ----------
    spec : NetworksSpec
        The study.
    n : int
        Training examples, which cells have where ``samples`` is not an axis.
    """
    return tuple(
        Cell(*values) for name in spec.architectures for values in product((name,), *_levels(spec, name, n).values())
    )


def runs(spec: NetworksSpec, n: int) -> tuple[Run, ...]:
    """Return every network that a study trains, pack by pack, the most expensive pack first.

    Parameters
    ----------
    spec : NetworksSpec
        The study.
    n : int
        Training examples.
    """
    return numbered(packs(repeated(cells(spec, n), spec.repeats), spec.ensemble), spec.seed)


def packs(networks: Sequence[tuple[Cell, int]], ensemble: int) -> list[list[tuple[Cell, int]]]:
    """Return repeats of cells, parted into packs, the most expensive pack first.

    A pack holds at most `ensemble` MLPs of one depth, all with BatchNorm or all without, of like width. Any other
    network has a pack of its own.

    Parameters
    ----------
    networks : sequence of (Cell, int)
        Cells, and which repeat of them.
    ensemble : int
        Most MLPs in a pack.
    """
    kinds: dict[tuple[Any, ...], list[tuple[Cell, int]]] = {}
    for cell, repeat in sorted(networks, key=_dearest_first):
        kinds.setdefault((cell.architecture, cell.depth, cell.batch_norm), []).append((cell, repeat))
    found = [pack for members in kinds.values() for pack in _parted(members, ensemble)]
    return sorted(found, key=lambda pack: _dearest_first(pack[0]))


def _levels(spec: NetworksSpec, architecture: str, n: int) -> dict[str, tuple[Any, ...]]:
    """Return the values of each factor but the architecture: its axis; else network and training; else the recipe."""
    recipe, parameters = spec.recipe(), signature(ARCHITECTURES[architecture]).parameters
    found: dict[str, tuple[Any, ...]] = {}
    for factor in FACTORS[1:]:
        axis = getattr(spec.axes, factor)
        if factor in CHOICES and factor not in parameters:
            found[factor] = (CHOICES[factor],)
        elif factor == "batch_norm":
            found[factor] = tuple(recipe.batch_norm if value is None else value for value in axis or (None,))
        elif axis is not None:
            found[factor] = axis
        elif factor in CHOICES:
            fixed = getattr(spec.network, factor)
            found[factor] = (parameters[factor].default if fixed is None else fixed,)
        else:
            found[factor] = ({"samples": n, "label_noise": 0.0, "weight_decay": recipe.weight_decay}[factor],)
    return found


def _cost(cell: Cell) -> float:
    """Return the multiplications of one example, roughly; networks that are not MLPs cost more than any of these."""
    if cell.architecture != "mlp":
        return float("inf")
    return cell.width * (NOMINAL_INPUTS + (cell.depth - 1) * cell.width)


def _dearest_first(run: tuple[Cell, int]) -> tuple[float, str, int]:
    cell, repeat = run
    return -_cost(cell), cell.key, repeat


def _parted(members: list[tuple[Cell, int]], ensemble: int) -> Iterator[list[tuple[Cell, int]]]:
    size = ensemble if members[0][0].architecture == "mlp" else 1
    yield from (members[start : start + size] for start in range(0, len(members), size))
