"""The activation hash phase chart: the regime of networks over any two axes of a study."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.text import Text

from hashlens.arguments import is_number
from hashlens.errors import StudyError, nearest
from hashlens.measures.regime import RegimeName, RegimeThresholds, as_thresholds, regime
from hashlens.plain import written_as
from hashlens.report.figures import Figure
from hashlens.report.page import Page
from hashlens.result import Result, Split
from hashlens.study.charts.grid import Grid, conditions, is_numeric, lay_out, level_name
from hashlens.study.charts.intervals import Estimate, Estimates, estimate_means
from hashlens.study.networks.regimes.boundaries import Boundary, crossings
from hashlens.study.networks.regimes.failed_cells import MIN_RELATIVE_ACCURACY, best_accuracy, failed_cells, failed_note
from hashlens.study.results import Results
from hashlens.tables import Table, table

REGIMES: tuple[RegimeName, ...] = ("under-expressive", "critically-expressive", "sufficiently-expressive")
"""Regimes in increasing order of expressivity."""
REGIME_COLOURS = ("#D9793B", "#F2DDA0", "#4A8DBF")
"""Colours of the regimes, from warm to cold; colour-blind readers can distinguish them."""
Against = Literal["best", "own"] | float
"""Accuracy that retention is relative to; see :func:`phase_chart`."""
CATEGORIZERS = ("knn", "logistic")
"""Classifiers on codes; the better one on test determines retention."""


@dataclass(frozen=True)
class PhaseCell(Result):
    """One cell of a phase chart.

    Attributes
    ----------
    x, y : int, float, str or bool
        Levels of the two axes.
    repeats : int
        Number of networks trained.
    redundancy_ratio : Split of Estimate
        Mean redundancy ratio R over repeats, with its interval.
    retention : Estimate
        Mean test accuracy from the codes, divided by the chart's `reference` accuracy or the network's own.
    regime : str
        Regime of the mean R on train and the mean retention.
    shares : dict of str to float
        Share of the repeats in each regime; 1 for one regime if all agree.
    failed : bool
        Whether training failed in this cell; see `min_relative_accuracy` of :func:`phase_chart`.
    """

    x: Any
    y: Any
    repeats: int
    redundancy_ratio: Split[Estimate]
    retention: Estimate
    regime: RegimeName
    shares: dict[RegimeName, float]
    failed: bool = False

    @property
    def agreement(self) -> float:
        """Share of the repeats in the regime of the mean."""
        return self.shares[self.regime]

    def __rich__(self) -> str:
        return (
            f"{'training failed; ' if self.failed else ''}{self.regime} ({self.agreement:.0%} of "
            f"{self.repeats} repeats agree): R {self.redundancy_ratio.train.mean:.3f} on train, "
            f"{self.redundancy_ratio.test.mean:.3f} on test, retention {self.retention.mean:.3f}"
        )


@dataclass(frozen=True)
class PhaseChart(Result):
    """Regimes over two axes. It prints as a table, and plots as a map.

    Attributes
    ----------
    x, y : str
        Names of the axes.
    x_levels, y_levels : tuple
        Levels of the axes, in order.
    cells : tuple of PhaseCell
        Cells ordered by x, then y; combinations that the study has not measured are left out.
    boundaries : tuple of Boundary
        Contours where mean R on train and mean retention cross the thresholds; empty if an axis is not numeric.
    thresholds : RegimeThresholds
        Thresholds between the regimes; by default those of :class:`RegimeThresholds`.
    confidence : float
        Confidence level of the intervals.
    classifiers : tuple of str
        Classifiers on the codes; the better one determines retention.
    reference : float or None
        Accuracy that retention is relative to; None if it is each network's own.
    where : dict
        Levels at which other factors are fixed.
    study : str
        Name of the study.
    min_relative_accuracy : float
        Share of the best accuracy below which training counts as failed.
    """

    x: str
    y: str
    x_levels: tuple[Any, ...]
    y_levels: tuple[Any, ...]
    cells: tuple[PhaseCell, ...]
    boundaries: tuple[Boundary, ...]
    thresholds: RegimeThresholds
    confidence: float
    classifiers: tuple[str, ...] = field(metadata=written_as("retained_by"))
    reference: float | None
    where: dict[str, Any]
    study: str = ""
    min_relative_accuracy: float = field(default=MIN_RELATIVE_ACCURACY, metadata=written_as("learnt"))

    def cell(self, x: Any, y: Any) -> PhaseCell:
        """Return the cell at a level of each axis.

        Raises
        ------
        StudyError
            If the chart has no such level, or the study has not measured it.
        """
        for axis, levels, level in ((self.x, self.x_levels, x), (self.y, self.y_levels, y)):
            if level not in levels:
                raise StudyError(f"{axis} {level!r} is not on the chart: {nearest(level, levels)}")
        match = next((cell for cell in self.cells if (cell.x, cell.y) == (x, y)), None)
        if match is None:
            raise StudyError(f"{self.x}={x}, {self.y}={y} is not measured yet")
        return match

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on some of the cells."""
        note = retention_note(self.classifiers, self.reference)
        marked = (failed_note(self.min_relative_accuracy),) if any(cell.failed for cell in self.cells) else ()
        if self.reference is not None:
            return (note, *marked)
        times = {self.x: self.x_levels, self.y: self.y_levels}.get("epochs", (self.where.get("epochs"),))
        untrained = "At 0 epochs networks are untrained: their retention is relative to an accuracy near chance."
        return (note, untrained, *marked) if 0 in times else (note, *marked)

    def counts(self) -> dict[RegimeName, int]:
        """Return the number of cells in each regime, in the order of regimes."""
        return {name: sum(cell.regime == name for cell in self.cells) for name in REGIMES}

    def __rich__(self) -> RenderableType:
        counts = ", ".join(f"{name} {count}" for name, count in self.counts().items())
        return Group(_chart_table(self), Text(f"Cells: {counts}."), *map(Text, self.notes))

    def figures(self) -> tuple[Figure, ...]:
        """Return a figure of the chart."""
        from hashlens.study.networks.regimes.phase_figures import phase_map

        return (phase_map(self),)

    def page(self) -> Page:
        """Return the page of the chart, where its thresholds can be moved."""
        from hashlens.study.networks.regimes.page import chart_page

        return chart_page(self)


