"""A page with one of every part, whose every string is hostile where it can be."""

import numpy as np

from hashlens.report.figures import (
    Bars,
    Contour,
    Heatmap,
    Histogram,
    Lines,
    Pieces,
    Rule,
    Scatter,
    Series,
    Shares,
    Tile,
)
from hashlens.report.page import Chart, Gallery, Item, Page, Prose, Section
from hashlens.report.sprite import Sprite
from hashlens.tables import table

HOSTILE = "<script>alert(1)</script>"
QUOTED = '"><img src=x onerror=alert(1)>&amp;{{ 7 * 7 }}'
POINTS, PAIRS, ROWS = 60, 40, 260


def sample_page(name: str = "a class") -> Page:
    """Return a page that says `name` wherever a user's own words can stand."""
    sprite = Sprite()
    images = [sprite.add(image) for image in stripes(POINTS + 2 * PAIRS)]
    numbers = Section("Numbers", (_few(name), _many(name)), f"What {name} says.")
    return Page(
        f"A page of {name}",
        f"train {name}, test digits#test; parameters 0123456789ab",
        "critically-expressive",
        f"{name} keeps 81.9% of the accuracy.",
        (
            Section("Map", (Prose(f"Codes of {name}."), Chart(scatter(name, images[:POINTS])))),
            Section("Pictures", tuple(map(Chart, pictures(name)))),
            Section(f"Pairs of {name}", (gallery(name, images[POINTS:]), Gallery("Nothing found", ("id",), ()))),
            numbers,
        ),
        (f"{name} was sampled", "and a note"),
        f"hashlens measure {name} --train digits#train --test digits#test --layers '*' --seed 0 --html a/path.html",
        sprite,
    )


def stripes(count: int) -> list[np.ndarray]:
    """Return images 8 by 8, each with its number in black and white pixels."""
    bits = (np.arange(count)[:, None] >> np.arange(8)) & 1
    return list(np.repeat(bits[:, None] * 255, 8, axis=1).astype(np.uint8))


def scatter(name: str, images: list[int]) -> Scatter:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(2, POINTS))
    texts = tuple(f"example {at}: {name}" for at in range(POINTS))
    groups = (name, "two", "three")
    return Scatter("Codes in the plane", "first", "second", x, y, np.arange(POINTS) % 3, groups, texts, tuple(images))


def pictures(name: str) -> tuple:
    """Return one figure of each other kind."""
    line = Series(name, (1.0, 10.0, 100.0), (0.5, 0.3, 0.1), (0.4, 0.2, 0.05), (0.6, 0.4, 0.15))
    tiles = tuple(
        Tile(column, row, (column + row) % 3, 0.4 + 0.3 * (column % 3), f"0.{column}{row}")
        for column in range(6)
        for row in range(4)
    )
    contour = Contour("R = .05", False, True, (((-0.5, 1.0), (5.5, 2.0)),))
    columns, rows = tuple(str(2**at) for at in range(6)), tuple(str(10**at) for at in range(4))
    colours = ("#D9793B", "#F2DDA0", "#4A8DBF")
    regimes = ("1: under-expressive", "2: critically", "3: sufficiently")
    return (
        Lines(f"Lines of {name}", name, "R", (line, Series("other", (1.0, 100.0), (0.2, 0.2))),
              (Rule("y", 0.05),), True),
        Bars(f"Bars of {name}", "accuracy", (name, "untrained"), (("K-NN", (0.9, 0.4)), (name, (0.8, None)))),
        Histogram(f"Distances of {name}", "distance", (0.0, 0.5, 1.0), ((name, (0.7, 0.3)), ("other", (0.2, 0.8)))),
        Heatmap(f"Phases of {name}", name, "epochs", columns, rows, tiles, colours, regimes, contours=(contour,),
                group_label="regime", text_label="R", pale_name="unsure", note=name),
        Shares("Shares", "threshold", "share of cells", (0.0, 0.5, 1.0),
               ((0.2, 0.3, 0.5), (0.3, 0.3, 0.2), (0.5, 0.4, 0.3)),
               regimes, colours, (Rule("x", 0.5, "as used"),)),
        Pieces(f"Pieces of {name}", "along", "y", (Series(name, (0.0, 1.0), (0.0, 1.0)),), (0.0, 1.0), ("#4477AA",)),
    )  # fmt: skip


def gallery(name: str, images: list[int]) -> Gallery:
    items = tuple(
        Item((images[2 * at], images[2 * at + 1]), f"test {at} | train {at + 7}: {name}", (str(at), f"{name}, {at}"))
        for at in range(PAIRS)
    )
    return Gallery("The network cannot tell these apart", ("id", "said"), items, f"Pairs of {name}.")


def _few(name: str):
    rows = [(name, "0.9500", "0.8167 to 0.8944"), ("not suspected as leaked", "0.8583", "–")]
    return table(f"A table of {name}", (name, "accuracy", "interval"), rows, "Intervals: 95%.")


def _many(name: str):
    columns = ("id", "label", *(f"measure {at}" for at in range(9)))
    rows = [(str(at), name, *(f"{at / 7:.4f}",) * 9) for at in range(ROWS)]
    return table("A long table", columns, rows, names=2)
