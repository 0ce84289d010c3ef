"""Reading: how a network is run over data, and which of its bits are kept."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypedDict

import torch

from hashlens.arguments import excerpt, require_whole
from hashlens.errors import CodesError, nearest
from hashlens.nets.output import OutputLike, check_output

Forward = Callable[[torch.nn.Module, Any], Any]
Mask = str | Callable[[Any], torch.Tensor] | Mapping[str, str | Callable[[Any], torch.Tensor] | None]
Granularity = Literal["unit", "channel"]
Gates = Literal["activations", "hard", "all"]


class ReadingOptions(TypedDict, total=False):
    """Fields of :class:`Reading` as keyword arguments, all optional."""

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
    """Settings for running a network over data, and for which of its bits are kept.

    Functions that run a network over data take a reading, its fields as keyword arguments, or both. Keyword arguments
    replace the fields of the reading.

    Parameters
    ----------
    layers : str or sequence of str, optional
        Globs over layer names, such as ``"hidden.*"``; ``"!head.*"`` leaves layers out. By default all layers are
        read.
    granularity : {"unit", "channel"}
        ``unit``: one bit per unit. ``channel``: one bit per channel (on if any of its units is on), and in addition
        ``Codes.values``, the channel's activation summed over space (the ImageNet procedure of He et al., 2021).
    bits : int, optional
        Number of bits to keep: a fixed random sample. The first batch runs once more than the others, to find the bits
        to choose from. By default all bits are kept.
    seed : int
        Seed of that sample.
    forward : callable, optional
        Function ``forward(model, batch)`` for batches that ``model(inputs)`` cannot take, such as dicts or several
        inputs. It receives the batch as it comes from the data, moved to the device.
    mask : str, callable or dict, optional
        Key of the batch, or function of the batch, that returns a bool tensor (examples, positions), true where a token
        is not padding. Bits of padded positions are 0, positions come first in a layer's shape, and rows of shorter
        batches are padded with zeros. Strides, pools and slices that shorten the sequence shorten the mask too. For
        layers with different positions, pass a dict from globs over layer names to masks, or to None for layers
        without padding.
    device : str or torch.device, optional
        Device to run the network on; by default its own. On another device a copy of the network runs.
    batch_size : int
        Number of examples in a forward pass, for data that does not come in batches.
    gates : {"activations", "hard", "all"}
        Which operators give bits. ``hard`` raises for soft activations, naming the layer; ``all`` adds abs, maximum,
        minimum and max-pool (one-hot).
    output : str or callable, optional
        How the network's output is read: ``logits``, ``probabilities``, ``binary_logit``, ``binary_probability``,
        ``multilabel_logits``, ``multilabel_probabilities``, ``regression``, or a function from the network's output to
        scores. By default this is decided from the last operator or the first 64 rows, and results name the decision.

    Raises
    ------
    CodesError, ModelError
        If a field has a wrong type or value.

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
        """Globs over layer names; None for all layers."""
        if isinstance(self.layers, str):
            return (self.layers,)
        return self.layers if self.layers is None or isinstance(self.layers, Sequence) else ()

    @property
    def changes(self) -> dict[str, Any]:
        """Fields that differ from their defaults, as keyword arguments."""
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
            The function, for error messages.
        reading : Reading or None
            Its argument `reading`.
        options : mapping
            Its keyword arguments: fields that replace those of `reading`.
        **defaults
            Defaults of this function that differ from those of a reading; used if `reading` is None.

        Raises
        ------
        TypeError
            If an option is not a field of a reading.
        CodesError
            If `reading` is neither a reading nor None.
        """
        check_names(caller, options)
        if reading is None:
            return cls(**{**defaults, **options})
        if not isinstance(reading, cls):
            raise CodesError(f"reading must be a hashlens.Reading, received {excerpt(reading)}")
        return replace(reading, **options)


FIELDS = tuple(field.name for field in fields(Reading))
"""Names of the fields of a reading."""


def split_options(options: Mapping[str, Any], names: Sequence[str] = FIELDS) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split options into fields of a reading and the others, for a function that takes both."""
    reading_options = {name: value for name, value in options.items() if name in names}
    return reading_options, {name: value for name, value in options.items() if name not in reading_options}


def check_names(caller: Callable[..., Any], options: Mapping[str, Any], allowed: Sequence[str] = FIELDS) -> None:
    """Raise TypeError for a keyword argument that a function does not take; the message suggests a similar name."""
    for name in options:
        if name not in allowed:
            own_names = [
                parameter
                for parameter, value in inspect.signature(caller).parameters.items()
                if value.kind is not value.VAR_KEYWORD
            ]
            raise TypeError(f"{caller.__name__}() has no argument {name!r}: {nearest(name, [*own_names, *allowed])}")
