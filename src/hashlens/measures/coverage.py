"""Coverage: which units and activation patterns examples reach, and what new examples reach beyond them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType

from hashlens.arguments import excerpt, require_whole
from hashlens.codes.codes import Codes, concatenate, require_same_code
from hashlens.codes.layers import Layer
from hashlens.codes.packing import Packed, unpack_bits
from hashlens.errors import AuditError
from hashlens.measures.determinism import rarefied
from hashlens.measures.grouping import group_rows
from hashlens.ranked import EXAMPLE, Column, Ranked
from hashlens.report.figures import Figure, Lines, Series
from hashlens.result import Result
from hashlens.tables import number, table

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LayerCoverage(Result):
    """Coverage of one layer by n examples.

    Attributes
    ----------
    name : str
        Name of the layer.
    bits : int
        Number of its bits: one per unit, two if the gate has two breakpoints.
    never_on, always_on : numpy.ndarray
        int64: bits that are 0, and bits that are 1, for all examples, numbered as in the whole activation.
    distinct : int
        Number of distinct activation patterns of the layer.
    unseen_probability : float
        Probability that the next example has a new pattern, estimated by the share of examples whose pattern no other
        example has (Good, 1953).
    new_patterns : float or None
        Share of the new examples whose pattern none of the n examples has; None without new examples.
    """

    name: str
    bits: int
    never_on: Rows
    always_on: Rows
    distinct: int
    unseen_probability: float
    new_patterns: float | None


@dataclass(frozen=True, eq=False)
class NewReach(Ranked):
    """m new examples, those with the most new bits first.

    Attributes
    ----------
    ids : numpy.ndarray
        int64 or str ``(m,)``: identifiers of the examples.
    rows : numpy.ndarray
        int64 ``(m,)``: row of each example in the new codes.
    new_bits : numpy.ndarray
        int64 ``(m,)``, descending: number of bits that are 1 here and 0 for all known examples, or 0 here and 1 for
        all known examples.
    new_layers : numpy.ndarray
        int64 ``(m,)``: number of layers in which no known example has the same pattern.
    """

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        *EXAMPLE,
        Column("new_bits", dtype=int),
        Column("new_layers", dtype=int),
    )

    ids: npt.NDArray[Any]
    rows: Rows
    new_bits: Rows
    new_layers: Rows

    def __rich__(self) -> RenderableType:
        title = f"{int((self.new_bits > 0).sum()):,} of {len(self):,} new examples put a unit into a new state"
        return self.table(title)


@dataclass(frozen=True, eq=False)
class Coverage(Result):
    """Coverage of a network by n examples.

    Attributes
    ----------
    n : int
        Number of examples.
    layers : tuple of LayerCoverage
        Coverage of each layer.
    distinct : int
        Number of distinct whole codes.
    unseen_probability : float
        Probability that the next example has a new code, as in :class:`LayerCoverage`.
    sample_sizes : numpy.ndarray
        int64 ``(p,)``: numbers of examples, ascending to n.
    expected_distinct : numpy.ndarray
        float64 ``(p,)``: expected number of distinct codes among that many examples drawn at random; exact.
    new : NewReach or None
        Ranking of new examples; None without new examples.
    """

    n: int
    layers: tuple[LayerCoverage, ...]
    distinct: int
    unseen_probability: float
    sample_sizes: Rows
    expected_distinct: npt.NDArray[np.float64]
    new: NewReach | None = None

    def __rich__(self) -> RenderableType:
        columns = ["layer", "bits", "never on", "always on", "patterns", "unseen"]
        rows = [
            [
                layer.name,
                number(layer.bits),
                number(len(layer.never_on)),
                number(len(layer.always_on)),
                number(layer.distinct),
                number(layer.unseen_probability),
                number(layer.new_patterns),
            ]
            for layer in self.layers
        ]
        rows.append(["whole code", number(sum(layer.bits for layer in self.layers)), "", "", number(self.distinct),
                     number(self.unseen_probability), ""])  # fmt: skip
        if self.new is not None:
            columns.append("new")
        note = "Unseen: probability that the next such example has a new pattern."
        if self.new is not None:
            note += " New: share of the new examples whose pattern is not among these."
        cells = [row[: len(columns)] for row in rows]
        result = table(f"Coverage by {self.n:,} examples", columns, cells, note)
        return result if self.new is None else Group(result, self.new)

    def figures(self) -> tuple[Figure, ...]:
        """Return figures of the saturation curve, and of the bits of each layer that are never reached."""
        x = tuple(self.sample_sizes.astype(float).tolist())
        curve = (Series("codes", x, tuple(self.expected_distinct.tolist())), Series("a code per example", x, x))
        layers = [layer for layer in self.layers if layer.bits]
        lines = {
            "never on": [len(layer.never_on) / layer.bits for layer in layers],
            "always on": [len(layer.always_on) / layer.bits for layer in layers],
            "unique pattern": [layer.unseen_probability for layer in layers],
        }
        if self.new is not None:
            lines["new patterns"] = [layer.new_patterns for layer in layers if layer.new_patterns is not None]
        return (
            Lines("Saturation", "examples", "distinct codes", curve),
            Lines.over(
                [layer.name for layer in layers],
                lines,
                title="Constant units and unseen patterns, layer by layer",
                x_label="layer",
                y_label="share of bits, or of examples",
            ),
        )


def coverage(codes: Codes, new_codes: Codes | None = None, points: int = 20) -> Coverage:
    """Count the units that no example turns on, or none turns off, and the distinct activation patterns.

    Parameters
    ----------
    codes : Codes
        n rows, usually of the training examples.
    new_codes : Codes, optional
        m rows of the same bits, to rank by what they reach beyond `codes`.
    points : int
        Largest number of points of the saturation curve, at least 2; fewer for few rows.

    Returns
    -------
    Coverage
        The result. It prints as tables; ``plot()`` draws it, ``.new.to_csv(path)`` writes the ranking.

    Raises
    ------
    AuditError
        If there are no rows, or `points` is less than 2.
    CodesError
        If the two are not the same bits of the same network.

    References
    ----------
    Good (1953): The population frequencies of species and the estimation of population parameters. Biometrika 40
    (the probability of an unseen species).
    Hurlbert (1971): The nonconcept of species diversity: a critique and alternative parameters. Ecology 52(4) (the
    saturation curve).

    Examples
    --------
    >>> found = coverage(Codes.from_bits([[0, 1, 0], [0, 1, 1], [0, 1, 1]]), Codes.from_bits([[1, 1, 1]]))
    >>> found.layers[0].never_on.tolist(), found.layers[0].always_on.tolist(), found.distinct
    ([0], [1], 2)
    >>> found.new.new_bits.tolist()
    [1]
    """
    require_whole(AuditError, "points", points, 2)
    for name, received in (("codes", codes), ("new_codes", new_codes)):
        if received is None and name == "new_codes":
            continue
        if not isinstance(received, Codes) or len(received) == 0:
            raise AuditError(f"coverage needs {name} of at least one row, received {excerpt(received)}")
    if new_codes is not None:
        require_same_code(codes, new_codes)
    ever = np.bitwise_or.reduce(codes.packed, axis=0)
    always = np.bitwise_and.reduce(codes.packed, axis=0)
    unseen = (
        []
        if new_codes is None
        else [_has_unseen_pattern(codes.layer(layer.name), new_codes.layer(layer.name)) for layer in codes.layers]
    )
    layers = tuple(
        _layer(codes.layer(layer.name), layer, ever, always, unseen[i] if unseen else None)
        for i, layer in enumerate(codes.layers)
    )
    sizes = group_rows(codes).sizes
    drawn = np.unique(np.linspace(1, len(codes), points).round().astype(np.int64))
    return Coverage(
        n=len(codes),
        layers=layers,
        distinct=len(sizes),
        unseen_probability=_unseen_probability(sizes),
        sample_sizes=drawn,
        expected_distinct=np.array([m * (1 - rarefied(sizes, m)) for m in drawn.tolist()]),
        new=None if new_codes is None else _new_reach(new_codes, ever, always, unseen),
    )


def _layer(
    codes: Codes, layer: Layer, ever: Packed, always: Packed, unseen: npt.NDArray[np.bool_] | None
) -> LayerCoverage:
    sizes = group_rows(codes).sizes
    switched, constant_on = (unpack_bits(row[None, layer.byte_slice], layer.bits)[0] for row in (ever, always))
    numbers = np.arange(layer.bits) if layer.positions is None else layer.positions
    return LayerCoverage(
        name=layer.name,
        bits=layer.bits,
        never_on=numbers[~switched],
        always_on=numbers[constant_on],
        distinct=len(sizes),
        unseen_probability=_unseen_probability(sizes),
        new_patterns=None if unseen is None else float(unseen.mean()),
    )


def _unseen_probability(sizes: Rows) -> float:
    return float((sizes == 1).sum() / sizes.sum())


def _has_unseen_pattern(codes: Codes, new_codes: Codes) -> npt.NDArray[np.bool_]:
    """Return which new rows have a code that none of `codes` has, bool ``(m,)``."""
    groups = group_rows(concatenate([codes, new_codes]))
    return groups.firsts[groups.of_rows()[len(codes) :]] >= len(codes)


def _new_reach(new_codes: Codes, ever: Packed, always: Packed, unseen: Sequence[npt.NDArray[np.bool_]]) -> NewReach:
    counts = np.empty(len(new_codes), np.int64)
    for rows in new_codes.chunks():
        packed = new_codes.packed[rows]
        counts[rows] = np.bitwise_count((packed & ~ever) | (always & ~packed)).sum(axis=1, dtype=np.int64)
    layers = np.stack(unseen).sum(axis=0, dtype=np.int64)
    order = np.lexsort([np.arange(len(counts)), -layers, -counts])
    return NewReach(new_codes.ids[order], order, counts[order], layers[order])
