"""Whether a training is well: samples differ from each other, and neither side has won for good."""

import torch

from hashlens.training.state import LoopEpoch

COLLAPSED = 0.2
"""Samples have collapsed where their variance, mean of pixels, is a smaller share of the images' own."""
SETTLED = 2000
"""Steps after which samples that are nearly the same have collapsed, and are not only untrained."""
WON = 0.01
"""A discriminator's loss below which it tells nearly all made images."""
GRID = 100
"""Samples that are looked at after each epoch, and shown at checkpoints."""


def diversity(made: torch.Tensor, real: torch.Tensor) -> float:
    """Return the variance of made images ``(n, c, h, w)``, mean of pixels, as a share of the real images' own.

    Half the mean squared difference of two images is their variance: so it is that of pairs as well.
    """
    own = float(real.var(dim=0).mean())
    return float(made.var(dim=0).mean()) / own if own > 0 else 1.0


def has_collapsed(spread: float, steps: int) -> bool:
    """Return whether samples of a diversity have collapsed, after so many steps of training."""
    return spread < COLLAPSED and steps >= SETTLED


def warnings_of(epoch: LoopEpoch, steps: int, advice: str) -> tuple[str, ...]:
    """Return what is wrong with a training after an epoch, in lines; nothing where all is well.

    Parameters
    ----------
    epoch : LoopEpoch
        The last one.
    steps : int
        Of the training so far.
    advice : str
        What helps against collapse.
    """
    spread, telling, found = epoch.values["diversity"], epoch.values.get("discriminator loss", 1.0), []
    if has_collapsed(spread, steps):
        found.append(
            f"samples have collapsed: their variance is {spread:.0%} of the images' own after epoch {epoch.number}: "
            f"{advice}"
        )
    if telling < WON:
        found.append(
            f"the discriminator tells nearly all made images in epoch {epoch.number} (loss {telling:.2g}), so the "
            "generator learns little: try spectral_norm=True"
        )
    return tuple(found)
