"""A plane in the format of the first version of ``hashlens regions plane``: polygons without affine maps."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from hashlens.nets.output import Output
from hashlens.regions.figures import gradient_colours
from hashlens.regions.plane import plane_sentences
from hashlens.report.figures import Polygons
from hashlens.report.page import Page
from hashlens.result import Result
from hashlens.tables import number, table


@dataclass(frozen=True)
class SavedRegion:
    """One region: the fingerprint of its code, area, class in its middle, norm of the gradient, and corners."""

    code: str
    area: float
    predicted: int
    gradient_norm: float
    corners: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class SavedPlane(Result):
    """A plane stored as polygons only: the result of reading files of the kind ``PlaneTable``.

    Attributes
    ----------
    count, edges, vertices : int
        Numbers of regions, edges and vertices.
    sampled, per_side : int or None
        Number of regions that a grid with `per_side` points per side finds.
    box : tuple of float
        Bounds of s and t: ``(left, right, bottom, top)``.
    boundary_length : float
        Length of the decision boundary.
    regions : tuple of SavedRegion
        All regions.
    """

    count: int
    sampled: int | None
    per_side: int | None
    box: tuple[float, float, float, float]
    edges: int
    vertices: int
    boundary_length: float
    regions: tuple[SavedRegion, ...]

    @property
    def read_as(self) -> Output:
        """How the output was read: as scores of classes, since files of this kind are of networks that classify."""
        return Output("logits", "")

    def figures(self) -> tuple[Polygons, ...]:
        """Return the regions, coloured by the norm of the gradient."""
        outlines = [np.array(region.corners) for region in self.regions]
        areas, norms = (
            np.array([getattr(region, name) for region in self.regions]) for name in ("area", "gradient_norm")
        )
        shade, palette, scale = gradient_colours(norms, areas)
        sides = {
            tuple(sorted(side)) for region in self.regions for side in pairwise((*region.corners, region.corners[0]))
        }  # each edge belongs to two regions
        result = f"{self.count:,} linear region{'s' if self.count > 1 else ''}"
        return (
            Polygons(
                title=result if self.sampled is None else f"{result} ({self.sampled:,} found by sampling)",
                x_label="s",
                y_label="t",
                box=self.box,
                equal=True,
                corners=np.concatenate(outlines),
                starts=np.cumsum([0, *map(len, outlines)]),
                shade=shade,
                face=np.arange(len(outlines)),
                palette=palette,
                names=(),
                classes=(),
                scale=scale,
                edges=np.array(sorted(sides)),
                boundary=np.zeros((0, 2, 2)),
                boundary_name="",
            ),
        )

    def page(self) -> Page:
        """Return the page of the plane; without its network there are no affine maps."""
        from hashlens.regions.page import saved_plane_page

        return saved_plane_page(self)

    def __rich__(self) -> RenderableType:
        rows = [("regions", number(self.count)), ("edges", number(self.edges)), ("vertices", number(self.vertices))]
        left, right, bottom, top = self.box
        title = f"Linear regions in [{left:g}, {right:g}] x [{bottom:g}, {top:g}]"
        return Group(table(title, ("", ""), rows), *map(Text, plane_sentences(self)))
