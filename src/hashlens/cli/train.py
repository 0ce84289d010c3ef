"""``hashlens train``: train one network of the papers' architectures, by their recipes."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from hashlens.cli.options import (
    SOURCE_EXAMPLES,
    Debug,
    Device,
    Force,
    Json,
    Seed,
    Threads,
    check_named,
    check_outputs,
    console,
    set_threads,
    write_json,
)


def train(
    architecture: Annotated[
        str, typer.Argument(help="mlp, lenet, cnn, vgg16, vgg19, resnet18, resnet20, resnet32, or resnet56.")
    ],
    data: Annotated[str, typer.Option(help=f"Training data: {SOURCE_EXAMPLES}, ...")],
    out: Annotated[
        Path, typer.Option(help="Folder for the network. An interrupted training run in this folder continues.")
    ],
    test: Annotated[str | None, typer.Option(help="Test data, for the accuracy after training.")] = None,
    recipe: Annotated[str, typer.Option(help="figures, scripts, or cifar: see the documentation.")] = "figures",
    epochs: Annotated[int | None, typer.Option(help="Number of epochs. Default: the recipe's.", min=0)] = None,
    loss: Annotated[
        str | None, typer.Option(help="cross-entropy or mse (mean squared error). Default: the recipe's.")
    ] = None,
    width: Annotated[
        int | None, typer.Option(help="Units per hidden layer (mlp), channels of the first block (cnn).", min=1)
    ] = None,
    depth: Annotated[int | None, typer.Option(help="Number of hidden layers (mlp).", min=1)] = None,
    batch_norm: Annotated[
        bool | None,
        typer.Option(
            "--batch-norm/--no-batch-norm", help="Use batch normalisation (mlp, cnn, vgg). Default: the recipe's."
        ),
    ] = None,
    dropout: Annotated[float | None, typer.Option(help="Probability of dropping a unit (mlp, vgg).")] = None,
    checkpoint: Annotated[
        list[int] | None, typer.Option(help="Also save the network after this epoch (0: untrained); repeat for more.")
    ] = None,
    seed: Seed = 0,
    device: Device = None,
    threads: Threads = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Train a network and write it to a folder, for `measure`, `encode` and the other commands."""
    from hashlens.progress import bar
    from hashlens.training import find_recipe
    from hashlens.training import train as train_network

    set_threads(threads)
    check_named(out)
    check_outputs(json=json, force=force, inputs=[data, test])
    options = {"width": width, "depth": depth, "batch_norm": batch_norm, "dropout": dropout}
    arguments: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    chosen_recipe = find_recipe(recipe)
    chosen_recipe = chosen_recipe if loss is None else replace(chosen_recipe, loss=loss)
    total = epochs if epochs is not None else chosen_recipe.epochs
    with bar("training", total) as advance:
        trained = train_network(
            architecture,
            data,
            recipe=chosen_recipe,
            epochs=epochs,
            seed=seed,
            test=test,
            checkpoints=checkpoint or (),
            out=out,
            overwrite=force,
            device=device,
            on_epoch=lambda epoch: advance(f"loss {epoch.loss:.4f}"),
            **arguments,
        )
    write_json(trained.info, json, force)
    terminal = console(json)
    terminal.print(trained.info)
    command = shlex.join([str(out), "--train", data, "--test", test or "DATA NOT SEEN"])
    terminal.print(f"next: hashlens measure {command}", soft_wrap=True)
