"""The audit: can this test accuracy be trusted? Leaks, wrong labels, blind spots and novel examples from one pass."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Group, RenderableType
from rich.text import Text

from hashlens.arguments import call_source
from hashlens.audit.audited_accuracy import AuditedAccuracy, audited_accuracy
from hashlens.audit.blind_spots import BlindSpots, blind_spots
from hashlens.audit.headline import copies_only, doubt, findings, has_leak_search, headline
from hashlens.audit.label_issues import LabelIssues, label_issues
from hashlens.audit.leaks import Leaks, leaks
from hashlens.audit.measured_null import smallest_expected_false
from hashlens.audit.novel_items import NovelItems
from hashlens.audit.novelty import Novelty
from hashlens.audit.predictions import Predictions, predict_both
from hashlens.audit.splits import input_keys, train_and_test
from hashlens.audit.views import Views, encode_views_with, require_no_mask, with_bits_per_layer
from hashlens.codes.codes import Codes, align_layouts
from hashlens.codes.provenance import Provenance
from hashlens.codes.reading import Reading, ReadingOptions
from hashlens.data.examples import Examples
from hashlens.data.labels import has_label, unseen_classes
from hashlens.data.numbering import match_class_numbers, with_one_numbering
from hashlens.data.sources import load_data, load_training_data
from hashlens.data.views import view_names
from hashlens.errors import AuditError
from hashlens.measures.classes import unlabelled_rows_note
from hashlens.nets.class_names import declared_classes
from hashlens.nets.output import output_notes
from hashlens.plain import UNWRITTEN
from hashlens.progress import bar
from hashlens.report.figures import Figure
from hashlens.report.page import Page
from hashlens.result import Result, Split

NEIGHBOURS = 20
NOVELTY_NEIGHBOUR = 5


@dataclass(frozen=True, eq=False)
class Audit(Result):
    """Everything to check before trusting a test accuracy.

    Attributes
    ----------
    model : str
        Class name of the network.
    accuracy : AuditedAccuracy
        Accuracy on all test examples, accuracy without the suspected leaks, and an estimate of the accuracy if all
        labels were right.
    leaks : Leaks or None
        Test examples that are near-duplicates of training examples; None where leaks could not be searched for.
    label_issues : Split of LabelIssues
        Labels of the training set and of the test set, ranked by the probability that they are wrong.
    blind_spots : BlindSpots
        Misclassified test examples, ranked by how many of their nearest training codes have the predicted class.
    novel : NovelItems
        Test examples, ranked by their distance to the training examples of the class that the network predicts, or of
        all classes if it predicts one that train lacks.
    provenance : Split of Provenance
        Network, data and machine that the codes of each set come from.
    notes : tuple of str
        Caveats about the numbers.
    class_names : tuple of str
        Names of classes 0, 1, ...; empty where they are not known.
    command : str
        The call that made the audit.
    data : Split of Examples or None
        The audited examples, for the images of a page; None in an audit that :meth:`load` returns.
    """

    model: str
    accuracy: AuditedAccuracy
    leaks: Leaks | None
    label_issues: Split[LabelIssues]
    blind_spots: BlindSpots
    novel: NovelItems
    provenance: Split[Provenance]
    notes: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    command: str = ""
    data: Split[Examples] | None = field(default=None, repr=False, metadata=UNWRITTEN)

    @property
    def parts(self) -> dict[str, Any]:
        """Ranked tables by name."""
        leaks = {} if self.leaks is None else {"leaks": self.leaks}
        return {
            **leaks,
            "label-issues-test": self.label_issues.test,
            "label-issues-train": self.label_issues.train,
            "blind-spots": self.blind_spots,
            "novel": self.novel,
        }

    def to_csv(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write every ranked table as CSV, and the rest as ``audit.json``, into a folder; return the folder.

        The folder is created if needed. :meth:`load` reads it.

        Raises
        ------
        OutputError
            If one of these files exists and `overwrite` is false, or cannot be written.
        """
        from hashlens.audit.audit_folder import save_audit

        return save_audit(self, folder, overwrite)

    @classmethod
    def load(cls, folder: str | Path) -> "Audit":
        """Return the audit that :meth:`to_csv` wrote, without its examples; :meth:`with_data` adds them again.

        Raises
        ------
        AuditError
            If the folder holds no audit, or a damaged one.
        """
        from hashlens.audit.audit_folder import load_audit

        return load_audit(folder)

    def with_data(self, train: Any = None, test: Any = None) -> "Audit":
        """Return the audit with the audited examples added, for the images of its page.

        Parameters
        ----------
        train, test : str, Examples, pair, Dataset or DataLoader, optional
            The audited sets. By default each is loaded again from the source that the audit names.

        Raises
        ------
        AuditError
            If a set has another number of examples than were audited.
        DataError
            If the source no longer exists.
        """
        sources = (self.provenance.train.data, self.provenance.test.data)
        data = Split(*(load_data(source if part is None else part)
                       for part, source in zip((train, test), sources, strict=True)))  # fmt: skip
        issues = self.label_issues
        for name, examples, audited in (
            ("train", data.train, len(issues.train)),
            ("test", data.test, len(issues.test)),
        ):
            if len(examples) != audited:
                raise AuditError(
                    f"{name} has {len(examples):,} examples, but {audited:,} were audited: give the same data"
                )
        return replace(self, data=data)

    def to_dict(self) -> dict[str, Any]:
        """Return the audit without its examples as plain values: accuracy, rankings, counts and thresholds."""
        body = super().to_dict()
        if self.leaks is not None:
            body["leaks"]["suspected"] = self.leaks.suspected
        for name in ("train", "test"):
            body["label_issues"][name]["likely"] = getattr(self.label_issues, name).likely
        body["blind_spots"] |= {"blind": self.blind_spots.blind, "mistakes": len(self.blind_spots)}
        body["novel"]["novel"] = self.novel.novel
        return body

    def figures(self) -> tuple[Figure, ...]:
        """Return figures of the accuracy after each step, and of the distribution of each ranking's score."""
        issues = self.label_issues
        return (
            *self.accuracy.figures(),
            *(() if self.leaks is None else self.leaks.figures()),
            *issues.test.figures("test labels"),
            *issues.train.figures("training labels"),
            *self.blind_spots.figures(self.class_names),
            *self.novel.figures(),
        )

    def page(self) -> Page:
        """Return the page of the audit: the accuracy, the problems found, and examples to inspect and tick."""
        from hashlens.audit.page import audit_page

        return audit_page(self)

    @property
    def headline(self) -> str:
        """Measured accuracy and the steps that could not be done: the first line of the page and of the terminal."""
        return headline(self)

    @property
    def findings(self) -> str:
        """Number of problems of each kind, beside the number expected by chance."""
        return findings(self)

    def __rich__(self) -> RenderableType:
        notes = [f"note: {note}" for note in self.notes]
        issues = self.label_issues
        leaked = [] if self.leaks is None else [self.leaks]
        labels = [part for name in ("test", "train") for part in (Text(f"Labels of {name}"), getattr(issues, name))]
        read = [Text(f"Output read as {self.provenance.train.output}.")] if self.provenance.train.output else []
        return Group(
            self.accuracy, Text(f"{self.findings}."), *read, *leaked, *labels, self.blind_spots, self.novel, *notes
        )


