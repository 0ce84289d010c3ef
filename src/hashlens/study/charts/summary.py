"""What a study found, in short: means over repeats, a row for each cell and checkpoint."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hashlens.result import Result
from hashlens.study.charts.grid import level_name, measure_label
from hashlens.study.results import Results
from hashlens.tables import Table, number, table

ROWS_SHOWN = 40
HEADINGS = {"redundancy_ratio": "R", "kmeans_purity": "purity", "kmeans_hungarian": "Hungarian"}
"""Of measures that need a shorter name than elsewhere: there are many columns."""
_BY_SPLIT = ("redundancy_ratio", "collision_probability", "local_complexity", "chord_length")
"""Measures that differ from split to split by what they say; of others test is shown, or train where that is all."""


@dataclass(frozen=True)
class SummaryRow:
    """One cell at one checkpoint.

    Attributes
    ----------
    levels : tuple
        Its level of each factor that varies, and the epochs.
    repeats : int
        Networks that it has been measured on.
    means : tuple of float or None
        Mean of each column over the repeats that have a number there; None where none has.
    """

    levels: tuple[Any, ...]
    repeats: int
    means: tuple[float | None, ...]


@dataclass(frozen=True)
class Summary(Result):
    """Means over repeats; prints as a table.

    Attributes
    ----------
    study : str
        Name of the study.
    factors : tuple of str
        The factors that vary, and the step.
    measures : tuple of (str, str)
        Measure and split of each column.
    rows : tuple of SummaryRow
        By factors, then the step.
    """

    study: str
    factors: tuple[str, ...]
    measures: tuple[tuple[str, str], ...]
    rows: tuple[SummaryRow, ...]

    def __rich__(self) -> Table:
        shown, note = self.rows, ""
        if len(shown) > ROWS_SHOWN:
            last = max(row.levels[-1] for row in shown)
            shown = tuple(row for row in shown if row.levels[-1] == last)[:ROWS_SHOWN]
            note = f"{len(shown)} of {len(self.rows):,} rows, at the last checkpoint; export has all."
        lines = [(*map(level_name, row.levels), *(number(mean, 3) for mean in row.means)) for row in shown]
        headings = (*(name.replace("_", " ") for name in self.factors), *map(_heading, self.measures))
        fewest, most = (choose((row.repeats for row in self.rows), default=0) for choose in (min, max))
        repeats = f"{most} repeat{'s' * (most != 1)}" if fewest == most else f"{fewest} to {most} repeats"
        means = f"Means over {repeats}; accuracies on test unless a heading says train."
        return table(self.study or "study", headings, lines, f"{means} {note}".rstrip(), len(self.factors))


def summarize(results: Results) -> Summary:
    """Return the mean over repeats of each measure on whole codes, for each cell and checkpoint.

    Parameters
    ----------
    results : Results
        Of a study, finished or not.

    Returns
    -------
    Summary
        Determinism and geometry on every split; each other measure on test, or on train if it is taken there alone.
    """
    import pyarrow

    whole = results.where(layer="")
    factors = tuple(name for name in whole.axes if name == whole.step or len(whole.levels(name)) > 1)
    measures = tuple(_columns(whole))
    # To Arrow NaN is a number; here it is the lack of one.
    values = pyarrow.array(whole.columns["value"], from_pandas=True)
    kept = whole.to_arrow().drop_columns("value").append_column("value", values)
    grouped = kept.group_by([*factors, "measure", "split"]).aggregate([("value", "mean")])
    repeats = kept.group_by(list(factors)).aggregate([("repeat", "count_distinct")])
    means: dict[tuple[Any, ...], float | None] = {
        tuple(row[name] for name in (*factors, "measure", "split")): row["value_mean"] for row in grouped.to_pylist()
    }
    counts = {tuple(row[name] for name in factors): row["repeat_count_distinct"] for row in repeats.to_pylist()}
    rows = (
        SummaryRow(levels, counts[levels], tuple(means.get((*levels, *column)) for column in measures))
        for levels in sorted(counts)
    )
    return Summary(results.study, factors, measures, tuple(rows))


def _columns(results: Results) -> Iterator[tuple[str, str]]:
    """Yield measure and split of each column, in the order in which measures are spoken of."""
    found = set(zip(results.columns["measure"].tolist(), results.columns["split"].tolist(), strict=True))
    order = ("train", "test", "uniform", "bytes")
    names = sorted({measure for measure, _ in found}, key=lambda name: (name not in _BY_SPLIT, name))
    for name in names:
        splits = [split for split in order if (name, split) in found]
        if name in _BY_SPLIT:
            yield from ((name, split) for split in splits)
        else:
            yield name, "test" if "test" in splits else splits[0]


def _heading(column: tuple[str, str]) -> str:
    measure, split = column
    name = HEADINGS.get(measure) or measure_label(measure)
    return f"{name} {split}" if measure in _BY_SPLIT or split != "test" else name
