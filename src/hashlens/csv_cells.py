"""Text in CSV files, which spreadsheets open: what they would take for a formula is kept from being one."""

import re

# A sign before a number is a number, and a sign alone is text.
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_FORMULA = re.compile(rf"'*(?:[=@\t\r]|[+-](?!$|{_NUMBER}$))")


def as_cell(text: str) -> str:
    """Return a text as a cell: with an apostrophe before what a spreadsheet would compute.

    >>> as_cell("=1+1.png"), as_cell("-1"), as_cell("cat.png")
    ("'=1+1.png", '-1', 'cat.png')
    """
    return f"'{text}" if _FORMULA.match(text) else text


def from_cell(cell: str) -> str:
    """Return the text of which `as_cell` made a cell.

    >>> from_cell("'=1+1.png"), from_cell("'tis.png")
    ('=1+1.png', "'tis.png")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
