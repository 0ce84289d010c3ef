"""Summary of a study: means over repeats, one row for each cell and checkpoint."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hashlens.result import Result
from hashlens.study.charts.grid import level_name
from hashlens.study.results import Results, default_variables
from hashlens.study.variables import Variables
from hashlens.tables import Table, number, table

ROWS_SHOWN = 40
SPLITS = ("train", "test", "uniform", "bytes")
"""Order of splits; others follow by name."""


@dataclass(frozen=True)
class SummaryRow:
    """Summary of one cell at one checkpoint.

    Attributes
    ----------
    levels : tuple
        Level of each factor that varies, and of the step.
    repeats : int
        Number of measured repeats.
    means : tuple of float or None
        Mean of each column over the repeats with a value; None if none has one.
    """

    levels: tuple[Any, ...]
    repeats: int
    means: tuple[float | None, ...]


@dataclass(frozen=True)
class Summary(Result):
    """Means over repeats. It prints as a table.

    Attributes
    ----------
    study : str
        Name of the study.
    factors : tuple of str
        Factors that vary, and the step.
    measures : tuple of (str, str)
        Measure and split of each column.
    rows : tuple of SummaryRow
        Rows, ordered by factors, then by step.
    variables : Variables
        Descriptions of the factors, the step and the measures.
    """

    study: str
    factors: tuple[str, ...]
    measures: tuple[tuple[str, str], ...]
    rows: tuple[SummaryRow, ...]
    variables: Variables = field(default_factory=default_variables)

    def __rich__(self) -> Table:
        rows, note = self.rows, ""
        if len(rows) > ROWS_SHOWN:
            checkpoint_text = ""
            if self.variables.step is not None:
                last = max(row.levels[-1] for row in rows)
                rows, checkpoint_text = tuple(row for row in rows if row.levels[-1] == last), ", at the last checkpoint"
            rows = rows[:ROWS_SHOWN]
            note = f"{len(rows)} of {len(self.rows):,} rows{checkpoint_text}; the export has all rows."
        lines = [(*map(level_name, row.levels), *(number(mean, 3) for mean in row.means)) for row in rows]
        headings = (
            *(name.replace("_", " ") for name in self.factors),
            *(_heading(self.variables, column) for column in self.measures),
        )
        smallest, largest = (choose((row.repeats for row in self.rows), default=0) for choose in (min, max))
        repeats = (
            f"{largest} repeat{'s' * (largest != 1)}" if smallest == largest else f"{smallest} to {largest} repeats"
        )
        split_note = (
            "; on test, unless the heading names a split" if any(split == "test" for _, split in self.measures) else ""
        )
        means = f"Means over {repeats}{split_note}."
        return table(self.study or "study", headings, lines, f"{means} {note}".rstrip(), len(self.factors))


def summarize(results: Results) -> Summary:
    """Return the mean over repeats of each measure on whole codes, for each cell and checkpoint.

    Parameters
    ----------
    results : Results
        Results of a study, finished or not.

    Returns
    -------
    Summary
        The means. A measure with a different meaning on each split has a column for each split. Any other measure has
        one column, for test, or for train if it was not measured on test.
    """
    import pyarrow

    whole_codes = results.where(layer="")
    factors = tuple(name for name in whole_codes.axes if name == whole_codes.step or len(whole_codes.levels(name)) > 1)
    measures = tuple(_columns(whole_codes))
    # Arrow treats NaN as a number; here it is a missing value.
    values = pyarrow.array(whole_codes.columns["value"], from_pandas=True)
    finite = whole_codes.to_arrow().drop_columns("value").append_column("value", values)
    grouped = finite.group_by([*factors, "measure", "split"]).aggregate([("value", "mean")])
    repeats = finite.group_by(list(factors)).aggregate([("repeat", "count_distinct")])
    means: dict[tuple[Any, ...], float | None] = {
        tuple(row[name] for name in (*factors, "measure", "split")): row["value_mean"] for row in grouped.to_pylist()
    }
    counts = {tuple(row[name] for name in factors): row["repeat_count_distinct"] for row in repeats.to_pylist()}
    rows = (
        SummaryRow(levels, counts[levels], tuple(means.get((*levels, *column)) for column in measures))
        for levels in sorted(counts)
    )
    variables = results.variables.only(factors, (measure for measure, _ in measures))
    return Summary(results.study, factors, measures, tuple(rows), variables)


def split_order(splits: Iterable[str]) -> list[str]:
    """Return splits in display order."""
    return sorted(splits, key=lambda split: (SPLITS.index(split) if split in SPLITS else len(SPLITS), split))


def _columns(results: Results) -> Iterator[tuple[str, str]]:
    """Yield measure and split of each column; measures with several splits come first."""
    pairs = set(zip(results.columns["measure"].tolist(), results.columns["split"].tolist(), strict=True))
    names = sorted(
        {measure for measure, _ in pairs}, key=lambda name: (not _has_column_per_split(results.variables, name), name)
    )
    for name in names:
        splits = split_order(split for measure, split in pairs if measure == name)
        if _has_column_per_split(results.variables, name) or not {"test", "train", ""}.intersection(splits):
            yield from ((name, split) for split in splits)
        else:
            yield name, "test" if "test" in splits else splits[0]


def _has_column_per_split(variables: Variables, measure: str) -> bool:
    return measure in variables.measures and variables.measures[measure].every_split


def _heading(variables: Variables, column: tuple[str, str]) -> str:
    measure, split = column
    name = variables.heading(measure)
    return f"{name} {split}".rstrip() if _has_column_per_split(variables, measure) or split != "test" else name
