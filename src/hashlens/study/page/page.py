"""The page of a study: the experiment's own charts, curves of every measure over every axis, effects, provenance."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hashlens.errors import StudyError
from hashlens.report.blocks import blocks
from hashlens.report.figures import Figure
from hashlens.report.page import Chart, Page, Section, Widget, charts
from hashlens.study.charts.curves import Curve, curve
from hashlens.study.charts.effects import EffectTable, effect_table
from hashlens.study.charts.figures import curve_lines, fixed_level, panels
from hashlens.study.charts.grid import conditions, level_name
from hashlens.study.charts.summary import summarize
from hashlens.study.experiment import EXPERIMENTS, Experiment, find_experiment
from hashlens.study.page.opening import Opening
from hashlens.study.results import Results
from hashlens.tables import Table, table

if TYPE_CHECKING:
    from hashlens.study.store import Store
    from hashlens.study.store.status import StudyStatus

MAX_DRAWS = 40_000_000
"""Largest number of values that the bootstrap of an effect table draws; a large study needs fewer resamples."""


def study_page(results: Results) -> Page:
    """Return the page of all results of a study."""
    opening = opening_of(results)
    sections = (*opening.sections, *curve_sections(results), *_effect_sections(results), _factor_section(results))
    if not any(section.blocks for section in sections[:-1]):
        sections = (Section("Numbers", blocks(summarize(results))), *sections)
    cells, rows = len(results.levels("cell")), len(results)
    runs = len(set(zip(results.columns["cell"].tolist(), results.columns["repeat"].tolist(), strict=True)))
    subtitle = f"{runs:,} {_runs_noun(results)} in {cells:,} cells; {rows:,} numbers"
    return Page(results.study or "A study", subtitle, opening.verdict, opening.reason, sections, opening.notes)


def opening_of(results: Results) -> Opening:
    """Return the first part of the page; an empty one if the experiment is not part of the library."""
    experiment = _experiment(results)
    return Opening() if experiment is None else experiment.opening(results)


def _experiment(results: Results) -> Experiment | None:
    """Return the experiment if it is part of the library, else None: code named in a results file is never imported."""
    name = results.variables.experiment
    return find_experiment(name) if name in EXPERIMENTS else None


def _runs_noun(results: Results) -> str:
    experiment = _experiment(results)
    return Experiment.runs_noun if experiment is None else experiment.runs_noun


def store_page(store: "Store", command: str = "") -> Page:
    """Return the page of a store: the results, the progress of the study, and where the numbers come from.

    Parameters
    ----------
    store : Store
        The store of a study, finished or not.
    command : str
        The command that the page names as its origin; by default the commands that run the study and write the page.

    Raises
    ------
    StudyError
        If nothing has been measured yet.
    """
    results = _require_results(store.results(), store)
    page = study_page(results)
    status = store.status()
    progress_sections = (
        Section("Progress", blocks(status)),
        Section("Origin", (_origin_table(store, status, _runs_noun(results)), _spec_table(store.spec))),
    )
    progress = f"{status.done:,} of {status.runs:,} {_runs_noun(results)} are done."
    notes = page.notes if status.finished else (*page.notes, progress)
    return Page(
        page.title,
        page.subtitle,
        page.verdict,
        page.reason,
        (*page.sections, *progress_sections),
        notes,
        command or _commands(store.name),
    )


def _commands(name: str) -> str:
    spec = Path(name).with_suffix(".yaml")
    commands = [shlex.join(["hashlens", "study", "run", str(spec)])] if "://" not in name and spec.exists() else []
    return "\n".join((*commands, shlex.join(["hashlens", "report", name])))


def _require_results(results: Results, store: "Store") -> Results:
    if not len(results):
        raise StudyError(f"{store.name}: nothing is measured yet")
    return results


def curve_sections(results: Results) -> Iterator[Section]:
    """Yield a section for each axis that varies: every measure along it, other axes at their first or last level."""
    varying = [axis for axis in results.axes if len(results.levels(axis)) > 1]
    clickable = any(isinstance(block, Widget) for section in opening_of(results).sections for block in section.blocks)
    resting = {axis: fixed_level(results.variables, axis, results.levels(axis)) for axis in varying}
    for drawn in varying:
        where = {axis: level for axis, level in resting.items() if axis != drawn}
        curves = list(_curves(results, drawn, where))
        if not curves:
            continue  # where designs have axes of their own
        fixed = conditions(where)
        hint = ": click a cell of the chart above for others" if clickable and len(varying) > 1 else ""
        bands = next((f", with {figure.band_name}" for figure in curves if figure.band_name), "")
        note = f"Means over repeats{bands}{f', at {fixed}{hint}' if fixed else ''}."
        yield Section(f"Curves over {drawn.replace('_', ' ')}", charts(curves), note)


def _curves(results: Results, over: str, where: dict[str, Any]) -> Iterator[Any]:
    for panel in panels(results):
        try:
            result = curve(results, panel.measures, over, split=panel.splits, where=where)
        except StudyError:
            # An unfinished study, or one whose axes are not crossed, lacks some combinations of levels.
            continue
        if any(estimate is not None for series in result.series for estimate in series.estimates):
            yield _with_title(result, panel.title)


def _with_title(curve_: Curve, title: str) -> Any:
    return replace(curve_lines(curve_), title=f"{title[0].upper()}{title[1:]}")


def _effect_sections(results: Results) -> Iterator[Section]:
    rows = len(results.where(layer=""))
    try:
        effects = effect_table(results, bootstrap=max(50, min(1000, MAX_DRAWS // max(rows, 1))))
    except StudyError:
        return
    yield _effect_section(effects)


def _effect_section(effects: EffectTable) -> Section:
    return Section("Variance explained", (*charts(effects.figures()), *effects.tables()), " ".join(effects.verdicts))


def _factor_section(results: Results) -> Section:
    """Return every factor and its levels, including factors with one level."""
    rows = [
        (results.variables.label(factor), ", ".join(map(level_name, results.levels(factor))))
        for factor in results.axes
    ]  # fmt: skip
    rows.append(("repeats", str(len(results.levels("repeat")))))
    return Section("Factors", (table("Levels of each factor", ("factor", "levels"), rows, names=2),))


def _origin_table(store: "Store", status: "StudyStatus", runs_label: str) -> Table:
    from hashlens.study.store.schema import DONE, run_settings
    from hashlens.study.store.status import duration

    runs = [run for run in store.runs() if run.state == DONE]
    seconds = sum(float(run.metadata.get("seconds") or 0.0) for run in runs)
    rows = [
        ("store", store.name),
        *((f"{split} data, digest", digest) for split, digest in store.digests.items()),
        *run_settings(runs).items(),
        (runs_label, f"{status.done:,} of {status.runs:,}"),
        ("time, over all workers", duration(seconds)),
    ]
    return table("Data and machine", ("", ""), rows, names=2)


def _spec_table(spec: Any) -> Table:
    return table("The study's file", ("field", "value"), list(_fields(spec)), names=2)


def _fields(spec: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and value of every field of a spec that is set."""
    if isinstance(spec, dict):
        for key, value in spec.items():
            yield from _fields(value, f"{name}.{key}" if name else str(key))
    elif spec is not None:
        yield name, ", ".join(map(str, spec)) if isinstance(spec, Sequence) and not isinstance(spec, str) else str(spec)


def curve_page(curve_: Curve, figure: Figure) -> Page:
    """Return the page of a curve; `figure` is its chart."""
    chart = Chart(figure, curve_.__rich__())
    note = f"Bands: {curve_.interval_note}." if curve_.interval_note else ""
    return Page(curve_.study or "Curve", curve_.title, "", "", (Section("Curve", (chart,), note),))


def effects_page(effects: EffectTable) -> Page:
    """Return the page of an effect table, with its verdicts first."""
    first, *others = effects.verdicts
    section = Section("Shares of variance", (*charts(effects.figures()), *effects.tables()))
    return Page(effects.study or "Effects", "Variance explained", first, " ".join(others), (section,))
