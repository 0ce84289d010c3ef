"""The headline of an audit: what was measured and found, and what was not done."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlens.audit.audit import Audit
    from hashlens.audit.leaks import Leaks


def headline(audit: "Audit") -> str:
    """Return the accuracy that was measured, and what was left out of it; the terminal and the page begin with it."""
    return audit.accuracy.headline


def findings(audit: "Audit") -> str:
    """Return what was found, each count beside how many were to be expected, in one line."""
    leaks, issues, spots, novel = audit.leaks, audit.label_issues.test, audit.blind_spots, audit.novel
    return (
        f"{_leaked(leaks)}; {issues.likely:,} of {len(issues):,} test labels are rather wrong than right "
        f"({issues.expected:,.0f} wrong ones expected); "
        f"{spots.blind:,} of {len(spots):,} mistakes are blind spots; "
        f"{novel.novel:,} of {len(novel):,} test examples are novel ({novel.chance})"
    )


def searched(leaks: "Leaks | None") -> bool:
    """Return whether leaks could be looked for: in some layer, or among the inputs that count as leaked."""
    return leaks is not None and (_by_code(leaks) or (leaks.copies is not None and leaks.copies.suspected))


def _by_code(leaks: "Leaks") -> bool:
    return any(not layer.reason for layer in leaks.layers)


def _leaked(leaks: "Leaks | None") -> str:
    if leaks is None or not (_by_code(leaks) or leaks.copies is not None):
        return "Leaks could not be looked for (see the notes)"
    near = (
        f"{leaks.suspected:,} test examples are suspected near-duplicates of training examples ({leaks.chance})"
        if _by_code(leaks)
        else "Near-duplicates could not be looked for (see the notes)"
    )
    copies = leaks.copies
    if copies is None or not len(copies):
        return near
    which = "of them" if copies.suspected and _by_code(leaks) else "test examples"
    counted = "" if copies.suspected else f", where {copies.expected:,.1f} were to be expected, and are not counted"
    return f"{near}, {len(copies):,} {which} equal a training example exactly{counted}"
