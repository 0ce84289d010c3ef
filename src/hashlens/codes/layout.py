"""Layout: the layers that a network's first batch ran, which every later batch must run in the same order."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from hashlens.codes.batch_axes import NO_AXIS
from hashlens.codes.globs import named, selected
from hashlens.codes.layers import Layer
from hashlens.codes.naming import first_call
from hashlens.errors import CaptureError, nearest


class Layout:
    """The layers of a code, chosen by globs, learnt from the first batch and held to by the others.

    Parameters
    ----------
    patterns : sequence of str, optional
        Globs over layer names; ``!glob`` leaves layers out. None takes all.
    """

    def __init__(self, patterns: Sequence[str] | None) -> None:
        self.patterns = None if patterns is None else list(patterns)
        self.layers: list[Layer] = []
        self.known = False
        self.varying = False
        self.reached: dict[str, bool] = {}
        self.no_activation: dict[str, None] = {}
        self._off_batch: dict[str, tuple[str, str]] = {}

    def selected(self, name: str) -> bool:
        """Return whether the layer of this name, which was reached, is wanted."""
        if name not in self.reached:
            self.reached[name] = selected(name, self.patterns)
        return self.reached[name]

    def leave_out(self, name: str, seen: str, reason: str) -> None:
        """Take note of a gate whose units belong to no single example; refuse it if it was asked for.

        Parameters
        ----------
        name : str
            Of its layer.
        seen : str
            What it got, such as ``silu of (34, 8) for 8 examples``.
        reason : str
            Why they belong to none.
        """
        if named(name, self.patterns):
            raise CaptureError(
                f"layer {name!r} ({seen}): {reason}, so its units belong to no single example: {_way_out(reason)}leave "
                f"it out with layers='!{first_call(name)}*'"
            )
        self._off_batch.setdefault(name, (seen, reason))

    def is_left_out(self, name: str) -> bool:
        """Return whether a gate of this name was left out before: what it gets may have the size of a later batch."""
        return name in self._off_batch

    @property
    def left_out(self) -> tuple[str, ...]:
        """The gates left out, ``name: reason`` each; several calls of one gate count as one."""
        gates = dict[str, list[tuple[str, str]]]()
        for name, seen in self._off_batch.items():
            first = first_call(name)
            gates.setdefault(first if first in self._off_batch else name, []).append(seen)
        return tuple(
            f"{name}: {calls[0][0]}{f', in the first of {len(calls)} calls' if len(calls) > 1 else ''}; {calls[0][1]}"
            for name, calls in gates.items()
        )

    def forget(self) -> None:
        """Learn the layers anew from the next batch."""
        self.layers, self.known = [], False

    def expect(self, layer: Layer, at: int, padded: bool) -> None:
        """Check the layer that a batch ran as its `at`-th; with `padded` positions it may be shorter or longer."""
        if not self.known:
            return
        if at >= len(self.layers) or self.layers[at].name != layer.name:
            before = self.layers[at].name if at < len(self.layers) else "nothing more"
            raise CaptureError(
                f"layer {layer.name!r} ran where the first batch ran {before!r}: the gates that run depend on the "
                "data; choose those that always run with layers="
            )
        known = self.layers[at]
        if known.shape == layer.shape:
            return
        if not padded or known.shape[1:] != layer.shape[1:]:
            raise CaptureError(
                f"layer {layer.name!r}: {layer.shape} activations an example, {known.shape} in an earlier batch; "
                'inputs of varying size need mask= (padded tokens), of this layer too, or granularity="channel"'
            )
        self.varying = True
        if layer.shape[0] > known.shape[0]:
            self.layers[at] = layer

    def finish(self, seen: list[Layer], size: int) -> None:
        """Take note of all layers that a batch of `size` examples ran."""
        if not self.known:
            self._check_selection(seen, size)
            self.layers, self.known = seen, True
        elif len(seen) < len(self.layers):
            raise CaptureError(
                f"layer {self.layers[len(seen)].name!r} ran in the first batch and not in this one: the gates that run "
                "depend on the data; choose those that always run with layers="
            )

    def check_globs(self, globs: Iterable[str]) -> None:
        """Raise CaptureError if a glob over layers with a mask of their own fits none that was reached."""
        for glob in globs:
            if not any(fnmatchcase(name, glob) for name in self.reached):
                raise CaptureError(f"mask= names {glob!r}, which is no layer: {nearest(glob, self.reached)}")

    def _check_selection(self, seen: list[Layer], size: int) -> None:
        if not self.reached:
            other = "; ".join(list(self.no_activation)[:5])
            raise CaptureError(
                "the model gives no code: no activation was reached in eval mode"
                + (f" that depends on the examples. Seen: {other}" if other else "")
                + ". hashlens reads ReLU-like gates (hard) and GELU, SiLU, tanh, sigmoid, ... (soft)"
            )
        names = _short(list(self.reached))
        for pattern in self.patterns or []:
            if not any(fnmatchcase(name, pattern.removeprefix("!")) for name in self.reached):
                hint = nearest(pattern, self.reached)
                raise CaptureError(
                    f"no layer matches {pattern!r}: it is never reached in eval mode; "
                    + (f"{hint} " if hint.startswith("did you mean") else "")
                    + f"layers with gates: {names}"
                )
        if not seen and self._off_batch:
            gates = self.left_out
            raise CaptureError(
                f"nothing is left to read: the units of no gate belong to a single one of {size} examples "
                f"({gates[0]}{f'; {len(gates)} gates in all' if len(gates) > 1 else ''}). Experts and boxes get as "
                "many rows as the data decide; tokens folded into the batch, in the order of the examples, can be read "
                "with mask="
            )
        if not seen:
            raise CaptureError(f"layers={self.patterns} leave no layer; layers with gates: {names}")


def _way_out(reason: str) -> str:
    return "give mask= if tokens are folded into the batch, or " if reason == NO_AXIS else ""


def _short(names: list[str]) -> str:
    return ", ".join(names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
