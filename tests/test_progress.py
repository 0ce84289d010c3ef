import io
import re
import sys

import pytest

import hashlens.progress as progress
from hashlens.progress import bar


class Terminal(io.StringIO):
    """A terminal of 80 columns that remembers what was written."""

    def isatty(self):
        return True


def terminal_of(monkeypatch):
    """Let progress write to a terminal of 80 columns, and return what gives its lines."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", -1.0)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")

    def lines():
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
        return [line for line in re.split(r"[\r\n]", plain) if line.strip()]

    return lines


@pytest.mark.parametrize("word", ["width 40, repeat 2", "a cell with a name of many words " * 5])
def test_bar_count_and_time_left_fit_into_80_columns(monkeypatch, word):
    written = terminal_of(monkeypatch)
    with bar("mnist-width", 54, parts=3) as advance:
        for _ in range(40):
            advance(word)
        progress._shown[0].refresh()
    last = written()[-1]
    assert max(map(len, written())) <= 80
    assert "13/54" in last
    assert last.rstrip().endswith("left")
    assert re.search(r"\d:\d\d:\d\d left|-:--:-- left", last)
    assert last.startswith("mnist-width: width 40, repeat 2 " if "repeat" in word else "mnist-width: a cell with")


def test_parts_of_steps_add_up_exactly(monkeypatch):
    written = terminal_of(monkeypatch)
    with bar("epochs", 7, parts=101) as advance:
        for _ in range(7 * 101):
            advance("")
        progress._shown[0].refresh()
    assert "7/7" in written()[-1]
