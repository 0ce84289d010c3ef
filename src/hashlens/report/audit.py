"""The page of an audit: the accuracy first, then what is wrong, with the examples to look at."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hashlens.audit.audit import Audit
from hashlens.audit.layer_choice import scores_table
from hashlens.audit.leaks import Leaks
from hashlens.data.examples import Examples
from hashlens.files import written_whole
from hashlens.tables import Table, number, table
from hashlens.version import __version__

SHOWN = 20
"""Rows of each table."""
PICTURED = 12
"""Examples of each gallery."""
COLUMNS = 6
Rows = npt.NDArray[np.int64]
Image = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Shown:
    """One tile of a gallery: an image, or a pair side by side, and a line below."""

    images: tuple[Image, ...]
    caption: str


def write_audit_page(audit: Audit, path: str | Path) -> Path:
    """Write an audit as one HTML file that fetches nothing, and return its path."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(loader=PackageLoader("hashlens.report", "html"), autoescape=True, undefined=StrictUndefined)
    train, test = audit.provenance.train, audit.provenance.test
    text = pages.get_template("page.html.jinja").render(
        title=f"{audit.model}: its test accuracy, audited",
        subtitle=(
            f"train {train.data}, test {test.data}; parameters {train.parameters_digest[:12]}, {train.dtype} on "
            f"{train.device}, batch {train.batch_size}, seed {train.seed}"
        ),
        verdict=str(audit.accuracy),
        reason=_reason(audit),
        pictures=[{"title": title, "data": _png(title, tiles)} for title, tiles in _galleries(audit) if tiles],
        tables=audit_tables(audit),
        notes=(*audit.label_issues.train.notes, *audit.notes),
        version=__version__,
    )
    with written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8")
    return Path(path)


def audit_tables(audit: Audit) -> tuple[Table, ...]:
    """Return the tables of an audit: accuracy, leaks, labels of test and of train, blind spots, novel examples."""
    names = _names(audit)
    return (
        audit.accuracy.__rich__(),
        *_leak_tables(audit, names),
        _label_table(audit, names, "test"),
        _label_table(audit, names, "train"),
        _blind_table(audit, names),
        _novel_table(audit),
    )


def _reason(audit: Audit) -> str:
    found, issues = audit.leaks, audit.label_issues.test
    leaked = (
        "Leaks could not be looked for (see the notes)"
        if found is None
        else f"{found.suspected:,} test examples are suspected near-duplicates of training examples "
        f"({found.expected_false:g} expected by chance)"
    )
    return (
        f"{leaked}; {issues.likely:,} test labels are rather wrong than right; "
        f"{audit.blind_spots.blind:,} of {len(audit.blind_spots):,} mistakes are blind spots; "
        f"{audit.novel.novel:,} test examples are novel."
    )


def _names(audit: Audit) -> tuple[str, ...]:
    given = audit.data.train.class_names if audit.data is not None else None
    return given or ()


def _name(names: Sequence[str], label: int) -> str:
    return names[label] if label < len(names) else str(label)


def _leak_tables(audit: Audit, names: Sequence[str]) -> tuple[Table, ...]:
    found = audit.leaks
    if found is None:
        return ()
    shown = range(min(SHOWN, found.suspected))
    rows = []
    for at in shown:
        pair = (found.labels, found.train_labels)
        labels = (
            ("–", "–") if pair[0] is None or pair[1] is None else (_name(names, pair[0][at]), _name(names, pair[1][at]))
        )
        rows.append(
            (str(at + 1), str(found.ids[at]), str(found.train_ids[at]), *labels, number(float(found.ratios[at]), 3),
             f"{found.expected[at]:.2g}")
        )  # fmt: skip
    note = (
        f"The local ratio: distance to the nearest training example over that to the {found.k}th nearest, in "
        f"{found.bits:,} bits of {found.layer}. Suspected: {found.threshold:.3f} or less; {found.expected_false:g} of "
        f"{len(found):,} ordinary examples would be."
    )
    columns = ("rank", "test id", "train id", "label", "train label", "ratio", "expected")
    ranked = table(f"Leaks: {found.suspected:,} suspected", columns, rows, note, names=3)
    return ranked, scores_table(found.layers, found.layer)


