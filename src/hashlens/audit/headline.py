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
    leaked = (
        "Leaks could not be looked for (see the notes)"
        if leaks is None or not searched(leaks)
        else f"{leaks.suspected:,} test examples are suspected near-duplicates of training examples "
        f"({leaks.expected_false:g} expected by chance)"
    )
    return (
        f"{leaked}; {issues.likely:,} of {len(issues):,} test labels are rather wrong than right "
        f"({issues.expected:,.0f} wrong ones expected); "
        f"{spots.blind:,} of {len(spots):,} mistakes are blind spots; "
        f"{novel.novel:,} of {len(novel):,} test examples are novel ({novel.chance})"
    )


def searched(leaks: "Leaks | None") -> bool:
    """Return whether some layer could be searched for leaks."""
    return leaks is not None and any(not layer.reason for layer in leaks.layers)
