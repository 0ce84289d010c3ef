"""Warnings of failing training: collapsed samples, and a discriminator that is always right."""

import torch

from hashlens.training.state import LoopEpoch

COLLAPSED = 0.2
"""Diversity below which samples count as collapsed."""
SETTLED = 2000
"""Number of steps after which samples can count as collapsed; before, the model is untrained."""
WON = 0.01
"""Loss of the discriminator below which it recognises nearly all generated images."""
GRID = 100
"""Number of samples that are examined after each epoch, and shown at checkpoints."""


def diversity(made: torch.Tensor, real: torch.Tensor) -> float:
    """Return the mean variance of a pixel over generated images ``(n, c, h, w)``, divided by that over real images.

    The mean squared difference of two images is twice this variance, so the ratio is the same for pairs.
    """
    own = float(real.var(dim=0).mean())
    return float(made.var(dim=0).mean()) / own if own > 0 else 1.0


def has_collapsed(spread: float, steps: int) -> bool:
    """Return whether samples with this diversity have collapsed after this number of training steps."""
    return spread < COLLAPSED and steps >= SETTLED


def warnings_of(epoch: LoopEpoch, steps: int, advice: str) -> dict[str, str]:
    """Return the warnings after an epoch: one line each, by kind, ``collapse`` or ``discriminator``.

    Parameters
    ----------
    epoch : LoopEpoch
        The last epoch.
    steps : int
        Number of training steps so far.
    advice : str
        Advice against collapse.
    """
    spread, loss, found = epoch.values["diversity"], epoch.values.get("discriminator loss", 1.0), {}
    if has_collapsed(spread, steps):
        found["collapse"] = (
            f"samples have collapsed: their variance is {spread:.0%} of the images' own after epoch {epoch.number}: "
            f"{advice}"
        )
    if loss < WON:
        found["discriminator"] = (
            f"the discriminator recognises nearly all generated images in epoch {epoch.number} (loss {loss:.2g}), so "
            "the generator learns little: try spectral_norm=True"
        )
    return found
