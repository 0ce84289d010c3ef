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
from hashlens.passwords import mask_passwords
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
SOURCE_EXAMPLES = "digits#train, parquet:DIR#train, npz:FILE, folder:DIR, hub:OWNER/NAME"
# Results of earlier versions name the command that made them; it calls the training data --data.
Train = Annotated[str, typer.Option("--train", "--data", help=f"Training data: {SOURCE_EXAMPLES}, ...")]
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
    """The user stopped a command; the message says how to continue."""


def set_threads(threads: int | None) -> None:
    """Set the number of threads of torch and FAISS; None keeps it."""
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
    inputs: Sequence[str | Path | None] = (),
) -> None:
    """Raise OutputError, before a computation, if its results could not be written afterwards.

    Parameters
    ----------
    *paths : Path or None
        Outputs: files, or folders that are replaced as a whole.
    force : bool
        Whether existing files may be overwritten.
    json : Path or None
        File for the JSON; its arrays may be in another file beside it. ``-`` is standard output.
    page : Path or None
        File for a page.
    added_to : Path or None
        Folder to which files are added; it may contain other results.
    inputs : sequence of str, Path or None
        Paths, or sources of data. They are never overwritten; in a folder that is read, only pages are written.
    """
    from hashlens.saved.json_files import arrays_beside

    named = [path for path in (added_to, *paths, page) if path is not None]
    for path in named:
        check_named(path)
    outputs = [*named, *([] if json is None or json == STANDARD_OUTPUT else [json, arrays_beside(output_path(json))])]
    written: list[tuple[Path, Path]] = []
    for path in outputs:
        target = output_path(path)
        for other, other_target in written:
            if target == other_target or (target.exists() and other_target.exists() and target.samefile(other_target)):
                raise OutputError(f"two results have the path {path}: give each its own path")
            is_inside = other_target in target.parents and other is not added_to
            if is_inside or target in other_target.parents:
                raise OutputError(f"one of {path} and {other} lies inside the other: give each result its own path")
        for source in inputs:
            if source is not None and _is_input(path, str(source)):
                raise OutputError(f"{path} is read as input ({source}): choose another path for the result")
        if path is page:
            check_page(path)
        written.append((path, target))
    for path in outputs:
        check_writable(path, overwrite=force)


def check_named(path: Path) -> None:
    """Raise OutputError for ``-``: only ``--json`` may name standard output."""
    if path == STANDARD_OUTPUT:
        raise OutputError("- is standard output, which is for JSON only (--json -): give the path of a file or folder")


def check_page(path: Path) -> None:
    """Raise OutputError if the suffix of a file is not that of a page."""
    if path.suffix.lower() not in PAGES:
        raise OutputError(f"{path}: pages are written as {' or '.join(PAGES)}")


def _is_input(path: Path, read: str) -> bool:
    """Return whether a path is an input of a command, or a file (but no page) in a folder that it reads."""
    target = output_path(path)
    for place in _possible_paths(read):
        if target == place or (place.is_file() and target.exists() and target.samefile(place)):
            return True
        if place.is_dir() and target.is_file() and place in target.parents and target.suffix.lower() not in PAGES:
            return True
    return False


def _possible_paths(read: str) -> list[Path]:
    """Return the paths that a word may stand for: the word itself, the file of a store's URL, or a source of data."""
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
            with suppress(OSError, ValueError, RuntimeError):  # the word is not a path
                place = Path(word).expanduser().resolve()
                place.exists()
                paths.append(place)
    return paths


def open_model(model: str, weights: Path | None) -> "torch.nn.Module":
    """Load the network that a command names; print a note if its weights are those of a factory."""
    from hashlens.nets import load_model

    loaded = load_model(model, weights)
    if weights is None and ":" in Path(model).name:
        tell(f"{model}: the weights are those that the factory returned; give trained ones with --weights")
    return loaded


def reading_of(forward: str | None, mask: str | None, **fields: Any) -> "Reading":
    """Return the reading of a command: `forward` names a function, and `mask` a function or a key of the batches."""
    from hashlens.codes import Reading
    from hashlens.nets.load import load_function

    return Reading(
        forward=None if forward is None else load_function(forward),
        mask=load_function(mask) if mask is not None and ":" in mask else mask,
        **fields,
    )


def tell(message: str) -> None:
    """Print a note on standard error, if it is a terminal."""
    if sys.stderr.isatty():
        console(STANDARD_OUTPUT).print(mask_passwords(message), style="dim", soft_wrap=True)


def console(json: Path | None = None) -> Terminal:
    """Return the console of a command: standard output, or standard error if the JSON goes to standard output.

    Names are printed literally, whatever characters they contain.
    """
    return Terminal(stderr=json == STANDARD_OUTPUT)


def command_line(context: typer.Context) -> str:
    """Return the command line, quoted for a shell; empty if the function was not called from a command line."""
    arguments = context.find_root().obj
    return "" if arguments is None else mask_passwords(shlex.join(["hashlens", *arguments]))


def write_json(result: "Result", path: Path | None, force: bool) -> None:
    """Write a result as a JSON file, atomically; ``-`` is standard output."""
    if path is None:
        return
    if path == STANDARD_OUTPUT:
        sys.stdout.write(json.dumps(result.to_dict(), indent=1) + "\n")
        return
    from hashlens.saved.json_files import save_result

    save_result(result, path, overwrite=force)


def show_result(result: "Result", json: Path | None, html: Path | None, force: bool) -> None:
    """Write a result as JSON and as a page (each if there is a path), print it, and name the files."""
    write_json(result, json, force)
    if html is not None:
        result.to_html(html, overwrite=force)
    console(json).print(result)
    for kind, path in (("page", html), ("numbers", json)):
        if path is not None and path != STANDARD_OUTPUT:
            tell(f"{kind}: {path}")
