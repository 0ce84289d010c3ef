"""Layout: the layers that ran in the first batch; every later batch must run them in the same order."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from hashlens.codes.batch_axes import NO_AXIS
from hashlens.codes.globs import is_requested, is_selected
from hashlens.codes.layers import Layer
from hashlens.codes.naming import first_call
from hashlens.codes.provenance import CONSTANT, consequence
from hashlens.errors import CaptureError, nearest


class Layout:
    """Layers of a code, chosen by globs; the first batch sets them, and later batches are checked against them.

    Parameters
    ----------
    patterns : sequence of str, optional
        Globs over layer names; ``!glob`` leaves layers out. None takes all layers.

    Attributes
    ----------
    layers : list of Layer
        The layers, in the order of execution; of layers whose length varies, the longest so far.
    is_fixed : bool
        Whether a batch has set the layers.
    varies : bool
        Whether the length of some layer differed between batches.
    selection : dict of str to bool
        Whether the globs select a layer, for the name of each layer that was reached.
    no_activation : dict
        Gates whose input does not depend on the examples, such as weights, as keys.
    """

    def __init__(self, patterns: Sequence[str] | None) -> None:
        self.patterns = None if patterns is None else list(patterns)
        self.layers: list[Layer] = []
        self.is_fixed = False
        self.varies = False
        self.selection: dict[str, bool] = {}
        self.no_activation: dict[str, None] = {}
        self._left_out: dict[str, tuple[str, str]] = {}

    def select(self, name: str) -> bool:
        """Record that the layer of this name was reached, and return whether the globs select it."""
        if name not in self.selection:
            self.selection[name] = is_selected(name, self.patterns)
        return self.selection[name]

    def leave_out(self, name: str, description: str, reason: str) -> None:
        """Leave out a gate whose units have no bits for single examples; raise if it was requested by name.

        Parameters
        ----------
        name : str
            Name of its layer.
        description : str
            Its input in words, such as ``silu of (34, 8) for 8 examples``.
        reason : str
            Why its units do not belong to single examples, or why their bits never change.
        """
        if is_requested(name, self.patterns):
            raise CaptureError(
                f"layer {name!r} ({description}): {reason}, {consequence(reason)}: "
                f"{_way_out(reason)}leave it out with layers='!{first_call(name)}*'"
            )
        self._left_out.setdefault(name, (description, reason))

    def is_left_out(self, name: str) -> bool:
        """Return whether a gate of this name was left out before; its input may fit a later batch by chance."""
        return name in self._left_out

    @property
    def left_out(self) -> tuple[str, ...]:
        """Gates that are left out, as ``name: reason``; several calls of one gate count as one."""
        gates = dict[str, list[tuple[str, str]]]()
        for name, entry in self._left_out.items():
            first = first_call(name)
            gates.setdefault(first if first in self._left_out else name, []).append(entry)
        return tuple(
            f"{name}: {calls[0][0]}{f', in the first of {len(calls)} calls' if len(calls) > 1 else ''}; {calls[0][1]}"
            for name, calls in gates.items()
        )

    def reset(self) -> None:
        """Forget the layers; the next batch sets them again."""
        self.layers, self.is_fixed = [], False

    def check_layer(self, layer: Layer, index: int, padded: bool) -> None:
        """Check the layer that ran at position `index` of a batch; with `padded` positions its length may differ."""
        if not self.is_fixed:
            return
        if index >= len(self.layers) or self.layers[index].name != layer.name:
            expected = self.layers[index].name if index < len(self.layers) else "nothing more"
            raise CaptureError(
                f"layer {layer.name!r} ran where the first batch ran {expected!r}: the gates that run depend on the "
                "data; choose those that always run with layers="
            )
        earlier = self.layers[index]
        if earlier.shape == layer.shape:
            return
        if not padded or earlier.shape[1:] != layer.shape[1:]:
            raise CaptureError(
                f"layer {layer.name!r}: {layer.shape} activations per example, but {earlier.shape} in an "
                "earlier batch; inputs of varying size need mask= (padded tokens), of this layer too, or "
                'granularity="channel"'
            )
        self.varies = True
        if layer.shape[0] > earlier.shape[0]:
            self.layers[index] = layer

    def finish(self, layers: list[Layer], size: int) -> None:
        """Check or set the layers after a batch of `size` examples ran them all."""
        if not self.is_fixed:
            self._check_selection(layers, size)
            self.layers, self.is_fixed = layers, True
        elif len(layers) < len(self.layers):
            raise CaptureError(
                f"layer {self.layers[len(layers)].name!r} ran in the first batch and not in this one: the gates that "
                "run depend on the data; choose those that always run with layers="
            )

    def check_globs(self, globs: Iterable[str]) -> None:
        """Raise CaptureError if a glob of a mask matches no layer that was reached."""
        for glob in globs:
            if not any(fnmatchcase(name, glob) for name in self.selection):
                raise CaptureError(f"mask= names {glob!r}, which matches no layer: {nearest(glob, self.selection)}")

    def _check_selection(self, layers: list[Layer], size: int) -> None:
        if not self.selection:
            others = "; ".join(list(self.no_activation)[:5])
            raise CaptureError(
                "the model gives no code: no activation was reached in eval mode"
                + (f" that depends on the examples. Seen: {others}" if others else "")
                + ". hashlens reads ReLU-like gates (hard) and GELU, SiLU, tanh, sigmoid, ... (soft)"
            )
        names = _short(list(self.selection))
        for pattern in self.patterns or []:
            if not any(fnmatchcase(name, pattern.removeprefix("!")) for name in self.selection):
                hint = nearest(pattern, self.selection)
                raise CaptureError(
                    f"no layer matches {pattern!r}: it is never reached in eval mode; "
                    + (f"{hint} " if hint.startswith("did you mean") else "")
                    + f"layers with gates: {names}"
                )
        if not layers and self._left_out:
            gates = self.left_out
            if all(reason == CONSTANT for _, reason in self._left_out.values()):
                raise CaptureError(f"nothing is left to read: {gates[0]}, {consequence(CONSTANT)}")
            raise CaptureError(
                f"nothing is left to read: no gate has units that each belong to one of {size} examples "
                f"({gates[0]}{f'; {len(gates)} gates in all' if len(gates) > 1 else ''}). Experts and boxes "
                "have a number of rows that depends on the data; tokens folded into the batch, in the order "
                "of the examples, can be read with mask="
            )
        if not layers:
            raise CaptureError(f"layers={self.patterns} leave no layer; layers with gates: {names}")


def _way_out(reason: str) -> str:
    return "give mask= if tokens are folded into the batch, or " if reason == NO_AXIS else ""


def _short(names: list[str]) -> str:
    return ", ".join(names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
