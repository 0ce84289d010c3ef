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
        Identifiers of these rows.
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
        Name of the searched layer.
    bits : int
        Number of bits compared of each example.
    k : int
        Neighbour whose distance divides that of the nearest training example: the local ratio is d1 / dk.
    threshold : float
        Largest ratio of a suspected example; NaN where no layer can be used, and no example is suspected by its code.
    expected_false : float
        Number of the m examples that may be suspected by chance; `score` has the number that is expected.
    rows, train_rows : numpy.ndarray
        int64: the test row, and the training row nearest to it.
    ids, train_ids : numpy.ndarray
        Identifiers of these rows.
    distances : numpy.ndarray
        int32: Hamming distance of the two, over the compared bits.
    ratios : numpy.ndarray
        float64: local ratio, 0 for equal codes; lower is more suspicious.
    expected : numpy.ndarray
        float64: number of the m examples expected by chance to have such a ratio or a lower one.
    identical : numpy.ndarray
        bool: whether the two codes are equal in all bits, not only in the compared ones.
    labels, train_labels : numpy.ndarray or None
        int64: labels of these rows.
    groups : tuple of LeakGroup
        Connected groups of suspected examples and all training examples within the threshold; largest first.
    layers : tuple of LayerScore
        Scores of all candidate layers.
    copies : ExactCopies or None
        Test rows whose input equals a training input, which come first; None where the codes hold no digests of inputs.
    view : numpy.ndarray or None
        str: view of the test image with the lowest ratio, ``as it is`` or the name of another; None without views.
    views : str
        The searched views and their cost, in words; empty without views.
    class_names : tuple of str
        Names of classes 0, 1, ... of both sets; empty where classes have none.
    """

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        RANK,
        replace(ID, heading="test id"),
        ROW,
        Column("train_id", "train_ids", identifies_row=True),
        Column("train_row", "train_rows", int, shown=False),
        Column("label", "labels", int, identifies_row=True, classes=True),
        Column("train_label", "train_labels", int, identifies_row=True, classes=True),
        Column("ratio", "ratios", float, cell=lambda found, at: found.match(at)),
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
        """Number of suspected test examples: the first ones of the ranking."""
        return int(np.count_nonzero(self.flags))

    @property
    def exact(self) -> Bool[npt.NDArray[np.bool_], " {len(self.rows)}"]:
        """Whether each example has the same input as its training example; bool ``(m,)``, in ranked order."""
        return np.isin(self.rows, [] if self.copies is None else self.copies.rows)

    @property
    def flags(self) -> Bool[npt.NDArray[np.bool_], " {len(self.rows)}"]:
        """Whether each example is suspected; bool ``(m,)``, in ranked order."""
        return _flags(self.rows, self.ratios, self.threshold, self.copies)

    @property
    def suspected_rows(self) -> Rows:
        """Suspected test rows, ascending, int64: the rows to leave out of an evaluation."""
        return np.sort(self.rows[: self.suspected])

    def to_csv(self, path: str | Path, suspected_only: bool = False, *, overwrite: bool = False) -> Path:
        """Write the ranking as a CSV file and return its path; `suspected_only` writes only the suspected examples."""
        rows = self.suspected if suspected_only else len(self)
        lines = {name: values[:rows] for name, values in self._csv_columns().items()}
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
        """Score of the chosen layer; None where no layer could be used."""
        return next((score for score in self.layers if score.name == self.layer and not score.reason), None)

    @property
    def chance(self) -> str:
        """Number of examples expected to be suspected by chance, in words."""
        return f"about {self.expected_false:g} expected by chance" if self.score is None else self.score.chance

    @property
    def threshold_note(self) -> str:
        """Number of examples suspected by their codes and number expected by chance, in one sentence."""
        if self.score is None:
            return (
                "No layer distinguishes examples well enough to suspect any by code; the table of layers "
                "gives the reasons."
            )
        return (
            f"{int((self.ratios <= self.threshold).sum()):,} examples have a ratio of at most {self.threshold:.3f}; "
            f"{self.chance.removesuffix(')')}; {self.score.copies:,} copies in train left out). "
            f"{int(self.identical.sum()):,} of them have exactly the code of a training example."
        )

    @property
    def copies_note(self) -> str:
        """Findings about exact copies, in one sentence."""
        if self.copies is None:
            return "Exact copies were not searched: these codes have no digests of their inputs (encode again)."
        return f"{self.copies}."

    def match(self, rank: int) -> str:
        """Describe the match of the example at a rank, from 0: an exact copy, or the ratio and the view."""
        if self.copies is not None and self.rows[rank] in self.copies.rows:
            return "exact copy"
        ratio = number(float(self.ratios[rank]), 3)
        return ratio if self.view is None or self.view[rank] == AS_IT_IS else f"{ratio} {self.view[rank]}"

    @property
    def views_note(self) -> str:
        """The searched views and their cost, as a sentence to append; empty without views."""
        return f" For each image, the nearest view counts: {self.views}." if self.views else ""

    def figures(self) -> tuple[Figure, ...]:
        """Return a histogram of the ratios, beside that expected of ordinary examples."""
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
    """Rank test examples by how suspiciously near their nearest training example is.

    The score is the local ratio d1 / dk of the Hamming distances to the nearest and the k-th nearest training code,
    in one layer or in all layers side by side. Its distribution by chance (the null) is measured on training examples:
    each is searched among the other training examples. Training examples that are near their nearest in several layers
    are copies, and are left out of the null. The threshold is the largest ratio at which at most `expected_false` test
    examples are expected (:class:`~hashlens.audit.measured_null.MeasuredNull`). Of training examples with the same
    input, only the first is searched. If the codes are of a single layer, no other layer can show which training
    examples are copies. Then the null is a curve fitted through the quartiles, its probability raised to the power 0.6;
    where a quarter of the training examples differ from their nearest in fewer than 8 bits, it is the measured
    distribution with all copies.

    A layer is not used if equal codes alone are more common than `expected_false` allows, if the ratios of training
    examples have no distinct quartiles, or if test examples lie much nearer to train than training examples to each
    other. It is not used either if there are too few training examples: n examples cannot bound an event rarer than 1
    in n + 1, so n must be at least one to two times the number of test examples, divided by `expected_false`. Of the
    other layers, the one with the most suspected rows above the expected number is chosen. Layers count as tied within
    two standard errors plus the uncertainty of the expected number; the last of the tied layers is chosen.

    Parameters
    ----------
    train, test : Codes
        n and m rows of the same bits of the same network, best of all layers:
        ``encode(model, data, bits=1024, per_layer=True)``. The spatial layers in the middle and at the end matter: the
        last hidden layer alone separates classes, not examples.
    k : int
        Neighbour whose distance divides that of the nearest, 3 <= k < n.
    layer : str, optional
        Name of the layer to search; chosen without labels by default.
    bits : int
        Largest number of bits compared of a row, drawn from the bits that vary over train.
    expected_false : float
        Number of test examples that may be expected at or below the threshold if none is leaked; less than m.
    seed : int
        Seed of the sample of bits, and of the training examples that the null is measured on.
    suspect_copies : bool, optional
        Whether test rows whose input equals a training input are suspected. By default they are for images, and for
        tables and texts in which so few training rows are equal that at most `expected_false` test rows would equal
        one. They are counted in any case, where the codes hold digests of their inputs.
    views : Views, optional
        For images: the test rows and a sample of training rows, encoded in other views
        (:func:`~hashlens.audit.views.encode_views`), to find copies that were mirrored, brightened, rotated or cropped.
        Each row counts in the view with the lowest ratio, and the null is measured with the same views.

    Returns
    -------
    Leaks
        All test examples, ranked. Where no layer can be used, none is suspected by its code, and ``layers`` says why.

    Raises
    ------
    AuditError
        If the test examples are training examples, or `k` or `expected_false` is out of range.
    CodesError
        If train and test are not the same bits of the same network.

    Notes
    -----
    The rule for choosing the layer was set on one CIFAR-10 network, early in its training and at the end, against the
    published near-duplicates, and then kept for networks of other seeds. Its average precision on the trained network
    is .643. Alternatives that were tried: the most suspected rows, without subtracting the expected number (.617); the
    share of the variance of the ratio explained by the best split in two, which chose one layer for the ratio (.617)
    and another for its logarithm (.656); the distance between the two components of a Gaussian mixture (.643, and .604
    against .630 early in training); how often layers agree on the nearest example (no gain); the bits of two layers
    side by side, half of each (.62 to .65); the mean log ratio of four layers, at four times the bits (.654).
    """
    search = Search(k, layer, bits, expected_false, seed, views)
    codes = train_and_test(train, test)
    search.check(codes.train, len(codes.test), "test examples")
    if views is not None:
        views.check(codes)
    # Of training rows with the same input only the first is searched: k equal neighbours would hide any copy of them.
    keys = input_keys(codes)
    first_equal = np.arange(len(codes.train)) if keys is None else first_rows(keys.train)
    different = np.unique(first_equal)
    if len(different) <= k:
        first_equal = different = np.arange(len(codes.train))
    reference = codes.train if len(different) == len(codes.train) else codes.train[different]
    result, scores = search.restricted_to(different).best(reference, codes.test)
    result = replace(result, neighbours=different[result.neighbours])
    return _rank(codes, result, scores, search, exact_copies(codes, expected_false, suspect_copies), first_equal)


def _rank(
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
    flags = _flags(np.arange(len(ratios)), ratios, result.score.threshold, copies)
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
    """Return whether each test row equals its nearest training row in all bits."""
    equal: npt.NDArray[np.bool_] = search.distances[:, 0] == 0
    rows = np.flatnonzero(equal)
    for row, partner in zip(rows, search.neighbours[rows, 0], strict=True):
        equal[row] = np.array_equal(codes.test.packed[row], codes.train.packed[partner])
    return equal


def _flags(rows: Rows, ratios: Ratios, threshold: float, copies: ExactCopies | None) -> npt.NDArray[np.bool_]:
    """Return whether each test row is suspected: an exact copy by `copies.suspected`, any other row by its ratio."""
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
    """Return the connected components of suspected test rows and the training rows within the threshold."""
    test_rows, partners = near_pairs(search)
    if copies is not None:
        test_rows, partners = np.append(test_rows, copies.rows), np.append(partners, copies.train_rows)
    test_rows, partners = test_rows[flags[test_rows]], partners[flags[test_rows]]
    # Training rows that repeat the input of such a row belong to its group too.
    equal = np.flatnonzero(np.isin(first_equal, partners) & (first_equal != np.arange(len(first_equal))))
    groups = []
    # Test rows are numbered after the training rows.
    edges = np.append(test_rows + len(codes.train), first_equal[equal]), np.append(partners, equal)
    for rows in linked(np.stack(edges), len(codes.train) + len(codes.test)):
        split = Split(rows[rows < len(codes.train)], rows[rows >= len(codes.train)] - len(codes.train))
        groups.append(LeakGroup(split, Split(codes.train.ids[split.train], codes.test.ids[split.test])))
    return tuple(groups)


def near_pairs(search: LayerSearch) -> tuple[Rows, Rows]:
    """Return the pairs of a query and a row whose distance, divided by the k-th, is at most the threshold."""
    queries, rank = np.nonzero(pair_ratios(search.distances) <= search.score.threshold)
    return queries, search.neighbours[queries, rank]
