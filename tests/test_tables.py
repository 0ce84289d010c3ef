import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hashlens.tables import table

WORDS = st.text("abcdefg.", min_size=1, max_size=11)
HEADINGS = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
TABLES = st.integers(1, 12).flatmap(
    lambda columns: st.tuples(
        st.lists(HEADINGS, min_size=columns, max_size=columns),
        st.lists(st.lists(WORDS, min_size=columns, max_size=columns), min_size=1, max_size=3),
        st.integers(1, min(columns, 3)),
    )
)


def lines(shown, width):
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(shown)
    return capture.get().splitlines()


@pytest.mark.slow
@given(TABLES, st.sampled_from([60, 80, 100, 200]))
def test_no_word_is_cut_and_every_column_stands_once_beside_what_names_its_row(made, width):
    headings, rows, names = made
    printed = lines(table("all", headings, rows, "a note", names), width)
    assert all(len(line) <= width for line in printed)
    assert (printed[0], printed[-2:]) == ("all", ["a note", ""])
    said = re.sub(r"\s", "", "".join(printed))
    assert "…" not in said
    parts = sum(set(line.strip()) == {"─"} for line in printed)
    for row in (headings, *rows):
        letters = "".join(row[:names]) * parts + "".join(row[names:])
        assert all(word in said for cell in row for word in cell.split())
        assert len(letters.replace(" ", "")) <= len(said)
    letters = sum(len("".join(row[:names]).replace(" ", "")) * parts for row in (headings, *rows))
    letters += sum(len("".join(row[names:]).replace(" ", "")) for row in (headings, *rows))
    assert letters == len(said.replace("─", "")) - len("all" + "anote")


def test_what_has_room_stands_in_one_table():
    headings, rows = ["width", *"abcdefgh"], [["3", *["0.125 (0.100–0.150)"] * 8]]
    shown = table("means", headings, rows)
    assert sum("width" in line for line in lines(shown, 200)) == 1
    assert sum("width" in line for line in lines(shown, 100)) == 2
    assert sum("width" in line for line in lines(shown, 60)) == 3


@pytest.mark.parametrize("width", [80, 20])
def test_a_word_longer_than_the_terminal_is_broken_and_not_cut(width):
    printed = lines(table("at", ("place", "runs"), [("x" * 100, "1")]), width)
    assert all(len(line) <= width for line in printed)
    assert "".join(printed).count("x") == 100
