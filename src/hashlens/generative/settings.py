"""Settings of all generative models: sizes, prior, learning rate and seed."""

from dataclasses import dataclass
from typing import Literal, TypedDict

import torch

from hashlens.arguments import excerpt, is_number, require_whole
from hashlens.errors import ModelError, nearest
from hashlens.generative.networks import ARCHITECTURES, WIDTHS

Prior = Literal["normal", "uniform"]
PRIORS: tuple[Prior, ...] = ("normal", "uniform")


class SettingsOptions(TypedDict, total=False):
    """The fields of :class:`Settings`, as keyword arguments."""

    latent: int
    architecture: str
    width: int
    prior: Prior
    learning_rate: float
    batch_size: int
    ema: float
    seed: int


@dataclass(frozen=True)
class Settings:
    """Settings of a generative model.

    Attributes
    ----------
    latent : int
        Number of latent dimensions.
    architecture : {"mlp", "conv"}
        Architecture of networks that the user does not supply.
    width : int
        Number of units of a hidden layer (``mlp``) or of channels at full size (``conv``); 0 for 512 and 32.
    prior : {"normal", "uniform"}
        Distribution of codes: N(0, 1), or uniform from -1 to 1.
    learning_rate : float
        Learning rate of Adam, whose momentum is 0.5.
    batch_size : int
        Number of images per step.
    ema : float
        Decay of the exponential moving average of the weights of generator and encoder, from 0 to below 1; 0 for no
        average. Otherwise samples and codes come from the averaged networks.
    seed : int
        Seed of initial weights, order of images and codes.
    """

    latent: int = 32
    architecture: str = "mlp"
    width: int = 0
    prior: Prior = "normal"
    learning_rate: float = 2e-4
    batch_size: int = 100
    ema: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, least in (
            ("latent", self.latent, 1), ("width", self.width, 0), ("batch_size", self.batch_size, 2),
            ("seed", self.seed, 0),
        ):  # fmt: skip
            require_whole(ModelError, name, value, least)
        for name, text, known in (
            ("architecture", self.architecture, ARCHITECTURES), ("prior", self.prior, PRIORS)
        ):  # fmt: skip
            if text not in known:
                raise ModelError(f"unknown {name} {excerpt(text)}; {nearest(text, known)}")
        if not is_number(self.learning_rate) or not self.learning_rate > 0:
            raise ModelError(f"learning_rate must be a number above 0, received {excerpt(self.learning_rate)}")
        if not is_number(self.ema) or not 0 <= self.ema < 1:
            raise ModelError(f"ema must be a decay from 0 to below 1, received {excerpt(self.ema)}")

    @property
    def full_width(self) -> int:
        """The width, with its default."""
        return self.width or WIDTHS[self.architecture]

    def draw(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Return codes from the prior, float32 ``(n, latent)``, on the device of the generator."""
        size, device = (n, self.latent), generator.device
        if self.prior == "uniform":
            return torch.rand(size, generator=generator, device=device) * 2 - 1
        return torch.randn(size, generator=generator, device=device)


def require_weight(name: str, value: object) -> float:
    """Return the weight of a loss as a float; raise ModelError unless it is a number of 0 or more."""
    if not is_number(value) or not 0 <= float(value) < float("inf"):  # type: ignore[arg-type]
        raise ModelError(f"{name} must be a number, 0 or more, received {excerpt(value)}")
    return float(value)  # type: ignore[arg-type]
