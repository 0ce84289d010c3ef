"""The page of an audit: the accuracy first, then the problems found, with examples to inspect."""

from dataclasses import replace

from hashlens.audit.audit import Audit
from hashlens.audit.galleries import blind_gallery, label_gallery, leak_gallery, novel_gallery
from hashlens.audit.headline import findings, headline
from hashlens.audit.label_issues import LabelIssues
from hashlens.audit.layer_choice import scores_table
from hashlens.audit.leaks import Leaks
from hashlens.codes.page_parts import origin_table
from hashlens.report.page import Block, Page, Prose, Section, charts
from hashlens.report.sprite import Sprite
from hashlens.tables import Table

SHOWN = 15
"""Number of rows shown of each table."""


def audit_page(audit: Audit) -> Page:
    """Return the page of an audit."""
    train, test = audit.provenance.train, audit.provenance.test
    sprite = Sprite()
    steps = replace(audit.accuracy.__rich__(), title="Accuracy, step by step")
    return Page(
        f"Audit of the test accuracy of {audit.model}",
        f"train {train.data}, test {test.data}",
        headline(audit),
        f"{findings(audit)}. Tick the examples that you have checked: the bar at the foot exports them as "
        "CSV, with row numbers and ids.",
        (
            Section("Accuracy", (*charts(audit.accuracy.figures()), steps)),
            _leak_section(audit, sprite),
            _label_section(audit, "test", sprite),
            _label_section(audit, "train", sprite),
            _blind_section(audit, sprite),
            _novel_section(audit, sprite),
            Section("Provenance", (origin_table({"train": train, "test": test}),)),
        ),
        (*audit.label_issues.test.notes, *audit.label_issues.train.notes, *audit.notes),
        audit.command,
        sprite,
    )


def _leak_section(audit: Audit, sprite: Sprite) -> Section:
    leaks = audit.leaks
    if leaks is None:
        return Section("Leaks", (Prose("Leaks were not searched; the notes give the reason."),))
    return Section(
        "Leaks",
        (
            leak_gallery(leaks, audit, sprite),
            *charts(leaks.figures()),
            _leak_table(leaks),
            scores_table(leaks.layers, leaks.layer),
        ),
        "Test examples with a training example suspiciously near: leave them out of the test set.",
    )


def _label_section(audit: Audit, split: str, sprite: Sprite) -> Section:
    issues = audit.label_issues.test if split == "test" else audit.label_issues.train
    return Section(
        f"Labels of {split}",
        (
            label_gallery(issues, split, audit, sprite),
            *charts(issues.figures("test labels" if split == "test" else "training labels")),
            _label_table(issues),
        ),
        f"About {issues.expected:,.0f} of {len(issues):,} labels are expected to be wrong: check those "
        "listed here, and correct the wrong ones.",
    )


def _blind_section(audit: Audit, sprite: Sprite) -> Section:
    spots = audit.blind_spots
    pairs = spots.pairs_table("By label and prediction", limit=SHOWN)
    pictures = charts(spots.figures(audit.class_names))
    blocks: tuple[Block, ...] = (blind_gallery(spots, audit, sprite), *pictures, *([pairs] if len(spots) else []))
    return Section(
        "Blind spots",
        blocks,
        f"Mistakes whose {spots.k} nearest training codes all have the predicted class: the label is wrong, "
        "or the training data lack such examples.",
    )


def _novel_section(audit: Audit, sprite: Sprite) -> Section:
    novel = audit.novel
    kind = "of the predicted class" if novel.by_class else "of all classes"
    note = (
        f"Score: distance to the nearest training codes {kind}, divided by the median of this distance among "
        f"training examples; 1 is typical. Examples with a score above {novel.threshold:.3g} are called novel: at "
        f"most a share of {novel.false_alarm_rate:g} of examples like those of training should score so high. The "
        f"threshold was set on {novel.calibration}."
    )
    of_class = " of their predicted class" if novel.by_class else ""
    ranked = novel.table("Most novel", note, shown=SHOWN, without=("novel",))
    return Section(
        "Novel examples",
        (novel_gallery(novel, audit, sprite), *charts(novel.figures()), ranked),
        f"Test examples unlike all training examples{of_class}: {novel.novel:,} of {len(novel):,}; {novel.chance}.",
    )


def _leak_table(leaks: Leaks) -> Table:
    note = (
        "The local ratio: distance to the nearest training example, divided by the distance to neighbour number "
        f"{leaks.k}, in {leaks.bits:,} bits of {leaks.layer}. {leaks.threshold_note} Expected: how many of "
        f"{len(leaks):,} examples that are not leaks would have this ratio or a lower one. "
        f"{leaks.copies_note}{leaks.views_note}"
    )
    return leaks.table("Most suspicious", note, shown=SHOWN)


def _label_table(issues: LabelIssues) -> Table:
    note = (
        "Probability: probability that the label is wrong. Agreement: share of the nearest codes with this "
        "label. Confidence: the network's probability of this label."
    )
    return issues.table("Most likely wrong", note, shown=SHOWN, without=("collisions",))
