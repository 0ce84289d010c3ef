"""Check that the inputs of gates are finite: an input with NaN or infinity is refused with the name of the gate."""

from math import isfinite

import torch

from hashlens.errors import CaptureError


class FiniteCheck:
    """Check of gate inputs: immediately on the CPU, all together at the end of a batch on an accelerator."""

    def __init__(self) -> None:
        self._sums: list[tuple[str, torch.Tensor]] = []

    def check(self, name: str, x: torch.Tensor) -> None:
        """Check the input of one gate, by its sum."""
        total = x.sum(dtype=torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else None)
        if x.device.type != "cpu":
            self._sums.append((name, total))  # one synchronisation per batch, not one per gate
        elif not isfinite(float(total)):
            refuse_not_finite(name, x)

    def finish(self) -> None:
        """Check the inputs that are still unchecked; a sum that overflows counts as not finite."""
        if not self._sums:
            return
        finite = torch.isfinite(torch.stack([total.double() for _, total in self._sums])).tolist()
        bad = [name for (name, _), good in zip(self._sums, finite, strict=True) if not good]
        if bad:
            raise CaptureError(f"layer {bad[0]!r}: some activations are NaN or infinite; check inputs and weights")


def refuse_not_finite(name: str, x: torch.Tensor) -> None:
    """Raise if values are not finite, and say how many; the sum alone does not show it, since it may overflow."""
    if bad := int((~torch.isfinite(x)).sum()):
        raise CaptureError(
            f"layer {name!r}: {bad:,} of {x.numel():,} activations are NaN or infinite; check the inputs "
            "(NaN, missing normalisation) and the weights"
        )
