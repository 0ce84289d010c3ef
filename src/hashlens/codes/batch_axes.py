"""Batch axes: which axis of each gate's input is the batch, and whether the examples keep their order along it.

Two small batches of the first examples show which axis changes with the batch size. The first whole batch then shows
whether rows keep their order: a network that sorts its batch, packs sequences or groups tokens by expert moves them.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt
import torch
import xxhash

from hashlens.codes.naming import first_call

Tensor = torch.Tensor
Marks = npt.NDArray[np.float64]
"""Sum, norm and tolerance of each row, float64 ``(rows, 3)``: by them, a row is recognised in another batch."""
NO_AXIS = "no axis is the batch"
MANY_AXES = "several axes are the batch"
MOVED = "rows are in another order than the examples"
CLOSE = 1e-4
"""Largest difference between marks of equal rows, as a share of the norm of the row."""
CLOSE_IN_HALF = 2e-2
"""The same for rows in half precision."""
_NUMBER = re.compile(r"\d+")
MAX_COMPARED = 64
"""Largest number of changed rows that are searched for among all rows."""


@dataclass(frozen=True)
class ProbedInput:
    """Record of a gate's input in a probe: its shape, a digest of its values, and marks of its rows along each axis."""

    shape: tuple[int, ...]
    digest: bytes
    marks: Mapping[int, Marks]

    def same_as(self, other: "ProbedInput") -> bool:
        """Return whether two inputs have the same shape and values."""
        return (self.shape, self.digest) == (other.shape, other.digest)

    @classmethod
    def from_input(cls, x: Tensor, size: int) -> "ProbedInput":
        """Record a gate's input in a probe of `size` examples."""
        values = x.detach().reshape(-1).contiguous().cpu().view(torch.uint8).numpy()
        axes = [axis for axis, length in enumerate(x.shape) if _may_be_batch(length, size, axis)]
        marked = {axis: row_marks(x, axis) for axis in axes} if x.is_floating_point() else {}
        return cls(tuple(x.shape), xxhash.xxh3_128_digest(values.data), marked)


def _may_be_batch(length: int, size: int, axis: int) -> bool:
    """Return whether an axis may hold `size` examples, or, if it is the first, equally many tokens of each."""
    return length == size or (axis == 0 and size > 0 and length > 0 and length % size == 0)


class BatchAxes:
    """The batch axis of each gate.

    Attributes
    ----------
    fixed : set of str
        Gates whose input does not depend on the examples, such as gates applied to weights.
    unsteady : set of str
        Gates whose input for the same examples differed between two batches.
    """

    def __init__(self) -> None:
        self.fixed: set[str] = set()
        self.unsteady: set[str] = set()
        self._axis: dict[str, int | None] = {}
        self._reason: dict[str, str] = {}
        self._folded: set[str] = set()
        self._marks: dict[str, tuple[int, Marks]] = {}

    def learn(
        self,
        smaller: Mapping[str, ProbedInput],
        larger: Mapping[str, ProbedInput],
        order: Sequence[int],
        all_batched: bool,
    ) -> None:
        """Compare two probes: some of the first examples, and these with one more.

        Parameters
        ----------
        smaller, larger : mapping
            Record of the input of each gate, by name.
        order : sequence of int
            Rows of `larger` that are in `smaller`, in its order.
        all_batched : bool
            Whether every tensor of the input has a batch axis, so that values that stay the same do not depend on
            examples.
        """
        sizes = len(order), len(order) + 1
        fewer, more = (Counter(map(first_call, calls)) for calls in (smaller, larger))
        for name in (name for name in larger if name in smaller):
            first, second = smaller[name], larger[name]
            if not all_batched and first.shape == second.shape:
                continue  # its input may come from a tensor without a batch axis
            # If a gate is called once per example, the first calls may get equal values; there are more in `larger`.
            once = fewer[first_call(name)] == more[first_call(name)]
            self._folded.discard(name)
            if once and first.same_as(second):
                self.fixed.add(name)
            axes = batch_axes(first.shape, second.shape, sizes)
            self._axis[name] = axes[0] if len(axes) == 1 else None
            if len(axes) > 1:
                self._reason[name] = MANY_AXES
            tokens = 0 if axes or len(first.shape) != len(second.shape) else _tokens(first.shape, second.shape, sizes)
            if tokens:
                self._folded.add(name)
            axis = 0 if tokens else self._axis[name]
            if axis is None or axis not in first.marks or axis not in second.marks:
                continue
            marks = second.marks[axis]
            common = marks.reshape(sizes[1], -1, marks.shape[1])[list(order)].reshape(-1, marks.shape[1])
            if have_moved(common, first.marks[axis]):
                self._set_moved(name)
                continue
            self._marks[name] = axis, marks
            if np.isfinite(marks).all() and not _same(common, first.marks[axis]).all():
                self.unsteady.add(name)

    def recheck_fixed(self, first: Mapping[str, ProbedInput], others: Mapping[str, ProbedInput]) -> None:
        """Keep a gate in `fixed` only if its input is the same for a batch of other examples.

        An expert of a mixture also has equal values in two batches, if the same few tokens of both are routed to it.

        Parameters
        ----------
        first, others : mapping
            Record of the input of each gate for some examples and for others, by name.
        """
        for name in sorted(self.fixed):
            if name not in others or not first[name].same_as(others[name]):
                self.fixed.discard(name)
                self._axis[name] = None

    @property
    def are_known(self) -> bool:
        """Whether probes were compared."""
        return bool(self._axis)

    def axis(self, name: str) -> int | None:
        """Return the batch axis of a gate.

        A gate that the probe did not reach has the axis of its first call. If the probe did not reach that either, the
        axis is 0, unless a gate whose name differs only in its numbers, such as another expert, has no batch axis.
        """
        for known in (name, first_call(name)):
            if known in self._axis:
                return self._axis[known]
        siblings = [axis for known, axis in self._axis.items() if _numberless(known) == _numberless(name)]
        return None if None in siblings else 0

    def may_fold(self, name: str) -> bool:
        """Return whether tokens may be folded into the first axis: equally many for each example, in order."""
        call = name if name in self._axis else first_call(name)
        return call not in self._axis or call in self._folded

    def reason(self, name: str) -> str:
        """Return why a gate's units do not belong to single examples."""
        return self._reason.get(name, self._reason.get(first_call(name), NO_AXIS))

    def check_order(self, name: str, x: Tensor) -> bool:
        """Return whether the first examples are in the same rows as in the probe, and leave the gate out if not.

        It is called in the first whole batch; later calls return True.
        """
        probed = self._marks.pop(name, None)
        if probed is None or x.dim() <= probed[0] or x.shape[probed[0]] <= len(probed[1]):
            return True
        axis, marks = probed
        # Most networks keep the order of rows; comparing the first few is then enough.
        first_rows = x.narrow(axis, 0, len(marks))
        if _same(marks, row_marks(first_rows, axis)).all() or not have_moved(marks, row_marks(x, axis)):
            return True
        self._set_moved(name)
        return False

    def stop_checking(self) -> None:
        """End the checks after the first whole batch."""
        self._marks.clear()

    def _set_moved(self, name: str) -> None:
        self._axis[name], self._reason[name] = None, MOVED
        self._folded.discard(name)


