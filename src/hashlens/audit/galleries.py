"""Galleries of an audit: the suspicious examples, to inspect, tick and export as a list."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hashlens.audit.audit import Audit
from hashlens.audit.blind_spots import BlindSpots
from hashlens.audit.label_issues import LabelIssues
from hashlens.audit.leaks import Leaks
from hashlens.audit.novel_items import NovelItems
from hashlens.data.examples import Examples
from hashlens.data.labels import NO_LABEL, class_name
from hashlens.data.thumbnails import thumbnails
from hashlens.report.page import Gallery, Item
from hashlens.report.sprite import Sprite

LISTED = 96
"""Largest number of items in a gallery."""
LISTED_UNFLAGGED = 12
"""Number of items in a gallery where nothing is flagged: the first of the ranking."""
Rows = npt.NDArray[np.int64]


def leak_gallery(leaks: Leaks, audit: Audit, sprite: Sprite) -> Gallery:
    """Return a gallery of test examples, each with the training example nearest to it."""
    count, note = _listed_count(leaks.suspected, len(leaks), "suspected", "leaks")
    train, test = _data(audit)
    images = _paired_image_positions(sprite, (test, leaks.rows[:count]), (train, leaks.train_rows[:count]))
    exact, items = leaks.exact, []
    columns, cells = leaks.page_rows(
        ("rank", "id", "row", "train_id", "train_row", "label", "train_label", "ratio"), count
    )
    for i in range(count):
        labels = _labels(leaks, i, audit.class_names)
        match = "the same input" if exact[i] else "the same code" if leaks.identical[i] else f"ratio {leaks.match(i)}"
        label = labels[0] if labels[0] == labels[1] else " | ".join(labels)
        caption = _lines(f"{i + 1}. test {leaks.ids[i]}", f"train {leaks.train_ids[i]}", label, match)
        items.append(Item(images[i], caption, cells[i]))
    return Gallery(f"Test | training example: {leaks.suspected:,} suspected", columns, tuple(items), note, "leaks")


def label_gallery(issues: LabelIssues, split: str, audit: Audit, sprite: Sprite) -> Gallery:
    """Return a gallery of the labels that are likely wrong, each with the suggested one."""
    name = f"label-issues-{split}"
    # More labels may be expected to be wrong than have a probability above one half.
    suggested_count = max(issues.likely, round(issues.expected), LISTED_UNFLAGGED)
    count = min(suggested_count, LISTED, len(issues))
    note = f"The first {count} of the ranking; {name}.csv, which to_csv(folder) writes, has all {len(issues):,}."
    images = _image_positions(sprite, _data(audit)[split == "test"], issues.rows[:count])
    columns, cells = issues.page_rows(("rank", "id", "row", "given", "suggested", "probability"), count)
    items = []
    for i in range(count):
        given, suggested = (class_name(audit.class_names, names[i]) for names in (issues.given, issues.suggested))
        chance = float(issues.probability[i])
        caption = _lines(f"{i + 1}. {split} {issues.ids[i]}", f"{given} → {suggested}", f"wrong: {_share(chance)}")
        items.append(Item(images[i], caption, cells[i]))
    title = f"Label → suggested label: {issues.likely:,} more likely wrong than right"
    return Gallery(title, columns, tuple(items), note, name)


def blind_gallery(spots: BlindSpots, audit: Audit, sprite: Sprite) -> Gallery:
    """Return a gallery of the blind spots."""
    count, note = _listed_count(spots.blind, len(spots), "blind", "blind-spots")
    images = _image_positions(sprite, _data(audit)[1], spots.rows[:count])
    columns, cells = spots.page_rows(("rank", "id", "row", "label", "predicted", "agreement"), count)
    items = []
    for i in range(count):
        label, predicted = (class_name(audit.class_names, names[i]) for names in (spots.labels, spots.predicted))
        votes = f"{round(spots.k * float(spots.agreement[i]))} of {spots.k} neighbours"
        caption = _lines(f"{i + 1}. test {spots.ids[i]}", f"{label} → {predicted}", votes)
        items.append(Item(images[i], caption, cells[i]))
    title = f"Label → prediction: {spots.blind:,} blind of {len(spots):,} mistakes"
    return Gallery(title, columns, tuple(items), note, "blind-spots")


def novel_gallery(novel: NovelItems, audit: Audit, sprite: Sprite) -> Gallery:
    """Return a gallery of the novel test examples."""
    count, note = _listed_count(novel.novel, len(novel), "novel", "novel")
    images = _image_positions(sprite, _data(audit)[1], novel.rows[:count])
    issues = audit.label_issues.test
    labels = dict(zip(issues.rows.tolist(), issues.given.tolist(), strict=True))  # only of labelled rows
    columns, cells = novel.page_rows(("rank", "id", "row", "score", "p_value"), count)
    items = []
    for i in range(count):
        label = class_name(audit.class_names, labels.get(int(novel.rows[i]), NO_LABEL))
        score = f"score {novel.scores[i]:.3f}"
        caption = _lines(f"{i + 1}. test {novel.ids[i]}", label, score)
        items.append(Item(images[i], caption, (*cells[i][:3], label, *cells[i][3:])))
    columns = (*columns[:3], "label", *columns[3:])
    return Gallery(f"Unlike training: {novel.novel:,} novel", columns, tuple(items), note, "novel")


def _listed_count(flagged: int, ranked: int, adjective: str, name: str) -> tuple[int, str]:
    """Return the number of items to list, and a note on those left out."""
    file_note = f"{name}.csv, which to_csv(folder) writes, ranks all {ranked:,}."
    if flagged > LISTED:
        return LISTED, f"The first {LISTED} of {flagged:,} that are {adjective}; {file_note}"
    if flagged:
        return flagged, f"All that are {adjective}; {file_note}"
    count = min(LISTED_UNFLAGGED, ranked)
    return count, f"None is {adjective}; these are the first {count} of the ranking." if count else ""


def _data(audit: Audit) -> tuple[Examples | None, Examples | None]:
    return (None, None) if audit.data is None else (audit.data.train, audit.data.test)


def _image_positions(sprite: Sprite, examples: Examples | None, rows: Rows) -> list[tuple[int, ...]]:
    positions = sprite.add_all(thumbnails(examples, rows))
    return [(position,) for position in positions] if positions else [()] * len(rows)


def _paired_image_positions(
    sprite: Sprite, first: tuple[Examples | None, Rows], second: tuple[Examples | None, Rows]
) -> list[tuple[int, ...]]:
    left, right = _image_positions(sprite, *first), _image_positions(sprite, *second)
    # A picture is shown only if both examples of the pair have one.
    return [(*a, *b) if a and b else () for a, b in zip(left, right, strict=True)]


def _labels(leaks: Leaks, i: int, names: Sequence[str]) -> tuple[str, str]:
    if leaks.labels is None or leaks.train_labels is None:
        return "", ""
    return class_name(names, leaks.labels[i]), class_name(names, leaks.train_labels[i])


def _share(chance: float) -> str:
    return "> 99.9%" if chance > 0.999 else f"{chance:.1%}"


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
