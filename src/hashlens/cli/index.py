"""``hashlens index``: build an index of codes on disk, and search in it."""

from pathlib import Path
from typing import Annotated

import typer

from hashlens.cli.options import (
    Debug,
    Force,
    Json,
    Layers,
    Seed,
    Threads,
    check_outputs,
    console,
    set_threads,
    tell,
    write_json,
)
from hashlens.errors import IndexFault

index = typer.Typer(no_args_is_help=True, help="Search in codes by Hamming distance.")


@index.command()
def build(
    codes: Annotated[Path, typer.Argument(help="A folder of codes, written by `hashlens encode`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the index.")],
    kind: Annotated[str, typer.Option(help="exact, ivf (lists around centres), or hnsw (a graph).")] = "exact",
    layers: Layers = None,
    nlist: Annotated[
        int | None, typer.Option(help="ivf: number of lists. Default: the square root of the number of rows.", min=1)
    ] = None,
    M: Annotated[
        int | None, typer.Option("--M", help="hnsw: neighbours of a row in the graph. Default: 32.", min=2)
    ] = None,
    efConstruction: Annotated[
        int | None,
        typer.Option("--efConstruction", help="hnsw: candidates kept while a row is added. Default: 80.", min=1),
    ] = None,
    seed: Seed = 0,
    threads: Threads = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Build an index of codes, block by block. The folder of codes may be larger than memory."""
    from hashlens.codes import Codes
    from hashlens.index import Index

    set_threads(threads)
    check_outputs(out, force=force, inputs=[codes])
    options = {"nlist": nlist, "M": M, "efConstruction": efConstruction, "seed": None if kind == "exact" else seed}
    options = {name: value for name, value in options.items() if value is not None}
    built = Index.build(Codes.load(codes), kind, layers, out=out, overwrite=force, **options)
    console().print(built)
    tell(f"next: hashlens index search {out} QUERIES -k 10")


@index.command()
def search(
    where: Annotated[Path, typer.Argument(metavar="INDEX", help="An index, written by `hashlens index build`.")],
    queries: Annotated[Path, typer.Argument(help="A folder of codes of the same network.")],
    k: Annotated[int, typer.Option("-k", help="Neighbours of each query.", min=1)] = 10,
    radius: Annotated[
        int | None, typer.Option(help="Find all rows within this many bits, instead of the k nearest.", min=0)
    ] = None,
    nprobe: Annotated[
        int | None, typer.Option(help="ivf: number of lists to search. Default: that of the index.", min=1)
    ] = None,
    efSearch: Annotated[
        int | None,
        typer.Option("--efSearch", help="hnsw: number of candidates to keep. Default: that of the index.", min=1),
    ] = None,
    layers: Layers = None,
    weight: Annotated[
        list[str] | None, typer.Option(help="LAYER=NUMBER: weight of a layer; repeat for more layers.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="CSV: query, rank, id, distance.")] = None,
    threads: Threads = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Find the nearest codes of each query."""
    from hashlens.codes import Codes
    from hashlens.index import Index, Neighbours, WithinRadius

    if radius is not None and (nprobe is not None or efSearch is not None or weight):
        raise IndexFault(
            "a search within --radius is exact and unweighted: leave out --nprobe, --efSearch and --weight"
        )
    set_threads(threads)
    check_outputs(out, json=json, force=force, inputs=[where, queries])
    loaded, query_codes = Index.load(where), Codes.load(queries)
    result: Neighbours | WithinRadius
    if radius is None:
        weights = dict(map(_weight, weight)) if weight else None
        result = loaded.search(query_codes, k, nprobe=nprobe, efSearch=efSearch, layers=layers, weights=weights)
    else:
        result = loaded.range_search(query_codes, radius, layers=layers)
    write_json(result, json, force)
    if out is not None:
        result.to_csv(out, overwrite=force)
        tell(f"all results: {out}")
    else:
        tell("--out FILE.csv writes all results")
    console(json).print(result)


def _weight(text: str) -> tuple[str, float]:
    """Return the layer and the number of ``LAYER=NUMBER``."""
    name, _, number = text.rpartition("=")
    try:
        return name, float(number)
    except ValueError as error:
        raise IndexFault(f"a weight is LAYER=NUMBER, received {text!r}") from error
