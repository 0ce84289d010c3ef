"""Reading: how a network is run over data, and which of its bits are kept."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypedDict

import torch

from hashlens.arguments import require_whole, shortly
from hashlens.errors import CodesError, nearest
from hashlens.nets.output import OutputLike, check_output

Forward = Callable[[torch.nn.Module, Any], Any]
Mask = str | Callable[[Any], torch.Tensor] | Mapping[str, str | Callable[[Any], torch.Tensor] | None]
Granularity = Literal["unit", "channel"]
Gates = Literal["activations", "hard", "all"]


class ReadingOptions(TypedDict, total=False):
    """The fields of :class:`Reading` as keyword arguments, none of them required."""

    layers: Sequence[str] | str | None
    granularity: Granularity
    bits: int | None
    seed: int
    forward: Forward | None
    mask: Mask | None
    device: str | torch.device | None
    batch_size: int
    gates: Gates
    output: OutputLike


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a network is run over data, and which of its bits are kept.

    Functions that run a network over data take a reading, its fields as keyword arguments, or both: the arguments
    then replace fields of the reading.

    Parameters
    ----------
    layers : str or sequence of str, optional
        Globs over layer names (``"hidden.*"``); ``"!head.*"`` leaves layers out. Default: every gate.
    granularity : {"unit", "channel"}
        ``unit``: a bit for each unit. ``channel``: a bit for each channel (some unit of it is on), and beside the bits
        ``Codes.values``, the channel's activation summed over space (the ImageNet procedure of He et al., 2021).
    bits : int, optional
        Keep a fixed random sample of this many bits, chosen before capture. Default: all of them.
    seed : int
        Seed of that sample.
    forward : callable, optional
        ``forward(model, batch)``, for batches that ``model(inputs)`` does not fit: dicts, several inputs. It receives
        the batch as the data gave it, moved to the device.
    mask : str, callable or dict, optional
        Key of the batch, or function of it, that gives a bool tensor (examples, positions), true where a token is no
        padding. Bits of padded positions are 0, positions come first in a layer's shape, and rows of shorter batches
        are padded with zeros. Where strides, pools or slices make fewer positions of them, the mask follows. For
        layers with positions of their own, a dict of globs over layer names; None for those without padding.
    device : str or torch.device, optional
        Where the network runs. Default: where it is. Another device gets a copy.
    batch_size : int
        Examples a forward pass, for data that is not batched already.
    gates : {"activations", "hard", "all"}
        ``hard`` refuses soft activations by layer name; ``all`` adds abs, maximum, minimum and max-pool (one-hot).
    output : str or callable, optional
        How the network's output is read: ``logits``, ``probabilities``, ``binary_logit``, ``binary_probability``,
        ``multilabel_logits``, ``multilabel_probabilities``, ``regression``, or a function from what the network gives
        to its scores. By default its last operator or its first 64 rows decide, and results name the decision.

    Raises
    ------
    CodesError, ModelError
        If a field is of another kind.

    Examples
    --------
    >>> import hashlens as hl
    >>> network = hl.nets.MLP(64, 10, width=20)
    >>> reading = hl.Reading(layers="hidden.*", batch_size=256)
    >>> hl.encode(network, "digits#test", reading=reading).code_bits
    20
    >>> hl.encode(network, "digits#test", reading=reading, bits=8).code_bits
    8
    """

    layers: Sequence[str] | str | None = None
    granularity: Granularity = "unit"
    bits: int | None = None
    seed: int = 0
    forward: Forward | None = None
    mask: Mask | None = None
    device: str | torch.device | None = None
    batch_size: int = 64
    gates: Gates = "activations"
    output: OutputLike = None

    def __post_init__(self) -> None:
        check_output(self.output)
        for name, value, allowed in (
            ("granularity", self.granularity, ("unit", "channel")),
            ("gates", self.gates, ("activations", "hard", "all")),
        ):
            if value not in allowed:
                raise CodesError(f"{name} must be one of {allowed}, received {value!r}")
        for name, number in (("batch_size", self.batch_size), ("bits", 1 if self.bits is None else self.bits)):
            require_whole(CodesError, name, number)
        require_whole(CodesError, "seed", self.seed, least=0)
        if self.forward is not None and not callable(self.forward):
            raise CodesError(f"forward must be a function of the network and a batch, received {self.forward!r}")
        masks = self.mask.values() if isinstance(self.mask, Mapping) else [self.mask]
        if not all(part is None or isinstance(part, str) or callable(part) for part in masks):
            raise CodesError(f"mask must be a key, a function, or a dict of them by layer, received {self.mask!r}")
        if not (self.patterns is None or (self.patterns and all(isinstance(glob, str) for glob in self.patterns))):
            raise CodesError(f"layers must be globs over layer names, or None for all, received {self.layers!r}")

    @property
    def patterns(self) -> Sequence[str] | None:
        """The globs over layer names, one or several; None for all layers."""
        if isinstance(self.layers, str):
            return (self.layers,)
        return self.layers if self.layers is None or isinstance(self.layers, Sequence) else ()

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that are not as by default, as keyword arguments."""
        values = ((field.name, getattr(self, field.name), field.default) for field in fields(self))
        return {name: value for name, value, default in values if value is not default and value != default}

    @classmethod
    def from_options(
        cls, caller: Callable[..., Any], reading: "Reading | None", options: Mapping[str, Any], **defaults: Any
    ) -> "Reading":
        """Return the reading that a function was called with.

        Parameters
        ----------
        caller : callable
            The function, for errors.
        reading : Reading or None
            As it was called with.
        options : mapping
            Its keyword arguments: fields that replace those of `reading`.
        **defaults
            Fields that are other by default in this function, where `reading` is None.

        Raises
        ------
        TypeError
            If an option is no field of a reading.
        CodesError
            If `reading` is something else.
        """
        check_names(caller, options)
        if reading is None:
            return cls(**{**defaults, **options})
        if not isinstance(reading, cls):
            raise CodesError(f"reading must be a hashlens.Reading, received {shortly(reading)}")
        return replace(reading, **options)


FIELDS = tuple(field.name for field in fields(Reading))
"""Names of the fields of a reading."""


def split_options(options: Mapping[str, Any], names: Sequence[str] = FIELDS) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options that are fields of a reading, and the others, where a function takes both."""
    reading_options = {name: value for name, value in options.items() if name in names}
    return reading_options, {name: value for name, value in options.items() if name not in reading_options}


def check_names(caller: Callable[..., Any], options: Mapping[str, Any], allowed: Sequence[str] = FIELDS) -> None:
    """Raise TypeError, as Python does, for a keyword argument that a function does not take; the nearest is named."""
    for name in options:
        if name not in allowed:
            own_names = [
                parameter
                for parameter, value in inspect.signature(caller).parameters.items()
                if value.kind is not value.VAR_KEYWORD
            ]
            raise TypeError(f"{caller.__name__}() has no argument {name!r}: {nearest(name, [*own_names, *allowed])}")
