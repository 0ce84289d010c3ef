"""The figure data of explanations: saliency over images, signed bars, coloured words, and generated inputs."""

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hashlens.errors import ExplainError
from hashlens.explanations.signals import signal_lines
from hashlens.report.figures import Bars, Figure, Pixels, Words
from hashlens.report.images import signed_colours

if TYPE_CHECKING:
    from hashlens.explanations.comparison import ExplanationComparison
    from hashlens.explanations.explanation import Explanation

Floats = npt.NDArray[np.float64]
SHOWN = 4
"""Number of examples drawn."""
GRID, COLUMNS = 64, 8
"""Number of images in a grid, and number in a row."""
PARTS = 12
"""Number of features drawn."""
LONGEST, TITLE = 40, 52
"""Largest number of characters of the name of an interaction, and of a line of a title."""
CLIPPED = 99.0
"""Percentile of the absolute values at which the colour scale ends, so that one pixel does not make others white."""


def explanation_figures(explanation: "Explanation") -> tuple[Figure, ...]:
    """Return the figures of an explanation, one for each of its first examples; for images made from noise, a grid."""
    made = explanation.image is not None and explanation.inputs is None
    if made and explanation.kind != "signal" and len(explanation) > 1:
        return (_grid(explanation),)
    shown = [_pictures(explanation, row) for row in range(min(SHOWN, len(explanation)))]
    return tuple(figure for figures in shown for figure in figures)


def _pictures(explanation: "Explanation", row: int) -> tuple[Figure, ...]:
    if explanation.kind == "signal":
        lines = signal_lines(explanation, row, title := "\n".join(wrap(_title(explanation, row), TITLE)))
        if explanation.rule is not None:
            return (*lines, _rule(explanation, title))
        return (*lines, _bars(explanation, row, title)) if explanation.features else lines
    if explanation.image is not None:
        return (_generated_image(explanation, row),)
    title = "\n".join(wrap(_title(explanation, row), TITLE))
    if explanation.kind in ("image", "spectrogram") and explanation.inputs is not None:
        pictures: tuple[Figure, ...] = (_saliency_panels(explanation, row, title),)
        if explanation.rule is not None:
            return (*pictures, _rule(explanation, title))
        return (*pictures, _bars(explanation, row, title)) if explanation.features else pictures
    bars = _bars(explanation, row, title) if explanation.rule is None else _rule(explanation, title)
    if explanation.kind == "text" and explanation.features:
        return _words(explanation, row, title), bars
    return (bars,)


def _title(explanation: "Explanation", row: int) -> str:
    if "maximised" in explanation.diagnostics:
        return f"{_layer_title(explanation)}: {_objective_name(explanation, row)}"
    if explanation.image is not None and "layer" in explanation.diagnostics:
        return _layer_title(explanation)
    method = explanation.method.replace("_", " ")
    if method == "contrast":
        turned = np.atleast_1d(explanation.diagnostics["turns_to_class"])
        return f"{method}: {explanation.class_name(row)}, then {explanation.name_of(int(turned[row]))}"
    return f"{method}: {explanation.class_name(row)}" if row < len(explanation.target) else method


def _objective_name(explanation: "Explanation", row: int) -> str:
    names = explanation.diagnostics.get("maximised", str(row))
    return str(names[row] if isinstance(names, list) else names)


def _layer_title(explanation: "Explanation") -> str:
    layer = explanation.diagnostics.get("layer")
    return explanation.method.replace("_", " ") + (f" of {layer}" if layer else "")


def _grid(explanation: "Explanation") -> Pixels:
    """Return a grid of images that were made from noise, such as those of a layer's filters."""
    assert explanation.image is not None
    rows = range(min(GRID, len(explanation)))
    panels = tuple(as_pixels(explanation.image[row]) for row in rows)
    names = tuple(_objective_name(explanation, row) for row in rows)
    return Pixels(_layer_title(explanation), names, panels, columns=COLUMNS if len(rows) > COLUMNS else len(rows))


