"""Ranked tables as CSV files."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.errors import OutputError
from hashlens.files import written_whole


def write_ranked(path: str | Path, columns: Mapping[str, Sequence[Any] | npt.NDArray[Any]]) -> Path:
    """Write columns of one length as a CSV file with a heading, the whole file or nothing, and return its path.

    Parameters
    ----------
    path : str or Path
        The file; one that is there is replaced.
    columns : mapping of str to sequence
        Heading to values, best ranked first.

    Raises
    ------
    OutputError
        If the columns differ in length, or the file cannot be written.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise OutputError(f"columns of a table must have one length, received {lengths}")
    values = [column.tolist() if isinstance(column, np.ndarray) else column for column in columns.values()]
    with written_whole(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*values, strict=True))
    return Path(path)
