"""Training of generative models by the common training loop."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from hashlens.arguments import require_whole
from hashlens.data.examples import ArrayExamples
from hashlens.device import find_device
from hashlens.errors import ModelError
from hashlens.files import as_path
from hashlens.generative.average import AVERAGED, Averages
from hashlens.generative.health import GRID, diversity, has_collapsed, warnings_of
from hashlens.generative.images import training_images
from hashlens.generative.info import GenerativeInfo
from hashlens.generative.losses import adam
from hashlens.generative.model import GenerativeModel
from hashlens.generative.saved import ModelCheckpoints, require_no_model, save_model
from hashlens.nets.digest import parameters_digest
from hashlens.progress import bar
from hashlens.seeds import numpy_generator, torch_generator
from hashlens.training.checkpoints import check_checkpoints
from hashlens.training.evaluate import network_device
from hashlens.training.journal import Journal
from hashlens.training.loop import Step, run_loop
from hashlens.training.order import batch_order, split_batches
from hashlens.training.state import LoopEpoch, TrainingState

log = logging.getLogger("hashlens")
LATENT = "latent"
RESIDENT = 2**30
"""Largest size of the images, in bytes, at which they are moved to the device at once."""


def fit_model(
    model: GenerativeModel,
    data: Any,
    epochs: int,
    out: str | Path | None,
    checkpoints: Collection[int],
    overwrite: bool,
    device: str | torch.device | None,
    on_epoch: Callable[[LoopEpoch], None] | None,
) -> None:
    """Train a model in place; see :meth:`GenerativeModel.fit`."""
    require_whole(ModelError, "epochs", epochs)
    check_checkpoints(checkpoints, epochs)
    if checkpoints and out is None:
        raise ModelError("checkpoints need a folder to be written to: give out")
    if out is not None and not overwrite:
        require_no_model(as_path(out))
    images = training_images(data)
    _prepare(model, tuple(images.tensor(slice(0, 1)).shape[1:]))
    own_device = network_device(model.networks)
    try:
        model.networks.to(own_device if device is None else find_device(device))
        _train(model, images, epochs, None if out is None else as_path(out), checkpoints, overwrite, on_epoch)
    finally:
        model.networks.to(own_device).eval()


def _prepare(model: GenerativeModel, shape: tuple[int, ...]) -> None:
    """Build the networks of a model that is new or was trained before, and check that they fit the images."""
    if not model.is_built or model.info is not None:
        model.build(shape)
    elif shape != model.image_shape:
        raise ModelError(
            f"the model is of images {model.image_shape}, received images {shape}: give images of that size and as "
            "many channels, or make another model"
        )


def _train(
    model: GenerativeModel,
    images: ArrayExamples,
    epochs: int,
    out: Path | None,
    checkpoints: Collection[int],
    overwrite: bool,
    on_epoch: Callable[[LoopEpoch], None] | None,
) -> None:
    settings, networks = model.settings, model.networks
    data = {"name": images.name, "digest": images.digest(), "n": len(images)}
    journal = None
    if out is not None:
        run = {**model.arguments, "model": model.kind, "data": data["digest"],
               "initial networks": parameters_digest(networks)}  # fmt: skip
        journal = Journal(out, run)
        if overwrite:
            journal.close()
    here = network_device(networks)
    if images.inputs.nbytes <= RESIDENT:
        images = replace(images, inputs=images.inputs.to(here))
    noise = torch_generator(settings.seed, LATENT)
    optimizers = tuple(
        adam([networks[role] for role in roles], settings.learning_rate) for roles in model.roles_by_optimizer
    )
    step = model.step(images, optimizers, lambda n: settings.draw(n, noise).to(here))
    steps = len(split_batches(torch.arange(len(images)), settings.batch_size))
    watch = Watch(model, _random_images(images, settings.seed), steps)
    saved = None if out is None else ModelCheckpoints(out, frozenset(checkpoints))

    def save(history: Sequence[LoopEpoch]) -> None:
        networks.eval()
        model.info = _info(watch, data, history)
        if saved is not None:
            saved.save(model, len(history))
        if out is not None and len(history) == epochs:
            # The model is saved before the journal is removed, so that a killed training leaves at least one of them.
            save_model(model, out, overwrite=True)

    with bar("training", epochs) as advance:

        def after(epoch: LoopEpoch) -> None:
            watch.warn(epoch)
            advance(", ".join(f"{name} {value:.3f}" for name, value in epoch.values.items() if "loss" in name))
            if on_epoch is not None:
                on_epoch(epoch)

        run_loop(
            _state(model, optimizers, noise), _with_averages(model, step),
            lambda epoch: split_batches(batch_order(len(images), settings.seed, epoch), settings.batch_size),
            epochs, seed=settings.seed, journal=journal, measure=watch.measure, save=save, on_epoch=after,
        )  # fmt: skip


def _state(
    model: GenerativeModel, optimizers: tuple[torch.optim.Optimizer, ...], noise: torch.Generator
) -> TrainingState:
    """Return the state that a step changes."""
    changed = [role for roles in model.roles_by_optimizer for role in roles]
    changed += [AVERAGED + role for role in changed if AVERAGED + role in model.networks]
    by_name = {
        " and ".join(roles): optimizer for roles, optimizer in zip(model.roles_by_optimizer, optimizers, strict=True)
    }
    return TrainingState({role: model.networks[role] for role in changed}, by_name, generators={LATENT: noise})


def _with_averages(model: GenerativeModel, step: Step) -> Step:
    """Return a step that also updates the averages, if there are any."""
    if not model.settings.ema:
        return step
    averages = Averages(model.networks, model.averaged_roles, model.settings.ema)

    def both(rows: torch.Tensor) -> Mapping[str, torch.Tensor]:
        values = step(rows)
        averages.follow()
        return values

    return both


def _random_images(images: ArrayExamples, seed: int) -> torch.Tensor:
    """Return up to `GRID` random images, float32 ``(n, c, h, w)`` on the CPU."""
    rows = numpy_generator(seed, "shown").permutation(len(images))[:GRID]
    return images.tensor(torch.from_numpy(rows)).float().cpu()  # type: ignore[arg-type]


@dataclass(eq=False)
class Watch:
    """Monitor that examines samples of fixed codes after each epoch, and issues each kind of warning once.

    Attributes
    ----------
    model : GenerativeModel
        The model in training.
    real : torch.Tensor
        Real images, for comparison.
    steps : int
        Steps per epoch.
    """

    model: GenerativeModel
    real: torch.Tensor
    steps: int
    _issued: set[str] = field(init=False, default_factory=set)

    def measure(self) -> dict[str, float]:
        """Return the diversity of the samples."""
        return {"diversity": diversity(self.model.sample(GRID, seed=self.model.settings.seed), self.real)}

    def warnings(self, epoch: LoopEpoch) -> dict[str, str]:
        """Return the warnings after an epoch, by kind."""
        return warnings_of(epoch, epoch.number * self.steps, self.model.advice)

    def warn(self, epoch: LoopEpoch) -> None:
        """Issue the warnings after an epoch, except those of a kind that was issued before."""
        for kind, line in self.warnings(epoch).items():
            if kind not in self._issued:
                log.warning("%s", line)
        self._issued |= self.warnings(epoch).keys()


def _info(watch: Watch, data: Mapping[str, Any], history: Sequence[LoopEpoch]) -> GenerativeInfo:
    """Return the metadata of a model after some epochs; `data` are name, digest and number of the images."""
    model = watch.model
    names = dict.fromkeys(name for epoch in history for name in epoch.values)
    curves = {name: tuple(epoch.values[name] for epoch in history) for name in names}
    info = GenerativeInfo(model.kind, model.arguments, model.image_shape, tuple(model.own), data, curves)
    if not history:
        return info
    last = history[-1]
    return replace(
        info,
        history={**curves, "seconds": tuple(epoch.seconds for epoch in history)},
        warnings=tuple(watch.warnings(last).values()),
        collapsed=has_collapsed(last.values["diversity"], last.number * watch.steps),
    )
