"""Metadata of a generative model: its arguments and the history of its training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from hashlens.generative.health import COLLAPSED
from hashlens.report.figures import Figure, Lines, Rule, Series
from hashlens.result import Result
from hashlens.tables import Table, table
from hashlens.version import __version__


@dataclass(frozen=True)
class GenerativeInfo(Result):
    """Metadata of a generative model, the content of ``generative.json``.

    Attributes
    ----------
    model : str
        ``gan``, ``bigan``, ``inverted-gan`` or ``vae``.
    arguments : mapping
        Arguments of the constructor, without the user's own networks.
    image_shape : tuple of int
        Shape of an image, ``(c, h, w)``.
    own : tuple of str
        Roles of the networks that the user supplied.
    data : mapping or None
        ``name``, ``digest`` and ``n`` of the training images.
    history : mapping of str to tuple of float
        Mean over each epoch of the losses; ``diversity`` of the samples, relative to that of the images; and
        ``seconds`` of the training steps.
    warnings : tuple of str
        Warnings at the end of the training.
    collapsed : bool
        Whether samples were nearly equal at the end of the training; the model is then useless.
    parameters : str
        Digest of the weights.
    versions : mapping
        Versions of hashlens and torch.
    """

    model: str
    arguments: Mapping[str, Any]
    image_shape: tuple[int, ...]
    own: tuple[str, ...] = ()
    data: Mapping[str, Any] | None = None
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    collapsed: bool = False
    parameters: str = ""
    versions: Mapping[str, str] = field(
        default_factory=lambda: {"hashlens": __version__, "torch": str(torch.__version__)}
    )

    @property
    def epochs(self) -> int:
        """Number of epochs of training."""
        return max(map(len, self.history.values()), default=0)

    def __rich__(self) -> Table:
        rows = [(name, f"{values[-1]:.4f}") for name, values in self.history.items() if values]
        title = f"{self.model}, {self.epochs} epoch{'s' * (self.epochs != 1)}" + (
            ", COLLAPSED" if self.collapsed else ""
        )
        return table(title, ("last epoch", ""), [*rows, *(("warning", line) for line in self.warnings)])

    def figures(self) -> tuple[Figure, ...]:
        """Return the losses and the diversity of samples over epochs."""
        losses = {name: values for name, values in self.history.items() if name not in ("diversity", "seconds")}
        epochs = tuple(map(float, range(1, self.epochs + 1)))
        drawn = [Lines("Losses", "epoch", "mean of the epoch", _series(epochs, losses))] if losses else []
        if spread := self.history.get("diversity"):
            title, mark = "Variance of samples, share of the images' own", Rule("y", COLLAPSED, "collapsed below")
            drawn.append(Lines(title, "epoch", "share", _series(epochs, {"samples": spread}), rules=(mark,)))
        return tuple(drawn)


def _series(epochs: tuple[float, ...], lines: Mapping[str, tuple[float, ...]]) -> tuple[Series, ...]:
    return tuple(Series(name, epochs[: len(values)], tuple(values)) for name, values in lines.items())
