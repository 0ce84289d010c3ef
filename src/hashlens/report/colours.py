"""Colours of classes, codes and numbers; if they are few, colour-blind readers can distinguish them."""

from colorsys import hls_to_rgb

FILLS = (
    "#77AADD", "#EE8866", "#BBCC33", "#FFAABB", "#44BB99", "#EEDD88", "#99DDFF", "#AAAA00", "#C9A6D6", "#CCCCCC",
)  # fmt: skip
"""Paul Tol's light palette with an added purple; pale enough for black lines on top."""
GOLDEN = 0.618034
"""Golden ratio: steps of this share of the colour circle keep any number of hues apart."""
HUES, SHADES = 16, (0.58, 0.70, 0.82)
LEVELS = 128
PALEST = 0.35
"""Share of its own colour in the palest colour; `phase.js` has the same number."""


def class_colours(count: int) -> tuple[str, ...]:
    """Return the fill colours of `count` classes; the first ten are the same in every picture."""
    if count <= len(FILLS):
        return FILLS[:count]
    return tuple(_hue(i * GOLDEN % 1, SHADES[i % len(SHADES)]) for i in range(count))


def code_colours() -> tuple[str, ...]:
    """Return fill colours without meaning; a hash of a code chooses one, so that different codes look different."""
    return tuple(_hue(hue / HUES, lightness) for hue in range(HUES) for lightness in SHADES)


def scale_colours() -> tuple[str, ...]:
    """Return a perceptually uniform scale of colours for numbers, from dark to light."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return tuple(to_hex(colormaps["viridis"]((level + 0.5) / LEVELS)) for level in range(LEVELS))


def pale(colour: str, opacity: float) -> tuple[float, float, float]:
    """Return a colour ``#rrggbb`` mixed with white according to `opacity`, as red, green and blue from 0 to 1.

    It never gets so pale that it cannot be seen, or that dark text on it cannot be read on a dark page.
    """
    strength = PALEST + (1 - PALEST) * opacity
    red, green, blue = (1 - strength * (1 - int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return red, green, blue


def _hue(hue: float, lightness: float) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in hls_to_rgb(hue, lightness, 0.45))