def _label_table(audit: Audit, names: Sequence[str], split: str) -> Table:
    issues = getattr(audit.label_issues, split)
    rows = [
        (
            str(at + 1),
            str(issues.ids[at]),
            _name(names, issues.given[at]),
            _name(names, issues.suggested[at]),
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
    title = f"Labels of {split}: {issues.likely:,} rather wrong than right, {issues.expected:,.0f} expected"
    return table(title, columns, rows, note, names=2)


def _blind_table(audit: Audit, names: Sequence[str]) -> Table:
    spots = audit.blind_spots
    rows = [
        (_name(names, label), _name(names, predicted), number(mistakes), number(blind))
        for label, predicted, mistakes, blind in spots.pairs[:SHOWN]
    ]
    plain = spots.__rich__()
    return table(plain.title, plain.columns, rows, plain.note, names=2)


def _novel_table(audit: Audit) -> Table:
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
    return table(f"Novel: {novel.novel:,} test examples", ("rank", "id", "score", "p"), rows, note, names=2)


def _galleries(audit: Audit) -> list[tuple[str, list[Shown]]]:
    """Return what there is to look at; nothing where examples are no images."""
    if audit.data is None:
        return []
    train, test, names = audit.data.train, audit.data.test, _names(audit)
    found, issues, novel = audit.leaks, audit.label_issues.test, audit.novel
    leaked = [] if found is None else _pairs(found, train, test)
    wrong = issues.rows[: min(PICTURED, max(issues.likely, COLUMNS))]
    captions = [f"{_name(names, issues.given[at])}? {_name(names, issues.suggested[at])}" for at in range(len(wrong))]
    spots = audit.blind_spots
    blind = spots.rows[: min(PICTURED, spots.blind)]
    taken = [f"{_name(names, spots.labels[at])}, not {_name(names, spots.predicted[at])}" for at in range(len(blind))]
    odd = novel.rows[: min(PICTURED, novel.novel)]
    return [
        ("Suspected leaks: test image | training image", leaked),
        ("Test labels that are likely wrong: label? suggestion", _tiles(test, wrong, captions)),
        ("Blind spots: label, not prediction", _tiles(test, blind, taken)),
        ("Novel test examples", _tiles(test, odd, [str(at) for at in novel.ids[: len(odd)]])),
    ]


def _pairs(found: Leaks, train: Examples, test: Examples) -> list[Shown]:
    pairs = []
    for at in range(min(PICTURED, found.suspected)):
        images = (*_images(test, found.rows[[at]]), *_images(train, found.train_rows[[at]]))
        if len(images) == 2 and images[0].shape == images[1].shape:
            pairs.append(Shown(images, f"{found.ids[at]} | {found.train_ids[at]}"))
    return pairs


def _tiles(examples: Examples, rows: Rows, captions: Sequence[str]) -> list[Shown]:
    images = _images(examples, rows)
    return [Shown((image,), caption) for image, caption in zip(images, captions, strict=len(images) > 0)]


def _images(examples: Examples, rows: Rows) -> list[Image]:
    """Return examples as images ``(h, w)`` or ``(h, w, 3)`` from 0 to 1, or nothing where they are none."""
    images = []
    for row in rows.tolist():
        batch = next(iter(examples.narrow(row, row + 1).batches(1)))
        pixels = np.asarray(batch.inputs[0].detach().cpu().float())
        if pixels.ndim == 3 and pixels.shape[0] in (1, 3):
            pixels = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
        if pixels.ndim not in (2, 3) or pixels.shape[-1] < 2:
            return []
        low, high = float(pixels.min()), float(pixels.max())
        pixels = (pixels - low) / (high - low if high > low else 1.0)
        images.append(pixels.astype(np.float32))
    return images


def _png(title: str, tiles: Sequence[Shown]) -> str:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(tiles) // COLUMNS)
    canvas = Figure(figsize=(1.25 * COLUMNS, 0.4 + 1.35 * rows), layout="constrained")
    FigureCanvasAgg(canvas)
    canvas.suptitle(title, x=0.01, ha="left", fontsize=10)
    panels = canvas.subplots(rows, COLUMNS, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, tile in zip(panels, tiles, strict=False):
        whole = np.concatenate(_beside(tile.images), axis=1)
        panel.imshow(whole, cmap="gray", interpolation="nearest", vmin=0, vmax=1)
        panel.set_title(tile.caption, fontsize=7, pad=2)
    picture = io.BytesIO()
    canvas.savefig(picture, format="png", dpi=110)
    return base64.b64encode(picture.getvalue()).decode()


def _beside(images: Sequence[Image]) -> list[Image]:
    """Return images with a white line between them."""
    first = images[0]
    line = np.ones((first.shape[0], max(1, first.shape[1] // 16), *first.shape[2:]), first.dtype)
    return [part for position, image in enumerate(images) for part in ((line, image) if position else (image,))]
