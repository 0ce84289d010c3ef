"""The base class of generative models: training, samples, and codes of images if there is an encoder."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, Unpack

import torch
from torch import nn

from hashlens.arguments import excerpt, require_whole
from hashlens.data.examples import ArrayExamples
from hashlens.errors import DataError, ModelError
from hashlens.generative.average import AVERAGED, add_averages
from hashlens.generative.build import build_networks, check_fit, check_own
from hashlens.generative.images import image_batches
from hashlens.generative.info import GenerativeInfo
from hashlens.generative.latent import interpolate_codes
from hashlens.generative.networks import Shape
from hashlens.generative.settings import Settings, SettingsOptions
from hashlens.seeds import torch_generator
from hashlens.training.evaluate import evaluation_mode, network_device
from hashlens.training.loop import Step
from hashlens.training.state import LoopEpoch

Tensor = torch.Tensor
BATCH = 512


class Draw(Protocol):
    """Function that draws codes from the prior."""

    def __call__(self, n: int, /) -> Tensor:
        """Return codes, float32 ``(n, latent)``, on the device of the networks."""
        ...


class GenerativeModel(ABC):
    """Base class of :class:`GAN`, :class:`BiGAN`, :class:`InvertedGAN` and :class:`VAE`.

    :meth:`fit` builds the networks, because their size depends on the images; :meth:`build` builds them before. Pixels
    are from 0 to 1. Returned tensors are on the CPU.

    Attributes
    ----------
    settings : Settings
        Sizes, prior, rates and seed.
    networks : torch.nn.ModuleDict
        Networks by role: ``generator``, ``encoder``, ``discriminator``, and with ``ema`` averages of the first two.
    image_shape : (int, int, int)
        Shape of an image, ``(c, h, w)``.
    info : GenerativeInfo or None
        Metadata of the training; None before it.
    """

    kind: ClassVar[str]
    roles: ClassVar[tuple[str, ...]]
    roles_by_optimizer: ClassVar[tuple[tuple[str, ...], ...]]
    """Roles of the networks that each optimizer trains."""
    advice: ClassVar[str] = 'lower the learning rate, or try loss="hinge" with spectral_norm=True'
    """Advice against collapse."""

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
        """Arguments of the constructor that are plain values."""

    @abstractmethod
    def step(self, images: ArrayExamples, optimizers: tuple[torch.optim.Optimizer, ...], draw: Draw) -> Step:
        """Return the training step.

        Parameters
        ----------
        images : ArrayExamples
            Training images.
        optimizers : tuple of torch.optim.Optimizer
            One optimizer for each entry of `roles_by_optimizer`.
        draw : callable
            Function that draws codes from the prior.
        """

    @property
    def code_sizes(self) -> dict[str, int]:
        """Roles of the networks, and the number of code values that an encoder returns or a discriminator takes."""
        codes = {"generator": 0, "encoder": self.settings.latent, "discriminator": 0}
        return {role: codes[role] for role in self.roles}

    @property
    def is_built(self) -> bool:
        """Whether the networks are built."""
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
        """Build the untrained networks, and return the model.

        Parameters
        ----------
        image_shape : (int, int, int)
            Shape of an image, ``(c, h, w)``.

        Raises
        ------
        ModelError
            If the networks do not fit the images or each other.
        """
        shape = tuple(map(int, image_shape))
        if len(shape) != 3:
            raise ModelError(f"image_shape must be (channels, height, width), received {excerpt(image_shape)}")
        networks = build_networks(self.settings, shape, self.code_sizes, self.own, self.spectral_norm)
        check_fit(networks, self.settings, shape, self.code_sizes)
        if self.settings.ema:
            add_averages(networks, self.averaged_roles)
        self._networks, self._shape, self.info = networks.eval(), shape, None
        return self

    @property
    def averaged_roles(self) -> tuple[str, ...]:
        """Roles of the networks whose weights are averaged if ``ema`` is not 0."""
        return tuple(
            role for role in ("generator", "encoder") if any(role in names for names in self.roles_by_optimizer)
        )

    @property
    def generator(self) -> nn.Module:
        """The network that generates samples; the averaged one if there is one."""
        return self._reader("generator")

    @property
    def latent(self) -> int:
        """Number of latent dimensions."""
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
        """Train, and return the model; global random generators are not changed.

        A model that was trained before starts again, except that the user's own networks keep their weights.

        Parameters
        ----------
        data : str, Examples, array or pair
            Images, in any form that :func:`hashlens.load_data` takes; labels are not used.
        epochs : int
            Number of passes over the images.
        out : str or Path, optional
            Folder to save to. An interrupted training continues from there.
        checkpoints : collection of int
            Epochs after which the model is saved too, such as in ``checkpoints/epoch-0010``, with a grid of samples
            from the same codes; 0 is the initialisation.
        overwrite : bool
            Whether to replace a model in `out`, and to start an interrupted training again.
        device : str or torch.device, optional
            Device of the training; by default that of the networks.
        on_epoch : callable, optional
            Function that is called with each epoch when it is over.

        Raises
        ------
        DataError
            If the data are not images ``(c, h, w)`` with pixels from 0 to 1.
        ModelError
            If the networks do not fit the images, or training fails, for example because a loss is not finite.
        OutputError
            If `out` already contains a model, or cannot be written.
        """
        from hashlens.generative.fit import fit_model

        fit_model(self, data, epochs, out, checkpoints, overwrite, device, on_epoch)
        return self

    def sample(self, n: int = 64, *, seed: int = 0) -> Tensor:
        """Return images drawn from the model, float32 ``(n, c, h, w)``.

        Parameters
        ----------
        n : int
            Number of images; the first ones do not depend on `n`.
        seed : int
            Seed of the codes.
        """
        require_whole(ModelError, "n", n)
        # Whole blocks are drawn, because torch draws the last numbers of a tensor in another way.
        blocks = -(-n // BATCH)
        return self.decode(self.settings.draw(blocks * BATCH, torch_generator(seed, "sample"))[:n])

    def decode(self, codes: Tensor) -> Tensor:
        """Return the images of codes ``(n, latent)``, float32 ``(n, c, h, w)``.

        Raises
        ------
        ModelError
            If the codes have another shape, or the model is neither fitted nor built.
        """
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
        """Return the reconstructions G(E(x)) of images, float32 ``(n, c, h, w)``; errors as in `encode`."""
        return self.decode(self.encode(data))

    def interpolate(self, first: Any, second: Any, steps: int = 9, *, method: str = "") -> Tensor:
        """Return interpolations between pairs of images.

        Parameters
        ----------
        first, second : array
            Images ``(n, c, h, w)``, or codes ``(n, latent)``.
        steps : int
            Number of images of each interpolation, including both ends.
        method : {"spherical", "linear"}
            Interpolation between the latent codes; by default spherical if the prior is normal, else linear.

        Returns
        -------
        torch.Tensor
            float32 ``(n, steps, c, h, w)``: the images.

        Raises
        ------
        ModelError
            If an argument is invalid, or images are given and the model has no encoder.
        DataError
            If there are not as many first as second images, or images do not fit the model.
        """
        require_whole(ModelError, "steps", steps, 2)
        method = method or ("spherical" if self.settings.prior == "normal" else "linear")
        if method not in ("spherical", "linear"):
            raise ModelError(f'method must be "spherical" or "linear", received {excerpt(method)}')
        starts, ends = self._codes(first), self._codes(second)
        if len(starts) != len(ends):
            raise DataError(
                f"an interpolation needs as many first images as second ones, received {len(starts)} and {len(ends)}"
            )
        codes = interpolate_codes(starts, ends, steps, spherical=method == "spherical")
        return self.decode(codes.flatten(0, 1)).reshape(*codes.shape[:2], *self.image_shape)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the model to a folder that :func:`hashlens.generative.load` reads, and return it.

        Raises
        ------
        OutputError
            If the folder contains a model and `overwrite` is false, or cannot be written.
        """
        from hashlens.generative.saved import save_model

        return save_model(self, folder, overwrite=overwrite)

    def _codes(self, codes_or_images: Any) -> Tensor:
        """Return codes ``(n, latent)``, encoded from images unless they are codes already."""
        tensor = torch.as_tensor(codes_or_images)
        return tensor.float() if tensor.ndim == 2 else self.encode(tensor)

    def _reader(self, role: str) -> nn.Module:
        """Return the network of a role; the averaged one if there is one."""
        return self.networks[AVERAGED + role if AVERAGED + role in self.networks else role]

    def _run(self, network: nn.Module, batches: Any) -> Tensor:
        """Return the outputs of a network for batches of inputs, on the CPU."""
        device = network_device(network)
        with evaluation_mode(network):
            outputs = [network(batch.to(device)).cpu() for batch in batches]
        if not outputs:
            raise DataError("there are no images or codes: give one or more")
        return torch.cat(outputs)

    def _all_arguments(self, **own: Any) -> dict[str, Any]:
        return {**asdict(self.settings), **own}