@dataclass(frozen=True)
class PhaseSlices(Result):
    """Slices of the chart over three axes: one chart of x and y for each level of z.

    Attributes
    ----------
    z : str
        Name of the third axis.
    levels : tuple
        Levels of the third axis, in order.
    charts : tuple of PhaseChart
        Chart at each level.
    """

    z: str
    levels: tuple[Any, ...]
    charts: tuple[PhaseChart, ...]

    def __iter__(self) -> Iterator[PhaseChart]:
        return iter(self.charts)

    def __len__(self) -> int:
        return len(self.charts)

    def __getitem__(self, position: int) -> PhaseChart:
        return self.charts[position]

    def __rich__(self) -> RenderableType:
        return Group(*(chart.__rich__() for chart in self.charts))

    def figures(self) -> tuple[Figure, ...]:
        """Return figures of the slices, one map each."""
        return tuple(figure for chart in self.charts for figure in chart.figures())

    def page(self) -> Page:
        """Return the page of the slices: a map with a control for the level of the third axis."""
        from hashlens.study.networks.regimes.page import slices_page

        return slices_page(self)


def retention_note(classifiers: Sequence[str], reference: float | None) -> str:
    """Return the definition of retention in words; arguments as in :class:`PhaseChart`."""
    methods = " or ".join({"knn": "K-NN", "logistic": "logistic regression"}[name] for name in classifiers)
    denominator = "the network's own" if reference is None else f"{reference:.3f}"
    return f"Retention: test accuracy of {methods} on the codes / {denominator}."


