"""``hashlens study``: train and measure many networks that a file describes; a study can be stopped and resumed."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashlens.cli.options import (
    SOURCE_EXAMPLES,
    Debug,
    Device,
    Force,
    Json,
    Stopped,
    Threads,
    check_outputs,
    console,
    set_threads,
    tell,
    write_json,
)
from hashlens.errors import OutputError, StudyError
from hashlens.files import atomic_write
from hashlens.passwords import mask_passwords

if TYPE_CHECKING:
    from hashlens.study.results import Results
    from hashlens.study.store import Store
    from hashlens.study.store.status import StudyStatus

FAILED = 1
"""Exit status of a study in which a run failed."""
PICTURES = (".png", ".svg", ".pdf")
Spec = Annotated[Path, typer.Argument(help="The YAML file of a study; `hashlens study init` writes one.")]
Stored = Annotated[
    str, typer.Argument(metavar="STORE|SPEC", help="A study's store: a file, a URL, or the YAML file beside it.")
]

study = typer.Typer(help="Train and measure many networks, as described in a file.", no_args_is_help=True)


@study.command()
def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("study.yaml"),
    data: Annotated[str, typer.Option(help=f"Training data: {SOURCE_EXAMPLES}, ...")] = "digits#train",
    test: Annotated[str | None, typer.Option(help="Test data, not used in training.")] = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Write the file of a small study, with comments. Run it as it is, or change it."""
    from hashlens.data.sources import check_address
    from hashlens.study.networks.template import template
    from hashlens.study.spec import StudySpec

    if test is None and data != "digits#train":
        raise StudyError(f"--data {data} needs --test: accuracies need examples that were not used in training")
    test = test or "digits#test"
    for address in (data, test):
        check_address(address)
    text = template(data, test, path)
    StudySpec.from_yaml(text, str(path))
    check_outputs(path, force=force, inputs=[data, test])
    with atomic_write(path, overwrite=force) as partial:
        partial.write_text(text, encoding="utf-8")
    _print_next("run", path)


@study.command()
def run(
    spec: Spec,
    store: Annotated[
        str | None, typer.Option(help="SQLite file or postgresql://USER@HOST/NAME. Default: beside SPEC, ending .db.")
    ] = None,
    worker: Annotated[
        bool, typer.Option("--worker", help="Exit when no run is left to start, without waiting for other workers.")
    ] = False,
    lease: Annotated[
        float, typer.Option(help="Seconds after which other workers take over the runs of a silent worker.", min=1)
    ] = 120,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Repeat failed runs.")] = False,
    device: Device = None,
    threads: Threads = None,
    debug: Debug = False,
) -> None:
    """Train and measure the runs that are not done yet. Several processes on one store share the work."""
    from hashlens.study.charts.summary import summarize
    from hashlens.study.study import Study

    set_threads(threads)
    loaded = Study.load(spec, store)
    terminal = console()
    terminal.print(
        mask_passwords(f"{loaded.spec.name}: results are stored in {store or spec.with_suffix('.db')}"), soft_wrap=True
    )
    try:
        loaded.run(
            wait=not worker, lease=lease, device=device, retry_failed=retry_failed,
            on_start=lambda begun: terminal.print(str(begun)) if str(begun) else None,
        )  # fmt: skip
    except KeyboardInterrupt as stopped:
        raise Stopped("stopped; run the same command again to continue") from stopped
    status, results = loaded.status(), loaded.results
    terminal.print(status)
    if len(results):
        terminal.print(summarize(results))
    place = store or str(spec)
    if status.failures:
        _print_next("run", spec, *(() if store is None else ("--store", store)), "--retry-failed")
        raise typer.Exit(FAILED)
    if status.finished:
        terminal.print(mask_passwords(f"page: {shlex.join(['hashlens', 'report', place])}"), soft_wrap=True)
    _print_next(*_next_command(status, results, place))


@study.command()
def status(store: Stored, force: Force = False, json: Json = None, debug: Debug = False) -> None:
    """Show progress, active workers, failures, and the remaining time."""
    check_outputs(json=json, force=force, inputs=[store])
    result = _open(store).status()
    write_json(result, json, force)
    console(json).print(result)


