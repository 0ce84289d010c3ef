"""``hashlens regions``: the exact linear regions of a network, around examples, between them and on planes."""

from collections.abc import Sequence
from itertools import chain
from math import ceil, inf
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashlens.cli.ids import batches_of
from hashlens.cli.options import (
    SOURCE_EXAMPLES,
    Debug,
    Force,
    Json,
    Model,
    OutputName,
    Threads,
    Weights,
    check_outputs,
    console,
    open_model,
    set_threads,
    tell,
    write_json,
)
from hashlens.errors import DataError, OutputError

if TYPE_CHECKING:
    import torch

    from hashlens.data.examples import Batch, Examples

PICTURES = (".png", ".svg", ".pdf")
PAGE = ".html"
NORMS = {"2": 2.0, "inf": inf}
BATCH = 64
MAX_POINTS = 2000
"""Largest number of examples drawn on the plane of a network with two inputs."""
Data = Annotated[str, typer.Option(help=f"Source of the examples: {SOURCE_EXAMPLES}, ...")]
Picture = Annotated[Path | None, typer.Option("--out", "-o", help="Picture to write: .png, .svg or .pdf.")]

regions = typer.Typer(help="Compute the exact linear regions of a network.", no_args_is_help=True)


@regions.command()
def at(
    model: Model,
    data: Data,
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="Id of an example; repeat for more. Default: all.")
    ] = None,
    norm: Annotated[str, typer.Option(help="Norm of the ball: 2, or inf.")] = "2",
    out: Picture = None,
    output: OutputName = None,
    weights: Weights = None,
    threads: Threads = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Show the distance from each example to the nearest region boundary, and the unit of this boundary."""
    from hashlens.progress import track
    from hashlens.regions import at as region_at
    from hashlens.regions import trace
    from hashlens.regions.figures import radius_figure
    from hashlens.regions.tables import RadiusTable, radius_rows

    if norm not in NORMS:
        raise DataError(f"--norm is 2 or inf, received {norm!r}")
    _check_picture(out, PICTURES)
    set_threads(threads)
    check_outputs(out, json=json, force=force, inputs=[model, weights, data])
    network, examples = _open_network_and_data(model, weights, data)
    batches = examples.batches(BATCH) if ids is None else batches_of(examples, ids)
    total = ceil(len(examples) / BATCH) if ids is None else len(ids)
    rows, program = [], None
    for batch in track(batches, "radii", total):
        inputs = _network_inputs(network, batch)
        program = program or trace(network, inputs, output=output)
        rows += radius_rows(region_at(program, inputs), NORMS[norm], batch.ids, batch.labels)
    radius_table = RadiusTable(examples.name, NORMS[norm], tuple(rows), examples.class_names)
    if out is not None:
        _draw(out, force, radius_figure({examples.name: [one.radius for one in rows]}, NORMS[norm]))
    write_json(radius_table, json, force)
    console(json).print(radius_table)


@regions.command()
def along(
    model: Model,
    data: Data,
    begin: Annotated[str, typer.Option("--from", help="Id of the example at the start of the segment.")],
    finish: Annotated[str, typer.Option("--to", help="Id of the example at its end.")],
    out: Picture = None,
    output: OutputName = None,
    weights: Weights = None,
    threads: Threads = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """List every linear piece on the straight line between two examples, with its length and class."""
    from hashlens.regions import along as pieces_along
    from hashlens.regions import trace
    from hashlens.regions.tables import piece_table

    _check_picture(out, PICTURES)
    set_threads(threads)
    check_outputs(out, json=json, force=force, inputs=[model, weights, data])
    network, examples = _open_network_and_data(model, weights, data)
    inputs, names = _examples_by_id(network, examples, (begin, finish))
    result = pieces_along(trace(network, inputs, output=output), inputs[:1], inputs[1:])
    pieces = piece_table(result, examples.name, names[0], names[1], examples.class_names)
    write_json(pieces, json, force)
    if out is not None:
        _draw(out, force, pieces.figures()[0])
    console(json).print(pieces)
    if out is None:
        tell("for a picture, add --out along.png")


@regions.command()
def plane(
    model: Model,
    data: Annotated[str | None, typer.Option(help=f"Source of the examples: {SOURCE_EXAMPLES}, ...")] = None,
    through: Annotated[
        tuple[str, str, str] | None, typer.Option(help="Ids of three examples: use the plane through them.")
    ] = None,
    pca: Annotated[int | None, typer.Option(help="Use the principal plane of the first N examples.", min=3)] = None,
    box: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(help="LEFT RIGHT BOTTOM TOP. Default: around the examples."),
    ] = None,
    colour: Annotated[
        str, typer.Option("--colour", "--color", help="Colour by gradient, class, or code (a colour for each region).")
    ] = "gradient",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Picture (.png, .svg or .pdf) or interactive page (.html).")
    ] = None,
    sampled: Annotated[
        int | None, typer.Option(help="Also count the regions that a grid of N x N points finds.", min=2)
    ] = None,
    max_regions: Annotated[int, typer.Option(help="Stop with an error if there are more regions.", min=1)] = 1_000_000,
    output: OutputName = None,
    weights: Weights = None,
    threads: Threads = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Compute all linear regions on a plane. A network with two inputs needs no data."""
    from hashlens.regions import plane as partition
    from hashlens.regions.figures import check_colouring, plane_figure
    from hashlens.regions.page import plane_page
    from hashlens.report.page import write_page

    check_colouring(colour)
    _check_picture(out, (*PICTURES, PAGE))
    if through is not None and pca is not None:
        raise DataError("give --through three examples or --pca a number of them, not both")
    if data is None and (through is not None or pca is not None):
        raise DataError("--through and --pca choose examples: give their source with --data")
    set_threads(threads)
    check_outputs(out, json=json, force=force, inputs=[model, weights, data])
    network, examples = (
        (open_model(model, weights), None) if data is None else _open_network_and_data(model, weights, data)
    )
    plane_arguments: dict[str, Any] = {}
    figure_arguments: dict[str, Any] = {"class_names": None if examples is None else examples.class_names}
    if examples is not None and through is not None:
        plane_arguments["through"], figure_arguments["marks"] = _examples_by_id(network, examples, through)
    elif examples is not None:
        figure_arguments["points"], figure_arguments["labels"] = _first_examples(network, examples, pca)
        plane_arguments |= {} if pca is None else {"pca": figure_arguments["points"]}
    result = partition(network, box, max_regions=max_regions, output=output, **plane_arguments)
    result = result if sampled is None else result.with_sampled(sampled)
    write_json(result, json, force)
    if out is not None:
        figure = plane_figure(result, colour, **figure_arguments)  # type: ignore[arg-type]
        if out.suffix.lower() == PAGE:
            write_page(plane_page(result, figure), out, overwrite=force)
        else:
            _draw(out, force, figure)
    console(json).print(result)
    if out is None:
        tell("for a picture, add --out plane.png, or --out plane.html for an interactive page")


