"""Conversion of the rows of a store, possibly millions, to the sorted columns of results."""

from collections.abc import Iterable, Mapping, Sequence
from math import nan
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.study.variables import Variables

Column = npt.NDArray[Any]


class LongTable:
    """Rows collected chunk by chunk; each text is stored once and rows refer to it by number: 28 bytes a row."""

    def __init__(self) -> None:
        self._labels: dict[tuple[str, str, str], int] = {}
        self._chunks: list[tuple[Column, ...]] = []

    def add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows of (run, step, measure, split, layer, value)."""
        labels, n = self._labels, len(rows)
        self._chunks.append(
            (
                np.fromiter((row[0] for row in rows), np.int64, n),
                np.fromiter((row[1] for row in rows), np.int64, n),
                np.fromiter((labels.setdefault(row[2:5], len(labels)) for row in rows), np.int32, n),
                np.fromiter((nan if row[5] is None else row[5] for row in rows), np.float64, n),
            )
        )

    def columns(
        self, variables: Variables, cells: Iterable[tuple[int, str, Mapping[str, Any]]], runs: Iterable[Sequence[int]]
    ) -> dict[str, Column]:
        """Return the sorted columns of results.

        Parameters
        ----------
        variables : Variables
            Factors, step and measures of the experiment.
        cells : iterable of (id, key, factors)
            The cells.
        runs : iterable of (id, cell, repeat)
            The runs, in the order of their ids: 0, 1, 2, ...
        """
        ordered = sorted(cells, key=lambda cell: cell[1])
        ranks = {number: rank for rank, (number, _, _) in enumerate(ordered)}
        cell_and_repeat = np.array([(ranks[cell], repeat) for _, cell, repeat in runs], np.int64)
        labels = sorted(self._labels)
        label_ranks = np.empty(len(labels), np.int64)
        label_ranks[[self._labels[label] for label in labels]] = np.arange(len(labels))

        run, step, number, value = self._join()
        cell, repeat = cell_and_repeat.reshape(-1, 2)[run].T
        label = label_ranks[number]
        order = np.lexsort((label, step, repeat, cell))
        cell, repeat, label = cell[order], repeat[order], label[order]
        factors: dict[str, Column] = {
            factor.name: np.array(
                [factors[factor.name] for _, _, factors in ordered], object if factor.type == "text" else factor.type
            )
            for factor in variables.factors
        }
        # Text columns have dtype object: NumPy text would take four bytes for each character of each row.
        return {
            "cell": np.array([key for _, key, _ in ordered], object)[cell],
            **{name: column[cell] for name, column in factors.items()},
            "repeat": repeat,
            **({} if variables.step is None else {variables.step.name: step[order]}),
            **{
                name: np.array([texts[i] for texts in labels], object)[label]
                for i, name in enumerate(("measure", "split", "layer"))
            },
            "value": value[order],
        }

    def _join(self) -> tuple[Column, ...]:
        if not self._chunks:
            return tuple(np.empty(0, dtype) for dtype in (np.int64, np.int64, np.int32, np.float64))
        return tuple(np.concatenate(arrays) for arrays in zip(*self._chunks, strict=True))
