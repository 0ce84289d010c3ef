"""``hashlens explain``: explain predictions of single examples."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashlens.cli.ids import batches_of
from hashlens.cli.options import (
    SOURCE_EXAMPLES,
    BatchSize,
    Debug,
    Device,
    Force,
    ForwardName,
    Json,
    MaskName,
    Model,
    OutputName,
    Seed,
    Threads,
    Weights,
    check_outputs,
    console,
    open_model,
    reading_of,
    set_threads,
    tell,
    write_json,
)
from hashlens.errors import OutputError

if TYPE_CHECKING:
    from hashlens.explanations import Explanation

SUFFIXES = (".html", ".png", ".svg", ".pdf", ".npz")
MAX_BACKGROUND = 100


def explain(
    model: Model,
    data: Annotated[str, typer.Option(help=f"Source of the examples: {SOURCE_EXAMPLES}, ...")],
    ids: Annotated[list[str], typer.Option("--id", help="Id of an example; repeat for more.")],
    method: Annotated[
        str, typer.Option("--method", "-m", help="gradient, grad_cam, lime, kernel_shap, anchor, region, contrast, ...")
    ] = "integrated_gradients",
    target: Annotated[
        str | None, typer.Option(help="The class to explain, by name or number. Default: the predicted class.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="Kind of the examples: signal or spectrogram. Other kinds are detected.")
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="Layer of class activation maps. Default: the last suitable layer.")
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(
            help="Background data, to replace parts of the example or to compare it with; at most "
            f"{MAX_BACKGROUND} are used."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="File to write: a page (.html), a picture (.png, .svg or .pdf), or .npz to load it again.",
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
    """Explain predictions of a network for single examples, with diagnostics of the explanation."""
    import torch

    import hashlens as hl
    from hashlens.explanations.methods import find_method
    from hashlens.explanations.request import inputs_of, kind_of
    from hashlens.explanations.subject import subject_of
    from hashlens.nets.class_names import declared_classes

    if out is not None and out.suffix.lower() not in SUFFIXES:
        raise OutputError(f"{out}: explanations are written as {', '.join(SUFFIXES)}")
    find_method(method)
    set_threads(threads)
    check_outputs(out, json=json, force=force, inputs=[model, weights, data, background, forward, mask])
    network, examples = open_model(model, weights), hl.load_data(data)
    reading = reading_of(forward, mask, output=output, batch_size=batch_size, seed=seed, device=device)
    # Classes are those of the network: a source that lacks one of them numbers the others differently.
    inputs = torch.cat([batch.inputs for batch in batches_of(examples, ids)])
    names = declared_classes(network) or ()
    if not names and examples.class_names is not None:
        subject = subject_of(network, reading)
        with subject.evaluation_mode():
            first = inputs_of(inputs[:1], kind_of(kind, inputs[:1]), subject)
            classes = subject.scores(first).shape[1]
        names = examples.class_names if len(examples.class_names) == classes else ()
    result = hl.explain(
        network,
        inputs,
        method,
        target=int(target) if target and target.isdecimal() and target not in names else target,
        kind=kind,
        layer=layer,
        background=None if background is None else _background_examples(background),
        class_names=names,
        reading=reading,
    )
    write_json(result, json, force)
    if out is not None:
        _write(result, out, force)
    console(json).print(result)
    if out is None:
        tell("for a picture, add --out explanation.html")


def _background_examples(source: str) -> Any:
    """Return evenly spaced examples of a source: the first ones may be of one class, since files are often sorted."""
    import torch

    from hashlens.data import load_data

    examples = load_data(source)
    step = max(1, len(examples) // MAX_BACKGROUND)
    places = range(0, len(examples), step)[:MAX_BACKGROUND]
    return torch.cat([batch.inputs for place in places for batch in examples.narrow(place, place + 1).batches(1)])


def _write(explanation: "Explanation", out: Path, force: bool) -> None:
    from hashlens.report.plots import save

    suffix = out.suffix.lower()
    if suffix == ".html":
        explanation.to_html(out, overwrite=force)
    elif suffix == ".npz":
        explanation.save(out, overwrite=force)
    else:
        save(explanation.plot(), out, overwrite=force)
    tell(f"explanation: {out}")
