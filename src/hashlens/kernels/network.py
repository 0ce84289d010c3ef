"""Networks of infinitely wide layers, and residual blocks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from hashlens.arguments import excerpt
from hashlens.errors import KernelError, nearest
from hashlens.kernels.activations import Activation
from hashlens.kernels.layer import PARAMETERIZATIONS, Layer, Parameterization
from hashlens.kernels.layers import Conv, Dense, LayerNorm
from hashlens.kernels.moments import Moments


@dataclass(frozen=True)
class Residual(Layer):
    """The sum of two branches with the same input: a block of a residual network.

    One branch must end in a layer with weights, so that the branches are uncorrelated. An activation may follow the sum
    if the sum is Gaussian: if both branches end in a layer with weights, or if the input is Gaussian.

    Parameters
    ----------
    branch : tuple of Layer
        Layers of one branch.
    shortcut : tuple of Layer
        Layers of the other branch; by default none (the identity).
    """

    branch: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()

    def __post_init__(self) -> None:
        for name in ("branch", "shortcut"):
            object.__setattr__(self, name, as_layers(getattr(self, name), f"Residual: {name}"))

    @property
    def pools(self) -> bool:  # type: ignore[override]
        """True if a layer of a branch pools."""
        return any(layer.pools for layer in (*self.branch, *self.shortcut))

    def apply(self, moments: Moments, parameterization: Parameterization, name: str) -> Moments:
        """Return the moments after the sum."""
        if not (_ends_in_weights(self.branch) or _ends_in_weights(self.shortcut)):
            raise KernelError(
                f"{name}: its branches are correlated, and their sum has no simple limit: end one of them in a Dense "
                "or Conv layer"
            )
        other = run(self.shortcut, moments.copy(), parameterization, f"{name}, shortcut")
        found = run(self.branch, moments, parameterization, f"{name}, branch")
        if found.cov.shape != other.cov.shape:
            raise KernelError(
                f"{name}: its branches give {tuple(found.cov.shape[2:]) or 'vectors'} and "
                f"{tuple(other.cov.shape[2:]) or 'vectors'}; a sum needs the same"
            )
        if parameterization == "standard" and found.features != other.features:
            raise KernelError(f"{name}: its branches have widths {found.features} and {other.features}")
        found.cov += other.cov
        if found.ntk is not None and other.ntk is not None:
            found.ntk += other.ntk
        if found.rows is not None and other.rows is not None and other.columns is not None:
            assert found.columns is not None
            same = found.columns is found.rows
            found.rows = found.rows + other.rows
            found.columns = found.rows if same else found.columns + other.columns
        found.is_gaussian = found.is_gaussian and other.is_gaussian
        return found


def _ends_in_weights(layers: tuple[Layer, ...]) -> bool:
    """Return whether the last layer, apart from pooling and flattening, has weights."""
    for layer in reversed(layers):
        if isinstance(layer, (Dense, Conv)):
            return True
        if isinstance(layer, Residual):
            return _ends_in_weights(layer.branch) and _ends_in_weights(layer.shortcut)
        if isinstance(layer, (Activation, LayerNorm)):
            return False
    return False


def as_layers(layers: object, what: str) -> tuple[Layer, ...]:
    """Return layers as a tuple, with networks replaced by their layers; raise KernelError for anything else."""
    found: list[Layer] = []
    for layer in layers if isinstance(layers, (tuple, list)) else (layers,):
        if isinstance(layer, InfiniteNetwork):
            found += layer.layers
        elif isinstance(layer, Layer):
            found.append(layer)
        else:
            raise KernelError(
                f"{what}: {excerpt(layer)} is no layer of hashlens.kernels; layers are Dense(), Conv(), ReLU(), ...; a "
                "torch.nn.Module is read by from_module"
            )
    return tuple(found)


@dataclass(frozen=True)
class InfiniteNetwork:
    """A network of infinitely wide layers.

    Parameters
    ----------
    layers : tuple of Layer
        Layers in order.
    parameterization : {"ntk", "standard"}
        ``ntk``: weights are drawn with variance 1 and scaled in the forward pass. ``standard``: weights are drawn with
        variance ``weight_variance / fan-in`` as in PyTorch, so that the NTK grows with the widths.

    Raises
    ------
    KernelError
        If an entry is not a layer, or the parameterisation is unknown.
    """

    layers: tuple[Layer, ...]
    parameterization: Parameterization = "ntk"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", as_layers(self.layers, "InfiniteNetwork"))
        if self.parameterization not in PARAMETERIZATIONS:
            raise KernelError(
                f"unknown parameterization {excerpt(self.parameterization)}; "
                f"{nearest(self.parameterization, PARAMETERIZATIONS)}"
            )

    def activations(self) -> tuple[tuple[str, Activation], ...]:
        """Return the activations that have bits, with the names of their layers, in the order of the code."""
        return tuple((name, layer) for name, layer in _named_layers(self.layers, "")
                     if isinstance(layer, Activation) and layer.has_bit)  # fmt: skip


def serial(*layers: Layer | InfiniteNetwork, parameterization: Parameterization = "ntk") -> InfiniteNetwork:
    """Return the network of a sequence of layers; a network in the sequence is replaced by its layers.

    Parameters
    ----------
    *layers : Layer or InfiniteNetwork
        Layers in order.
    parameterization : {"ntk", "standard"}
        Parameterisation, as in :class:`InfiniteNetwork`.

    Examples
    --------
    >>> from hashlens.kernels import Dense, ReLU, serial
    >>> serial(Dense(), ReLU(), Dense()).layers[1]
    ReLU()
    """
    return InfiniteNetwork(as_layers(layers, "serial"), parameterization)


def _named_layers(layers: tuple[Layer, ...], prefix: str) -> Iterator[tuple[str, Layer]]:
    for at, layer in enumerate(layers):
        name = f"{prefix}{at}"
        if isinstance(layer, Residual):
            # In the order of application: the shortcut first.
            yield from _named_layers(layer.shortcut, f"{name}.shortcut.")
            yield from _named_layers(layer.branch, f"{name}.branch.")
        else:
            yield name, layer


def run(layers: tuple[Layer, ...], moments: Moments, parameterization: Parameterization, within: str = "") -> Moments:
    """Return the moments after a sequence of layers.

    Parameters
    ----------
    layers : tuple of Layer
        Layers in order.
    moments : Moments
        Moments before the layers; they are changed in place.
    parameterization : {"ntk", "standard"}
        Parameterisation of layers with weights.
    within : str
        Prefix of the layers' names, for error messages.
    """
    for at, layer in enumerate(layers):
        if not within and moments.pairs_of_positions and not any(later.pools for later in layers[at:]):
            moments.keep_equal_positions()
        where = f"{within}, layer {at}" if within else f"layer {at}"
        moments = layer.apply(moments, parameterization, f"{where} ({type(layer).__name__})")
    return moments


def needs_pairs(network: InfiniteNetwork) -> bool:
    """Return whether covariances of all pairs of positions are needed."""
    return any(layer.pools for layer in network.layers)


def needs_pooled_variances(network: InfiniteNetwork) -> bool:
    """Return whether an activation or a normalisation follows a pooling layer."""
    pooled = False
    for layer in network.layers:
        if pooled and isinstance(layer, (Activation, LayerNorm, Residual)):
            return True
        pooled = pooled or layer.pools
        if isinstance(layer, Residual) and layer.pools:
            return True
    return False


def with_parameterization(network: InfiniteNetwork, parameterization: Parameterization) -> InfiniteNetwork:
    """Return the network in another parameterisation."""
    return replace(network, parameterization=parameterization)