def audit(
    model: torch.nn.Module,
    train: Any,
    test: Any,
    *,
    reading: Reading | None = None,
    suspect_copies: bool | None = None,
    views: bool | str | Sequence[str] = False,
    **options: Unpack[ReadingOptions],
) -> Audit:
    """Check a test accuracy for leaked examples, wrong labels, blind spots and novel examples.

    The network runs once over each set, and 1,024 bits of each layer are kept. Everything else is a search among
    these codes.

    Parameters
    ----------
    model : torch.nn.Module
        A classifier.
    train, test : str, Examples, pair, Dataset or DataLoader
        The labelled training set of the network, and the labelled test set on which its accuracy is measured.
    reading, **options
        How the network is read: a :class:`hashlens.Reading`, or its fields. ``bits`` is the number of bits kept of
        each layer, 1,024 by default; with ``mask``, or by channel, all bits are read before the sample is drawn.
        ``seed`` also draws calibration rows and bootstrap samples.
    suspect_copies : bool, optional
        Whether test inputs that equal a training input count as leaked, as in :func:`hashlens.leaks`. By default they
        do for images, and for tables and texts in which equal rows are rare.
    views : bool, str or sequence of str
        For images: transformed views in which leaks are searched too, by the names of
        :func:`~hashlens.audit.views.encode_views`; True for all seven. Each view costs one more pass over test and
        over a sample of training images, as in :func:`~hashlens.audit.views.encode_views`; the result reports the time.

    Returns
    -------
    Audit
        The result. It prints as tables; ``to_html(path)`` and ``to_csv(folder)`` write it.

    Raises
    ------
    AuditError
        If train or test has no labels, the two are the same or swapped, there are 20 labelled training examples or
        fewer, all test examples are suspected as leaked, or the network does not classify into their classes.
    DataError
        If the data cannot be loaded, or are not images although `views` is given.

    References
    ----------
    Barz, Denzler (2020): Do we train on test data? Purging CIFAR of near-duplicates. Journal of Imaging 6.
    Northcutt, Athalye, Mueller (2021): Pervasive label errors in test sets destabilize machine learning benchmarks.
    NeurIPS.
    """
    reading = Reading.from_options(audit, reading, options)
    arguments = {**locals(), "reading": None, "options": reading.changes}
    reading, seed = with_bits_per_layer(reading), reading.seed
    train_examples = match_class_numbers(load_training_data(train), declared_classes(model))
    data = Split(*with_one_numbering(train_examples, load_data(test)))
    names = view_names(views)
    if names:
        require_no_mask(reading)
    whole = reading.mask is not None or reading.granularity == "channel"
    with bar("audit", 7 if names else 6) as advance:
        read = replace(reading, bits=None) if whole else reading
        predictions = Split(*predict_both(model, data.train, data.test, read, per_layer=not whole))
        codes = train_and_test(*(_sample(predictions.train.codes, predictions.test.codes, reading) if whole else
                                 (predictions.train.codes, predictions.test.codes)))  # fmt: skip
        _require_labels(codes, predictions.test.probabilities.shape[1])
        _require_neighbours(codes.train)
        if names:
            advance("views")
        view_codes = encode_views_with(model, data, names, reading) if names else None
        advance("leaks")
        leaked, leak_notes = _leaks(codes, seed, suspect_copies, view_codes)
        advance("labels of test")
        test_issues = label_issues(
            codes.test, reference=codes.train, probabilities=predictions.test.probabilities, k=NEIGHBOURS
        )
        advance("labels of train")
        train_issues = label_issues(codes.train, probabilities=predictions.train.probabilities, k=NEIGHBOURS)
        advance("blind spots")
        # The last layer separates the classes best.
        last_layer = codes.train.layers[-1].name
        predicted = predictions.test.probabilities.argmax(axis=1)
        spots = blind_spots(codes.train.layer(last_layer), codes.test.layer(last_layer), predicted, NEIGHBOURS)
        advance("novelty")
        novel = _novel(codes, predictions.train.probabilities.argmax(axis=1), predicted, seed)
        advance("")
    assert codes.test.labels is not None
    labelled = has_label(codes.test.labels)
    labels, probabilities = codes.test.labels[labelled], predictions.test.probabilities[labelled]
    correct = predicted[labelled] == labels
    measured = audited_accuracy(correct, _suspected(leaked, labelled), probabilities, labels, seed)
    return Audit(
        model=type(model).__name__,
        accuracy=replace(
            measured,
            copies_only=copies_only(leaked),
            doubt=doubt(predicted[labelled], labels, probabilities.shape[1]),
        ),
        leaks=leaked,
        label_issues=Split(train_issues, test_issues),
        blind_spots=spots,
        novel=novel,
        provenance=Split(codes.train.provenance, codes.test.provenance),
        notes=_notes(codes, predictions, leak_notes),
        class_names=codes.train.class_names or (),
        command=call_source(audit, **arguments),
        data=data,
    )