def phase_chart(
    results: Results,
    x: str = "width",
    y: str = "epochs",
    *,
    thresholds: RegimeThresholds | None = None,
    where: Mapping[str, Any] | None = None,
    against: Against = "best",
    confidence: float = 0.95,
    min_relative_accuracy: float = MIN_RELATIVE_ACCURACY,
) -> PhaseChart:
    """Return the regime of every cell of a study, over two axes.

    The regime of a cell follows from its mean R on train and its mean retention. Retention is the test accuracy of the
    better of K-NN and logistic regression on the codes, divided by a reference accuracy. The default reference is the
    best accuracy of the whole study. Retention relative to a network's own accuracy would be high for a network near
    chance, since the codes of a wide network may separate classes well even before training. :func:`hashlens.measure`
    has only one network, and uses its own accuracy. Repeats that lack one of these numbers are left out.

    R on train grows with the number of examples for any network, which matters if ``samples`` is an axis.

    Parameters
    ----------
    results : Results
        Results of a study that measured ``redundancy_ratio``, ``network_accuracy`` and ``knn`` or ``logistic``.
    x, y : str
        Two axes of ``architecture``, ``width``, ``depth``, ``samples``, ``label_noise``, ``weight_decay``,
        ``batch_norm``, ``dropout``, ``epochs``.
    thresholds : RegimeThresholds, optional
        Thresholds between the regimes; by default those of :class:`RegimeThresholds`.
    where : mapping, optional
        Levels at which the other factors are fixed, such as ``{"samples": 48000}``.
    against : {"best", "own"} or float
        Reference accuracy of retention: the highest mean test accuracy of the networks of any cell and checkpoint in
        `results`; each network's own; or a number.
    confidence : float
        Confidence level of the intervals of the means. Intervals stay in range (see
        :func:`~hashlens.study.charts.intervals.mean_intervals`). Fewer than four repeats are shown by their range
        instead.
    min_relative_accuracy : float
        Cells are marked as failed if the mean accuracy of the networks is below this share of the best in `results`:
        the accuracy on train, or on test if train was not measured. 0 marks no cell.

    Raises
    ------
    StudyError
        If another factor takes several values, a measure is missing, an axis takes one value, no repeat has all
        numbers, or `against`, `confidence` or `min_relative_accuracy` is out of range.
    MeasureError
        If `thresholds` is not a RegimeThresholds.

    References
    ----------
    He, Lei, Ji, Tao (2021): Neural networks behave as hash encoders: an empirical study. arXiv 2101.05490, for the
    chart; hashlens sets the thresholds.
    """
    limits = as_thresholds(thresholds)
    grid = lay_out(results, (x, y), where)
    reference = reference_accuracy(results, against)
    ratio, retention, classifiers = ratio_and_retention(grid, reference)
    train = estimate_means(ratio.train, "share", confidence)
    test = estimate_means(ratio.test, "share", confidence)
    retained = estimate_means(retention, "ratio", confidence)
    failed = failed_cells(grid, results, min_relative_accuracy)
    cells = []
    for index in map(tuple, np.argwhere(train.repeats > 0).tolist()):
        names = [
            regime(ratio_value, retention_value, thresholds=limits).name
            for ratio_value, retention_value in zip(ratio.train[index], retention[index], strict=True)
            if np.isfinite(ratio_value)
        ]
        cells.append(
            PhaseCell(
                grid.levels[0][index[0]],
                grid.levels[1][index[1]],
                int(train.repeats[index]),
                Split(train.at(*index), test.at(*index)),
                retained.at(*index),
                regime(float(train.mean[index]), float(retained.mean[index]), thresholds=limits).name,
                {name: names.count(name) / len(names) for name in REGIMES},
                bool(failed[index]),
            )
        )
    if not cells:
        raise StudyError("no repeat of any cell has all that a phase chart needs: R on train and test, and retention")
    boundaries = _boundaries(grid, train, retained, limits)
    x_levels, y_levels = grid.levels
    return PhaseChart(
        x, y, x_levels, y_levels, tuple(cells), boundaries, limits, confidence, classifiers, reference,
        dict(where or {}), results.study, float(min_relative_accuracy),
    )  # fmt: skip


def phase_slices(
    results: Results,
    x: str = "width",
    y: str = "epochs",
    z: str = "samples",
    *,
    thresholds: RegimeThresholds | None = None,
    where: Mapping[str, Any] | None = None,
    against: Against = "best",
    confidence: float = 0.95,
    min_relative_accuracy: float = MIN_RELATIVE_ACCURACY,
) -> PhaseSlices:
    """Return a phase chart of `x` and `y` for each level of a third axis `z`.

    Parameters and errors are those of :func:`phase_chart`; levels of `z` in `where` restrict the slices.
    """
    levels = lay_out(results, (x, y, z), where).levels[2]
    charts = tuple(
        phase_chart(
            results, x, y, thresholds=thresholds, where={**(where or {}), z: level}, against=against,
            confidence=confidence, min_relative_accuracy=min_relative_accuracy,
        )
        for level in levels
    )  # fmt: skip
    return PhaseSlices(z, levels, charts)