def batch_axes(smaller: tuple[int, ...], larger: tuple[int, ...], sizes: tuple[int, int]) -> list[int]:
    """Return the axes whose length is the number of examples in both batches.

    >>> batch_axes((7, 2, 5), (7, 3, 5), (2, 3))
    [1]
    """
    if len(smaller) != len(larger):
        return []
    return [axis for axis, pair in enumerate(zip(smaller, larger, strict=True)) if pair == sizes]


def _numberless(name: str) -> str:
    return _NUMBER.sub("*", first_call(name))


def _tokens(smaller: tuple[int, ...], larger: tuple[int, ...], sizes: tuple[int, int]) -> int:
    """Return the number of tokens per example that are folded into the first axis; 0 if none are."""
    if (
        not smaller
        or smaller[1:] != larger[1:]
        or smaller[0] % sizes[0]
        or smaller[0] // sizes[0] * sizes[1] != larger[0]
    ):
        return 0
    return smaller[0] // sizes[0]


def row_marks(x: Tensor, axis: int) -> Marks:
    """Return the sum, the norm and the tolerance of each entry along an axis, float64 ``(entries, 3)``."""
    rows = x.detach().movedim(axis, 0).reshape(x.shape[axis], prod(x.shape) // max(1, x.shape[axis])).cpu()
    half = rows.dtype in (torch.float16, torch.bfloat16)
    values = (rows.float() if half else rows).numpy()
    length = np.sqrt(np.einsum("ij,ij->i", values, values, dtype=np.float64))
    marks: Marks = np.stack(
        [values.sum(axis=1, dtype=np.float64), length, (CLOSE_IN_HALF if half else CLOSE) * length], 1
    )
    return marks


def have_moved(first: Marks, rows: Marks) -> bool:
    """Return whether some of the first rows are now in other rows; rows that are missing altogether do not count.

    Parameters
    ----------
    first, rows : numpy.ndarray
        Marks of the first rows in the probe, and of all rows now.
    """
    first = first[: len(rows)]
    changed = np.flatnonzero(~_same(first, rows[: len(first)]))
    changed = changed[:: max(1, len(changed) // MAX_COMPARED)]
    return len(changed) > 0 and 2 * sum(bool(_same(first[row : row + 1], rows).any()) for row in changed) >= len(
        changed
    )


def _same(marks: Marks, others: Marks) -> npt.NDArray[np.bool_]:
    close = np.abs(marks[..., :2] - others[..., :2]) <= others[..., 2:]
    same: npt.NDArray[np.bool_] = np.all(close, axis=-1)
    return same