def _sample(train: Codes, test: Codes, reading: Reading) -> list[Codes]:
    """Return the sample of bits that an audit uses, drawn from codes of all bits, the same for train and test."""
    assert reading.bits is not None
    return [codes.sample_bits(reading.bits, reading.seed, per_layer=True) for codes in align_layouts([train, test])]


def _suspected(leaked: Leaks | None, labelled: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_] | None:
    """Return which of the labelled test examples are suspected as leaked; None if leaks could not be searched for."""
    if leaked is None or not has_leak_search(leaked):
        return None
    suspected = np.isin(np.flatnonzero(labelled), leaked.suspected_rows)
    if suspected.all():
        raise AuditError(
            f"all {len(suspected):,} test examples are suspected as leaked, which leaves none to measure on: "
            "give a test set that is not in train, or suspect_copies=False"
        )
    return suspected


def _notes(codes: Split[Codes], predictions: Split[Predictions], leak_notes: Sequence[str]) -> tuple[str, ...]:
    """Return the caveats of an audit: on the output, the leaks, the gates, the labels and the classes."""
    notes = (
        *output_notes(predictions.train.output, predictions.train.unsteady),
        *leak_notes,
        codes.train.provenance.left_out_note,
        unlabelled_rows_note(*(_unlabelled(part) for part in (codes.train, codes.test))),
        unseen_classes(codes.train.labels, codes.test.labels, codes.train.class_names),
        _differing_classes(codes, predictions.test.probabilities.shape[1]),
    )
    return tuple(note for note in notes if note)


