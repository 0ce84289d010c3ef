"""Available reproductions, as a table."""

from collections.abc import Sequence
from typing import Any

from hashlens.data.digits import TRAIN_ROWS
from hashlens.study.cells import CellLike
from hashlens.study.experiment import Resources, find_experiment
from hashlens.study.networks.cells import cells
from hashlens.study.networks.spec import NetworksSpec
from hashlens.study.reproduce.preset import SIZES, Preset, find_preset, preset_names
from hashlens.tables import Table, number, table


def preset_table() -> Table:
    """Return a table of every preset: the axes that vary, the number of runs of each size, and their duration."""
    presets = {name: find_preset(name) for name in preset_names()}
    rows = []
    for name, preset in presets.items():
        train_size = preset.expects.train if preset.expects else TRAIN_ROWS
        specs = {size: preset.spec(name, size) for size in SIZES}
        runs = {size: number(_cells(spec, train_size) * spec.repeats) for size, spec in specs.items()}
        sizes = (part for size in SIZES for part in (runs[size], preset.durations.get(size, "–")))
        rows.append((name, _varying_axes(preset), *sizes))
    columns = ("name", "varies", *(part for size in SIZES for part in (size, "took")))
    expecting = {name: preset.expects.name for name, preset in presets.items() if preset.expects}
    *first, last = dict.fromkeys(f"{name.partition('-')[0]}-..." if "-" in name else name for name in expecting)
    others = "; ".join(f"{name} needs one with {preset.needs}" for name, preset in presets.items() if preset.needs)
    note = (
        "quick, paper: the number of networks or other runs, and the approximate time on two CPU cores; – if "
        f"it was not timed. {', '.join(first)} and {last} need --data DIR, a folder with the Parquet files of "
        f"{' or '.join(dict.fromkeys(expecting.values()))}; {others}; the others need no data."
    )
    return table("Available reproductions", columns, rows, note, names=2)


def _cells(spec: Any, train_size: int) -> int:
    return len(cells(spec, train_size) if isinstance(spec, NetworksSpec) else _experiment_cells(spec))


def _experiment_cells(spec: Any) -> Sequence[CellLike]:
    return find_experiment(spec.experiment).cells(Resources(spec))


def _varying_axes(preset: Preset) -> str:
    """Return the axes that take several values in either size, or the number of designs that have axes of their own."""
    specs = [preset.spec("", size) for size in SIZES]
    if designs := getattr(specs[-1], "designs", None):
        return f"{len(designs)} designs"
    axes = [spec.axes.model_dump() for spec in specs]
    return ", ".join(
        name.replace("_", " ") for name in axes[0] if any(len(size_axes[name] or ()) > 1 for size_axes in axes)
    )
