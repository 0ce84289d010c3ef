"""ExplanationComparison: metrics of the quality of explanations."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.console import RenderableType

from hashlens.errors import ExplainError, nearest
from hashlens.explanations.controls import CONTROLS
from hashlens.explanations.metrics import LOWER, METRICS
from hashlens.report.figures import Figure
from hashlens.result import Result
from hashlens.tables import number, table

Floats = npt.NDArray[np.float64]
COSTS = ("seconds", "model_calls")
SMALL = 5e-4
"""Magnitude below which numbers are shown as powers of ten, since three decimals would round them to 0."""


@dataclass(frozen=True, eq=False)
class ExplanationComparison(Result):
    """Quality of the explanations of n examples, by method and metric.

    Attributes
    ----------
    methods : tuple of str
        Names of the compared methods, then of the controls: random values, the magnitude of the input, its edges.
    metrics : tuple of str
        Names of the metrics.
    values : numpy.ndarray
        float64 ``(methods, metrics, n)``; NaN where a metric does not apply or cannot be measured.
    n : int
        Number of examples.
    notes : tuple of str
        Notes on what was left out, with the reason.
    output : str
        How the output of the model was read, and the reason.
    """

    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    values: Floats
    n: int
    notes: tuple[str, ...] = ()
    output: str = ""

    def mean(self, method: str, metric: str) -> float:
        """Return the mean over examples."""
        return float(means(self.values[self._at(method, metric)][None])[0])

    def standard_error(self, method: str, metric: str) -> float:
        """Return the standard error of the mean over examples; NaN for one example."""
        values = self.values[self._at(method, metric)]
        return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")

    def leaders(self, metric: str) -> tuple[str, ...]:
        """Return the best methods by a metric: the best mean, and all within one standard error of it.

        The standard error is that of the difference, paired by example. Controls are not included. The result is empty
        if the metric has no values.
        """
        _, metric_index = self._at(self.methods[0], metric)
        rows = [row for row, name in enumerate(self.methods) if name not in CONTROLS]
        result = means(self.values[rows, metric_index])
        if np.isnan(result).all():
            return ()
        best = int(np.nanargmin(result) if METRICS[metric].better == LOWER else np.nanargmax(result))
        with np.errstate(invalid="ignore"):  # infinity minus infinity
            ahead = self.values[rows, metric_index] - self.values[rows[best], metric_index]
            spread = ahead.std(axis=1, ddof=1) / np.sqrt(self.n) if self.n > 1 else np.full(len(rows), np.inf)
        close = ~np.isnan(result) & ((np.abs(means(ahead)) <= spread) | (np.arange(len(rows)) == best))
        return tuple(self.methods[row] for row, kept in zip(rows, close, strict=True) if kept)

    def better_controls(self) -> dict[str, tuple[str, ...]]:
        """Return the controls that are better than every method, by metric; metrics of cost are not included."""
        result = {}
        for metric in self.metrics:
            sign = 1 if METRICS[metric].better == LOWER else -1
            values = {name: sign * self.mean(name, metric) for name in self.methods}
            best = [value for name, value in values.items() if name not in CONTROLS and not np.isnan(value)]
            better = tuple(
                name for name in self.methods if name in CONTROLS and values[name] < min(best, default=-np.inf)
            )
            if better and metric not in COSTS:
                result[metric] = better
        return result

    @property
    def followed(self) -> str:
        """Quantity that deletion and insertion measure: a probability or a value."""
        if self.output.startswith("regression"):
            return "the value itself, since a regression has no probability"
        return "the probability of the class"

    def _at(self, method: str, metric: str) -> tuple[int, int]:
        for name, known in ((method, self.methods), (metric, self.metrics)):
            if name not in known:
                raise ExplainError(f"{name!r} was not compared: {nearest(name, known)}")
        return self.methods.index(method), self.metrics.index(metric)

    def __rich__(self) -> RenderableType:
        led = {metric: self.leaders(metric) for metric in self.metrics}
        rows = []
        for method in self.methods:
            cells = []
            for metric in self.metrics:
                value = self.mean(method, metric)
                cells.append(_cell(value) + ("*" if method in led[metric] else ""))
            rows.append((method, *cells))
        arrows = {metric: "↓" if METRICS[metric].better == LOWER else "↑" for metric in self.metrics}
        columns = ("", *(f"{metric.replace('_', ' ')} {arrow}" for metric, arrow in arrows.items()))
        note = f"Means over {self.n} examples; * the best method, and all within one standard error of it."
        control_notes = [f"By {metric.replace('_', ' ')} a control does better than every method: {', '.join(names)}."
                for metric, names in self.better_controls().items()]  # fmt: skip
        read = [f"Output read as {self.output}; deletion and insertion follow {self.followed}."] if self.output else []
        return table("Comparison of explanations", columns, rows, " ".join((note, *control_notes, *read, *self.notes)))

    def figures(self) -> tuple[Figure, ...]:
        """Return bars for each metric, with one standard error to each side."""
        from hashlens.explanations.figures import comparison_figures

        pictures: tuple[Figure, ...] = comparison_figures(self)
        return pictures


def _cell(value: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{value:.1e}" if 0 < abs(value) < SMALL else number(value, 3)


def means(values: Floats) -> Floats:
    """Return means over the last axis, ignoring NaN; NaN where all are NaN."""
    known = ~np.isnan(values)
    counts = known.sum(axis=-1)
    sums = np.where(known, values, 0).sum(axis=-1)
    result: Floats = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return result