def _differing_classes(codes: Split[Codes], classes: int) -> str:
    """Return a note if the network has another number of classes than the labels; otherwise an empty text."""
    assert codes.train.labels is not None
    named = len(set(codes.train.labels[has_label(codes.train.labels)].tolist()))
    if named == classes:
        return ""
    return (
        f"the network's output has {classes} classes, and the labels of train have {named}: if it was not "
        "trained on these classes, its accuracy is meaningless"
    )


def _unlabelled(codes: Codes) -> int:
    assert codes.labels is not None
    return int((~has_label(codes.labels)).sum())


def _require_labels(codes: Split[Codes], classes: int) -> None:
    if classes < 2:
        raise AuditError("the network's output has fewer than two classes: audit a classifier with at least two")
    for name, part in (("train", codes.train), ("test", codes.test)):
        if part.labels is None or not has_label(part.labels).any():
            raise AuditError(f"{name} has no labels, which an audit of the accuracy needs: give labelled examples")
        if (highest := int(part.labels.max())) >= classes:
            raise AuditError(
                f"labels of {name} go up to {highest}, but the network's output has {classes} classes: "
                "number the classes as in its training"
            )


def _require_neighbours(train: Codes) -> None:
    """Raise AuditError if there are too few training examples for the neighbour searches of an audit."""
    rows = len(train) - _unlabelled(train)
    if rows <= NEIGHBOURS:
        raise AuditError(
            f"an audit uses {NEIGHBOURS} neighbours of each example among the training examples: give more "
            f"than {NEIGHBOURS} labelled training examples, received {rows:,}"
        )


def _leaks(
    codes: Split[Codes], seed: int, suspect_copies: bool | None, views: Views | None
) -> tuple[Leaks | None, list[str]]:
    """Return the leaks, or None and a note that says why they cannot be searched for."""
    if len(codes.test) < 2:
        return None, ["leaks were not searched: a single test example may be suspected by chance alone"]
    try:
        result = leaks(codes.train, codes.test, expected_false=_expected_false(codes), seed=seed,
                      suspect_copies=suspect_copies, views=views)  # fmt: skip
    except AuditError as error:
        return None, [f"leaks were not searched: {error}"]
    if result.score is not None:
        return result, []
    reasons = "; ".join(f"{layer.name}: {layer.reason}" for layer in result.layers)
    return result, [f"near-duplicates were not searched by code, because no layer can be used ({reasons})"]


def _expected_false(codes: Split[Codes]) -> int:
    """Return how many test examples may be suspected by chance: one, or more if the training set is too small."""
    keys = input_keys(codes)
    rows = len(codes.train) if keys is None else len(np.unique(keys.train))
    return min(max(1, ceil(smallest_expected_false(rows, len(codes.test)))), len(codes.test) - 1)


def _novel(codes: Split[Codes], predicted_train: np.ndarray, predicted: np.ndarray, seed: int) -> NovelItems:
    train = codes.train
    assert train.labels is not None
    # A network may predict a class that training lacks.
    per_class = bool(np.isin(np.concatenate([predicted_train, predicted]), train.labels).all())
    novelty = Novelty(train, NOVELTY_NEIGHBOUR, per_class, predicted=predicted_train if per_class else None, seed=seed)
    return novelty.novel(codes.test, predicted if per_class else None)
