"""Duplicates: near-identical examples within one data set."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType

from hashlens.audit.figures import ratio_histogram
from hashlens.audit.layer_choice import ORDINARY_ROWS, LayerScore, LayerSearch, Search, sample_rows, scores_table
from hashlens.audit.leaks import near_pairs
from hashlens.audit.linked_rows import linked
from hashlens.audit.local_ratio import Ratios, Rows
from hashlens.codes.codes import Codes
from hashlens.data.labels import class_name
from hashlens.errors import AuditError
from hashlens.measures.classes import Labels
from hashlens.measures.determinism import CollisionGroup
from hashlens.measures.grouping import Groups, group_rows, group_words
from hashlens.ranked import EXAMPLE, SHOWN, Column, Ranked
from hashlens.report.figures import Figure
from hashlens.tables import number, table


@dataclass(frozen=True, eq=False)
class DuplicateGroup(CollisionGroup):
    """Near-identical examples; ``conflicting`` where their labels differ.

    Attributes
    ----------
    ratio : float
        Lowest local ratio in the group; 0 where two examples have equal codes in the searched layer.
    identical : bool
        True if all examples of the group have equal codes, in all bits of the codes.
    class_names : tuple of str
        Names of classes 0, 1, ...; empty where classes have none.
    """

    ratio: float
    identical: bool
    class_names: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of the examples, by name where they have one; empty where there are no labels."""
        numbers = [] if self.labels is None else np.unique(self.labels).tolist()
        return tuple(class_name(self.class_names, number) for number in numbers)


@dataclass(frozen=True, eq=False)
class Duplicates(Ranked):
    """Groups of near-identical examples, those with the lowest ratio first.

    `columns` and the CSV file have one entry for each example of a group.

    Attributes
    ----------
    n : int
        Number of examples.
    layer : str
        Name of the searched layer.
    bits : int
        Number of bits compared of each example.
    k : int
        Neighbour whose distance divides that of the nearest: the local ratio is d1 / dk.
    threshold : float
        Largest ratio of two examples' distance to the distance of the k-th nearest at which the two are grouped; NaN
        where no layer can be used.
    expected_false : float
        Largest number of the n examples that may be grouped by chance.
    ratios : numpy.ndarray
        float64 ``(n,)``: local ratio of each row.
    nearest : numpy.ndarray
        int64 ``(n,)``: nearest other row of each row.
    groups : tuple of DuplicateGroup
        The groups, ranked by ratio, then by size.
    layers : tuple of LayerScore
        Scores of all candidate layers, on a sample of the examples.
    score : LayerScore or None
        Score of the searched layer, on all examples.
    expected : numpy.ndarray or None
        float64 ``(n,)``: number of the n examples expected by chance to have such a ratio or a lower one.
    class_names : tuple of str
        Names of classes 0, 1, ...; empty where classes have none.
    """

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        *EXAMPLE,
        Column("ratio", lambda found: found.ratios[found.rows], float),
        Column(
            "group_ratio",
            lambda found: found.repeat_per_row([group.ratio for group in found.groups], np.float64),
            float,
        ),
        Column(
            "identical", lambda found: found.repeat_per_row([group.identical for group in found.groups], np.bool_), bool
        ),
        Column("label", "labels", int, classes=True),
    )

    n: int
    layer: str
    bits: int
    k: int
    threshold: float
    expected_false: float
    ratios: Ratios
    nearest: Rows
    groups: tuple[DuplicateGroup, ...]
    layers: tuple[LayerScore, ...]
    score: LayerScore | None = None
    expected: Ratios | None = None
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def rows(self) -> Rows:
        """Rows of all groups, one group after another, int64."""
        return np.concatenate([np.zeros(0, np.int64), *(group.rows for group in self.groups)])

    @property
    def ids(self) -> npt.NDArray[Any]:
        """Identifiers of `rows`."""
        return np.concatenate([group.ids for group in self.groups]) if self.groups else np.zeros(0, np.int64)

    @property
    def labels(self) -> Labels | None:
        """Labels of `rows`, int64; None where there are none."""
        labels = [group.labels for group in self.groups if group.labels is not None]
        return np.concatenate(labels) if labels else None

    @property
    def ranks(self) -> Rows:
        """Rank of the group of each of `rows`, from 1."""
        return self.repeat_per_row(range(1, len(self) + 1), np.int64)

    def repeat_per_row(self, values: Iterable[Any], dtype: Any) -> npt.NDArray[Any]:
        """Repeat one value per group for each of `rows`."""
        return np.repeat(np.fromiter(values, dtype, len(self)), [len(group) for group in self.groups])

    @property
    def extra_rows(self) -> Rows:
        """Rows to remove to keep only the first row of each group; ascending, int64."""
        return np.sort(np.concatenate([np.zeros(0, np.int64), *(group.rows[1:] for group in self.groups)]))

    @property
    def conflicts(self) -> tuple[DuplicateGroup, ...]:
        """Groups whose examples have different labels."""
        return tuple(group for group in self.groups if group.conflicting)

    def __rich__(self) -> RenderableType:
        rows = [
            (
                str(rank),
                number(len(group)),
                ", ".join(map(str, group.ids[:6])) + (", ..." if len(group) > 6 else ""),
                ", ".join(group.classes) or "–",
                number(group.ratio, 3),
            )
            for rank, group in enumerate(self.groups[:SHOWN], start=1)
        ]
        joined = (
            "No layer distinguishes examples well enough to group any by code; the table of layers gives the reasons"
            if self.score is None or self.score.reason
            else f"Grouped if the distance, divided by that of the {self.k}th nearest, is at most "
            f"{self.threshold:.3f} in {self.bits:,} bits of {self.layer}, {self.score.chance}"
        )
        note = (
            f"{joined}. {len(self.extra_rows):,} of {self.n:,} examples repeat another; groups with several labels: "
            f"{len(self.conflicts):,}."
        )
        title = f"Duplicates: {len(self):,} groups"
        columns = ("rank", "examples", "ids", "labels", "ratio")
        return Group(table(title, columns, rows, note), scores_table(self.layers, self.layer))

    def figures(self) -> tuple[Figure, ...]:
        """Return a histogram of the ratios, beside that expected of ordinary examples."""
        title = "Local ratio of examples"
        return (ratio_histogram(title, "found", self.ratios, self.threshold, self.expected),)


