"""Comparison: the packed bits of a gate's input on the CPU, and whether all of its values are finite."""

from collections.abc import Sequence
from math import isfinite

import numpy as np
import torch

from hashlens.codes.compiled_comparison import compare_compiled, has_loop
from hashlens.codes.packing import Packed, pack_bits, pack_two_breakpoints

COMPILE_AFTER = 1 << 27
"""Number of values that NumPy compares in the time that compiling a loop takes: with fewer, no loop is compiled."""


class Comparison:
    """Compare values with one or two breakpoints, pack the bits and check the values.

    A compiled loop does this in one pass over memory, once enough values were compared to repay the compilation.
    Before that, and for short rows, strided values or where no loop can be compiled, NumPy does it. The bits are the
    same.
    """

    def __init__(self) -> None:
        self._compared = 0
        self._scratch = np.empty(0, np.bool_)

    def __call__(self, x: torch.Tensor, breakpoints: Sequence[float], out: Packed) -> bool:
        """Write the bits of each value, one for each breakpoint, and return whether all values are finite.

        Parameters
        ----------
        x : torch.Tensor
            float32 or float64 ``(n, ...)`` on the CPU: input of a gate.
        breakpoints : sequence of float
            One or two breakpoints.
        out : numpy.ndarray
            uint8 ``(n, packed_bytes(planes * d))`` of zeros to write into, for d values in a row. The bits of a value,
            one for each breakpoint, are next to each other.
        """
        self._compared += x.numel()
        values = x.detach().numpy()
        if self._compared > COMPILE_AFTER and x.is_contiguous():
            rows = values.reshape(len(values), -1)
            if has_loop(rows, len(breakpoints)):
                return compare_compiled(rows, breakpoints, out)
        if len(breakpoints) == 2:
            pack_two_breakpoints(values.reshape(len(values), -1), breakpoints[0], breakpoints[1], out)
        else:
            if self._scratch.size < x.numel():
                self._scratch = np.empty(x.numel(), np.bool_)
            # NumPy compares twice as fast as torch, and reuses memory that is in the cache.
            compared = self._scratch[: x.numel()].reshape(x.shape)
            pack_bits(np.greater(values, breakpoints[0], out=compared).reshape(len(values), -1), out)
        # A finite sum proves it in one pass; the sum of finite values may overflow.
        return isfinite(float(x.sum())) or bool(torch.isfinite(x).all())
