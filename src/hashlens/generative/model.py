"""What generative models have in common: they are trained, draw samples, and most map images to codes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, Unpack

import torch
from torch import nn

from hashlens.arguments import require_whole, shortly
from hashlens.data.examples import ArrayExamples
from hashlens.errors import DataError, ModelError
from hashlens.generative.average import AVERAGED, add_means
from hashlens.generative.build import built_networks, check_fit, check_own
from hashlens.generative.images import image_batches
from hashlens.generative.info import GenerativeInfo
from hashlens.generative.latent import between
from hashlens.generative.networks import Shape
from hashlens.generative.settings import Settings, SettingsOptions
from hashlens.seeds import torch_generator
from hashlens.training.evaluate import evaluation_mode, network_device
from hashlens.training.loop import Step
from hashlens.training.state import LoopEpoch

Tensor = torch.Tensor
BATCH = 512


class Draw(Protocol):
    """Draws codes of the prior."""

    def __call__(self, n: int, /) -> Tensor:
        """Return codes, float32 ``(n, latent)``, where the networks are."""
        ...


class GenerativeModel(ABC):
    """Base of :class:`GAN`, :class:`BiGAN`, :class:`InvertedGAN` and :class:`VAE`.

    Networks are built when the size of the images is known: by :meth:`fit`, or before by :meth:`build`. Pixels are
    from 0 to 1. What is drawn and returned is on the CPU.

    Attributes
    ----------
    settings : Settings
        Sizes, prior, rates and seed.
    networks : torch.nn.ModuleDict
        By role: ``generator``, ``encoder``, ``discriminator``, and with ``ema`` the running means of the first two.
    image_shape : (int, int, int)
        ``(c, h, w)``.
    info : GenerativeInfo or None
        How the training went; None before.
    """

    kind: ClassVar[str]
    roles: ClassVar[tuple[str, ...]]
    trained: ClassVar[tuple[tuple[str, ...], ...]]
    """The networks that each optimizer moves."""
    advice: ClassVar[str] = 'lower the learning rate, or try loss="hinge" with spectral_norm=True'
    """What helps against collapse."""

    def __init__(self, own: Mapping[str, Any], spectral_norm: bool = False, **options: Unpack[SettingsOptions]) -> None:
        try:
            self.settings = Settings(**options)
        except TypeError as error:
            raise ModelError(f"{type(self).__name__} takes no such argument: {error}") from error
        self.own = check_own(own, self.roles, type(self).__name__)
        self.spectral_norm = spectral_norm
        self.info: GenerativeInfo | None = None
        self._networks: nn.ModuleDict | None = None
        self._shape: Shape | None = None

    @property
    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """What the model is made with, of plain values."""

    @abstractmethod
    def step(self, images: ArrayExamples, optimizers: tuple[torch.optim.Optimizer, ...], draw: Draw) -> Step:
        """Return the step of its training.

        Parameters
        ----------
        images : ArrayExamples
            What to learn.
        optimizers : tuple of torch.optim.Optimizer
            One for each entry of `trained`.
        draw : callable
            Codes of the prior.
        """

    @property
    def parts(self) -> dict[str, int]:
        """Which networks it has, and how many codes an encoder gives, or a discriminator takes."""
        codes = {"generator": 0, "encoder": self.settings.latent, "discriminator": 0}
        return {role: codes[role] for role in self.roles}

    @property
    def is_built(self) -> bool:
        """Whether there are networks."""
        return self._networks is not None

    @property
    def networks(self) -> nn.ModuleDict:
        """The networks by role."""
        if self._networks is None:
            raise ModelError(
                f"this {type(self).__name__} has no networks yet: fit it, or build it for images (c, h, w)"
            )
        return self._networks

    @property
    def image_shape(self) -> Shape:
        """Shape of an image, ``(c, h, w)``."""
        if self._shape is None:
            raise ModelError(
                f"this {type(self).__name__} knows no images yet: fit it, or build it for images (c, h, w)"
            )
        return self._shape

    def build(self, image_shape: Collection[int]) -> Self:
        """Make the networks, untrained, and return the model.

        Parameters
        ----------
        image_shape : (int, int, int)
            Of an image, ``(c, h, w)``.

        Raises
        ------
        ModelError
            If they do not fit the images, or each other.
        """
        shape = tuple(map(int, image_shape))
        if len(shape) != 3:
            raise ModelError(f"image_shape must be (channels, height, width), received {shortly(image_shape)}")
        networks = built_networks(self.settings, shape, self.parts, self.own, self.spectral_norm)
        check_fit(networks, self.settings, shape, self.parts)
        if self.settings.ema:
            add_means(networks, self.averaged)
        self._networks, self._shape, self.info = networks.eval(), shape, None
        return self

    @property
    def averaged(self) -> tuple[str, ...]:
        """The networks that have a running mean where ``ema`` is not 0."""
        return tuple(role for role in ("generator", "encoder") if any(role in names for names in self.trained))

    @property
    def generator(self) -> nn.Module:
        """The network that draws samples: the running mean where there is one."""
        return self._reader("generator")

    @property
    def latent(self) -> int:
        """Numbers of a code."""
        return self.settings.latent

    def fit(
        self,
        data: Any,
        *,
        epochs: int = 20,
        out: str | Path | None = None,
        checkpoints: Collection[int] = (),
        overwrite: bool = False,
        device: str | torch.device | None = None,
        on_epoch: Callable[[LoopEpoch], None] | None = None,
    ) -> Self:
        """Train, and return the model; global random generators are left as they are.

        A model that was trained already begins anew, but for networks of the user's own, which go on as they are.

        Parameters
        ----------
        data : str, Examples, array or pair
            Images, as :func:`hashlens.load_data` takes them; labels are not looked at.
        epochs : int
            Passes over them.
        out : str or Path, optional
            Folder to save to. A training that was interrupted goes on from there.
        checkpoints : collection of int
            Epochs after which the model is saved as well, in ``checkpoints/epoch-0010``, with a grid of samples of the
            same codes; 0 is the initialisation.
        overwrite : bool
            Whether a model that `out` holds is replaced, and an interrupted training begun afresh.
        device : str or torch.device, optional
            Where to train; where the networks are by default.
        on_epoch : callable, optional
            Called with each epoch when it is over.

        Raises
        ------
        DataError
            If the data are no images ``(c, h, w)`` with pixels from 0 to 1.
        ModelError
            If the networks do not fit them, or training fails: a loss that is no longer finite among others.
        OutputError
            If `out` holds a model already, or cannot be written.
        """
        from hashlens.generative.fit import fit_model

        fit_model(self, data, epochs, out, checkpoints, overwrite, device, on_epoch)
        return self

    def sample(self, n: int = 64, *, seed: int = 0) -> Tensor:
        """Return images drawn from the model, float32 ``(n, c, h, w)``.

        Parameters
        ----------
        n : int
            How many; the first are the same for any `n`.
        seed : int
            Of the codes.
        """
        require_whole(ModelError, "n", n)
        # In whole blocks: torch draws other numbers at the end of a tensor than inside a longer one.
        blocks = -(-n // BATCH)
        return self.decode(self.settings.draw(blocks * BATCH, torch_generator(seed, "sample"))[:n])

    def decode(self, codes: Tensor) -> Tensor:
        """Return the images of codes ``(n, latent)``, float32 ``(n, c, h, w)``."""
        codes = torch.as_tensor(codes, dtype=torch.float32)
        if codes.ndim != 2 or codes.shape[1] != self.settings.latent:
            raise ModelError(f"codes must be (n, {self.settings.latent}), received {tuple(codes.shape)}")
        return self._run(self._reader("generator"), [codes[at : at + BATCH] for at in range(0, len(codes), BATCH)])

    def encode(self, data: Any) -> Tensor:
        """Return the codes of images, float32 ``(n, latent)``.

        Parameters
        ----------
        data : str, Examples or array
            Images ``(n, c, h, w)`` of the model's size, or one image ``(c, h, w)``.

        Raises
        ------
        ModelError
            If the model has no encoder.
        DataError
            If the images do not fit it.
        """
        if "encoder" not in self.roles:
            raise ModelError(f"{type(self).__name__} has no encoder: train one afterwards, as InvertedGAN(gan) does")
        codes = self._run(self._reader("encoder"), image_batches(data, self.image_shape))
        return codes[:, : self.settings.latent]

    def reconstruct(self, data: Any) -> Tensor:
        """Return what the generator makes of the codes of images, float32 ``(n, c, h, w)``; errors as of `encode`."""
        return self.decode(self.encode(data))

    def interpolate(self, first: Any, second: Any, steps: int = 9, *, way: str = "") -> Tensor:
        """Return images on the way from some to others.

        Parameters
        ----------
        first, second : array
            Images ``(n, c, h, w)``, or codes ``(n, latent)``.
        steps : int
            Images of each way, its ends among them.
        way : {"spherical", "straight"}
            Between codes: spherical by default where the prior is normal.

        Returns
        -------
        torch.Tensor
            float32 ``(n, steps, c, h, w)``.
        """
        require_whole(ModelError, "steps", steps, 2)
        way = way or ("spherical" if self.settings.prior == "normal" else "straight")
        if way not in ("spherical", "straight"):
            raise ModelError(f'way must be "spherical" or "straight", received {shortly(way)}')
        begins, ends = self._codes(first), self._codes(second)
        if len(begins) != len(ends):
            raise DataError(f"ways need as many ends as beginnings, received {len(ends)} and {len(begins)}")
        codes = between(begins, ends, steps, way == "spherical")
        return self.decode(codes.flatten(0, 1)).reshape(*codes.shape[:2], *self.image_shape)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the model to a folder that :func:`hashlens.generative.load` reads, and return it.

        Raises
        ------
        OutputError
            If the folder holds a model and `overwrite` is false, or cannot be written.
        """
        from hashlens.generative.saved import save_model

        return save_model(self, folder, overwrite=overwrite)

    def _codes(self, of: Any) -> Tensor:
        tensor = torch.as_tensor(of)
        return tensor.float() if tensor.ndim == 2 else self.encode(tensor)

    def _reader(self, role: str) -> nn.Module:
        """Return the network that samples and codes are read from: the running mean where there is one."""
        return self.networks[AVERAGED + role if AVERAGED + role in self.networks else role]

    def _run(self, network: nn.Module, batches: Any) -> Tensor:
        device = network_device(network)
        with evaluation_mode(network):
            parts = [network(batch.to(device)).cpu() for batch in batches]
        if not parts:
            raise DataError("there are no images or codes: give one or more")
        return torch.cat(parts)

    def _all_arguments(self, **own: Any) -> dict[str, Any]:
        return {**asdict(self.settings), **own}
