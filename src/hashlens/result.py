"""The small frozen base of every result."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, final

from rich.console import RenderableType

from hashlens.plain import plain_fields
from hashlens.report.blocks import blocks, notebook_html
from hashlens.report.figures import Figure
from hashlens.report.page import Page, write_page
from hashlens.report.plain_page import plain_page
from hashlens.terminal import printed

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

T = TypeVar("T")


@dataclass(frozen=True)
class Split(Generic[T]):
    """One thing for the training examples, and the same for the test examples."""

    train: T
    test: T


class Result:
    """Base of the frozen dataclasses that functions return.

    A subclass is a frozen dataclass. It may define ``__rich__`` for people, which also gives ``str()`` and what a
    notebook shows, ``figures`` for what is better seen than read, and ``page`` where its page is more than both. What
    `plot` and `to_html` are given goes to ``figures`` and ``page``: a picture and a page show the same.
    """

    schema_version: ClassVar[int] = 1

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain dicts, lists, strings and numbers, with its ``kind`` and ``schema_version``."""
        return {"kind": type(self).__name__, "schema_version": self.schema_version, **plain_fields(self)}

    def __rich__(self) -> RenderableType:
        return repr(self)

    def __str__(self) -> str:
        return printed(self.__rich__()).rstrip("\n")

    def figures(self) -> tuple[Figure, ...]:
        """Return the figure data of the result, for any backend; none where tables say it all."""
        return ()

    def page(self) -> Page:
        """Return the page of the result: its figures and its tables."""
        return plain_page(type(self).__name__, blocks(self.__rich__()), self.figures())

    @final
    def plot(self, *how: Any, **named: Any) -> "Canvas":
        """Draw the result as a matplotlib figure: its figures, or its tables where it has none.

        Parameters
        ----------
        *how, **named
            What ``figures`` takes.
        """
        from hashlens.report.plots import draw, draw_text

        figures = self.figures(*how, **named)
        return draw(figures) if figures else draw_text(str(self))

    @final
    def to_html(self, path: str | Path, *how: Any, overwrite: bool = False, **named: Any) -> Path:
        """Write the result as one HTML page that opens anywhere and fetches nothing; return its path.

        Parameters
        ----------
        path : str or Path
            A file ``.html``.
        *how, **named
            What ``page`` takes.
        overwrite : bool
            Whether a file that is there is written over.

        Raises
        ------
        OutputError
            If the file exists and `overwrite` is false, or cannot be written.
        """
        return write_page(self.page(*how, **named), path, overwrite=overwrite)

    def _repr_html_(self) -> str:
        return notebook_html(self.__rich__())
