"""``hashlens generate``: train generative models with encoders, draw samples, reconstruct images, and evaluate."""

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashlens.cli.options import (
    SOURCE_EXAMPLES,
    Debug,
    Device,
    Force,
    Json,
    Seed,
    Stopped,
    Threads,
    Train,
    check_named,
    check_outputs,
    console,
    set_threads,
    show_result,
    tell,
    write_json,
)

if TYPE_CHECKING:
    from hashlens.generative import GenerativeModel

generate = typer.Typer(no_args_is_help=True, help="Generative models with encoders: train, sample, evaluate.")
Folder = Annotated[Path, typer.Argument(help="A folder that `hashlens generate train` wrote, or a checkpoint in it.")]
Html = Annotated[
    Path | None, typer.Option(help="Write a page with samples, reconstructions and an interpolation to this file.")
]
Picture = Annotated[Path, typer.Option("--out", "-o", help="The picture: .png.")]


@generate.command()
def train(
    kind: Annotated[str, typer.Argument(metavar="MODEL", help="gan, bigan, vae, or inverted-gan (needs --gan).")],
    data: Annotated[str, typer.Option(help=f"Images to train on: {SOURCE_EXAMPLES}, ...")],
    out: Annotated[Path, typer.Option(help="Folder for the model. An interrupted training in this folder continues.")],
    epochs: Annotated[int, typer.Option(help="Passes over the images.", min=1)] = 20,
    ae_weight: Annotated[
        float | None, typer.Option(help="Weight of the autoencoder loss, a sum over pixels (bigan).")
    ] = None,
    gan: Annotated[Path | None, typer.Option(help="Folder of the GAN to invert (inverted-gan).")] = None,
    image_weight: Annotated[
        float | None, typer.Option(help="Weight of the image error, a sum over pixels (inverted-gan).")
    ] = None,
    latent: Annotated[int | None, typer.Option(help="Number of latent dimensions. Default: 32.")] = None,
    architecture: Annotated[str | None, typer.Option(help="mlp, or conv (28 or 32 pixels). Default: mlp.")] = None,
    width: Annotated[
        int | None, typer.Option(help="Units of a hidden layer (mlp, default 512), or channels (conv, default 32).")
    ] = None,
    prior: Annotated[str | None, typer.Option(help="normal, or uniform. Default: normal.")] = None,
    loss: Annotated[str | None, typer.Option(help="log, or hinge (gan, bigan). Default: log.")] = None,
    spectral_norm: Annotated[
        bool, typer.Option("--spectral-norm", help="Normalise the discriminator (gan, bigan).")
    ] = False,
    ema: Annotated[
        float, typer.Option(help="Decay of the exponential moving average of the weights; 0: no average.")
    ] = 0.0,
    learning_rate: Annotated[float, typer.Option(help="Learning rate of Adam.")] = 2e-4,
    batch_size: Annotated[int, typer.Option(help="Images per training step.", min=2)] = 100,
    checkpoint: Annotated[
        list[int] | None, typer.Option(help="Keep the model and a grid of samples after this epoch; repeat for more.")
    ] = None,
    html: Html = None,
    seed: Seed = 0,
    device: Device = None,
    threads: Threads = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Train a generative model and write it to a folder."""
    from hashlens.generative import pictures

    set_threads(threads)
    check_named(out)
    check_outputs(json=json, page=html, force=force, inputs=[data, gan and str(gan)])
    arguments = {
        "ae_weight": ae_weight, "image_weight": image_weight, "latent": latent, "architecture": architecture,
        "width": width, "prior": prior, "loss": loss, "spectral_norm": spectral_norm or None, "ema": ema,
        "learning_rate": learning_rate, "batch_size": batch_size, "seed": seed,
    }  # fmt: skip
    model = _model_of_kind(kind, gan, {name: value for name, value in arguments.items() if value is not None})
    try:
        model.fit(data, epochs=epochs, out=out, checkpoints=checkpoint or (), overwrite=force, device=device)
    except KeyboardInterrupt as stopped:
        raise Stopped("stopped; run the same command without --force to continue") from stopped
    info = model.info
    assert info is not None
    write_json(info, json, force)
    if html is not None:
        pictures(model, data, seed=seed).to_html(html, overwrite=force)
    console(json).print(info)
    words = f"{quote(str(out))} --train {quote(data)}"
    tell(f"next: hashlens generate evaluate {words} --test 'DATA NOT SEEN' --classifier FOLDER")


def _model_of_kind(kind: str, gan: Path | None, options: dict[str, Any]) -> "GenerativeModel":
    """Return a model of a kind; raise ModelError if the kind is unknown, or does not take an option."""
    from inspect import signature

    from hashlens.errors import ModelError, nearest
    from hashlens.generative import GAN, VAE, BiGAN, InvertedGAN, Settings, load

    models: dict[str, Any] = {model.kind: model for model in (GAN, BiGAN, VAE, InvertedGAN)}
    if kind not in models:
        raise ModelError(f"unknown model {kind!r}; {nearest(kind, models)}")
    model_class = models[kind]
    parameters = set(signature(model_class.__init__).parameters)
    allowed = parameters if model_class is InvertedGAN else parameters | set(Settings.__dataclass_fields__)
    for name in options:
        if name not in allowed:
            raise ModelError(f"{kind} takes no {name}=: leave it out")
    if (gan is None) == (model_class is InvertedGAN):
        way_out = "leave it out" if gan else "give it"
        raise ModelError(f"{kind}: gan= is the folder of the GAN to invert: {way_out}")
    return model_class(load(gan), **options) if gan is not None else model_class(**options)  # type: ignore[no-any-return]


@generate.command()
def sample(
    model: Folder,
    out: Picture,
    n: Annotated[int, typer.Option("-n", help="Number of images.", min=1)] = 100,
    html: Html = None,
    seed: Seed = 0,
    threads: Threads = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Draw images and write them as one picture."""
    from hashlens.generative import load, pictures, write_grid

    set_threads(threads)
    check_outputs(out, json=json, page=html, force=force, inputs=[str(model)])
    loaded = load(model)
    write_grid(out, loaded.sample(n, seed=seed), overwrite=force)
    result = pictures(loaded, n=n, seed=seed)
    show_result(result, json, html, force)
    tell(f"{n:,} samples: {out}")


@generate.command()
def reconstruct(
    model: Folder,
    data: Annotated[str, typer.Option(help=f"Images: {SOURCE_EXAMPLES}, ...")],
    out: Picture,
    html: Html = None,
    seed: Seed = 0,
    threads: Threads = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Encode and decode the first images of a source; write a picture with each row above its reconstructions."""
    from hashlens.errors import ModelError
    from hashlens.generative import load, pictures
    from hashlens.report.plots import draw, save

    set_threads(threads)
    check_outputs(out, json=json, page=html, force=force, inputs=[data, str(model)])
    loaded = load(model)
    if "encoder" not in loaded.roles:
        raise ModelError(f"{model} has no encoder: train one with hashlens generate train inverted-gan")
    result = pictures(loaded, data, seed=seed)
    save(draw(result.figures()[1:2]), out, overwrite=force)
    show_result(result, json, html, force)
    tell(f"{len(result.originals):,} images above their reconstructions: {out}")


@generate.command()
def evaluate(
    model: Folder,
    train: Train,
    test: Annotated[str, typer.Option(help="Images that the model was not trained on.")],
    classifier: Annotated[
        str | None, typer.Option(help="A folder that `hashlens train` wrote, trained on the same images.")
    ] = None,
    n: Annotated[int, typer.Option("-n", help="Number of samples, and of images, to compare.", min=2)] = 10_000,
    paired: Annotated[int, typer.Option(help="Number of them for measures that compare all pairs.", min=2)] = 5000,
    k: Annotated[int, typer.Option("-k", help="A neighbourhood reaches to the k-th nearest neighbour.", min=1)] = 5,
    html: Html = None,
    seed: Seed = 0,
    threads: Threads = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Measure samples, reconstructions and codes of a model."""
    from hashlens.generative import evaluate as evaluate_model
    from hashlens.generative import load

    set_threads(threads)
    check_outputs(json=json, page=html, force=force, inputs=[str(model), train, test, classifier])
    result = evaluate_model(load(model), train, test, classifier=classifier, n=n, paired=paired, k=k, seed=seed)
    show_result(result, json, html, force)
