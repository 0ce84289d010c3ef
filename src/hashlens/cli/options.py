"""Options that mean the same in every command."""

import json
import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashlens.errors import OutputError
from hashlens.files import check_writable, output_path
from hashlens.passwords import masked
from hashlens.terminal import Terminal

if TYPE_CHECKING:
    import torch

    from hashlens.codes import Reading
    from hashlens.result import Result

Seed = Annotated[int, typer.Option(help="Seed of all randomness.", min=0)]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps. Default: where the model is.")]
Threads = Annotated[
    int | None,
    typer.Option(
        help="Number of threads of torch and of the search. Default: those of the libraries.", min=1, max=1024
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]
Json = Annotated[
    Path | None, typer.Option("--json", help="Write the result to this file as JSON; - is standard output.")
]
Html = Annotated[Path | None, typer.Option(help="Write an HTML page to this file.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Model = Annotated[
    str, typer.Argument(help="A folder that `hashlens train` wrote, package.module:factory, or a program .pt2.")
]
Weights = Annotated[Path | None, typer.Option(help="Weights for a factory: .safetensors, or .pt without pickles.")]
Source = "digits#train, parquet:DIR#train, npz:FILE, folder:DIR, hub:OWNER/NAME"
# Results of before name the command that made them, and there the training data are --data.
Train = Annotated[str, typer.Option("--train", "--data", help=f"Training data: {Source}, ...")]
Layers = Annotated[
    list[str] | None, typer.Option(help="Glob over layer names; repeat for more; '!glob' leaves layers out.")
]
GranularityName = Annotated[str, typer.Option("--granularity", help="unit, or channel.")]
GatesName = Annotated[
    str,
    typer.Option("--gates", help="activations, hard (soft activations are refused), or all (also abs and max-pool)."),
]
OutputName = Annotated[
    str | None,
    typer.Option(
        "--output",
        help="Meaning of the network's output: logits, probabilities, binary_logit, binary_probability, "
        "multilabel_logits, multilabel_probabilities, regression. Default: decided by the last operator, or by 64 "
        "rows.",
    ),
]
ForwardName = Annotated[
    str | None,
    typer.Option(
        "--forward",
        help="How to call the network: package.module:function or file.py:function, with the network and a batch.",
    ),
]
MaskName = Annotated[
    str | None,
    typer.Option(
        "--mask", help="Positions that are not padding: a key of dict batches, or package.module:function of a batch."
    ),
]
BatchSize = Annotated[int, typer.Option(help="Examples per forward pass.", min=1)]


STANDARD_OUTPUT = Path("-")
PAGES = (".html", ".htm")


class Stopped(Exception):
    """The user stopped a command, which can say how to go on."""


def set_threads(threads: int | None) -> None:
    """Set the threads of torch and FAISS, when asked for."""
    if threads is not None:
        import faiss
        import torch

        torch.set_num_threads(threads)
        faiss.omp_set_num_threads(threads)


def check_outputs(
    *paths: Path | None,
    force: bool,
    json: Path | None = None,
    page: Path | None = None,
    added_to: Path | None = None,
    reads: Sequence[str | Path | None] = (),
) -> None:
    """Raise OutputError before the work for a file that could not be written after it.

    Parameters
    ----------
    *paths : Path or None
        What is to be written: files, or folders that are replaced as a whole.
    force : bool
        Whether what is there may be written over.
    json : Path or None
        The file of the JSON, which may have its arrays in another beside it; ``-`` is standard output, for it alone.
    page : Path or None
        The file of a page.
    added_to : Path or None
        A folder to which files are added: other results may lie in it.
    reads : sequence of str, Path or None
        What the command reads: paths, or sources of data. It is never written over, and of a folder no file but pages.
    """
    from hashlens.saved.json_files import arrays_beside

    named = [path for path in (added_to, *paths, page) if path is not None]
    for path in named:
        check_named(path)
    outputs = [*named, *([] if json is None or json == STANDARD_OUTPUT else [json, arrays_beside(output_path(json))])]
    written: list[tuple[Path, Path]] = []
    for path in outputs:
        target = output_path(path)
        for other, before in written:
            if target == before or (target.exists() and before.exists() and target.samefile(before)):
                raise OutputError(f"two results have the path {path}: give each its own path")
            inside = before in target.parents and other is not added_to
            if inside or target in before.parents:
                raise OutputError(f"one of {path} and {other} lies inside the other: give each result its own path")
        for read in reads:
            if read is not None and _is_of(path, str(read)):
                raise OutputError(f"{path} is read as input ({read}): choose another path for the result")
        if path is page:
            check_page(path)
        written.append((path, target))
    for path in outputs:
        check_writable(path, overwrite=force)


def check_named(path: Path) -> None:
    """Raise OutputError for ``-``: nothing but JSON is written to standard output."""
    if path == STANDARD_OUTPUT:
        raise OutputError("- is standard output, which is for JSON only (--json -): give the path of a file or folder")


def check_page(path: Path) -> None:
    """Raise OutputError if a browser would not take a file for a page by its name."""
    if path.suffix.lower() not in PAGES:
        raise OutputError(f"{path}: pages are written as {' or '.join(PAGES)}")


def _is_of(path: Path, read: str) -> bool:
    """Return whether a path is what a command reads, or a file of the folder that it reads."""
    target = output_path(path)
    for place in _places(read):
        if target == place or (place.is_file() and target.exists() and target.samefile(place)):
            return True
        if place.is_dir() and target.is_file() and place in target.parents and target.suffix.lower() not in PAGES:
            return True
    return False


def _places(read: str) -> list[Path]:
    """Return the paths that a command may mean by a word: the word itself, a store's URL, or a source of data."""
    words = [read, read.removeprefix("sqlite:///")]
    if (source := re.fullmatch(r"[a-z]+:([^#\[\]?]+)(\?.*|#.*|\[.*)?", read)) and "://" not in read:
        words += [source[1], source[1].partition(":")[2]]
    file, _, name = read.rpartition(":")
    if name.isidentifier() and file.endswith(".py"):
        words.append(file)
    if Path(read).suffix in (".yaml", ".yml"):
        words.append(str(Path(read).with_suffix(".db")))
    paths = []
    for word in words:
        if word and "://" not in word:
            with suppress(OSError, ValueError, RuntimeError):  # no path: a word too long, or of another kind
                place = Path(word).expanduser().resolve()
                place.exists()
                paths.append(place)
    return paths


def open_model(model: str, weights: Path | None) -> "torch.nn.Module":
    """Load the network that a command names; say so when a factory's own weights are all there is."""
    from hashlens.nets import load_model

    loaded = load_model(model, weights)
    if weights is None and ":" in Path(model).name:
        tell(f"{model}: the weights are those that the factory returned; give trained ones with --weights")
    return loaded


def reading_of(forward: str | None, mask: str | None, **fields: Any) -> "Reading":
    """Return how a command reads a network; it names functions by where they are, and a mask by its key too."""
    from hashlens.codes import Reading
    from hashlens.nets.load import load_function

    return Reading(
        forward=None if forward is None else load_function(forward),
        mask=load_function(mask) if mask is not None and ":" in mask else mask,
        **fields,
    )


def tell(message: str) -> None:
    """Say something beside the result, on standard error, if somebody is there to read it."""
    if sys.stderr.isatty():
        console(STANDARD_OUTPUT).print(masked(message), style="dim", soft_wrap=True)


def console(json: Path | None = None) -> Terminal:
    """Return where a command prints: standard output, or standard error where the JSON goes to standard output.

    Names in what is printed are text, whatever they hold.
    """
    return Terminal(stderr=json == STANDARD_OUTPUT)


def as_typed(context: typer.Context) -> str:
    """Return the command line, quoted so that a shell reads it again; empty where the command was not run by one."""
    arguments = context.find_root().obj
    return "" if arguments is None else masked(shlex.join(["hashlens", *arguments]))


def write_json(result: "Result", path: Path | None, force: bool) -> None:
    """Write a result as JSON, whole or not at all; ``-`` is standard output."""
    if path is None:
        return
    if path == STANDARD_OUTPUT:
        sys.stdout.write(json.dumps(result.to_dict(), indent=1) + "\n")
        return
    from hashlens.saved.json_files import save_result

    save_result(result, path, overwrite=force)


def show_result(result: "Result", json: Path | None, html: Path | None, force: bool) -> None:
    """Write a result as JSON and as a page where paths are given, print it, and name what was written."""
    write_json(result, json, force)
    if html is not None:
        result.to_html(html, overwrite=force)
    console(json).print(result)
    for what, written in (("page", html), ("numbers", json)):
        if written is not None and written != STANDARD_OUTPUT:
            tell(f"{what}: {written}")
