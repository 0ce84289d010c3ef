"""The page of a reproduction, as Markdown."""

from rich.console import Group, RenderableType
from rich.text import Text

from hashlens.study.reproduce.reproduction import Reproduction, TitledList
from hashlens.tables import Table


def markdown_page(reproduction: Reproduction) -> str:
    """Return a page with all tables, the pictures and the provenance of the numbers."""
    preset = reproduction.preset
    pictures = (
        f"![{preset.title}: {picture.name.replace('-', ' ')}]({picture.name}.png)" for picture in reproduction.pictures
    )
    tables = (markdown(part) for part in reproduction.parts(everything=True))
    head = (f"# {preset.title} ({reproduction.size})", preset.shows, preset.note)
    return "\n\n".join(filter(None, (part.strip() for part in (*head, *pictures, *tables)))) + "\n"


def markdown(part: RenderableType) -> str:
    """Return a :class:`~hashlens.tables.Table`, a text, or a group of them as Markdown.

    >>> from hashlens.tables import table
    >>> print(markdown(table("R", ("width", "R"), [("10", "0.99")])))
    **R**
    <BLANKLINE>
    | width | R |
    | --- | ---: |
    | 10 | 0.99 |
    """
    if isinstance(part, Group):
        return "\n\n".join(filter(None, map(markdown, part.renderables)))
    if isinstance(part, Table):
        rules = ["---", *["---:"] * (len(part.columns) - 1)]
        lines = [_line(part.columns), _line(rules), *map(_line, part.rows)]
        return "\n\n".join(filter(None, (f"**{part.title}**", "\n".join(lines), part.note)))
    if isinstance(part, TitledList):
        return "\n".join((f"**{part.title}**", "", *(f"- {line}" for line in part.lines)))
    return part.plain if isinstance(part, Text) else str(part)


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
