"""Duplicates: near-identical examples within one set."""

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
        The lowest local ratio among them, 0 where two have one code in the layer searched.
    identical : bool
        Whether all of them have one code, in all bits given.
    class_names : tuple of str
        Name of class 0, 1, ...; empty where classes have none.
    """

    ratio: float
    identical: bool
    class_names: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of its examples, by name where they have one; empty where there are no labels."""
        numbers = [] if self.labels is None else np.unique(self.labels).tolist()
        return tuple(class_name(self.class_names, number) for number in numbers)


@dataclass(frozen=True, eq=False)
class Duplicates(Ranked):
    """Groups of near-identical examples, those with the lowest ratio first.

    `columns` and the CSV file have an entry for each example of a group.

    Attributes
    ----------
    n : int
        Examples.
    layer : str
        The layer searched.
    bits : int
        Bits searched for each example.
    k : int
        The ratio is that of the distances to the nearest and the k-th nearest other example.
    threshold : float
        Examples are joined where their distance, over that of the k-th nearest, is no more; NaN where no layer can be
        used.
    expected_false : float
        How many of n examples may be joined to another by chance.
    ratios : numpy.ndarray
        float64 ``(n,)``: the local ratio of each example, by row.
    nearest : numpy.ndarray
        int64 ``(n,)``: the nearest other row.
    groups : tuple of DuplicateGroup
        Ranked by ratio, then by size.
    layers : tuple of LayerScore
        The scores of all layers considered, on a sample of the examples.
    score : LayerScore or None
        That of the layer searched, on all examples.
    expected : numpy.ndarray or None
        float64 ``(n,)``: how many of n examples would have such a ratio or a lower one by chance.
    class_names : tuple of str
        Name of class 0, 1, ...; empty where classes have none.
    """

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        *EXAMPLE,
        Column("ratio", lambda found: found.ratios[found.rows], float),
        Column(
            "group_ratio", lambda found: found.of_groups([group.ratio for group in found.groups], np.float64), float
        ),
        Column("identical", lambda found: found.of_groups([group.identical for group in found.groups], np.bool_), bool),
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
        """The rows of all groups, one group behind the other, int64."""
        return np.concatenate([np.zeros(0, np.int64), *(group.rows for group in self.groups)])

    @property
    def ids(self) -> npt.NDArray[Any]:
        """The ids of `rows`."""
        return np.concatenate([group.ids for group in self.groups]) if self.groups else np.zeros(0, np.int64)

    @property
    def labels(self) -> Labels | None:
        """The labels of `rows`, int64; None where there are none."""
        labels = [group.labels for group in self.groups if group.labels is not None]
        return np.concatenate(labels) if labels else None

    @property
    def ranks(self) -> Rows:
        """The rank of the group that each of `rows` is in, from 1."""
        return self.of_groups(range(1, len(self) + 1), np.int64)

    def of_groups(self, values: Iterable[Any], dtype: Any) -> npt.NDArray[Any]:
        """Return a value of each group for each of `rows`."""
        return np.repeat(np.fromiter(values, dtype, len(self)), [len(group) for group in self.groups])

    @property
    def extra_rows(self) -> Rows:
        """Rows to remove so that one of each group stays, its first; ascending, int64."""
        return np.sort(np.concatenate([np.zeros(0, np.int64), *(group.rows[1:] for group in self.groups)]))

    @property
    def conflicts(self) -> tuple[DuplicateGroup, ...]:
        """The groups whose examples have different labels."""
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
            "No layer tells examples apart well enough to join any by its code: the layers say why"
            if self.score is None or self.score.reason
            else f"Joined where the distance over that of the {self.k}th nearest is at most {self.threshold:.3f} in "
            f"{self.bits:,} bits of {self.layer}, {self.score.chance}"
        )
        note = (
            f"{joined}. {len(self.extra_rows):,} of {self.n:,} examples repeat another; groups with several labels: "
            f"{len(self.conflicts):,}."
        )
        title = f"Duplicates: {len(self):,} groups"
        columns = ("rank", "examples", "ids", "labels", "ratio")
        return Group(table(title, columns, rows, note), scores_table(self.layers, self.layer))

    def figures(self) -> tuple[Figure, ...]:
        """Return how the ratios lie beside those of ordinary examples."""
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
    """Group near-identical examples of one set.

    As :func:`leaks`, with the other examples of the set in place of train: each example's distances are compared with
    that to its k-th nearest other one. More than about k copies of one example are then ordinary to one another, unless
    their codes are equal: raise k for those.

    Parameters
    ----------
    codes : Codes
        n rows, of as many layers as there are: ``encode(model, data, bits=1024, per_layer=True)``.
    k : int
        The neighbour to compare with, 3 <= k < n.
    layer : str, optional
        The layer to search; chosen without labels, on a sample of the examples, by default.
    bits : int
        Most bits of a row to search, drawn from those that vary.
    expected_false : float
        Examples that may be expected joined to another if there is no duplicate, fewer than there are.
    seed : int
        Seed of the bits searched, and of the examples by which the layer is chosen.

    Returns
    -------
    Duplicates
        Groups of two examples and more, ranked. Where no layer can be used, they are those of equal inputs alone.

    Raises
    ------
    AuditError
        If k or `expected_false` does not fit.
    """
    if not isinstance(codes, Codes):
        raise AuditError(f"codes must be Codes, as hashlens.encode gives them, received {type(codes).__name__}")
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
    """Return each row that repeats another with the first of them, however many there are; int64 ``(2, p)``."""
    firsts = np.repeat(equal.firsts, equal.sizes)
    repeats = equal.order != firsts
    return np.stack([firsts[repeats], equal.order[repeats]])
