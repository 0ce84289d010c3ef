"""``hashlens encode``: write the neural codes of a network to a folder, and to a Parquet file."""

from pathlib import Path
from typing import Annotated

import typer

from hashlens.cli.options import (
    SOURCE_EXAMPLES,
    BatchSize,
    Debug,
    Device,
    Force,
    ForwardName,
    GatesName,
    GranularityName,
    Layers,
    MaskName,
    Model,
    Seed,
    Threads,
    Weights,
    check_outputs,
    console,
    open_model,
    reading_of,
    set_threads,
)


def encode(
    model: Model,
    data: Annotated[str, typer.Option(help=f"Examples to encode: {SOURCE_EXAMPLES}, ...")],
    out: Annotated[Path, typer.Option(help="Folder for the codes.")],
    export: Annotated[
        Path | None, typer.Option(help="Also write one Parquet file, for DuckDB, Polars and pandas.")
    ] = None,
    layers: Layers = None,
    granularity: GranularityName = "unit",
    gates: GatesName = "activations",
    bits: Annotated[
        int | None, typer.Option(help="Number of bits to keep, drawn at random. Default: all.", min=1)
    ] = None,
    forward: ForwardName = None,
    mask: MaskName = None,
    weights: Weights = None,
    batch_size: BatchSize = 64,
    seed: Seed = 0,
    device: Device = None,
    threads: Threads = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Read the neural code of every example and write it to a folder."""
    import hashlens as hl

    set_threads(threads)
    check_outputs(out, export, force=force, inputs=[model, weights, data, forward, mask])
    codes = hl.encode(
        open_model(model, weights),
        data,
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
        ),
        out=out,
        overwrite=force,
    )
    if export is not None:
        codes.export(export, overwrite=force)
    terminal = console()
    terminal.print(
        f"{out}: {len(codes):,} codes of {codes.code_bits:,} bits, {codes.packed.nbytes:,} bytes", soft_wrap=True
    )
    if export is not None:
        terminal.print(f"{export}: the same codes as Parquet", soft_wrap=True)
    terminal.print(f"next: hashlens.Codes.load({str(out)!r})", soft_wrap=True)