def as_pixels(image: Floats) -> Floats:
    """Return an image ``(c, h, w)`` or ``(h, w)`` scaled to 0 to 1: grey ``(h, w)``, or colour ``(h, w, 3)``."""
    array = np.asarray(image, np.float64)
    array = array[None] if array.ndim == 2 else array
    array = array.transpose(1, 2, 0) if len(array) == 3 else array.mean(axis=0)
    low, high = float(array.min()), float(array.max())
    return np.asarray((array - low) / (high - low if high > low else 1.0))


def _saliency_panels(explanation: "Explanation", row: int, title: str) -> Pixels:
    assert explanation.inputs is not None
    image = as_pixels(explanation.inputs[row])
    # A map over time alone is repeated for each row of a spectrogram.
    weights = np.broadcast_to(saliency(explanation, row), image.shape[:2])
    colours = signed_colours(weights)
    grey = image if image.ndim == 2 else image.mean(axis=2)
    overlay = (0.35 + 0.65 * grey[:, :, None]) * colours
    panels = [image, colours, overlay]
    names = ["input", "values", "values over input"]
    if explanation.segments is not None:
        panels.append(_draw_outlines(image, explanation.segments))
        names.append("parts")
    return Pixels(title, tuple(names), tuple(panels), "blue: against", "red: for the class")


def saliency(explanation: "Explanation", row: int) -> Floats:
    """Return values of an image by position, ``(h, w)``, summed over channels and scaled to -1 to 1."""
    values = np.asarray(explanation.values[row], np.float64)
    if explanation.segments is not None:
        values = values[explanation.segments]
    if values.ndim == 3:
        values = values.sum(axis=0)
    size = np.abs(values)
    end = float(np.percentile(size, CLIPPED)) or float(size.max())
    return np.asarray(np.clip(values / end, -1, 1) if end else values)


def _draw_outlines(image: Floats, segments: npt.NDArray[np.int64]) -> Floats:
    """Return an image with the boundaries of its segments."""
    result = np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image.copy()
    edge = np.zeros(segments.shape, np.bool_)
    edge[:-1] |= segments[:-1] != segments[1:]
    edge[:, :-1] |= segments[:, :-1] != segments[:, 1:]
    result[edge] = (0.90, 0.62, 0.0)
    return result


def _generated_image(explanation: "Explanation", row: int) -> Pixels:
    assert explanation.image is not None
    made = as_pixels(explanation.image[row])
    if explanation.inputs is None or explanation.inputs[row].shape != explanation.image[row].shape:
        return Pixels(_title(explanation, row), ("generated image",), (made,))
    panels = [as_pixels(explanation.inputs[row]), made]
    names = ["input", "generated image"]
    if explanation.method == "contrast":
        panels.append(signed_colours(saliency(explanation, row)))
        names[1:] = ["after the change", "change"]
    return Pixels(_title(explanation, row), tuple(names), tuple(panels))


def _rule(explanation: "Explanation", title: str) -> Bars:
    """Return a figure of a rule's precision with its interval, and its coverage."""
    rule = explanation.rule
    assert rule is not None
    rule_text = "\n".join(wrap(f"if {rule}{explanation.shortfall}", TITLE))
    values = (("share", (rule.precision, rule.coverage)),)
    return Bars(f"{title}\n{rule_text}", f"share; {rule.confidence:.0%} interval", ("precision", "coverage"), values,
                ((rule.interval, None),), number_format="{:.1%}")  # fmt: skip


def _bars(explanation: "Explanation", row: int, title: str) -> Bars:
    parts = explanation.top(PARTS, row)
    joined = [
        (_joined_name([explanation.features[feature] for feature in term.features]), term.weight)
        for term in explanation.interactions
    ]
    ranked = sorted((*parts, *joined), key=lambda part: -abs(part[1]))[:PARTS]
    # Parts with a value of 0 were not chosen, and are left out.
    ranked = [part for part in ranked if part[1]] or ranked
    base = explanation.diagnostics.get("base_value")
    if base is not None:
        return _waterfall(explanation, row, ranked, float(np.atleast_1d(base)[row if np.size(base) > 1 else 0]), title)
    names, values = zip(*ranked, strict=True) if ranked else ((), ())
    value = "change" if explanation.method == "contrast" else "value"
    return Bars(title, value, tuple(names), ((value, tuple(values)),), number_format="{:.3g}", reach=0.0,
                signed=True)  # fmt: skip


