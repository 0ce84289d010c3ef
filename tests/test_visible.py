import pytest
from rich.text import Text

from hashlens.tables import table
from hashlens.terminal import terminal_text
from hashlens.visible import escape_unsafe

WRITTEN = {
    "\x1b[2J": "\\x1b[2J",
    "\x9b31m": "\\x9b31m",
    "a\rb": "a\\rb",
    "\u202egnp.exe": "\\u202egnp.exe",
    "\u2066a\u2069": "\\u2066a\\u2069",
    "caf\udce9": "caf\\udce9",
    "line\nand\ttab": "line\nand\ttab",
    "שלום 世界 😀 é": "שלום 世界 😀 é",
}


@pytest.mark.parametrize("text", WRITTEN)
def test_what_would_be_acted_on_is_written_out(text):
    assert escape_unsafe(text) == WRITTEN[text]
    assert escape_unsafe(WRITTEN[text]) == WRITTEN[text]


@pytest.mark.parametrize("shown", ["\x1b[31m[b]:b:", Text("\x1b[31m[b]:b:"), table("", ["\x1b[31m[b]:b:"], [["1"]])])
def test_a_terminal_shows_names_as_text(shown):
    assert "\\x1b[31m[b]:b:" in terminal_text(shown)
