"""``hashlens measure``: measure a network's encoding properties, controls and regime."""

from dataclasses import replace
from math import inf
from typing import Annotated

import typer

from hashlens.cli.options import (
    BatchSize,
    Debug,
    Device,
    Force,
    ForwardName,
    GatesName,
    GranularityName,
    Html,
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
    command_line,
    open_model,
    reading_of,
    set_threads,
    show_result,
    tell,
)
from hashlens.errors import MeasureError


def measure(
    context: typer.Context,
    model: Model,
    train: Train,
    test: Annotated[str, typer.Option(help="Test data, not used in training.")],
    layers: Layers = None,
    granularity: GranularityName = "unit",
    gates: GatesName = "activations",
    bits: Annotated[int | None, typer.Option(help="Read a random sample of this many bits only.", min=1)] = None,
    k: Annotated[int, typer.Option("-k", help="Neighbours of K-NN.", min=1)] = 9,
    logistic: Annotated[str, typer.Option(help="multinomial, or one-vs-one (the paper's).")] = "multinomial",
    controls: Annotated[bool, typer.Option(help="Also measure the controls.")] = True,
    memory_budget: Annotated[
        float, typer.Option(help="Memory for codes and features, in GiB; larger ones are sampled.")
    ] = 2.0,
    projection: Annotated[str, typer.Option(help="Projection for the map of the codes: pca, or umap.")] = "pca",
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
    html: Html = None,
    debug: Debug = False,
) -> None:
    """Measure determinism and categorization of a network's codes, and compare them with controls."""
    import hashlens as hl

    budget = _bytes(memory_budget)
    set_threads(threads)
    check_outputs(json=json, page=html, force=force, inputs=[model, weights, train, test, forward, mask])
    measured = hl.measure(
        open_model(model, weights),
        train,
        test,
        reading=reading_of(
            forward,
            mask,
            layers=layers,
            granularity=granularity,
            bits=bits,
            seed=seed,
            device=device,
            batch_size=batch_size,
            gates=gates,
            output=output,
        ),
        k=k,
        logistic=logistic,  # type: ignore[arg-type]
        controls=controls,
        memory_budget=budget,
        projection=projection,  # type: ignore[arg-type]
    )
    measured = replace(measured, command=command_line(context))
    show_result(measured, json, html, force)
    if html is None:
        tell("for a page, add --html report.html")


def _bytes(gib: float) -> int:
    if not 0 < gib < inf:
        raise MeasureError(f"--memory-budget is a number of GiB, more than 0, received {gib:g}")
    return max(1, int(gib * 2**30))
