"""Escaping of text in CSV files, so that spreadsheets do not read it as a formula."""

import re

# A number with a sign needs no escape, and neither does a single sign.
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_FORMULA = re.compile(rf"'*(?:[=@\t\r]|[+-](?!$|{_NUMBER}$))")


def as_cell(text: str) -> str:
    """Return a text as a cell, with an apostrophe before it if a spreadsheet would read it as a formula.

    A formula with apostrophes before it gets one more, so that `from_cell` restores every text.

    >>> as_cell("=1+1.png"), as_cell("-1"), as_cell("cat.png")
    ("'=1+1.png", '-1', 'cat.png')
    """
    return f"'{text}" if _FORMULA.match(text) else text


def from_cell(cell: str) -> str:
    """Return the text of a cell: the inverse of `as_cell`.

    >>> from_cell("'=1+1.png"), from_cell("'tis.png")
    ('=1+1.png', "'tis.png")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
