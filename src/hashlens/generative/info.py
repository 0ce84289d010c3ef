"""What is known about a generative model: how it was made and how its training went."""

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
    """What is known about a generative model: the content of ``generative.json``.

    Attributes
    ----------
    model : str
        ``gan``, ``bigan``, ``inverted-gan`` or ``vae``.
    arguments : mapping
        What it was made with, but for networks of the user's own.
    image_shape : tuple of int
        ``(c, h, w)``.
    own : tuple of str
        Roles of the networks that are the user's own.
    data : mapping or None
        ``name``, ``digest`` and ``n`` of the images trained on.
    history : mapping of str to tuple of float
        Means of each epoch by name: losses; ``diversity``, the variance of samples as a share of the images' own;
        ``seconds``, of the steps.
    warnings : tuple of str
        What was wrong at the end of the training; empty if nothing was.
    collapsed : bool
        Whether samples were nearly the same at the end: then nothing it makes is a result.
    parameters : str
        Digest of the weights.
    versions : mapping
        hashlens and torch.
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
        """Epochs trained."""
        return max(map(len, self.history.values()), default=0)

    def __rich__(self) -> Table:
        rows = [(name, f"{values[-1]:.4f}") for name, values in self.history.items() if values]
        title = f"{self.model}, {self.epochs} epoch{'s' * (self.epochs != 1)}" + (
            ", COLLAPSED" if self.collapsed else ""
        )
        return table(title, ("last epoch", ""), [*rows, *(("warning", line) for line in self.warnings)])

    def figures(self) -> tuple[Figure, ...]:
        """Return the losses over epochs, and how diverse samples are."""
        losses = {name: values for name, values in self.history.items() if name not in ("diversity", "seconds")}
        epochs = tuple(map(float, range(1, self.epochs + 1)))
        drawn = [Lines("Losses", "epoch", "mean of the epoch", _series(epochs, losses))] if losses else []
        if spread := self.history.get("diversity"):
            title, mark = "Variance of samples, share of the images' own", Rule("y", COLLAPSED, "collapsed below")
            drawn.append(Lines(title, "epoch", "share", _series(epochs, {"samples": spread}), rules=(mark,)))
        return tuple(drawn)


def _series(epochs: tuple[float, ...], lines: Mapping[str, tuple[float, ...]]) -> tuple[Series, ...]:
    return tuple(Series(name, epochs[: len(values)], tuple(values)) for name, values in lines.items())
