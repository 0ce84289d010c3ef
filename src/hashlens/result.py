"""The base class of all results."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, final

from rich.console import RenderableType

from hashlens.plain import fields_to_plain
from hashlens.report.blocks import blocks, notebook_html
from hashlens.report.figures import Figure
from hashlens.report.page import Page, write_page
from hashlens.report.plain_page import plain_page
from hashlens.terminal import terminal_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

T = TypeVar("T")


@dataclass(frozen=True)
class Split(Generic[T]):
    """A pair of values of the same type: one for the training examples and one for the test examples."""

    train: T
    test: T


class Result:
    """Base class of the frozen dataclasses that functions return.

    A subclass is a frozen dataclass. It may define three methods. ``__rich__`` returns the text and tables of the
    result, which ``str()`` and notebooks show too. ``figures`` returns the data of its figures. ``page`` returns its
    HTML page, if this holds more than tables and figures. `plot` passes its arguments to ``figures``, and `to_html`
    passes its arguments to ``page``.
    """

    schema_version: ClassVar[int] = 1

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain dicts, lists, strings and numbers, with its ``kind`` and ``schema_version``."""
        return {"kind": type(self).__name__, "schema_version": self.schema_version, **fields_to_plain(self)}

    def __rich__(self) -> RenderableType:
        return repr(self)

    def __str__(self) -> str:
        return terminal_text(self.__rich__()).rstrip("\n")

    def figures(self) -> tuple[Figure, ...]:
        """Return the data of the figures, for any plotting backend; empty if the result has only tables."""
        return ()

    def page(self) -> Page:
        """Return the page of the result: its figures and its tables."""
        return plain_page(type(self).__name__, blocks(self.__rich__()), self.figures())

    @final
    def plot(self, *args: Any, **kwargs: Any) -> "Canvas":
        """Draw the result with matplotlib: its figures, or its tables if it has no figures.

        Parameters
        ----------
        *args, **kwargs
            Arguments that are passed to ``figures``.
        """
        from hashlens.report.plots import draw, draw_text

        figures = self.figures(*args, **kwargs)
        return draw(figures) if figures else draw_text(str(self))

    @final
    def to_html(self, path: str | Path, *args: Any, overwrite: bool = False, **kwargs: Any) -> Path:
        """Write the result as one self-contained HTML page, which loads nothing from the network; return its path.

        Parameters
        ----------
        path : str or Path
            Path of the file, with the suffix ``.html``.
        *args, **kwargs
            Arguments that are passed to ``page``.
        overwrite : bool
            Whether an existing file is replaced.

        Raises
        ------
        OutputError
            If the file exists and `overwrite` is false, or cannot be written.
        """
        return write_page(self.page(*args, **kwargs), path, overwrite=overwrite)

    def _repr_html_(self) -> str:
        return notebook_html(self.__rich__())
