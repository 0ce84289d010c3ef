"""Label issues: which labels are likely wrong, by the neighbours of each code and the network's own confidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from hashlens.arguments import require_whole, shortly
from hashlens.audit.label_noise import joint, label_noise, probability_wrong
from hashlens.audit.neighbour_votes import Votes, neighbour_votes
from hashlens.audit.out_of_sample import OutOfSample
from hashlens.audit.temperature import fitted_temperature, geometric_mean, with_temperature
from hashlens.codes.codes import Codes, require_same_code
from hashlens.errors import AuditError, nearest
from hashlens.measures.classes import LabelledPair, Labels, labelled_codes, labelled_pair
from hashlens.ranked import EXAMPLE, SHOWN, Column, Ranked
from hashlens.report.figures import Figure, Lines, Rule, Series
from hashlens.tables import Table

POINTS = 60
"""Points of a line that is drawn through thousands of ranks."""

Evidence = Literal["both", "codes", "confidence"]
EVIDENCE = ("both", "codes", "confidence")
Shares = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LabelIssues(Ranked):
    """n labels, the likeliest to be wrong first.

    Attributes
    ----------
    ids : numpy.ndarray
        int64 or str ``(n,)``.
    rows : numpy.ndarray
        int64 ``(n,)``: where each stands in what was audited.
    given : numpy.ndarray
        int64 ``(n,)``: its label.
    suggested : numpy.ndarray
        int64 ``(n,)``: the likeliest other label.
    probability : numpy.ndarray
        float64 ``(n,)``, descending: that the label is wrong. They add up to `expected`.
    agreement : numpy.ndarray or None
        float64 ``(n,)``: weighted share of the nearest codes whose label is the given one.
    confidence : numpy.ndarray or None
        float64 ``(n,)``: what the network, calibrated, gives the label.
    collisions : numpy.ndarray or None
        int64 ``(n,)``: rows with the very same code and another label.
    expected : float
        Wrong labels that are expected in all: what the evidence, calibrated, does not doubt itself. Too few where wrong
        labels are those that it doubts anyway, too many where it is sure of mistakes of its own.
    evidence : str
        ``both``, ``codes`` or ``confidence``.
    temperature : float or None
        That calibrated the network: above 1 it was too sure of itself.
    notes : tuple of str
        What to know before believing the numbers.
    class_names : tuple of str
        Name of class 0, 1, ... of `given` and `suggested`; empty where classes have none.
    """

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        *EXAMPLE,
        Column("given", dtype=int, heading="label", names_row=True, classes=True),
        Column("suggested", dtype=int, names_row=True, classes=True),
        Column("probability", dtype=float),
        Column("agreement", dtype=float),
        Column("confidence", dtype=float),
        Column("collisions", dtype=int),
    )

    ids: npt.NDArray[Any]
    rows: npt.NDArray[np.int64]
    given: Labels
    suggested: Labels
    probability: Shares
    agreement: Shares | None
    confidence: Shares | None
    collisions: npt.NDArray[np.int64] | None
    expected: float
    evidence: str
    temperature: float | None = None
    notes: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"LabelIssues({self.likely:,} of {len(self):,} labels likely wrong, by {self.evidence})"

    @property
    def likely(self) -> int:
        """How many labels are more likely wrong than right: the first ones."""
        return int((self.probability > 0.5).sum())

    def __rich__(self) -> Table:
        title = (
            f"{self.likely:,} of {len(self):,} labels are more likely wrong than right; {self.expected:,.0f} expected"
        )
        more = [f"The first {SHOWN}; to_csv writes all of them."] if len(self) > SHOWN else []
        return self.table(title, " ".join([*more, *self.notes]))

    def figures(self, subject: str = "labels") -> tuple[Figure, ...]:
        """Return the probability that labels are wrong, by rank."""
        if len(self) == 0:
            return ()
        ranks = np.unique(np.geomspace(1, len(self), POINTS).round().astype(np.int64))
        series = Series("probability", tuple(map(float, ranks)), tuple(self.probability[ranks - 1].tolist()))
        title = f"Probability that {subject} are wrong, by rank"
        return (Lines(title, "rank", "probability", (series,), rules=(Rule("y", 0.5),), log_x=True),)


def label_issues(
    codes: Codes | OutOfSample,
    labels: npt.ArrayLike | None = None,
    *,
    reference: Codes | None = None,
    reference_labels: npt.ArrayLike | None = None,
    probabilities: npt.ArrayLike | None = None,
    k: int = 20,
    evidence: Evidence | None = None,
) -> LabelIssues:
    """Rank labels by the probability that they are wrong.

    The nearest codes vote on the class of each row, and the network gives its own probabilities, calibrated by one
    temperature. Their geometric mean says which class a row has; the rows whose class is clear say which classes are
    given in place of which; and Bayes' rule then weighs, for each label, that it was given by mistake against that the
    row is what it says. Nothing is tuned on known mistakes.

    Parameters
    ----------
    codes : Codes or OutOfSample
        n rows to audit. Where the labels audited are those the network was trained on, an
        :func:`~hashlens.audit.out_of_sample.out_of_sample`: it brings labels, probabilities and, fold by fold,
        references. Rows without a label are left out.
    labels : array, optional
        ``(n,)``, class numbers, from 0 where there are probabilities, or class names; those of the codes by default.
    reference : Codes, optional
        m rows that vote, as the training codes when test labels are audited; by default the other rows of `codes`.
        Classes are compared by name where codes have names, and numbered as in the reference.
    reference_labels : array, optional
        ``(m,)``; those of the reference by default.
    probabilities : array, optional
        ``(n, c)``, the network's, of rows that it was not trained on; column i is of class i of the reference.
    k : int
        Neighbours that vote.
    evidence : {"both", "codes", "confidence"}, optional
        What to judge by; by default all that is there.

    Returns
    -------
    LabelIssues
        Prints as a table; ``to_csv(path)``.

    Raises
    ------
    AuditError
        If an argument does not fit the others.
    CodesError
        If codes and reference are not the same bits of the same network.

    References
    ----------
    Northcutt, Jiang, Chuang (2021): Confident learning: estimating uncertainty in dataset labels. JAIR 70.

    Examples
    --------
    >>> codes = Codes.from_bits([[0, 0, 0]] * 3 + [[0, 0, 1]] + [[1, 1, 1]] * 4, labels=[0, 0, 0, 1, 1, 1, 1, 1])
    >>> int(label_issues(codes, k=3).ids[0])
    3
    """
    require_whole(AuditError, "k", k)
    if evidence is not None and evidence not in EVIDENCE:
        raise AuditError(f"unknown evidence {shortly(evidence)}: {nearest(evidence, EVIDENCE)}")
    if isinstance(codes, OutOfSample):
        if any(argument is not None for argument in (labels, reference, reference_labels, probabilities)):
            raise AuditError("out-of-sample predictions bring labels, reference and probabilities: give none beside")
        return _ranked(_of_folds(codes, k, evidence or "both"), codes.ids, codes.rows, evidence or "both")
    if not isinstance(codes, Codes):
        raise AuditError(
            f"codes must be Codes (hl.encode, Codes.load or Codes.from_bits) or OutOfSample, not {shortly(codes)}"
        )
    evidence = evidence or ("codes" if probabilities is None else "both")
    if evidence != "codes" and probabilities is None:
        raise AuditError(f"evidence {evidence!r} needs the network's probabilities= (n, classes), and there are none")
    pair = _compared(codes, labels, reference, reference_labels)
    judgement = _of_codes(pair, reference is None, len(codes), probabilities, k, evidence)
    return _ranked(judgement, pair.queries.ids, np.arange(len(codes))[pair.query_rows], evidence)


@dataclass(frozen=True, eq=False)
class _Judgement:
    """Labels as class numbers 0 to c - 1, and what speaks for each class."""

    labels: Labels
    names: Labels
    votes: Votes | None
    probabilities: Shares | None
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _notes(among_themselves: bool, evidence: Evidence) -> tuple[str, ...]:
    if not among_themselves:
        return ()
    source = "a network" if evidence == "codes" else "a network, and its probabilities,"
    return (
        f"Rows were judged among themselves: {source} that saw these labels in training agrees with them, wrong ones "
        "too; for training labels give out_of_sample(...).",
    )


def _of_folds(sample: OutOfSample, k: int, evidence: Evidence) -> _Judgement:
    """Judge each fold by its own network and the codes of that network alone."""
    classes = sample.probabilities.shape[1]
    votes: Votes | None = None
    if evidence != "confidence":
        shares, smoothed = np.empty_like(sample.probabilities), np.empty_like(sample.probabilities)
        collisions = np.empty(len(sample), np.int64)
        for fold in sample.folds:
            _check_k(k, len(fold.reference))
            labels, reference_labels = sample.labels[fold.rows], sample.labels[fold.others]
            fold_votes = neighbour_votes(fold.codes, labels, fold.reference, reference_labels, classes, k)
            shares[fold.rows], smoothed[fold.rows] = fold_votes.shares, fold_votes.probabilities
            collisions[fold.rows] = fold_votes.collisions
        votes = Votes(shares, smoothed, collisions)
    probabilities = None if evidence == "codes" else sample.probabilities
    return _Judgement(sample.labels, np.arange(classes), votes, probabilities, sample.class_names)


def _compared(
    codes: Codes, labels: npt.ArrayLike | None, reference: Codes | None, reference_labels: npt.ArrayLike | None
) -> LabelledPair:
    """Return the labelled rows of a reference and of the codes; the codes twice where there is no reference."""
    purpose = "an audit of labels"
    if reference is not None:
        _require_reference(codes, reference)
        return labelled_pair(reference, codes, purpose, reference_labels, labels, AuditError, "a reference")
    if reference_labels is not None:
        raise AuditError("reference_labels are the labels of a reference, and there is none: give reference=")
    labelled, class_numbers, rows = labelled_codes(codes, labels, purpose)
    return LabelledPair(
        labelled, labelled, class_numbers, class_numbers, rows, rows, (0, len(codes) - len(labelled)), ""
    )


def _of_codes(
    pair: LabelledPair,
    among_themselves: bool,
    rows: int,
    probabilities: npt.ArrayLike | None,
    k: int,
    evidence: Evidence,
) -> _Judgement:
    """Judge rows by a reference, or by each other."""
    labels, reference_labels = pair.query_labels, pair.reference_labels
    notes = (*_notes(among_themselves, evidence), *pair.notes)
    if evidence == "codes" or probabilities is None:
        names, numbered = np.unique(np.concatenate([labels, reference_labels]), return_inverse=True)
        labels, reference_labels, checked = numbered[: len(labels)], numbered[len(labels) :], None
    else:
        checked = _checked_probabilities(probabilities, rows, pair)
        names = np.arange(checked.shape[1])
        notes = (*notes, *_other_classes(pair.class_names, checked.shape[1]))
    if len(names) < 2:
        raise AuditError(f"all labels are of class {names[0]}: among labels of one class none can be found wrong")
    votes = None
    if evidence != "confidence":
        _check_k(k, len(reference_labels) - among_themselves)
        reference = None if among_themselves else pair.reference
        votes = neighbour_votes(pair.queries, labels, reference, reference_labels, len(names), k)
    return _Judgement(labels, names, votes, checked, pair.class_names or (), notes)


def _other_classes(class_names: Sequence[str] | None, columns: int) -> tuple[str, ...]:
    """Return what to say where probabilities are of another number of classes than have names."""
    if class_names is None or len(class_names) == columns:
        return ()
    return (
        f"Probabilities are of {columns} classes and the labels of {len(class_names)} named ones: column 0 was taken "
        f"for {class_names[0]!r}, and so on; if the network numbers them otherwise, give labels= in its numbers.",
    )


def _check_k(k: int, rows: int) -> None:
    if k > rows:
        raise AuditError(f"k={k} neighbours are more than the {rows:,} rows that could vote: lower k or give more rows")


def _require_reference(codes: Codes, reference: Codes) -> None:
    require_same_code(codes, reference)
    if len(codes) == len(reference) and np.array_equal(codes.packed, reference.packed):
        raise AuditError(
            "codes and reference are the same rows, each its own nearest: leave reference out to compare them with "
            "each other"
        )


def _checked_probabilities(probabilities: npt.ArrayLike, rows: int, pair: LabelledPair) -> Shares:
    labels, reference_labels = pair.query_labels, pair.reference_labels
    checked = np.asarray(probabilities, dtype=np.float64)
    if checked.ndim != 2 or len(checked) != rows or checked.shape[1] < 2:
        raise AuditError(f"probabilities must be ({rows}, classes), 2 classes or more, received {checked.shape}")
    if not (checked >= 0).all() or not (np.abs(checked.sum(axis=1) - 1) < 1e-3).all():
        raise AuditError("probabilities must be 0 or more and add up to 1 in each row: take the softmax of scores")
    low, high = min(labels.min(), reference_labels.min()), max(labels.max(), reference_labels.max())
    if low < 0 or high >= checked.shape[1]:
        raise AuditError(
            f"labels must be 0 to {checked.shape[1] - 1} for probabilities of {checked.shape[1]} classes, "
            f"received {low} to {high}"
        )
    return checked[pair.query_rows]


def _doubtful(misfit: str) -> tuple[str, ...]:
    """Return what to know of the number of wrong labels where the evidence does not fit them."""
    if not misfit:
        return ()
    return (f"Trust the order, but not the probabilities and their sum: {misfit}.",)


def _ranked(
    judgement: _Judgement, ids: npt.NDArray[Any], all_rows: npt.NDArray[np.int64] | None, evidence: str
) -> LabelIssues:
    labels, rows = judgement.labels, np.arange(len(judgement.labels))
    sources, temperature, confidence = [], None, None
    if judgement.probabilities is not None:
        temperature = fitted_temperature(judgement.probabilities, labels)
        sources.append(with_temperature(judgement.probabilities, temperature))
        confidence = sources[0][rows, labels]
    votes = judgement.votes
    if votes is not None:
        sources.append(votes.probabilities)
    classes = geometric_mean(sources)
    noise = label_noise(classes, labels)
    joint_probabilities = joint(classes, labels, noise)
    odds, probability = probability_wrong(joint_probabilities, labels, noise.rate)
    joint_probabilities[rows, labels] = -1.0
    suggested = judgement.names[joint_probabilities.argmax(axis=1)]
    order = np.argsort(-odds, kind="stable")
    return LabelIssues(
        ids=ids[order],
        rows=order if all_rows is None else all_rows[order],
        given=judgement.names[labels[order]],
        suggested=suggested[order],
        probability=probability[order],
        agreement=None if votes is None else votes.shares[order, labels[order]],
        confidence=None if confidence is None else confidence[order],
        collisions=None if votes is None else votes.collisions[order],
        expected=noise.rate * len(labels),
        evidence=evidence,
        temperature=temperature,
        notes=(*judgement.notes, *_doubtful(noise.misfit)),
        class_names=judgement.class_names,
    )
