"""Label issues: labels that are likely wrong, by the nearest codes and by the network's calibrated confidence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt, require_whole
from hashlens.audit.label_noise import joint_probability, label_noise, probability_wrong
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
"""Points of the line that is drawn through all ranks."""

CLEAR_VOTES = 0.9
"""Mean share of votes for the first choice, from which on the votes alone tell how many labels are wrong."""

Evidence = Literal["both", "codes", "confidence"]
EVIDENCE = ("both", "codes", "confidence")
Shares = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LabelIssues(Ranked):
    """n labels, the most likely wrong first.

    Attributes
    ----------
    ids : numpy.ndarray
        int64 or str ``(n,)``: identifiers of the examples.
    rows : numpy.ndarray
        int64 ``(n,)``: row of each example in the audited data.
    given : numpy.ndarray
        int64 ``(n,)``: label in the data set.
    suggested : numpy.ndarray
        int64 ``(n,)``: likeliest other label.
    probability : numpy.ndarray
        float64 ``(n,)``, descending: probability that the label is wrong. The sum is `expected`.
    agreement : numpy.ndarray or None
        float64 ``(n,)``: weighted share of the nearest codes that have the same label.
    confidence : numpy.ndarray or None
        float64 ``(n,)``: calibrated probability that the network gives the label.
    collisions : numpy.ndarray or None
        int64 ``(n,)``: number of rows with an equal code and another label.
    expected : float
        Expected number of wrong labels: the disagreement between labels and evidence beyond the uncertainty of the
        calibrated evidence. It is too low where wrong labels are examples of uncertain class, and too high where the
        evidence is confidently wrong, or is the votes alone and classes overlap. Votes express no uncertainty of their
        own. If 7 of 10 neighbours have one label, the others may be wrong labels or examples of another class; codes
        and labels alone cannot tell which. Probabilities of a network can. So wrong labels are counted with them
        wherever they are passed, also if the codes alone rank the labels.
    evidence : str
        Source of evidence: ``both``, ``codes`` or ``confidence``.
    temperature : float or None
        Temperature that calibrates the network; above 1 the network was overconfident.
    notes : tuple of str
        Caveats about the numbers.
    class_names : tuple of str
        Names of classes 0, 1, ... of `given` and `suggested`; empty where classes have none.
    """

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        *EXAMPLE,
        Column("given", dtype=int, heading="label", identifies_row=True, classes=True),
        Column("suggested", dtype=int, identifies_row=True, classes=True),
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
        """Number of labels that are more likely wrong than right: the first ones of the ranking."""
        return int((self.probability > 0.5).sum())

    def __rich__(self) -> Table:
        title = (
            f"{self.likely:,} of {len(self):,} labels are more likely wrong than right; {self.expected:,.0f} expected"
        )
        more = [f"The first {SHOWN}; to_csv writes all of them."] if len(self) > SHOWN else []
        return self.table(title, " ".join([*more, *self.notes]))

    def figures(self, subject: str = "labels") -> tuple[Figure, ...]:
        """Return a figure of the probability that labels are wrong, by rank."""
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

    There are two sources of evidence for the class of a row: the votes of the nearest codes, and the probabilities of
    the network, calibrated by one temperature. Their geometric mean estimates the class. The rows whose class is clear
    show how often examples of one class have the label of another (the noise matrix). Bayes' rule then gives the
    probability that each label is wrong. Nothing is tuned on known mistakes.

    Parameters
    ----------
    codes : Codes or OutOfSample
        n rows to audit. To audit the labels that the network was trained on, pass the result of
        :func:`~hashlens.audit.out_of_sample.out_of_sample`, which holds labels, probabilities and a reference for each
        fold. Rows without a label are left out.
    labels : array, optional
        ``(n,)``: class numbers or class names; the labels of the codes by default. With probabilities, class numbers
        begin at 0.
    reference : Codes, optional
        m rows that vote, such as the training codes when test labels are audited; by default the other rows of `codes`.
        Classes are matched by name where codes have names, and numbered as in the reference.
    reference_labels : array, optional
        ``(m,)``: labels of the reference; those that it holds by default.
    probabilities : array, optional
        ``(n, c)``: class probabilities by a network that was not trained on these rows; column i is class i of the
        reference.
    k : int
        Number of neighbours that vote.
    evidence : {"both", "codes", "confidence"}, optional
        Source of the ranking; by default both if there are probabilities, else the codes. Probabilities that are passed
        with ``codes`` do not rank labels; they only estimate the number of wrong labels.

    Returns
    -------
    LabelIssues
        The result. It prints as a table; ``to_csv(path)`` writes it.

    Raises
    ------
    AuditError
        If the arguments contradict each other, all labels are of one class, or fewer than `k` rows can vote.
    MeasureError
        If there are no labels.
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
        raise AuditError(f"unknown evidence {excerpt(evidence)}: {nearest(evidence, EVIDENCE)}")
    if isinstance(codes, OutOfSample):
        if any(argument is not None for argument in (labels, reference, reference_labels, probabilities)):
            raise AuditError(
                "out-of-sample predictions include labels, reference and probabilities: leave these arguments out"
            )
        return _rank(_evidence_of_folds(codes, k, evidence or "both"), codes.ids, codes.rows, evidence or "both")
    if not isinstance(codes, Codes):
        raise AuditError(
            f"codes must be Codes (hl.encode, Codes.load or Codes.from_bits) or OutOfSample, not {excerpt(codes)}"
        )
    evidence = evidence or ("codes" if probabilities is None else "both")
    if evidence != "codes" and probabilities is None:
        raise AuditError(f"evidence {evidence!r} needs probabilities= of the network, (n, classes)")
    pair = _labelled_pair(codes, labels, reference, reference_labels)
    class_evidence = _evidence_of_codes(pair, reference is None, len(codes), probabilities, k, evidence)
    return _rank(class_evidence, pair.queries.ids, np.arange(len(codes))[pair.query_rows], evidence)


@dataclass(frozen=True, eq=False)
class _Evidence:
    """Labels as class numbers 0 to c - 1, with the votes and probabilities of each class."""

    labels: Labels
    names: Labels
    votes: Votes | None
    probabilities: Shares | None  # with evidence "codes" they count wrong labels, and do not rank them
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _notes(among_themselves: bool, evidence: Evidence) -> tuple[str, ...]:
    if not among_themselves:
        return ()
    source = "a network" if evidence == "codes" else "a network, and its probabilities,"
    return (
        f"Rows were compared with each other: {source} that saw these labels in training agrees with them, "
        "even if they are wrong; for training labels give out_of_sample(...).",
    )


def _evidence_of_folds(sample: OutOfSample, k: int, evidence: Evidence) -> _Evidence:
    """Return the evidence for each fold, from its own network and the codes of that network."""
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
    return _Evidence(sample.labels, np.arange(classes), votes, sample.probabilities, sample.class_names)


def _labelled_pair(
    codes: Codes, labels: npt.ArrayLike | None, reference: Codes | None, reference_labels: npt.ArrayLike | None
) -> LabelledPair:
    """Return the labelled rows of the reference and of the codes; without a reference, the codes twice."""
    purpose = "an audit of labels"
    if reference is not None:
        _require_reference(codes, reference)
        return labelled_pair(reference, codes, purpose, reference_labels, labels, AuditError, "a reference")
    if reference_labels is not None:
        raise AuditError("reference_labels need a reference: give reference=")
    labelled, class_numbers, rows = labelled_codes(codes, labels, purpose)
    return LabelledPair(
        labelled, labelled, class_numbers, class_numbers, rows, rows, (0, len(codes) - len(labelled)), ""
    )


def _evidence_of_codes(
    pair: LabelledPair,
    among_themselves: bool,
    rows: int,
    probabilities: npt.ArrayLike | None,
    k: int,
    evidence: Evidence,
) -> _Evidence:
    """Return the evidence for rows, from a reference or from each other."""
    labels, reference_labels = pair.query_labels, pair.reference_labels
    notes = (*_notes(among_themselves, evidence), *pair.notes)
    if probabilities is None:
        names, class_indices = np.unique(np.concatenate([labels, reference_labels]), return_inverse=True)
        labels, reference_labels, checked = class_indices[: len(labels)], class_indices[len(labels) :], None
    else:
        checked = _checked_probabilities(probabilities, rows, pair)
        names = np.arange(checked.shape[1])
        notes = (*notes, *_other_classes(pair.class_names, checked.shape[1]))
    if len(names) < 2:
        raise AuditError(f"all labels are of class {names[0]}: wrong labels can only be found among several classes")
    votes = None
    if evidence != "confidence":
        _check_k(k, len(reference_labels) - among_themselves)
        reference = None if among_themselves else pair.reference
        votes = neighbour_votes(pair.queries, labels, reference, reference_labels, len(names), k)
    return _Evidence(labels, names, votes, checked, pair.class_names or (), notes)


def _other_classes(class_names: Sequence[str] | None, columns: int) -> tuple[str, ...]:
    """Return a note if there are not as many probabilities of a row as class names."""
    if class_names is None or len(class_names) == columns:
        return ()
    return (
        f"Probabilities have {columns} classes, and the labels have {len(class_names)} named classes: column "
        f"0 is assumed to be {class_names[0]!r}, and so on; if the network numbers the classes otherwise, "
        "give labels= in its numbering.",
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


def _misfit_note(misfit: str) -> tuple[str, ...]:
    """Return a note on the number of wrong labels if the noise model does not fit."""
    if not misfit:
        return ()
    return (f"Trust the order, but not the probabilities and their sum: {misfit}.",)


def _votes_note(votes: Votes | None) -> tuple[str, ...]:
    """Return a note on the number of wrong labels if neighbours alone judge, and classes overlap."""
    if votes is None or (leading := float(votes.shares.max(axis=1).mean())) >= CLEAR_VOTES:
        return ()
    return (
        "Trust the order, but expect fewer wrong labels: the first choice of the neighbours has only "
        f"{leading:.0%} of their votes on average, so correct labels of examples between classes are counted as wrong; "
        "give probabilities= of the network to correct this.",
    )


def _rank(
    class_evidence: _Evidence, ids: npt.NDArray[Any], all_rows: npt.NDArray[np.int64] | None, evidence: str
) -> LabelIssues:
    labels, rows = class_evidence.labels, np.arange(len(class_evidence.labels))
    votes, temperature, confidence = class_evidence.votes, None, None
    voted = [] if votes is None else [votes.probabilities]
    calibrated: list[Shares] = []
    if class_evidence.probabilities is not None:
        temperature = fitted_temperature(class_evidence.probabilities, labels)
        calibrated = [with_temperature(class_evidence.probabilities, temperature)]
        confidence = None if evidence == "codes" else calibrated[0][rows, labels]
    classes = geometric_mean(voted if evidence == "codes" else [*calibrated, *voted])
    noise = label_noise(classes, labels)
    if evidence == "codes" and calibrated:
        counted = label_noise(geometric_mean([*calibrated, *voted]), labels)
        noise = replace(noise, rate=counted.rate, misfit=counted.misfit)
    joint_probabilities = joint_probability(classes, labels, noise)
    odds, probability = probability_wrong(joint_probabilities, labels, noise.rate)
    joint_probabilities[rows, labels] = -1.0
    suggested = class_evidence.names[joint_probabilities.argmax(axis=1)]
    order = np.argsort(-odds, kind="stable")
    return LabelIssues(
        ids=ids[order],
        rows=order if all_rows is None else all_rows[order],
        given=class_evidence.names[labels[order]],
        suggested=suggested[order],
        probability=probability[order],
        agreement=None if votes is None else votes.shares[order, labels[order]],
        confidence=None if confidence is None else confidence[order],
        collisions=None if votes is None else votes.collisions[order],
        expected=noise.rate * len(labels),
        evidence=evidence,
        temperature=temperature,
        notes=(*class_evidence.notes, *_votes_note(None if calibrated else votes), *_misfit_note(noise.misfit)),
        class_names=class_evidence.class_names,
    )