@study.command()
def export(
    store: Stored,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A file .parquet or .csv.")],
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Write all numbers as one long table."""
    check_outputs(out, force=force, inputs=[store])
    results = _results(store)
    results.export(out, overwrite=force)
    console().print(f"{out}: {len(results):,} rows", soft_wrap=True)


@study.command()
def chart(
    store: Stored,
    out: Annotated[Path, typer.Option(help="Picture to write: .png, .svg or .pdf.")],
    x: Annotated[str, typer.Option(help="Factor on the horizontal axis: width, depth, samples, ...")] = "width",
    y: Annotated[str, typer.Option(help="Factor on the vertical axis.")] = "epochs",
    z: Annotated[str | None, typer.Option(help="A third factor: a chart for each of its levels.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Fix a factor at a level, as in samples=48000; repeat for more.")
    ] = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Draw the phase chart: the regime of every network over two factors."""
    from hashlens.report.plots import save
    from hashlens.study.networks.regimes.phase import PhaseChart, PhaseSlices, phase_chart, phase_slices

    if out.suffix not in PICTURES:
        raise OutputError(f"{out}: pictures are written as {', '.join(PICTURES)}")
    check_outputs(out, json=json, force=force, inputs=[store])
    results, held = _results(store), dict[str, Any]()
    for factor, level in (_condition(text, results) for text in where or ()):
        if factor in held:
            raise StudyError(f"--where {factor} is given twice: fix it at one level, or use it as --x, --y or --z")
        held[factor] = level
    result: PhaseChart | PhaseSlices
    result = phase_chart(results, x, y, where=held) if z is None else phase_slices(results, x, y, z, where=held)
    write_json(result, json, force)
    save(result.plot(), out, overwrite=force)
    console(json).print(result)
    tell(f"picture: {out}")


def _store_path(place: str) -> str | Path:
    """Return the path or URL of a store, which a command names by itself or by the spec beside it."""
    beside_spec = "://" not in place and Path(place).suffix in (".yaml", ".yml")
    return Path(place).with_suffix(".db") if beside_spec else place


def _open(place: str) -> "Store":
    from hashlens.study.store import Store

    return Store.open(_store_path(place), create=False)


def _results(place: str) -> "Results":
    results = _open(place).results()
    if not len(results):
        raise StudyError(f"{place}: nothing is measured yet; see `hashlens study status {place}`")
    return results


def _condition(text: str, results: "Results") -> tuple[str, Any]:
    """Return the factor and the level that ``samples=48000`` names."""
    name, _, level = text.partition("=")
    kind = results.variables.types.get(name)
    if kind is None or not level:
        raise StudyError(f"--where takes FACTOR=LEVEL of {', '.join(results.axes)}; received {text!r}")
    try:
        return name, {"true": True, "false": False}[level.lower()] if kind is bool else kind(level)
    except (KeyError, ValueError):
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise StudyError(f"--where {name}= takes {wanted}; received {level!r}") from None


def _next_command(status: "StudyStatus", results: "Results", place: str) -> tuple[object, ...]:
    """Return the command to suggest next: the status of an unfinished study, else a phase chart if possible."""
    if not status.finished:
        return "status", place
    name = Path(place).with_suffix("").name if "://" not in place else "study"
    levels = {axis: results.levels(axis) for axis in results.axes}
    axes = sorted((axis for axis in levels if len(levels[axis]) > 1), key=lambda axis: -len(levels[axis]))[:2]
    needed = {"redundancy_ratio", "network_accuracy"} <= set(results.levels("measure"))
    if len(axes) < 2 or not needed:
        return "export", place, f"{name}.parquet"
    x, y = sorted(axes, key=results.axes.index)
    other_factors = [factor for factor in levels if factor not in axes and len(levels[factor]) > 1]
    fixed_levels = [part for factor in other_factors for part in ("--where", f"{factor}={levels[factor][-1]}")]
    return "chart", place, "--x", x, "--y", y, *fixed_levels, "--out", f"{name}.png"


def _print_next(*arguments: object) -> None:
    command = shlex.join(["hashlens", "study", *map(str, arguments)])
    console().print(mask_passwords(f"next: {command}"), soft_wrap=True)
