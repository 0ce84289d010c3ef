"""Drawing of images side by side, and of texts with coloured words."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hashlens.report.figures import Pixels, Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]
SIDE, SMALL = 2.1, 1.2
"""Side of a panel, and of a panel in a grid, in inches."""
GAP, PITCH = 0.04, 1.2
"""Gap between panels, and distance from one row to the next, in heights of a panel."""
AGAINST_COLOUR, FOR_COLOUR = (0.13, 0.40, 0.67), (0.70, 0.09, 0.17)
"""Blue for evidence against a class, red for evidence for it; colour-blind readers can distinguish them."""
LETTER = 0.09
"""Width of a letter of a title, in inches."""
CHARACTERS = 60
"""Number of characters in a line of text."""


def signed_colours(values: Floats) -> Floats:
    """Return colours ``(..., 3)`` of values from -1 to 1: blue, white at 0, red."""
    size = np.abs(np.clip(values, -1, 1))[..., None]
    ends = np.where((values >= 0)[..., None], np.array(FOR_COLOUR), np.array(AGAINST_COLOUR))
    result: Floats = 1 - size * (1 - ends)
    return result


def pixels_size(figure: Pixels) -> tuple[float, float]:
    """Return the preferred width and height of the panels, in inches."""
    side = SMALL if figure.columns else SIDE
    rows = _rows(figure)
    widths = [sum(figure.panels[index].shape[1] / figure.panels[index].shape[0] for index in row) for row in rows]
    title = LETTER * max(map(len, figure.title.splitlines()), default=0)
    return max(side * max(widths) + 0.2, title), side * (1 + (len(rows) - 1) * PITCH) + 0.75


def draw_pixels(axes: "Axes", figure: Pixels) -> None:
    """Draw images side by side in rows, all scaled to the same height."""
    axes.set_axis_off()
    right, base = 0.0, 0.0
    for number, row in enumerate(_rows(figure)):
        left, base = 0.0, -number * PITCH
        for index in row:
            panel = figure.panels[index]
            width = panel.shape[1] / panel.shape[0]
            extent = (left, left + width, base, base + 1)
            axes.imshow(panel, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
            axes.text(left, base - 0.03, figure.names[index], va="top", ha="left", fontsize=8, parse_math=False)
            left += width + GAP
        right = max(right, left - GAP)
    if figure.low:
        ramp = signed_colours(np.linspace(-1, 1, 64))[None]
        axes.imshow(ramp, extent=(0.0, 0.5, base - 0.2, base - 0.155), aspect="auto")
        axes.text(0.53, base - 0.1775, f"{figure.low} to {figure.high}", va="center", fontsize=7)
    axes.set_aspect("equal", anchor="W")
    axes.set_xlim(0, right)
    axes.set_ylim(base - (0.22 if figure.low else 0.12), 1)


def _rows(figure: Pixels) -> list[range]:
    """Return the positions of the panels in each row."""
    n = len(figure.panels)
    step = figure.columns or n
    return [range(start, min(start + step, n)) for start in range(0, n, step)]


def draw_words(axes: "Axes", figure: Words) -> None:
    """Draw a text line by line, each word on its background colour."""
    axes.set_axis_off()
    lines: list[list[int]] = [[]]
    length = 0
    for index, word in enumerate(figure.words):
        if length and length + len(word) > CHARACTERS:
            lines.append([])
            length = 0
        lines[-1].append(index)
        length += len(word) + 1
    step = 1 / max(len(lines), 6)
    for row, line in enumerate(lines):
        place = 0.0
        for index in line:
            colour = tuple(signed_colours(np.array(figure.weights[index])))
            box = {"facecolor": colour, "edgecolor": "none", "pad": 1.5}
            ink = "white" if abs(figure.weights[index]) > 0.6 else "black"
            axes.text(place, 1 - (row + 0.5) * step, figure.words[index], family="monospace", fontsize=8, color=ink,
                      bbox=box, va="center", parse_math=False)  # fmt: skip
            place += (len(figure.words[index]) + 1) / CHARACTERS
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