def duplicates(
    codes: Codes,
    *,
    k: int = 10,
    layer: str | None = None,
    bits: int = 1024,
    expected_false: float = 1.0,
    seed: int = 0,
) -> Duplicates:
    """Group near-identical examples of one data set.

    The method is that of :func:`leaks`, with the other examples of the set in place of train: the distance to each
    other example is divided by the distance to the k-th nearest one. More than about k copies of one example are not
    found, unless their codes are equal, since the k-th nearest is a copy too: raise k to find them.

    Parameters
    ----------
    codes : Codes
        n rows, best of all layers: ``encode(model, data, bits=1024, per_layer=True)``.
    k : int
        Neighbour whose distance divides that of the nearest, 3 <= k < n.
    layer : str, optional
        Name of the layer to search. By default it is chosen without labels, on a sample of the examples.
    bits : int
        Largest number of bits compared of a row, drawn from the bits that vary.
    expected_false : float
        Number of examples that may be grouped by chance if there are no duplicates; less than n.
    seed : int
        Seed of the sample of bits, and of the sample of examples that the layer is chosen on.

    Returns
    -------
    Duplicates
        Groups of two or more examples, ranked. Where no layer can be used, only equal inputs are grouped.

    Raises
    ------
    AuditError
        If `k` or `expected_false` is out of range.
    """
    if not isinstance(codes, Codes):
        raise AuditError(f"codes must be Codes, as hashlens.encode returns them, received {type(codes).__name__}")
    settings = Search(k, layer, bits, expected_false, seed)
    settings.check(codes, len(codes), "examples")
    rows, sample = np.arange(len(codes)), sample_rows(len(codes), ORDINARY_ROWS, seed)
    search, scores = settings.best(codes, sample)
    if len(sample) < len(codes):
        search = settings.in_layer(search.score.name, codes, rows, sample)
    ratios = search.ratios
    return Duplicates(
        n=len(codes),
        layer=search.score.name,
        bits=search.score.bits,
        k=k,
        threshold=search.score.threshold,
        expected_false=expected_false,
        ratios=ratios,
        nearest=search.neighbours[:, 0],
        groups=_groups(codes, search, ratios),
        layers=scores,
        score=search.score,
        expected=search.expected,
        class_names=codes.class_names or (),
    )


def _groups(codes: Codes, search: LayerSearch, ratios: Ratios) -> tuple[DuplicateGroup, ...]:
    pairs = [np.stack(near_pairs(search))]
    if search.score.threshold >= 0:
        pairs.append(_equal_pairs(group_rows(search.reference)))
    if codes.input_digests is not None:
        digests = np.ascontiguousarray(codes.input_digests).view(np.uint64)
        pairs.append(_equal_pairs(group_words(digests, digests[:, 0])))
    exact = group_rows(codes).of_rows()
    groups = [_group(codes, rows, ratios, exact) for rows in linked(np.concatenate(pairs, axis=1), len(codes))]
    return tuple(sorted(groups, key=lambda group: (group.ratio, -len(group), int(group.rows[0]))))


def _group(codes: Codes, rows: Rows, ratios: Ratios, exact: Rows) -> DuplicateGroup:
    labels: npt.NDArray[np.int64] | None = None if codes.labels is None else codes.labels[rows]
    identical = bool((exact[rows] == exact[rows[0]]).all())
    return DuplicateGroup(rows, codes.ids[rows], labels, float(ratios[rows].min()), identical, codes.class_names or ())


def _equal_pairs(equal: Groups) -> Rows:
    """Return pairs of each repeated row and the first row equal to it, int64 ``(2, p)``."""
    firsts = np.repeat(equal.firsts, equal.sizes)
    repeats = equal.order != firsts
    return np.stack([firsts[repeats], equal.order[repeats]])
