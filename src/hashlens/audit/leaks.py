"""Leaks: test examples that are near-duplicates of training examples."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool
from rich.console import Group, RenderableType

from hashlens.audit.exact_copies import ExactCopies, exact_copies
from hashlens.audit.figures import ratio_histogram
from hashlens.audit.layer_choice import LayerScore, LayerSearch, Search, scores_table
from hashlens.audit.linked_rows import linked
from hashlens.audit.local_ratio import Ratios, Rows, pair_ratios
from hashlens.audit.splits import first_rows, input_keys, train_and_test
from hashlens.audit.views import AS_IT_IS, Views
from hashlens.codes.codes import Codes
from hashlens.files import write_columns
from hashlens.measures.classes import Labels
from hashlens.ranked import ID, RANK, ROW, SHOWN, Column, Ranked
from hashlens.report.figures import Figure
from hashlens.result import Split
from hashlens.tables import number, rough


@dataclass(frozen=True, eq=False)
class LeakGroup:
    """Test and training examples that are near-duplicates of one another.

    Attributes
    ----------
    rows : Split of numpy.ndarray
        int64: rows of train and of test, ascending.
    ids : Split of numpy.ndarray
        Their ids.
    """

    rows: Split[Rows]
    ids: Split[npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(self.rows.train) + len(self.rows.test)


@dataclass(frozen=True, eq=False)
class Leaks(Ranked):
    """Every test example with the training example nearest to it, the most suspicious first.

    Arrays have one entry for each of the m test examples, in ranked order.

    Attributes
    ----------
    layer : str
        The layer searched.
    bits : int
        Bits searched for each example.
    k : int
        The ratio is that of the distances to the nearest and the k-th nearest training example.
    threshold : float
        Examples with this ratio or a lower one are suspected; NaN where no layer can be used, and none is.
    expected_false : float
        How many of m ordinary examples may be suspected; the score of the layer says how many are expected.
    rows, train_rows : numpy.ndarray
        int64: the test row, and the training row nearest to it.
    ids, train_ids : numpy.ndarray
        Their ids.
    distances : numpy.ndarray
        int32: bits in which the two differ, of those searched.
    ratios : numpy.ndarray
        float64: the local ratio, 0 for an identical code; the score, lower is more suspicious.
    expected : numpy.ndarray
        float64: how many of m ordinary examples would have such a ratio or a lower one.
    identical : numpy.ndarray
        bool: whether the two codes are equal in all bits given, not only those searched.
    labels, train_labels : numpy.ndarray or None
        int64: their labels.
    groups : tuple of LeakGroup
        Suspected examples with all training examples as near, joined where they share one; largest first.
    layers : tuple of LayerScore
        The scores of all layers considered.
    copies : ExactCopies or None
        The test rows whose very input is a training input, which come first; None where the codes carry no digests.
    view : numpy.ndarray or None
        str: the view of the test image that came so near, ``as it is`` or the name of another; None without views.
    views : str
        The views searched and what they cost; empty without any.
    class_names : tuple of str
        Name of class 0, 1, ... of both; empty where classes have none.
    """

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        RANK,
        replace(ID, heading="test id"),
        ROW,
        Column("train_id", "train_ids", names_row=True),
        Column("train_row", "train_rows", int, shown=False),
        Column("label", "labels", int, names_row=True, classes=True),
        Column("train_label", "train_labels", int, names_row=True, classes=True),
        Column("ratio", "ratios", float, cell=lambda found, at: found.near(at)),
        Column("distance", "distances", np.int32),
        Column("expected", dtype=float, cell=lambda found, at: rough(found.expected[at])),
        Column("identical", dtype=bool, shown=False),
        Column("exact", lambda found: found.exact, bool, shown=False),
        Column("suspected", lambda found: found.flags, bool, shown=False),
        Column("view", dtype=str, shown=False),
    )

    layer: str
    bits: int
    k: int
    threshold: float
    expected_false: float
    rows: Rows
    train_rows: Rows
    ids: npt.NDArray[Any]
    train_ids: npt.NDArray[Any]
    distances: npt.NDArray[np.int32]
    ratios: Ratios
    expected: Ratios
    identical: npt.NDArray[np.bool_]
    labels: Labels | None = None
    train_labels: Labels | None = None
    groups: tuple[LeakGroup, ...] = ()
    layers: tuple[LayerScore, ...] = field(default=())
    copies: ExactCopies | None = None
    view: npt.NDArray[np.str_] | None = None
    views: str = ""
    class_names: tuple[str, ...] = ()

    @property
    def suspected(self) -> int:
        """How many test examples are suspected: the first so many of the ranking."""
        return int(np.count_nonzero(self.flags))

    @property
    def exact(self) -> Bool[npt.NDArray[np.bool_], " {len(self.rows)}"]:
        """Of each example, in ranked order, whether its input is that of its training example; bool ``(m,)``."""
        return np.isin(self.rows, [] if self.copies is None else self.copies.rows)

    @property
    def flags(self) -> Bool[npt.NDArray[np.bool_], " {len(self.rows)}"]:
        """Of each example, in ranked order, whether it is suspected; bool ``(m,)``."""
        return _flagged(self.rows, self.ratios, self.threshold, self.copies)

    @property
    def suspected_rows(self) -> Rows:
        """The suspected test rows, ascending, int64: those to leave out of a test."""
        return np.sort(self.rows[: self.suspected])

    def to_csv(self, path: str | Path, suspected_only: bool = False, *, overwrite: bool = False) -> Path:
        """Write the ranking as a CSV file and return its path; `suspected_only` leaves the ordinary examples out."""
        rows = self.suspected if suspected_only else len(self)
        lines = {name: values[:rows] for name, values in self._lines().items()}
        return write_columns(path, lines, overwrite=overwrite)

    def __rich__(self) -> RenderableType:
        note = (
            f"Ratio of the distances to the nearest and the {self.k}th nearest training example in {self.bits:,} bits "
            f"of {self.layer}. {self.threshold_note} {self.copies_note}{self.views_note}"
        )
        title = f"Leaks: {self.suspected:,} suspected of {len(self):,} test examples"
        rows = min(SHOWN, max(self.suspected, 1))
        return Group(
            self.table(title, note, shown=rows, without=("label", "train_label")),
            scores_table(self.layers, self.layer),
        )

    @property
    def score(self) -> LayerScore | None:
        """That of the layer chosen; None where no layer could be used."""
        return next((score for score in self.layers if score.name == self.layer and not score.reason), None)

    @property
    def chance(self) -> str:
        """How many are expected to be suspected by chance, in words."""
        return f"about {self.expected_false:g} expected by chance" if self.score is None else self.score.chance

    @property
    def threshold_note(self) -> str:
        """What is suspected by code, and how much of that chance would do, in one sentence."""
        if self.score is None:
            return "No layer tells examples apart well enough to suspect any by its code: the layers say why."
        return (
            f"At or below {self.threshold:.3f}, where {self.chance.removesuffix(')')}; "
            f"{self.score.copies:,} copies in train left out), there are "
            f"{int((self.ratios <= self.threshold).sum()):,}, "
            f"{int(self.identical.sum()):,} of them with the very code of a training example."
        )

    @property
    def copies_note(self) -> str:
        """What is known of exact copies, in one sentence."""
        if self.copies is None:
            return "Exact copies were not looked for: these codes carry no digests of inputs (encode again)."
        return f"{self.copies}."

    def near(self, rank: int) -> str:
        """Return in words how near the example of a rank, from 0, is: an exact copy, or the ratio and the view."""
        if self.copies is not None and self.rows[rank] in self.copies.rows:
            return "exact copy"
        ratio = number(float(self.ratios[rank]), 3)
        return ratio if self.view is None or self.view[rank] == AS_IT_IS else f"{ratio} {self.view[rank]}"

    @property
    def views_note(self) -> str:
        """Which views were searched, and what they cost, in a sentence behind another; empty without views."""
        return f" Of each image the nearest view counts: {self.views}." if self.views else ""

    def figures(self) -> tuple[Figure, ...]:
        """Return how the ratios lie beside those of ordinary examples."""
        title = "Local ratio of test examples"
        return (ratio_histogram(title, "test", self.ratios, self.threshold, self.expected),)


def leaks(
    train: Codes,
    test: Codes,
    *,
    k: int = 10,
    layer: str | None = None,
    bits: int = 1024,
    expected_false: float = 1.0,
    seed: int = 0,
    suspect_copies: bool | None = None,
    views: Views | None = None,
) -> Leaks:
    """Rank test examples by how suspiciously near a training example is.

    The score is the local ratio d1 / dk of the Hamming distances to the nearest and the k-th nearest training code,
    in one layer or in all of them side by side. How often it gets so low by chance is measured: training examples are
    asked for their nearest among the other training examples. Those that are near their nearest in several layers are
    copies and do not count, and the threshold is the largest ratio at which no more than `expected_false` test examples
    are expected (:class:`~hashlens.audit.measured_null.MeasuredNull`). Of training examples with the same input one is
    searched. Codes of one layer have no other one to tell copies from chance: a curve through the quartiles stands for
    the null then, with its probability to the power of .6.

    A layer in which even equal codes are more common than promised is out, and so is each where the training examples
    are too few: n cannot show what happens to fewer than 1 in n + 1, so that there must be one to two of them for each
    test example, over `expected_false`. Of the others the one is taken that finds most above what is expected; of those
    that are equal up to two standard errors and the uncertainty of what is expected, the last.

    Parameters
    ----------
    train, test : Codes
        n and m rows of the same bits of the same network, of as many layers as there are:
        ``encode(model, data, bits=1024, per_layer=True)``. Spatial layers in the middle and behind are needed; the
        last hidden layer alone sees classes, not examples.
    k : int
        The neighbour to compare with, 3 <= k < n.
    layer : str, optional
        The layer to search; chosen without labels by default.
    bits : int
        Most bits of a row to search, drawn from those that vary over train.
    expected_false : float
        Test examples that may be expected at or below the threshold if none is leaked, fewer than there are.
    seed : int
        Seed of the bits searched, and of the training examples that say what is ordinary.
    suspect_copies : bool, optional
        Whether test rows with the very input of a training row are suspected. By default they are where inputs are
        images; and in tables and texts where so few training rows equal one another that at most `expected_false` of
        the test rows would. They are counted in any case, where codes carry the digests of their inputs.
    views : Views, optional
        Of images: the test rows, and some training rows, encoded in other views
        (:func:`~hashlens.audit.views.encode_views`), for copies that were mirrored, brightened, turned or cropped. Each
        row counts in the view that brings it nearest, and what is ordinary is measured in as many views.

    Returns
    -------
    Leaks
        All test examples, ranked. Where no layer can be used, none is suspected by its code, and ``layers`` says why.

    Raises
    ------
    AuditError
        If the test examples are training examples, or k or `expected_false` does not fit.
    CodesError
        If train and test are not the same bits of the same network.

    Notes
    -----
    The rule for the layer was settled on one CIFAR-10 network, early in its training and at the end, with the published
    near-duplicates at hand, and then kept for networks of other seeds. Tried besides: the most suspected rows alone
    (average precision .617 in place of .643 on the trained network); the share of the variance of the ratio that the
    best split in two explains, which took another layer for the ratio (.617) than for its logarithm (.656); the
    distance between the two parts of a Gaussian mixture (.643, and .604 against .630 early in training); how often
    layers agree on the nearest example (no gain); the bits of two layers side by side, half of each (.62 to .65); the
    mean log ratio of four layers, at four times the bits (.654).
    """
    search = Search(k, layer, bits, expected_false, seed, views)
    codes = train_and_test(train, test)
    search.check(codes.train, len(codes.test), "test examples")
    if views is not None:
        views.check(codes)
    # Of training rows with the same input one is searched: ten equal neighbours would hide any copy of them.
    keys = input_keys(codes)
    first_equal = np.arange(len(codes.train)) if keys is None else first_rows(keys.train)
    different = np.unique(first_equal)
    if len(different) <= k:
        first_equal = different = np.arange(len(codes.train))
    reference = codes.train if len(different) == len(codes.train) else codes.train[different]
    result, scores = search.restricted_to(different).best(reference, codes.test)
    result = replace(result, neighbours=different[result.neighbours])
    return _ranked(codes, result, scores, search, exact_copies(codes, expected_false, suspect_copies), first_equal)


def _ranked(
    codes: Split[Codes],
    result: LayerSearch,
    scores: tuple[LayerScore, ...],
    search: Search,
    copies: ExactCopies | None,
    first_equal: Rows,
) -> Leaks:
    ratios, nearest, exact = result.ratios, result.neighbours[:, 0].copy(), np.zeros(len(result.ratios), np.bool_)
    if copies is not None:
        nearest[copies.rows], exact[copies.rows] = copies.train_rows, True
    flags = _flagged(np.arange(len(ratios)), ratios, result.score.threshold, copies)
    order = np.lexsort((result.distances[:, 0], ratios, ~exact, ~flags))
    partners, labels, train_labels = nearest[order], codes.test.labels, codes.train.labels
    views = search.views
    return Leaks(
        layer=result.score.name,
        bits=result.score.bits,
        k=search.k,
        threshold=result.score.threshold,
        expected_false=search.expected_false,
        rows=order,
        train_rows=partners,
        ids=codes.test.ids[order],
        train_ids=codes.train.ids[partners],
        distances=result.distances[order, 0],
        ratios=ratios[order],
        expected=result.expected[order],
        identical=_identical(codes, result)[order],
        labels=None if labels is None else labels[order],
        train_labels=None if train_labels is None else train_labels[partners],
        groups=_groups(codes, result, flags, copies, first_equal),
        class_names=codes.train.class_names or (),
        layers=scores,
        copies=copies,
        view=None if views is None or result.view is None else views.names_of(result.view)[order],
        views="" if views is None else views.summary,
    )


def _identical(codes: Split[Codes], search: LayerSearch) -> npt.NDArray[np.bool_]:
    """Return of each test row whether all its bits are those of its nearest training row."""
    equal: npt.NDArray[np.bool_] = search.distances[:, 0] == 0
    rows = np.flatnonzero(equal)
    for row, partner in zip(rows, search.neighbours[rows, 0], strict=True):
        equal[row] = np.array_equal(codes.test.packed[row], codes.train.packed[partner])
    return equal


def _flagged(rows: Rows, ratios: Ratios, threshold: float, copies: ExactCopies | None) -> npt.NDArray[np.bool_]:
    """Return of each test row whether it is suspected: by its ratio or, where it is an exact copy, as these are."""
    flags: npt.NDArray[np.bool_] = ratios <= threshold
    if copies is not None:
        flags[np.isin(rows, copies.rows)] = copies.suspected
    return flags


def _groups(
    codes: Split[Codes],
    search: LayerSearch,
    flags: npt.NDArray[np.bool_],
    copies: ExactCopies | None,
    first_equal: Rows,
) -> tuple[LeakGroup, ...]:
    """Return the connected parts of the graph of suspected test rows and the training rows as near to them."""
    test_rows, partners = near_pairs(search)
    if copies is not None:
        test_rows, partners = np.append(test_rows, copies.rows), np.append(partners, copies.train_rows)
    test_rows, partners = test_rows[flags[test_rows]], partners[flags[test_rows]]
    # Training rows with the same input are as near.
    equal = np.flatnonzero(np.isin(first_equal, partners) & (first_equal != np.arange(len(first_equal))))
    groups = []
    # Test rows are numbered behind the training rows.
    edges = np.append(test_rows + len(codes.train), first_equal[equal]), np.append(partners, equal)
    for rows in linked(np.stack(edges), len(codes.train) + len(codes.test)):
        split = Split(rows[rows < len(codes.train)], rows[rows >= len(codes.train)] - len(codes.train))
        groups.append(LeakGroup(split, Split(codes.train.ids[split.train], codes.test.ids[split.test])))
    return tuple(groups)


def near_pairs(search: LayerSearch) -> tuple[Rows, Rows]:
    """Return the pairs of a query and a row whose distance, over that of the k-th, is at most the threshold."""
    queries, rank = np.nonzero(pair_ratios(search.distances) <= search.score.threshold)
    return queries, search.neighbours[queries, rank]
