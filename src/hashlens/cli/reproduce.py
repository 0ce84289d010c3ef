"""``hashlens reproduce``: rerun the paper's studies by name."""

from pathlib import Path
from typing import Annotated

import typer

from hashlens.cli.options import (
    Debug,
    Device,
    Force,
    Json,
    Stopped,
    Threads,
    check_named,
    check_outputs,
    console,
    set_threads,
    tell,
    write_json,
)


def reproduce(
    name: Annotated[
        str | None, typer.Argument(help="mnist-width, cifar10-time, digits-phase, ...: see --list.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder with the Parquet files of MNIST or CIFAR-10; not for digits.")
    ] = None,
    preset: Annotated[str, typer.Option(help="quick (minutes), or paper (up to hours).")] = "quick",
    out: Annotated[Path | None, typer.Option(help="Output folder. Default: hashlens-reproduce/NAME-PRESET.")] = None,
    names: Annotated[bool, typer.Option("--list", help="List all reproductions, and stop.")] = False,
    device: Device = None,
    threads: Threads = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Rerun one of the paper's studies and compare it with the paper. If interrupted, run it again to continue."""
    from hashlens.errors import StudyError
    from hashlens.study.reproduce.listing import preset_table
    from hashlens.study.reproduce.reproduce import reproduce as rerun

    if names and json is not None:
        raise StudyError("--list prints a table, which has no JSON: leave out --json")
    if names:
        console().print(preset_table())
        return
    if name is None:
        raise StudyError(
            "say what to reproduce, such as: hashlens reproduce digits-width; see hashlens reproduce --list"
        )
    set_threads(threads)
    if out is not None:
        check_named(out)
    check_outputs(json=json, force=force, inputs=[data])
    try:
        reproduction = rerun(name, data, preset=preset, out=out, overwrite=force, device=device)
    except KeyboardInterrupt as stopped:
        raise Stopped("stopped; run the same command without --force to continue") from stopped
    write_json(reproduction, json, force)
    console(json).print(reproduction)
    tell(f"report.html, tables, pictures, rows and the store: {reproduction.folder}")
