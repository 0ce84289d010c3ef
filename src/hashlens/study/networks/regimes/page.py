"""Sections on regimes for pages of studies of networks, and the pages of phase charts."""

from collections.abc import Sequence

from hashlens.errors import StudyError
from hashlens.report.blocks import blocks
from hashlens.report.page import Block, Page, Prose, Section, charts
from hashlens.study.charts.grid import level_name
from hashlens.study.networks.regimes.phase import PhaseChart, PhaseSlices
from hashlens.study.networks.regimes.sensitivity import PhaseSensitivity
from hashlens.study.networks.regimes.widget import Cells, chart_cells, phase_widget, results_cells
from hashlens.study.page.opening import Opening
from hashlens.study.results import Results
from hashlens.tables import Table


def regimes_opening(results: Results) -> Opening:
    """Return the interactive chart with its verdict and notes; or the reason why there is none."""
    try:
        cells = results_cells(results)
    except StudyError as missing:
        return Opening(notes=(f"No regimes: {missing}",))
    if cells is None:
        return Opening()
    return Opening((Section("Regimes", (phase_widget(cells),)),), *_verdict(cells), cells.notes)


def _verdict(cells: Cells) -> tuple[str, str]:
    counts, limits = cells.counts(), cells.thresholds
    spans = "; ".join(
        f"{axis.replace('_', ' ')} {level_name(levels[0])} to {level_name(levels[-1])}"
        for axis, levels in zip(cells.axes, cells.levels, strict=True)
    )
    reason = (
        f"The regimes of {sum(counts.values()):,} cells over {spans}. Under-expressive: R on train above "
        f"{limits.under_redundancy:g} or retention below {limits.under_retention:g}; sufficiently "
        f"expressive: R at most {limits.sufficient_redundancy:g} and retention at least "
        f"{limits.sufficient_retention:g}; critically expressive: between."
    )
    under, critically, sufficiently = (f"{count:,}" for count in counts.values())
    verdict = (
        f"Of {sum(counts.values()):,} cells {under} are under-expressive, {critically} critically and {sufficiently} "
        "sufficiently expressive"
    )
    return verdict, reason


def chart_page(chart: PhaseChart) -> Page:
    """Return the page of a phase chart."""
    return _cells_page(chart_cells([chart]), _name(chart), blocks(chart))


def slices_page(slices: PhaseSlices) -> Page:
    """Return the page of slices over a third axis."""
    return _cells_page(chart_cells(slices.charts, slices.z, slices.levels), _name(slices.charts[0]), blocks(slices))


def _name(chart: PhaseChart) -> str:
    return chart.study or "Phase chart"


def _cells_page(cells: Cells, title: str, shown: Sequence[Block]) -> Page:
    tables = tuple(block for block in shown if isinstance(block, Table))
    sections = (Section("Regimes", (phase_widget(cells),)), Section("Tables", tables))
    return Page(title, "Activation hash phase chart", *_verdict(cells), sections, cells.notes)


def sensitivity_page(sensitivity: PhaseSensitivity) -> Page:
    """Return the page of a sensitivity; it starts with the number of cells that never change."""
    shown = blocks(sensitivity)
    tables = tuple(block for block in shown if isinstance(block, Table))
    verdict = next((block.text for block in shown if isinstance(block, Prose)), "")
    cells = chart_cells([sensitivity.chart])
    sections = (
        Section("Sensitivity to the thresholds", (*charts(sensitivity.figures()), *tables)),
        Section("Interactive chart", (phase_widget(cells),)),
    )
    return Page(_name(sensitivity.chart), "How regimes depend on the thresholds", verdict, "", sections, cells.notes)
