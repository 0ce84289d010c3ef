import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashlens.csv_cells import as_cell, from_cell
from hashlens.files import write_columns

CELLS = {
    "=1+1": "'=1+1", "@SUM(A1)": "'@SUM(A1)", "+cmd|' /C calc'!A0": "'+cmd|' /C calc'!A0", "-2+3": "'-2+3",
    "\t=1": "'\t=1", "-file.png": "'-file.png", "'=1": "''=1",
    "-1": "-1", "+1.5e3": "+1.5e3", "-.5": "-.5", "-": "-", "+": "+", "a=1": "a=1", "'tis": "'tis", "": "",
}  # fmt: skip


@pytest.mark.parametrize("text", CELLS)
def test_a_spreadsheet_computes_nothing(text):
    assert as_cell(text) == CELLS[text]


@given(st.text("'=+-@\t\r1a.", max_size=6))
def test_texts_come_back(text):
    assert from_cell(as_cell(text)) == text


def test_files_are_written_so(tmp_path):
    path = write_columns(tmp_path / "a.csv", {"id": ["=1+1", "-1", None], "value": [-1, 2, 3]})
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [["id", "value"], ["'=1+1", "-1"], ["-1", "2"], ["", "3"]]
