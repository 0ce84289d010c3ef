"""Compiled comparison: one pass over memory that compares, packs and checks that values are finite.

NumPy needs four or five passes. LLVM compiles the loop for the processor at hand in about 15 ms. Each process compiles
its own, so nothing is stored on disk. Importing llvmlite takes about 80 ms; numba, which installs it, would take half a
second.

The loop uses vector instructions. It loads as many values as fill a word of 64 bits, compares them with each breakpoint
and packs the results, for two breakpoints side by side, into the word. A sum of ``x - x`` shows whether values are
finite: it is 0 while all are, and NaN after the first that is not.
"""

import ctypes
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.codes.packing import WORD_BITS, WORD_BYTES, Packed, pack_bits

AHEAD = 256
"""Prefetch distance, in values; prefetching saves a tenth to a fifth of the time."""
LEAST = 4096
"""Number of values in a row below which calling the loop, once for each row, costs as much as it saves."""


def has_loop(values: npt.NDArray[np.floating], planes: int) -> bool:
    """Return whether there is a loop for values ``(n, d)``: on x86-64, in float32 or float64, in long rows."""
    fits = values.flags.c_contiguous and values.dtype in (np.float32, np.float64) and values.shape[1] >= LEAST
    return fits and planes in (1, 2) and _loop(values.itemsize, planes) is not None


def compare_compiled(values: npt.NDArray[np.floating], breakpoints: Sequence[float], out: Packed) -> bool:
    """Compare values with breakpoints and pack the bits: one bit for each breakpoint of each value, in order.

    Parameters
    ----------
    values : numpy.ndarray
        ``(n, d)``: values for which :func:`has_loop` is true.
    breakpoints : sequence of float
        One or two breakpoints.
    out : numpy.ndarray
        uint8 ``(n, packed_bytes(planes * d))`` to write into; each row is contiguous.

    Returns
    -------
    bool
        Whether all values are finite.
    """
    (n, d), planes = values.shape, len(breakpoints)
    loop = _loop(values.itemsize, planes)
    assert loop is not None
    lanes = WORD_BITS // planes
    word_count = d // lanes
    low, high = breakpoints[0], breakpoints[-1]
    values_at, out_at = values.ctypes.data, out.ctypes.data
    finite = True
    for row in range(n):
        out_row = out_at + row * out.strides[0]
        finite &= loop.run(values_at + row * values.strides[0], word_count, low, high, out_row) == 0
    remainder = values[:, word_count * lanes :]
    if remainder.shape[1]:
        bits = np.stack([remainder > breakpoint for breakpoint in breakpoints], axis=-1).reshape(n, -1)
        out[:, word_count * WORD_BYTES :] = pack_bits(bits)
        finite &= bool(np.isfinite(remainder).all())
    return finite


@dataclass(frozen=True)
class Loop:
    """A compiled loop, ``run(values, words, low, high, packed)``; it returns 0 if all values are finite.

    The engine owns the compiled code, and must live as long as the loop.
    """

    run: Callable[[int, int, float, float, int], int]
    engine: Any


@cache
def _loop(itemsize: int, planes: int) -> Loop | None:
    """Return the loop for numbers of 4 or 8 bytes and 1 or 2 breakpoints; None where it is not supported or fails."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return None
    try:
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        features = llvm.get_host_cpu_features().flatten()
        target = llvm.Target.from_default_triple()
        machine = target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=3)
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(_assembly(itemsize, planes)), machine)
        engine.finalize_object()
    except (ImportError, OSError, RuntimeError):  # llvmlite cannot be loaded, or memory may not be executable
        return None
    number = ctypes.c_float if itemsize == 4 else ctypes.c_double
    address, count = ctypes.c_void_p, ctypes.c_int64
    kind = ctypes.CFUNCTYPE(count, address, count, number, number, address)
    return Loop(kind(engine.get_function_address("compare")), engine)


def _assembly(itemsize: int, planes: int) -> str:
    """Return the loop as LLVM assembly."""
    from llvmlite import ir

    lanes = WORD_BITS // planes
    word, index = ir.IntType(WORD_BITS), ir.IntType(32)
    number = ir.FloatType() if itemsize == 4 else ir.DoubleType()
    vector = ir.VectorType(number, lanes)
    module = ir.Module()
    kind = ir.FunctionType(word, [number.as_pointer(), word, number, number, word.as_pointer()])
    function = ir.Function(module, kind, "compare")
    values, words, low, high, packed = function.args
    byte = ir.IntType(8).as_pointer()
    prefetch = ir.Function(module, ir.FunctionType(ir.VoidType(), [byte, index, index, index]), "llvm.prefetch")
    blocks = [function.append_basic_block(name) for name in ("start", "loop", "end")]
    start, loop, end = (ir.IRBuilder(block) for block in blocks)

    def lane_order(sources: Sequence[int]) -> Any:
        return ir.Constant(ir.VectorType(index, len(sources)), list(sources))

    def broadcast(scalar: Any) -> Any:
        first = start.insert_element(ir.Constant(vector, ir.Undefined), scalar, index(0))
        return start.shuffle_vector(first, first, lane_order([0] * lanes))

    breakpoints = [broadcast(scalar) for scalar in (low, high)[:planes]]
    start.branch(blocks[1])

    i, so_far = loop.phi(word), loop.phi(vector)
    pointer = loop.gep(values, [loop.mul(i, word(lanes))])
    x = loop.load(loop.bitcast(pointer, vector.as_pointer()), align=1)
    for ahead in range(AHEAD, AHEAD + lanes, 64 // itemsize):  # a cache line is 64 bytes
        line = loop.bitcast(loop.gep(pointer, [word(ahead)]), byte)
        loop.call(prefetch, [line, index(0), index(3), index(1)])
    above = [loop.fcmp_ordered(">", x, breakpoint) for breakpoint in breakpoints]
    side_by_side = lane_order([plane * lanes + lane for lane in range(lanes) for plane in range(planes)])
    bits = loop.shuffle_vector(above[0], above[-1], side_by_side)
    loop.store(loop.bitcast(bits, word), loop.gep(packed, [i]), align=1)
    total, following = loop.fadd(so_far, loop.fsub(x, x)), loop.add(i, word(1))
    for phi, first, then in ((i, word(0), following), (so_far, ir.Constant(vector, [0.0] * lanes), total)):
        phi.add_incoming(first, blocks[0])
        phi.add_incoming(then, blocks[1])
    loop.cbranch(loop.icmp_unsigned("<", following, words), blocks[1], blocks[2])

    not_finite = end.bitcast(end.fcmp_unordered("uno", total, total), ir.IntType(lanes))
    end.ret(not_finite if planes == 1 else end.zext(not_finite, word))
    return str(module)
