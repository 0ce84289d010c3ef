"""The headline of an audit: the measured accuracy, the problems found, and the steps that could not be done."""

from typing import TYPE_CHECKING

import numpy as np

from hashlens.measures.classes import Labels
from hashlens.measures.learning import majority_share, matched_accuracy, not_above, numbering_problem

if TYPE_CHECKING:
    from hashlens.audit.audit import Audit
    from hashlens.audit.leaks import Leaks


def headline(audit: "Audit") -> str:
    """Return the first line of the page and of the terminal: the measured accuracy and what was left out of it."""
    return audit.accuracy.headline


def findings(audit: "Audit") -> str:
    """Return one line with the number of problems of each kind, beside the number expected by chance."""
    leaks, issues, spots, novel = audit.leaks, audit.label_issues.test, audit.blind_spots, audit.novel
    return (
        f"{_leak_finding(leaks)}; {issues.likely:,} of {len(issues):,} test labels are more likely wrong than right "
        f"({issues.expected:,.0f} wrong ones expected); "
        f"{spots.blind:,} of {len(spots):,} mistakes are blind spots; "
        f"{novel.novel:,} of {len(novel):,} test examples are novel ({novel.chance})"
    )


def has_leak_search(leaks: "Leaks | None") -> bool:
    """Return whether leaks could be searched for: in some layer, or among equal inputs that count as leaked."""
    return leaks is not None and (_is_searched_by_code(leaks) or (leaks.copies is not None and leaks.copies.suspected))


def copies_only(leaks: "Leaks | None") -> bool:
    """Return whether only exact copies of training inputs could be searched for, not near-duplicates."""
    return has_leak_search(leaks) and leaks is not None and not _is_searched_by_code(leaks)


def doubt(predicted: Labels, labels: Labels, classes: int) -> str:
    """Return in words a reason to doubt that an accuracy means anything; empty where there is none.

    Parameters
    ----------
    predicted, labels : numpy.ndarray
        int64 ``(n,)``: predicted class and label of each test example.
    classes : int
        Number of classes of the network's output.
    """
    if (matched := matched_accuracy(predicted, labels)) is not None:
        return numbering_problem(matched)
    chance = majority_share(labels)
    if not not_above(float((predicted == labels).mean()), chance, len(labels)):
        return ""
    named = len(np.unique(labels))
    return f"not clearly above the {chance:.2%} of the most frequent class" + (
        f", and the output has {classes} classes while the labels have {named}" if named != classes else ""
    )


def _is_searched_by_code(leaks: "Leaks") -> bool:
    return any(not layer.reason for layer in leaks.layers)


def _leak_finding(leaks: "Leaks | None") -> str:
    if leaks is None or not (_is_searched_by_code(leaks) or leaks.copies is not None):
        return "Leaks could not be searched (see the notes)"
    near_note = (
        f"{leaks.suspected:,} test examples are suspected near-duplicates of training examples ({leaks.chance})"
        if _is_searched_by_code(leaks)
        else "Near-duplicates could not be searched (see the notes)"
    )
    copies = leaks.copies
    if copies is None or not len(copies):
        return near_note
    subject = "of them" if copies.suspected and _is_searched_by_code(leaks) else "test examples"
    counted = (
        "" if copies.suspected else (f" ({copies.expected:,.1f} expected by chance, so they are not counted as leaked)")
    )
    return f"{near_note}, {len(copies):,} {subject} equal a training example exactly{counted}"
