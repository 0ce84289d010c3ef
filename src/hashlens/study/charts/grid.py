"""The results of a study as arrays over chosen axes: the levels of each axis, then repeats."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt
from hashlens.errors import StudyError, nearest
from hashlens.study.results import Results


def is_numeric(levels: Sequence[Any]) -> bool:
    """Return whether levels are numbers, between which values can be interpolated."""
    return all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels)


def level_name(level: Any) -> str:
    """Return the readable text of a level.

    >>> level_name(48000), level_name(1e-05), level_name(True), level_name("vgg16")
    ('48,000', '1e-05', 'yes', 'vgg16')
    """
    if isinstance(level, bool):
        return "yes" if level else "no"
    if isinstance(level, int):
        return f"{level:,}"
    return f"{level:g}" if isinstance(level, float) else str(level)


def conditions(where: Mapping[str, Any], axes: Collection[str] = ()) -> str:
    """Return conditions as one phrase, without those on the axes themselves.

    >>> conditions({"width": 40, "repeat": [1, 2], "epochs": [1, 10]}, axes=("epochs",))
    'width 40; repeat 1, 2'
    """
    parts = []
    for name, condition in where.items():
        if name in axes:
            continue
        levels = condition if isinstance(condition, list | tuple | set | np.ndarray) else (condition,)
        parts.append(f"{name.replace('_', ' ')} {', '.join(level_name(level) for level in levels)}")
    return "; ".join(parts)


@dataclass(frozen=True, eq=False)
class Grid:
    """Results arranged over axes. Every combination of levels is a cell, even if the study did not run it.

    Attributes
    ----------
    results : Results
        Rows of whole codes (not of single layers) that satisfy the conditions.
    axes : tuple of str
        Names of factors, or of the step.
    levels : tuple of tuple
        Levels of each axis, in order.
    repeats : tuple of int
        Numbers of the repeats.
    """

    results: Results
    axes: tuple[str, ...]
    levels: tuple[tuple[Any, ...], ...]
    repeats: tuple[int, ...]

    def values(self, measure: str, split: str) -> npt.NDArray[np.float64]:
        """Return a measure as an array ``(levels of each axis..., repeats)``, NaN where it is missing.

        Raises
        ------
        StudyError
            If the results lack the measure on that split, or contain a cell twice.
        """
        rows = self.results.where(measure=measure, split=split)
        if not len(rows):
            columns = self.results.columns
            listed = sorted(
                {
                    f"{name} on {split_name}" if split_name else str(name)
                    for name, split_name in zip(columns["measure"], columns["split"], strict=True)
                }
            )
            raise StudyError(f"results hold no {measure} on {split}; they hold {', '.join(listed)}")
        shape = (*map(len, self.levels), len(self.repeats))
        indices = [
            np.searchsorted(np.asarray(levels), rows.columns[axis])
            for axis, levels in zip((*self.axes, "repeat"), (*self.levels, self.repeats), strict=True)
        ]
        flat = np.ravel_multi_index(indices, shape)
        if len(np.unique(flat)) < len(flat):
            raise StudyError(f"results hold {measure} on {split} more than once for a cell, repeat and checkpoint")
        table = np.full(shape, np.nan)
        table.flat[flat] = rows.columns["value"]
        return table

    def cell_name(self, index: Sequence[int]) -> str:
        """Return the readable name of a cell: ``width=40, epochs=3``."""
        return ", ".join(f"{axis}={levels[i]}" for axis, levels, i in zip(self.axes, self.levels, index, strict=False))


def lay_out(results: Results, axes: Sequence[str], where: Mapping[str, Any] | None = None) -> Grid:
    """Arrange the rows of whole codes (not of single layers) over axes; every other factor must have a single level.

    Parameters
    ----------
    results : Results
        Results of a study.
    axes : sequence of str
        Names of factors, or of the step, all different.
    where : mapping, optional
        Conditions on columns, as in :meth:`Results.where`; conditions on an axis restrict its levels.

    Raises
    ------
    StudyError
        If an axis is unknown, repeated or has a single level, nothing satisfies `where`, or another factor has several
        levels.
    """
    rows = select_rows(results, where)
    for axis in axes:
        if axis not in rows.axes:
            raise StudyError(f"{axis!r} is not an axis of the study: {nearest(axis, rows.axes)}")
    if len(set(axes)) < len(axes):
        raise StudyError(f"axes must differ, received {', '.join(axes)}")
    for factor in rows.axes:
        levels = rows.levels(factor)
        if factor in axes and len(levels) < 2:
            raise StudyError(f"{factor} takes one value, {levels[0]!r}: an axis needs two or more")
        if factor not in axes and len(levels) > 1:
            raise StudyError(
                f"{factor} takes {len(levels)} values ({_first_levels(levels)}): give "
                f"where={{{factor!r}: {levels[-1]!r}}} or another of them"
            )
    return Grid(rows, tuple(axes), tuple(tuple(rows.levels(axis)) for axis in axes), tuple(rows.levels("repeat")))


def select_rows(results: Results, where: Mapping[str, Any] | None) -> Results:
    """Return the rows of whole codes that satisfy `where`; raise StudyError if there are none or `where` is wrong."""
    if not isinstance(results, Results):
        raise StudyError(f"expected the results of a study, such as study.results, received a {type(results).__name__}")
    if where is not None and not isinstance(where, Mapping):
        raise StudyError(f"where is a mapping such as {{'width': 40}}, received {excerpt(where)}")
    rows = results.where(layer="")
    if not len(rows):
        raise StudyError(f"{results.study or 'the study'} has no results yet: nothing was measured")
    for name, condition in (where or {}).items():
        if name not in (*rows.axes, "repeat"):
            steps = "" if rows.step is None else f", {rows.step}"
            raise StudyError(f"where takes factors{steps} and repeat, received {name!r}: {nearest(name, rows.axes)}")
        matching = rows.where(**{name: condition})
        if not len(matching):
            raise StudyError(
                f"no results where {name} is {excerpt(condition)}: it takes {_first_levels(rows.levels(name))}"
            )
        rows = matching
    return rows


def usual_split(results: Results, measure: str) -> str:
    """Return the default split of a measure: test, or its only split.

    Raises
    ------
    StudyError
        If the measure has several splits, and test is not one of them.
    """
    splits = [str(split) for split in results.where(measure=measure, layer="").levels("split")]
    if "test" in splits or not splits:
        return "test"
    if len(splits) > 1:
        raise StudyError(f"{measure} was measured on {', '.join(splits)}: choose one with split=")
    return splits[0]


def as_names(argument: str, value: Any) -> tuple[Any, ...]:
    """Return one name, or several, as a tuple; raise StudyError if there is none."""
    names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else ()
    if not names:
        raise StudyError(f"{argument} must be a name or a list of names, received {excerpt(value)}")
    return names


def _first_levels(levels: Sequence[Any]) -> str:
    return ", ".join(map(str, levels[:8])) + (", ..." if len(levels) > 8 else "")
