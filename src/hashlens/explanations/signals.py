"""The figure data of explanations of signals: the signal and the values as lines over time."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hashlens.report.figures import COLOURS, Lines, Rule, Series

if TYPE_CHECKING:
    from hashlens.explanations.explanation import Explanation

Floats = npt.NDArray[np.float64]
POINTS = 1000
"""Number of points of a line; for longer signals, the value farthest from zero in each stretch is drawn."""


def signal_lines(explanation: "Explanation", row: int, title: str) -> tuple[Lines, ...]:
    """Return lines over time of a signal, of the signal generated from it, and of the values.

    If there are more channels than colours, the channels with the largest values are drawn.
    """
    values = _values(explanation, row)
    drawn = [] if explanation.inputs is None else [("input", _channels(explanation.inputs[row]))]
    if explanation.image is not None:
        drawn.append(("after the change" if drawn else "made", _channels(explanation.image[row])))
    if explanation.inputs is not None:
        drawn.append(("value" if explanation.image is None else "change", values))
    count = len(drawn[0][1])
    size = np.abs(values).sum(axis=1) if len(values) == count else np.zeros(count)
    most = np.sort(np.argsort(-size, kind="stable")[: len(COLOURS)]).tolist()
    return tuple(
        _lines(title if i == 0 else name, name, channels, {place: f"channel {place}" for place in most}
               if len(channels) == count else {0: "all channels"})
        for i, (name, channels) in enumerate(drawn)
    )  # fmt: skip


def _values(explanation: "Explanation", row: int) -> Floats:
    """Return the value of each position, ``(c, l)``; ``(1, l)`` if the values are for all channels together."""
    values = np.asarray(explanation.values[row], np.float64)
    return _channels(values if explanation.segments is None else values[explanation.segments])


def _channels(array: "npt.ArrayLike") -> Floats:
    result = np.asarray(array, np.float64)
    return result.reshape(-1, result.shape[-1])


def _lines(title: str, y_label: str, channels: Floats, names: dict[int, str]) -> Lines:
    stretch = -(-channels.shape[1] // POINTS)
    label = "time (positions)" if stretch == 1 else f"time (positions; the value farthest from zero of each {stretch})"
    series = tuple(Series(name, *_thin(channels[channel], stretch)) for channel, name in names.items())
    return Lines(title, label, y_label, series, rules=(Rule("y", 0.0),), dense=True)


def _thin(line: Floats, stretch: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    starts = range(0, len(line), stretch)
    places = [start + int(np.argmax(np.abs(line[start : start + stretch]))) for start in starts]
    return tuple(map(float, places)), tuple(line[places].tolist())
