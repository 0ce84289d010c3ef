"""Cells of a study of networks, and the packs that they are trained in; all follow from the spec alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from itertools import product
from typing import Any

from hashlens.nets.build import ARCHITECTURES, architecture_arguments
from hashlens.study.cells import Run, cross_repeats, level_text, runs_of_packs
from hashlens.study.networks.spec import NetworksSpec
from hashlens.study.networks.variables import FACTORS

NOMINAL_INPUTS = 1000
"""Assumed number of inputs of a network, to estimate relative costs."""


@dataclass(frozen=True)
class Cell:
    """One way to build and train a network: a combination of levels of all axes except epochs and random inputs.

    Attributes
    ----------
    architecture : str
        Name of the architecture.
    width, depth : int
        Width and depth; 0 if the architecture has no such argument.
    samples : int
        Number of distinct training examples, the first ones.
    label_noise : float
        Share of the training labels that are shuffled.
    weight_decay : float
        L2 penalty.
    batch_norm : bool
        Whether there is batch normalisation; False if the architecture has no such argument.
    dropout : float
        Probability of dropout; 0 if the architecture has no such argument.
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
        """Name in seeds and stores, such as ``mlp width=40 depth=1 samples=48000 label_noise=0 ...``.

        Arguments that the architecture does not have are left out.
        """
        arguments = self.arguments()
        factors = (factor for factor in FACTORS[1:] if factor not in ARCHITECTURE_ARGUMENTS or factor in arguments)
        return " ".join((self.architecture, *(f"{factor}={level_text(getattr(self, factor))}" for factor in factors)))

    @property
    def factors(self) -> dict[str, Any]:
        """Level of each factor."""
        return {factor: getattr(self, factor) for factor in FACTORS}

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of this cell for :func:`hashlens.nets.build`."""
        taken = architecture_arguments(self.architecture)
        return {factor: getattr(self, factor) for factor in ARCHITECTURE_ARGUMENTS if factor in taken}


ARCHITECTURE_ARGUMENTS: dict[str, Any] = {"width": 0, "depth": 0, "batch_norm": False, "dropout": 0.0}
"""Factors that are arguments of architectures, with their values for architectures without them."""


def cells(spec: NetworksSpec, n: int) -> tuple[Cell, ...]:
    """Return the cells of a study: all axes crossed, in the order of the factors.

    Parameters
    ----------
    spec : NetworksSpec
        Spec of the study.
    n : int
        Number of training examples, used if ``samples`` is not an axis.
    """
    return tuple(
        Cell(*values) for name in spec.architectures for values in product((name,), *_levels(spec, name, n).values())
    )


def runs(spec: NetworksSpec, n: int) -> tuple[Run, ...]:
    """Return every network that a study trains, by pack, the most expensive pack first.

    Parameters
    ----------
    spec : NetworksSpec
        Spec of the study.
    n : int
        Number of training examples.
    """
    return runs_of_packs(packs(cross_repeats(cells(spec, n), spec.repeats), spec.ensemble), spec.seed)


def packs(networks: Sequence[tuple[Cell, int]], ensemble: int) -> list[list[tuple[Cell, int]]]:
    """Return repeats of cells, divided into packs, the most expensive pack first.

    A pack holds at most `ensemble` MLPs of equal depth and similar width, all with batch normalisation or all without.
    Any other network has its own pack.

    Parameters
    ----------
    networks : sequence of (Cell, int)
        Cells and numbers of repeats.
    ensemble : int
        Largest number of MLPs in a pack.
    """
    kinds: dict[tuple[Any, ...], list[tuple[Cell, int]]] = {}
    for cell, repeat in sorted(networks, key=_cost_order):
        kinds.setdefault((cell.architecture, cell.depth, cell.batch_norm), []).append((cell, repeat))
    in_packs = [pack for members in kinds.values() for pack in _split_by_size(members, ensemble)]
    return sorted(in_packs, key=lambda pack: _cost_order(pack[0]))


def _levels(spec: NetworksSpec, architecture: str, n: int) -> dict[str, tuple[Any, ...]]:
    """Return the levels of each factor but the architecture: from its axis, else the spec, else the recipe."""
    recipe, parameters = spec.recipe(), signature(ARCHITECTURES[architecture]).parameters
    levels: dict[str, tuple[Any, ...]] = {}
    for factor in FACTORS[1:]:
        axis = getattr(spec.axes, factor)
        if factor in ARCHITECTURE_ARGUMENTS and factor not in parameters:
            levels[factor] = (ARCHITECTURE_ARGUMENTS[factor],)
        elif factor == "batch_norm":
            levels[factor] = tuple(recipe.batch_norm if value is None else value for value in axis or (None,))
        elif axis is not None:
            levels[factor] = axis
        elif factor in ARCHITECTURE_ARGUMENTS:
            fixed = getattr(spec.network, factor)
            levels[factor] = (parameters[factor].default if fixed is None else fixed,)
        else:
            levels[factor] = ({"samples": n, "label_noise": 0.0, "weight_decay": recipe.weight_decay}[factor],)
    return levels


def _cost(cell: Cell) -> float:
    """Return the approximate number of multiplications for one example; other networks cost more than any MLP."""
    if cell.architecture != "mlp":
        return float("inf")
    return cell.width * (NOMINAL_INPUTS + (cell.depth - 1) * cell.width)


def _cost_order(run: tuple[Cell, int]) -> tuple[float, str, int]:
    cell, repeat = run
    return -_cost(cell), cell.key, repeat


def _split_by_size(members: list[tuple[Cell, int]], ensemble: int) -> Iterator[list[tuple[Cell, int]]]:
    size = ensemble if members[0][0].architecture == "mlp" else 1
    yield from (members[start : start + size] for start in range(0, len(members), size))