def reference_accuracy(results: Results, against: Against = "best") -> float | None:
    """Return the reference accuracy of retention; None for each network's own."""
    if against == "own":
        return None
    if against != "best":
        if not is_number(against) or not 0 < against <= 1:
            raise StudyError(f"against must be 'best', 'own' or an accuracy above 0 and up to 1, received {against!r}")
        return float(against)
    # If no network is ever right, retention is the accuracy from the codes.
    return best_accuracy(results, "test") or 1.0


def ratio_and_retention(
    grid: Grid,
    reference: float | None,
) -> tuple[Split[npt.NDArray[np.float64]], npt.NDArray[np.float64], tuple[str, ...]]:
    """Return R, retention and the classifiers that it uses; a repeat that lacks a number is NaN in all arrays."""
    train, test = (grid.values("redundancy_ratio", split) for split in ("train", "test"))
    rows = grid.results.where(split="test")
    classifiers = tuple(name for name in CATEGORIZERS if name in rows.columns["measure"])
    network = grid.values("network_accuracy", "test")
    from_codes = np.maximum.reduce([grid.values(name, "test") for name in classifiers or CATEGORIZERS])
    retention = from_codes / (
        np.where(network == 0, 1.0, network)
        if reference is None
        else np.where(np.isfinite(network), reference, network)
    )
    complete = np.isfinite(train) & np.isfinite(test) & np.isfinite(retention)
    train, test, retention = (np.where(complete, part, np.nan) for part in (train, test, retention))
    return Split(train, test), retention, classifiers


def _boundaries(grid: Grid, ratio: Estimates, retention: Estimates, limits: RegimeThresholds) -> tuple[Boundary, ...]:
    x, y = grid.levels
    if not (is_numeric(x) and is_numeric(y)):
        return ()
    surfaces = (("under_redundancy", ratio), ("sufficient_redundancy", ratio), ("under_retention", retention),
               ("sufficient_retention", retention))  # fmt: skip
    boundaries = []
    for name, surface in surfaces:
        level = getattr(limits, name)
        lines = (crossings(part, level, x, y) for part in (surface.mean, surface.low, surface.high))
        boundaries.append(Boundary(name, level, *lines))
    return tuple(boundaries)


FAILED_MARK = "\N{MULTIPLICATION SIGN}"
_LETTERS = dict(zip(REGIMES, "ucS", strict=True))


def _chart_table(chart: PhaseChart) -> Table:
    # The axis with fewer levels is horizontal, so that a long one fits on the page.
    down, across = (chart.x, chart.y) if len(chart.x_levels) >= len(chart.y_levels) else (chart.y, chart.x)
    levels = {chart.x: chart.x_levels, chart.y: chart.y_levels}
    short = len(levels[across]) > 9
    by_levels = {(cell.x, cell.y): cell for cell in chart.cells}
    rows = []
    for level in levels[down]:
        pairs = ((level, across_level) if down == chart.x else (across_level, level) for across_level in levels[across])
        rows.append((level_name(level), *(_cell_text(by_levels.get(pair), short) for pair in pairs)))
    limits = chart.thresholds
    note = (
        f"u under-, c critically, S sufficiently expressive{'' if short else ', with R on train'}; "
        "? where repeats disagree. "
        f"u: R > {limits.under_redundancy:g} or retention < {limits.under_retention:g}; "
        f"S: R <= {limits.sufficient_redundancy:g} and retention >= {limits.sufficient_retention:g}. "
        f"{limits.source}"
    )
    fixed_levels = conditions(chart.where, (chart.x, chart.y))
    fixed = f" at {fixed_levels}" if fixed_levels else ""
    title = f"Phase chart: {down.replace('_', ' ')} (down) by {across.replace('_', ' ')} (across){fixed}"
    return table(title, (down.replace("_", " "), *map(level_name, levels[across])), rows, note)


def _cell_text(cell: PhaseCell | None, short: bool) -> str:
    if cell is None:
        return "–"
    letter = _LETTERS[cell.regime] + ("?" if cell.agreement < 1 else "") + (FAILED_MARK if cell.failed else "")
    return letter if short else f"{letter} {f'{cell.redundancy_ratio.train.mean:.2f}'.removeprefix('0')}"
