"""Popcount: the number of ones in a 64-bit word in one instruction, for compiled loops.

Importing this module imports numba; compiled code is cached beside the source, or in the user's cache folder.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic


def _popcount(typing: Any, word: Any) -> Any:
    """Return the number of bits of a uint64 that are 1."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


popcount: Any = intrinsic(_popcount)
