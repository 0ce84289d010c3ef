"""Determinism: how nearly every example has its own code, and so its own linear region."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import RenderableType

from hashlens.codes.codes import Codes
from hashlens.codes.fingerprint import Fingerprints
from hashlens.data.labels import NO_LABEL, signs_as_classes
from hashlens.errors import MeasureError
from hashlens.measures.classes import Labels, checked_labels, labels_of
from hashlens.measures.grouping import Groups, group_rows
from hashlens.result import Result
from hashlens.tables import number, table


@dataclass(frozen=True, eq=False)
class CollisionGroup:
    """Examples that share one code.

    Attributes
    ----------
    rows : numpy.ndarray
        int64 ``(c,)``: rows of the examples.
    ids : numpy.ndarray
        int64 or str ``(c,)``: identifiers of the examples.
    labels : numpy.ndarray or None
        int64 ``(c,)``: labels; -1 for an example without a label.
    """

    rows: npt.NDArray[np.int64]
    ids: npt.NDArray[Any]
    labels: Labels | None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def conflicting(self) -> bool:
        """Whether the examples have different labels, which no function of the code can separate.

        Examples without a label are ignored.
        """
        return self.labels is not None and len(np.unique(self.labels[self.labels != NO_LABEL])) > 1


@dataclass(frozen=True, eq=False)
class Determinism(Result):
    """Number of distinct codes of n examples, and the examples that share one.

    Attributes
    ----------
    n : int
        Number of examples.
    distinct : int
        Number of distinct codes.
    redundancy_ratio : float
        The paper's R = (n - distinct) / n; it grows with n.
    collision_probability : float
        Probability that two different examples, drawn at random, share a code: ``sum c (c - 1) / (n (n - 1))`` over the
        codes, each of c examples. Its expectation does not depend on n. 0 for fewer than two examples.
    rarefied_to : int or None
        Number of examples that R is rarefied to.
    rarefied_ratio : float or None
        Expected R of that many examples, drawn without replacement.
    conflicting_groups, conflicting_rows : int or None
        Number of codes shared by examples with different labels, and number of those examples; None without labels.
    groups : tuple of CollisionGroup
        Groups of examples that share a code, largest group first, then by first row.

    References
    ----------
    He, Lei, Ji, Tao (2021): Neural networks behave as hash encoders: an empirical study. arXiv 2101.05490.
    """

    n: int
    distinct: int
    redundancy_ratio: float
    collision_probability: float
    rarefied_to: int | None
    rarefied_ratio: float | None
    conflicting_groups: int | None
    conflicting_rows: int | None
    groups: tuple[CollisionGroup, ...]

    @property
    def conflicts(self) -> tuple[CollisionGroup, ...]:
        """Groups with different labels, largest first."""
        return tuple(group for group in self.groups if group.conflicting)

    def __rich__(self) -> RenderableType:
        rows = [
            ("examples", number(self.n)),
            ("distinct codes", number(self.distinct)),
            ("redundancy ratio R", number(self.redundancy_ratio)),
            ("collision probability", f"{self.collision_probability:.3g}"),
        ]
        if self.rarefied_ratio is not None:
            rows.insert(3, (f"R of {number(self.rarefied_to)} examples", number(self.rarefied_ratio)))
        if self.conflicting_groups is not None:
            rows.append(("codes shared by several classes", number(self.conflicting_groups)))
            rows.append(("their examples", number(self.conflicting_rows)))
        return table("Determinism", ("", ""), rows)


def redundancy_ratio(codes: Codes | Fingerprints) -> float:
    """Return the redundancy ratio R = (n - distinct codes) / n.

    It is exact for codes. For fingerprints it is exact unless two hashes collide by chance; see
    :class:`~hashlens.Fingerprints` for the probability.

    Raises
    ------
    MeasureError
        If there are no rows.

    >>> redundancy_ratio(Codes.from_bits([[0, 0], [0, 0], [0, 1], [1, 1], [1, 1]]))
    0.4
    """
    require_rows(codes)
    return (len(codes) - len(group_rows(codes))) / len(codes)


def determinism(
    codes: Codes | Fingerprints, labels: npt.ArrayLike | None = None, rarefy_to: int | None = None
) -> Determinism:
    """Count distinct codes, and list the examples that share one.

    Parameters
    ----------
    codes : Codes or Fingerprints
        n rows.
    labels : array of int, optional
        ``(n,)``: labels; those of the codes by default. Without labels conflicts are not counted. Examples without a
        label are not in conflict.
    rarefy_to : int, optional
        Number of examples, at most n, to compute the expected R for too, so that samples of different sizes can be
        compared.

    Raises
    ------
    MeasureError
        If there are no rows, or labels or `rarefy_to` do not fit them.
    """
    require_rows(codes)
    rows = len(codes)
    checked = _check(codes, labels)
    groups = group_rows(codes)
    sizes = groups.sizes
    collisions = collision_groups(groups, codes.ids, checked)
    conflicts = [len(group) for group in collisions if group.conflicting]
    return Determinism(
        n=rows,
        distinct=len(groups),
        redundancy_ratio=(rows - len(groups)) / rows,
        collision_probability=float((sizes * (sizes - 1)).sum() / (rows * (rows - 1))) if rows > 1 else 0.0,
        rarefied_to=rarefy_to,
        rarefied_ratio=None if rarefy_to is None else rarefied(sizes, rarefy_to),
        conflicting_groups=None if checked is None else len(conflicts),
        conflicting_rows=None if checked is None else sum(conflicts),
        groups=collisions,
    )


def _check(codes: Codes | Fingerprints, labels: npt.ArrayLike | None) -> Labels | None:
    """Return the labels, -1 for a row without one; None if there are no labels."""
    if labels is None and codes.labels is None:
        return None
    if isinstance(codes, Codes):
        numbers, names = labels_of(codes, labels, "determinism")
    else:
        numbers, names = checked_labels(codes.labels if labels is None else labels, len(codes), "determinism"), None
    return signs_as_classes(numbers, names, "determinism")[0]


def rarefied(group_sizes: npt.ArrayLike, m: int) -> float:
    """Return the expected R of m examples drawn without replacement.

    A code of c examples is missed with probability ``C(n - c, m) / C(n, m)``. So the expected number of distinct codes
    is the sum over codes of one minus that probability. The result is exact.

    Parameters
    ----------
    group_sizes : array of int
        ``(g,)``: number of examples of each code; the sum is n.
    m : int
        Number of examples drawn, 1 <= m <= n.

    Raises
    ------
    MeasureError
        If m is not between 1 and n.

    References
    ----------
    Hurlbert (1971): The nonconcept of species diversity: a critique and alternative parameters. Ecology 52(4).

    >>> rarefied([2, 1, 2], 5)
    0.4
    >>> round(rarefied([2, 1, 2], 2), 12)
    0.1
    """
    sizes = np.asarray(group_sizes, dtype=np.int64)
    n = int(sizes.sum())
    if not 1 <= m <= n:
        raise MeasureError(f"R can be rarefied to between 1 and the {n:,} examples there are, received {m:,}")
    counts = np.bincount(sizes)
    # C(n - c, m) / C(n, m) is the product over j < c of (n - m - j) / (n - j): a cumulative product has it for every c.
    j = np.arange(len(counts) - 1)
    missed = np.concatenate([[1.0], np.cumprod(np.maximum(n - m - j, 0) / (n - j))])
    expected = float((counts * (1 - missed)).sum())
    return max(0.0, (m - expected) / m)


def collision_groups(groups: Groups, ids: npt.NDArray[Any], labels: Labels | None) -> tuple[CollisionGroup, ...]:
    """Return the groups of two or more rows, largest first, then by first row."""
    sizes = groups.sizes
    shared = np.flatnonzero(sizes > 1)
    ranked = shared[np.lexsort([groups.firsts[shared], -sizes[shared]])]
    collisions = []
    for i in ranked.tolist():
        rows = groups.order[groups.starts[i] : groups.starts[i + 1]]
        collisions.append(CollisionGroup(rows, ids[rows], None if labels is None else labels[rows]))
    return tuple(collisions)


def require_rows(codes: Codes | Fingerprints) -> None:
    """Raise MeasureError if there are no rows."""
    if len(codes) == 0:
        raise MeasureError("determinism needs at least one row, received none: check what was encoded")
