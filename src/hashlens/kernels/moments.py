"""The second moments of one layer of an infinitely wide network, for pairs of inputs."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

Tensor = torch.Tensor
COMPILED_FROM = 1 << 13
"""Block size from which a CPU uses the compiled loop; for smaller blocks, the import of numba takes longer."""


@dataclass
class Moments:
    """Covariances of a layer's features for pairs of inputs, over random weights.

    A convolutional network has a position ``p = (h, w)`` for each pixel. Covariances are kept for equal positions of
    both inputs, ``(..., h, w)``. If a pooling layer follows, they are kept for all pairs of positions,
    ``(..., h, w, h', w')``. Pairs of inputs form a grid (each first input with each second one), or are aligned (each
    first input with one second input). A layer may change its moments in place.

    Attributes
    ----------
    cov : torch.Tensor
        ``(n, m, *positions)`` of a grid, ``(n, *positions)`` of aligned pairs: covariance, the same for each feature.
    ntk : torch.Tensor or None
        Of the same shape: the neural tangent kernel up to this layer; None if it was not requested.
    rows, columns : torch.Tensor or None
        ``(n, *positions)``, ``(m, *positions)``: covariance of each first and second input with itself, for all pairs
        of positions if `rows_have_pairs` is true. None once no layer needs them.
    features : int
        Number of features at each position: the fan-in of a dense layer.
    pairs_of_positions, rows_have_pairs : bool
        Whether `cov` and `ntk`, and whether `rows` and `columns`, have all pairs of positions.
    is_gaussian : bool
        Whether the features are Gaussian over random weights.
    is_same : bool
        Whether the first and second inputs are the same.
    aligned : bool
        Whether pairs are aligned.
    agreements : list of torch.Tensor or None
        ``(n, m)`` for each activation so far: probability that a bit of both codes agrees; None if not requested.
    """

    cov: Tensor
    ntk: Tensor | None
    rows: Tensor | None
    columns: Tensor | None
    features: int
    pairs_of_positions: bool = False
    rows_have_pairs: bool = False
    is_gaussian: bool = False
    is_same: bool = False
    aligned: bool = False
    agreements: list[Tensor] | None = field(default=None)

    @property
    def has_positions(self) -> bool:
        """Whether the features have positions, as those of images; those of vectors have none."""
        return self.cov.dim() > (1 if self.aligned else 2)

    def transform(self, change: Callable[[Tensor, bool], Tensor]) -> None:
        """Replace all arrays by ``change(values, pairs)``; `pairs` is true for values of all pairs of positions."""
        self.cov = change(self.cov, self.pairs_of_positions)
        if self.ntk is not None:
            self.ntk = change(self.ntk, self.pairs_of_positions)
        if self.rows is not None and self.columns is not None:
            same = self.columns is self.rows
            self.rows = change(self.rows, self.rows_have_pairs)
            self.columns = self.rows if same else change(self.columns, self.rows_have_pairs)

    def variances(self) -> tuple[Tensor, Tensor]:
        """Return the variances of both inputs of each pair, in shapes that broadcast over `cov`."""
        assert self.rows is not None
        assert self.columns is not None
        first, second = self.variance_of(self.rows), self.variance_of(self.columns)
        if self.pairs_of_positions:
            first, second = first[..., None, None], second[:, None, None]
        return (first, second) if self.aligned else (first[:, None], second[None])

    def variance_of(self, inputs: Tensor) -> Tensor:
        """Return the variance ``(n, *positions)`` in `rows` or `columns`, as a view."""
        return equal_positions(inputs) if self.rows_have_pairs else inputs

    def same_input_entries(self, values: Tensor) -> Tensor | None:
        """Return the entries of `cov` or `ntk` that are of an input with itself, ``(n, *positions)``, as a view.

        If `cov` has all pairs of positions and `rows` has not, only entries of equal positions are returned. None if
        the first and second inputs differ.
        """
        if not self.is_same:
            return None
        found = values if self.aligned else values.diagonal(dim1=0, dim2=1).movedim(-1, 0)
        return equal_positions(found) if self.pairs_of_positions and not self.rows_have_pairs else found

    def keep_equal_positions(self) -> None:
        """Keep only the values of equal positions."""
        self.transform(lambda values, pairs: equal_positions(values).contiguous() if pairs else values)
        self.pairs_of_positions = self.rows_have_pairs = False

    def copy(self) -> "Moments":
        """Return a copy with arrays of its own; the list of agreements is shared, so that all branches append to it."""
        rows = None if self.rows is None else self.rows.clone()
        columns = rows if self.columns is self.rows else None if self.columns is None else self.columns.clone()
        ntk = None if self.ntk is None else self.ntk.clone()
        return replace(self, cov=self.cov.clone(), ntk=ntk, rows=rows, columns=columns)


def equal_positions(values: Tensor) -> Tensor:
    """Return the entries ``(..., h, w)`` of ``(..., h, w, h', w')`` with ``h = h'`` and ``w = w'``, as a view."""
    return values.diagonal(dim1=-4, dim2=-2).diagonal(dim1=-3, dim2=-2)


def window_sums(values: Tensor, axes: tuple[int, ...], size: int, stride: int, padding: int) -> Tensor:
    """Return sums over windows that move along all `axes` together; what is outside counts as 0.

    Parameters
    ----------
    values : torch.Tensor
        Any shape; the axes are of equal length.
    axes : tuple of int
        Counted from the end. Two axes are shifted by the same amount: entry ``(i, j)`` is a sum of ``(i + k, j + k)``.
    size, stride, padding : int
        Size, stride and padding of the windows, as in a convolution.
    """
    length = values.shape[axes[0]]
    windows = (length + 2 * padding - size) // stride + 1
    shape = list(values.shape)
    for axis in axes:
        shape[axis] = windows
    # Of windows that do not move nor shrink the image, the middle is the image itself.
    middle = padding if stride == 1 and windows == length and padding < size else None
    sums = values.new_zeros(shape) if middle is None else values.clone()
    for shift in range(size):
        if shift == middle:
            continue
        first = max(0, -(-(padding - shift) // stride))
        last = min(windows - 1, (length - 1 + padding - shift) // stride)
        if last < first:
            continue
        begin = first * stride + shift - padding
        end = last * stride + shift - padding + 1
        source: list[slice] = [slice(None)] * values.dim()
        target: list[slice] = [slice(None)] * values.dim()
        for axis in axes:
            source[axis], target[axis] = slice(begin, end, stride), slice(first, last + 1)
        sums[tuple(target)] += values[tuple(source)]
    return sums
