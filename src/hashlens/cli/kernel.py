"""``hashlens kernel``: compute kernels of infinite width, predict with them, and compare codes with the limit."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hashlens.cli.options import (
    SOURCE_EXAMPLES,
    Debug,
    Force,
    Html,
    Json,
    Model,
    Seed,
    Threads,
    check_outputs,
    open_model,
    set_threads,
    show_result,
)

if TYPE_CHECKING:
    from hashlens.kernels import InfiniteNetwork

kernel = typer.Typer(
    no_args_is_help=True, help="Infinitely wide networks: compute kernels, predict with them, compare codes with them."
)
Network = Annotated[
    str,
    typer.Argument(help="fc:3, vec:3, gap:3 (hidden layers; fc:3:erf for another activation), or a model whose "
                   "structure is read: a folder, or package.module:factory."),
]  # fmt: skip
Init = Annotated[
    str | None,
    typer.Option(
        help="Variances of a model: pytorch, glorot or he. Default: pytorch, unless --weight-variance is set."
    ),
]
WeightVariance = Annotated[
    float | None, typer.Option(help="Variance of a weight, times its fan-in. Default for fc, vec, gap: 2.")
]
BiasVariance = Annotated[float, typer.Option(help="Variance of a bias.")]
Kind = Annotated[str, typer.Option("--kernel", help="ntk, or nngp.")]
Dtype = Annotated[str, typer.Option("--dtype", help="float64, or float32.")]
Limit = Annotated[int | None, typer.Option(help="Number of examples, from the first. Default: all.", min=1)]


@kernel.command()
def compute(
    network: Network,
    data: Annotated[str, typer.Argument(help=f"Examples: {SOURCE_EXAMPLES}, ...")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File for the kernel, .npy. An interrupted computation continues.")
    ],
    others: Annotated[
        str | None, typer.Option(help="Other examples: compute the kernel between DATA and these.")
    ] = None,
    kind: Kind = "ntk",
    init: Init = None,
    weight_variance: WeightVariance = None,
    bias_variance: BiasVariance = 0.01,
    limit: Limit = None,
    dtype: Dtype = "float64",
    html: Html = None,
    threads: Threads = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Compute a kernel into a file, tile by tile. If it is interrupted, run the same command again to continue."""
    from hashlens.cli.options import Stopped
    from hashlens.data import load_data
    from hashlens.kernels import kernel_on_disk
    from hashlens.kernels.compute import inputs_of
    from hashlens.kernels.summary import summarise

    set_threads(threads)
    check_outputs(out, json=json, page=html, force=force, inputs=[network, data, others])
    layers = _network(network, init, weight_variance, bias_variance)
    first, second = (
        None if source is None else load_data(source).narrow(0, limit).load().tensor() for source in (data, others)
    )
    inputs_of(layers, first, second, dtype, "cpu", names=(data, str(others)))  # type: ignore[arg-type]
    try:
        result = kernel_on_disk(layers, first, out, second, kind, dtype=dtype, overwrite=force)  # type: ignore[arg-type]
    except KeyboardInterrupt as stopped:
        raise Stopped("stopped; run the same command again to continue") from stopped
    show_result(summarise(result, layers, kind, str(out), second is None), json, html, force)  # type: ignore[arg-type]


@kernel.command()
def predict(
    network: Network,
    train: Annotated[str, typer.Option(help=f"Labelled examples to train on: {SOURCE_EXAMPLES}, ...")],
    test: Annotated[str, typer.Option(help="Labelled examples to predict.")],
    kind: Kind = "ntk",
    diag_reg: Annotated[
        list[float] | None, typer.Option(help="Number added to the diagonal, as a share of its mean; repeat for more.")
    ] = None,
    time: Annotated[float | None, typer.Option(help="Training time of gradient flow. Default: infinite.")] = None,
    limit: Annotated[
        int | None, typer.Option(help="Number of training examples, from the first. Default: all.", min=1)
    ] = None,
    init: Init = None,
    weight_variance: WeightVariance = None,
    bias_variance: BiasVariance = 0.01,
    dtype: Dtype = "float64",
    html: Html = None,
    threads: Threads = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Classify test examples by infinitely wide networks trained on other examples."""
    from hashlens.data import load_data
    from hashlens.kernels.accuracy import kernel_accuracy

    set_threads(threads)
    check_outputs(json=json, page=html, force=force, inputs=[network, train, test])
    layers = _network(network, init, weight_variance, bias_variance)
    examples = load_data(train) if limit is None else load_data(train).narrow(0, limit)
    result = kernel_accuracy(layers, examples, test, kind, diag_reg=tuple(diag_reg or (1e-3,)), time=time, dtype=dtype)  # type: ignore[arg-type]
    show_result(result, json, html, force)


@kernel.command()
def compare(
    model: Model,
    data: Annotated[str, typer.Argument(help=f"Examples: {SOURCE_EXAMPLES}, ...")],
    weights: Annotated[Path | None, typer.Option(help="Weights for a factory: .safetensors, or .pt.")] = None,
    init: Annotated[str, typer.Option(help="How the model was initialised: pytorch, glorot or he.")] = "pytorch",
    examples: Annotated[
        int, typer.Option(help="Number of examples, from the first; all pairs are compared.", min=2)
    ] = 500,
    draws: Annotated[
        int, typer.Option(help="Number of random networks of the same widths, to compare with.", min=1)
    ] = 3,
    html: Html = None,
    seed: Seed = 0,
    threads: Threads = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Show how far the codes of a network are from their limit of infinite width, layer by layer."""
    from hashlens.errors import KernelError
    from hashlens.kernels import compare_codes
    from hashlens.kernels.named import KINDS

    set_threads(threads)
    check_outputs(json=json, page=html, force=force, inputs=[model, data, weights])
    if model.partition(":")[0] in KINDS:
        raise KernelError(
            f"{model} is a structure, and its weights are needed to read codes: write the name of a model"
        )
    network = open_model(model, weights)
    result = compare_codes(network, data, init=init, examples=examples, draws=draws, seed=seed)  # type: ignore[arg-type]
    show_result(result, json, html, force)


def _network(name: str, init: str | None, weight_variance: float | None, bias_variance: float) -> "InfiniteNetwork":
    from hashlens.errors import KernelError
    from hashlens.kernels import from_module
    from hashlens.kernels.named import is_network_name, parse_network

    if is_network_name(name):
        if init is not None:
            raise KernelError(
                f"--init is of a model; the variances of {name} are --weight-variance and --bias-variance"
            )
        return parse_network(name, 2.0 if weight_variance is None else weight_variance, bias_variance)
    if init is None and weight_variance is None:
        init = "pytorch"
    return from_module(open_model(name, None), init=init, weight_variance=weight_variance, bias_variance=bias_variance)  # type: ignore[arg-type]
