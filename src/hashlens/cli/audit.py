"""``hashlens audit``: whether a test accuracy can be trusted."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from hashlens.cli.options import (
    BatchSize,
    Debug,
    Device,
    Force,
    ForwardName,
    Json,
    Layers,
    MaskName,
    Model,
    OutputName,
    Seed,
    Threads,
    Train,
    Weights,
    check_outputs,
    open_model,
    reading_of,
    set_threads,
    show_result,
    tell,
)


def audit(
    model: Model,
    train: Train,
    test: Annotated[str, typer.Option(help="Test data: the examples of the reported accuracy.")],
    layers: Layers = None,
    html: Annotated[Path | None, typer.Option(help="Write an HTML page with the examples to this file.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every ranked table as CSV to this folder.")] = None,
    views: Annotated[
        str | None,
        typer.Option(
            help="For images: also search for leaks in other views of the test images: 'all', or names separated by "
            "commas (mirrored, brighter, darker, turned left, turned right, nearer, farther)."
        ),
    ] = None,
    suspect_copies: Annotated[
        bool | None,
        typer.Option(
            "--suspect-copies/--keep-copies",
            help="Whether test inputs that equal a training input count as leaked. By default, the kind of inputs "
            "decides.",
        ),
    ] = None,
    output: OutputName = None,
    forward: ForwardName = None,
    mask: MaskName = None,
    weights: Weights = None,
    batch_size: BatchSize = 64,
    seed: Seed = 0,
    device: Device = None,
    threads: Threads = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Check a test accuracy: find leaked test examples, wrong labels, blind spots and novel examples."""
    import hashlens as hl

    set_threads(threads)
    check_outputs(json=json, page=html, added_to=csv, force=force, inputs=[model, weights, train, test, forward, mask])
    view_names = parse_views(views)
    result = hl.audit(
        open_model(model, weights), train, test, suspect_copies=suspect_copies, views=view_names,
        reading=reading_of(
            forward, mask, layers=layers, seed=seed, device=device, batch_size=batch_size, output=output
        ),
    )  # fmt: skip
    command = _command(
        model, weights, train, test, layers, batch_size, seed, suspect_copies, views, output, forward, mask
    )
    result = replace(result, command=command)
    if csv is not None:
        result.to_csv(csv, overwrite=force)
    show_result(result, json, html, force)
    if csv is not None:
        tell(f"tables: {csv}")
    if html is None:
        tell("for a page with the examples, add --html audit.html")


def parse_views(views: str | None) -> bool | list[str]:
    """Return the views that a command names."""
    if views is None or views.strip() == "all":
        return views is not None
    return [name.strip() for name in views.split(",")]


def _command(
    model: str,
    weights: Path | None,
    train: str,
    test: str,
    layers: Sequence[str] | None,
    batch_size: int,
    seed: int,
    suspect_copies: bool | None,
    views: str | None,
    output: str | None,
    forward: str | None,
    mask: str | None,
) -> str:
    """Return the command that gives the same numbers."""
    words = ["hashlens", "audit", model, "--train", train, "--test", test]
    for layer in layers or ():
        words += ["--layers", layer]
    if weights is not None:
        words += ["--weights", str(weights)]
    if output is not None:
        words += ["--output", output]
    if forward is not None:
        words += ["--forward", forward]
    if mask is not None:
        words += ["--mask", mask]
    if suspect_copies is not None:
        words.append("--suspect-copies" if suspect_copies else "--keep-copies")
    if views is not None:
        words += ["--views", views]
    return shlex.join([*words, "--batch-size", str(batch_size), "--seed", str(seed)])