def _open_network_and_data(model: str, weights: Path | None, data: str) -> "tuple[torch.nn.Module, Examples]":
    """Return the network, and the examples with its class numbers."""
    from hashlens.data import load_data
    from hashlens.data.numbering import match_class_numbers
    from hashlens.nets.class_names import declared_classes

    network = open_model(model, weights)
    return network, match_class_numbers(load_data(data), declared_classes(network))


def _check_picture(path: Path | None, kinds: Sequence[str]) -> None:
    if path is not None and path.suffix.lower() not in kinds:
        raise OutputError(f"{path}: pictures are written as {', '.join(kinds)}")


def _draw(path: Path, force: bool, figure: Any) -> None:
    from hashlens.report.plots import draw, save

    save(draw([figure]), path, overwrite=force)
    tell(f"picture: {path}")


def _network_inputs(network: "torch.nn.Module", batch: "Batch") -> "torch.Tensor":
    """Return the inputs of a batch in the dtype of the network's parameters."""
    from hashlens.regions.inputs import examples

    inputs = examples(batch.inputs, "the examples")
    floating = (
        parameter.dtype for parameter in chain(network.parameters(), network.buffers()) if parameter.is_floating_point()
    )
    return inputs.to(next(floating, inputs.dtype))


def _examples_by_id(
    network: "torch.nn.Module", examples: "Examples", wanted: Sequence[str]
) -> tuple["torch.Tensor", tuple[str, ...]]:
    """Return the examples with these ids, and names for them: their classes, if known, and ids."""
    import torch

    from hashlens.data.labels import class_name

    batches = list(batches_of(examples, wanted))
    names = []
    for batch in batches:
        name = f"id {PurePath(str(batch.ids[0])).name}"
        if batch.labels is not None:
            label = int(batch.labels[0])
            name = f"{class_name(examples.class_names, label)} ({name})"
        names.append(name)
    return torch.cat([_network_inputs(network, batch) for batch in batches]), tuple(names)


def _first_examples(network: "torch.nn.Module", examples: "Examples", count: int | None) -> tuple["torch.Tensor", Any]:
    """Return the first examples, and their labels if known; without a count, the inputs must be two numbers."""
    import torch

    if count is not None and len(examples) < count:
        raise DataError(f"--pca {count:,}: {examples.name} has only {len(examples):,} examples")
    batches = list(examples.narrow(0, count or MAX_POINTS).batches(BATCH))
    inputs = torch.cat([_network_inputs(network, batch) for batch in batches])
    if count is None and inputs.shape[1:] != (2,):
        shape = ", ".join(map(str, inputs.shape[1:]))
        raise DataError(f"examples of shape ({shape}) need a plane: choose one with --through or --pca")
    labels = [batch.labels for batch in batches if batch.labels is not None]
    return inputs, torch.cat(labels).numpy() if len(labels) == len(batches) else None