def _joined_name(names: Sequence[str]) -> str:
    """Return the name of an interaction; long names are shortened in the middle, so that each part stays visible."""
    most = LONGEST // len(names) - len(" and ")
    return " and ".join(name if len(name) <= most else f"{name[: most // 2]}…{name[1 - most // 2 :]}" for name in names)


def _waterfall(explanation: "Explanation", row: int, ranked: list[tuple[str, float]], base: float, title: str) -> Bars:
    """Return a waterfall figure: the shares end to end, from the base value to the prediction."""
    total = float(np.asarray(explanation.values[row], np.float64).sum())
    left = len(explanation.features) - len(ranked)
    if left > 0:
        ranked = [*ranked, (f"{left} other{'s' * (left > 1)}", total - sum(value for _, value in ranked))]
    names, values = zip(*ranked, strict=True)
    output = str(explanation.diagnostics.get("output", "value"))
    return Bars(title, f"{output}: {base:.3g} with all parts replaced, {base + total:.3g} with all parts present",
                tuple(names),
                (("share", tuple(values)),), number_format="{:+.3g}", signed=True, start=base)  # fmt: skip


def _words(explanation: "Explanation", row: int, title: str) -> Words:
    weights = dict(zip(explanation.features, np.asarray(explanation.values[row], np.float64).tolist(), strict=True))
    largest = max(map(abs, weights.values()), default=0.0) or 1.0
    words = tuple(explanation.texts[row].split())
    shares = [_weight(word, weights) / largest for word in words]
    return Words(title, words, tuple(shares))


def _weight(word: str, weights: Mapping[str, float]) -> float:
    """Return the weight of a piece of text between two spaces: its own, or the largest of the words in it."""
    from hashlens.explanations.perturbed import WORD

    inside = [weights.get(part, weights.get(part.lower(), 0.0)) for part in WORD.findall(word)]
    return weights[word] if word in weights else max(inside, key=abs, default=0.0)


def comparison_figures(comparison: "ExplanationComparison") -> tuple[Figure, ...]:
    """Return a panel for each metric: means with one standard error to each side."""
    from hashlens.explanations.metrics import METRICS

    figures = []
    for metric in comparison.metrics:
        means = [comparison.mean(method, metric) for method in comparison.methods]
        if np.isnan(means).all():
            continue
        errors = [comparison.standard_error(method, metric) for method in comparison.methods]
        ends = tuple(
            None if np.isnan(mean) or np.isnan(error) else (mean - error, mean + error)
            for mean, error in zip(means, errors, strict=True)
        )
        values = tuple(None if np.isnan(mean) else mean for mean in means)
        label = f"{METRICS[metric].better} is better"
        figures.append(
            Bars(
                metric.replace("_", " "),
                label,
                comparison.methods,
                (("mean", values),),
                (ends,),
                number_format="{:,.0f}" if metric == "model_calls" else "{:.3g}",
                reach=0.0,
            )
        )
    return tuple(figures)


def side_by_side(explanations: Sequence["Explanation"], row: int = 0) -> Pixels:
    """Return a figure of one image beside its explanations by several methods.

    Parameters
    ----------
    explanations : sequence of Explanation
        Explanations of the same images.
    row : int
        Row of the image.
    """
    first = explanations[0]
    if first.inputs is None or any(explanation.kind != "image" for explanation in explanations):
        raise ExplainError("side_by_side draws explanations of images")
    panels = [
        as_pixels(first.inputs[row]),
        *(signed_colours(saliency(explanation, row)) for explanation in explanations),
    ]
    names = ("input", *(explanation.method.replace("_", " ") for explanation in explanations))
    return Pixels(first.class_name(row), names, tuple(panels), "blue: against", "red: for the class")
