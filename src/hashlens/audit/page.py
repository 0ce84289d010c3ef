"""The page of an audit: the accuracy first, then what is wrong, with the examples to look at and to act on."""

from dataclasses import replace

from hashlens.audit.audit import Audit
from hashlens.audit.galleries import blind_gallery, label_gallery, leak_gallery, novel_gallery
from hashlens.audit.headline import findings, headline
from hashlens.audit.label_issues import LabelIssues
from hashlens.audit.layer_choice import scores_table
from hashlens.audit.leaks import Leaks
from hashlens.codes.provenance import Provenance
from hashlens.data.labels import class_name
from hashlens.report.page import Block, Page, Prose, Section, charts
from hashlens.report.sprite import Sprite
from hashlens.tables import Table, number, table

SHOWN = 15
"""Rows of each table."""


def audit_page(audit: Audit) -> Page:
    """Return the page of an audit."""
    train, test = audit.provenance.train, audit.provenance.test
    sprite = Sprite()
    by_cause = replace(audit.accuracy.__rich__(), title="By cause")
    return Page(
        f"{audit.model}: its test accuracy, audited",
        f"train {train.data}, test {test.data}",
        headline(audit),
        f"{findings(audit)}. Tick what you have looked at: the bar at the foot exports it as CSV, with rows and ids.",
        (
            Section("Accuracy", (*charts(audit.accuracy.figures()), by_cause)),
            _leak_section(audit, sprite),
            _label_section(audit, "test", sprite),
            _label_section(audit, "train", sprite),
            _blind_section(audit, sprite),
            _novel_section(audit, sprite),
            Section("Provenance", (provenance_table(train, test),)),
        ),
        (*audit.label_issues.test.notes, *audit.label_issues.train.notes, *audit.notes),
        audit.command,
        sprite,
    )


def _leak_section(audit: Audit, sprite: Sprite) -> Section:
    found = audit.leaks
    if found is None:
        return Section("Leaks", (Prose("No leaks were looked for; the notes say why."),))
    return Section(
        "Leaks",
        (
            leak_gallery(found, audit, sprite),
            *charts(found.figures()),
            _leak_table(found, audit.class_names),
            scores_table(found.layers, found.layer),
        ),
        "Test examples with a training example suspiciously near: leave them out of the test set.",
    )


def _label_section(audit: Audit, split: str, sprite: Sprite) -> Section:
    issues = audit.label_issues.test if split == "test" else audit.label_issues.train
    return Section(
        f"Labels of {split}",
        (
            label_gallery(issues, split, audit, sprite),
            *charts(issues.figures()),
            _label_table(issues, audit.class_names),
        ),
        f"About {issues.expected:,.0f} of {len(issues):,} labels are expected to be wrong: look, and mend those that "
        "are.",
    )


def _blind_section(audit: Audit, sprite: Sprite) -> Section:
    spots, names = audit.blind_spots, audit.class_names
    rows = [
        (class_name(names, label), class_name(names, predicted), number(mistakes), number(blind))
        for label, predicted, mistakes, blind in spots.pairs[:SHOWN]
    ]
    counted = replace(spots.__rich__(), title="By label and prediction", rows=tuple(rows), note="")
    pictures = charts(spots.figures(names))
    blocks: tuple[Block, ...] = (blind_gallery(spots, audit, sprite), *pictures, *([counted] if rows else []))
    return Section(
        "Blind spots",
        blocks,
        f"Mistakes with all {spots.k} nearest training codes in the class that was predicted: a wrong label, or "
        "examples that training lacks.",
    )


def _novel_section(audit: Audit, sprite: Sprite) -> Section:
    novel = audit.novel
    rows = [
        (str(at + 1), str(novel.ids[at]), number(float(novel.scores[at]), 3), f"{novel.p_values[at]:.2g}")
        for at in range(min(SHOWN, len(novel)))
    ]
    note = (
        f"Score: distance to the nearest training codes of the class predicted, 1 is ordinary. Novel: above "
        f"{novel.threshold:.3g}, which at most {novel.false_alarm_rate:g} of known examples reach, set on "
        f"{novel.calibration}."
    )
    ranked = table("Most novel", ("rank", "id", "score", "p"), rows, note, names=2)
    return Section(
        "Novel examples",
        (novel_gallery(novel, audit, sprite), *charts(novel.figures()), ranked),
        f"Test examples unlike all training examples of the class that they were taken for: {novel.novel:,} of "
        f"{len(novel):,}, and {novel.chance}.",
    )


def _leak_table(found: Leaks, names: tuple[str, ...]) -> Table:
    rows = []
    for at in range(min(SHOWN, len(found))):
        pair = (found.labels, found.train_labels)
        labels = ["–" if of is None else class_name(names, of[at]) for of in pair]
        told = (found.near(at), number(int(found.distances[at])), f"{found.expected[at]:.2g}")
        rows.append((str(at + 1), str(found.ids[at]), str(found.train_ids[at]), *labels, *told))
    note = (
        f"The local ratio: distance to the nearest training example over that to the {found.k}th nearest, in "
        f"{found.bits:,} bits of {found.layer}. Suspected: {found.threshold:.3f} or less. Expected: how many of "
        f"{len(found):,} ordinary examples would have such a ratio. {found.told_copies}{found.told_views}"
    )
    columns = ("rank", "test id", "train id", "label", "train label", "ratio", "distance", "expected")
    return table("Most suspicious", columns, rows, note, names=5)


def _label_table(issues: LabelIssues, names: tuple[str, ...]) -> Table:
    rows = [
        (
            str(at + 1),
            str(issues.ids[at]),
            class_name(names, issues.given[at]),
            class_name(names, issues.suggested[at]),
            number(float(issues.probability[at]), 3),
            number(None if issues.agreement is None else float(issues.agreement[at]), 3),
            number(None if issues.confidence is None else float(issues.confidence[at]), 3),
        )
        for at in range(min(SHOWN, len(issues)))
    ]
    note = (
        "Probability: that the label is wrong. Agreement: share of the nearest codes with the label. Confidence: what "
        "the network gives it."
    )
    columns = ("rank", "id", "label", "suggested", "probability", "agreement", "confidence")
    return table("Likeliest wrong", columns, rows, note, names=4)


def provenance_table(train: Provenance, test: Provenance) -> Table:
    """Return where the codes of train and of test come from, what is the same for both in one line."""
    rows = [("data", train.data, test.data)]
    for name, value in (
        ("network", "model"), ("parameters", "parameters_digest"), ("granularity", "granularity"), ("gates", "gates"),
        ("dtype", "dtype"), ("autocast", "autocast"), ("device", "device"), ("batch size", "batch_size"),
        ("threads", "threads"), ("seed", "seed"), ("torch", "torch_version"), ("hashlens", "hashlens_version"),
        ("output read as", "output"), ("depends on", "unsteady"),
    ):  # fmt: skip
        first, second = (str(getattr(origin, value)) for origin in (train, test))
        if first or second:
            rows.append((name, first, second))
    return table("Network, data and machine", ("", "train", "test"), rows, names=3)
