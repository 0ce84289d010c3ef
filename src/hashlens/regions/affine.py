"""The affine map of a linear region, without forming its matrix."""

from dataclasses import dataclass, field
from math import prod

import torch
from jaxtyping import Float

from hashlens.errors import DataError
from hashlens.regions.inputs import matching_examples, numbers
from hashlens.regions.program import Program, output_tangents
from hashlens.regions.transpose import apply_transpose

Tensor = torch.Tensor
LARGEST_MATRIX = 1 << 28
"""Largest number of entries of a dense matrix (2 GiB in float64)."""


@dataclass(frozen=True, eq=False)
class AffineMap:
    """Affine map ``y -> J y + bias`` that the network equals in the linear region of each of n examples.

    Attributes
    ----------
    program : Program
        The traced network.
    x, output : torch.Tensor
        Examples ``(n, *input)`` and outputs of the network ``(n, *output)``.
    states : list of torch.Tensor
        State of each gate: the linear piece that each unit is on.
    """

    program: Program = field(repr=False)
    x: Tensor = field(repr=False)
    output: Tensor = field(repr=False)
    states: list[Tensor] = field(repr=False)

    def __len__(self) -> int:
        return len(self.x)

    def __call__(self, y: Float[Tensor, " n *input"]) -> Float[Tensor, " n *output"]:
        """Return ``J y + bias`` at `y` ``(n, *input)``: the network's output if `y` is in the region."""
        return self.output + self.matvec(matching_examples(self.program, y, "y", like=self.x) - self.x)

    def matvec(self, v: Float[Tensor, "*vectors"]) -> Float[Tensor, "*products"]:
        """Return ``J v``, computed forward through the steps of the network.

        Parameters
        ----------
        v : torch.Tensor
            ``(n, *input)``: a vector for each example; or ``(k, n, *input)``: k vectors for each.

        Returns
        -------
        torch.Tensor
            ``(n, *output)`` or ``(k, n, *output)``.
        """
        vectors, single = self._vectors(v, self.program.input_shape, "v")
        chunks = torch.split(vectors, self.program.chunk(len(self)))
        products = torch.cat([self._forward(chunk) for chunk in chunks])
        return products[0] if single else products

    def rmatvec(self, u: Float[Tensor, "*vectors"]) -> Float[Tensor, "*products"]:
        """Return the transpose of J times `u`, computed backward through the same steps.

        Parameters
        ----------
        u : torch.Tensor
            ``(n, *output)``: a vector for each example; or ``(k, n, *output)``: k vectors for each.

        Returns
        -------
        torch.Tensor
            ``(n, *input)`` or ``(k, n, *input)``.
        """
        vectors, single = self._vectors(u, self.program.output_shape, "u")
        products = []
        for chunk in torch.split(vectors, self.program.chunk(len(self))):
            products.append(apply_transpose(self._forward, chunk, (len(chunk), len(self), *self.program.input_shape)))
        joined = torch.cat(products)
        return joined[0] if single else joined

    def dense(self) -> Float[Tensor, "{len(self)} outputs inputs"]:
        """Return J of each example as a matrix, ``(n, outputs, inputs)``.

        Raises
        ------
        DataError
            If the matrix would be too large; `matvec` and `rmatvec` do not form it.
        """
        inputs, outputs = prod(self.program.input_shape), prod(self.program.output_shape)
        if len(self) * inputs * outputs > LARGEST_MATRIX:
            raise DataError(
                f"{len(self):,} dense matrices of {outputs:,} x {inputs:,} are too large; use matvec and rmatvec, or "
                "fewer examples"
            )
        if outputs <= inputs:
            unit = torch.eye(outputs, dtype=self.x.dtype, device=self.x.device)
            u = unit.reshape(outputs, 1, *self.program.output_shape)
            return self.rmatvec(u.expand(-1, len(self), *self.program.output_shape)).flatten(2).movedim(0, 1)
        unit = torch.eye(inputs, dtype=self.x.dtype, device=self.x.device)
        v = unit.reshape(inputs, 1, *self.program.input_shape)
        return self.matvec(v.expand(-1, len(self), *self.program.input_shape)).flatten(2).permute(1, 2, 0)

    @property
    def bias(self) -> Float[Tensor, " {len(self)} *output"]:
        """Constant term ``f(x) - J x``, ``(n, *output)``."""
        return self.output - self.matvec(self.x)

    def _forward(self, v: Tensor) -> Tensor:
        rows = v.reshape(len(v), len(self), *self.program.shapes[0])
        tangent = output_tangents(self.program, self.states, rows).expand(
            -1, len(self), *self.program.shapes[self.program.output]
        )
        return tangent.reshape(len(v), len(self), *self.program.output_shape)

    def _vectors(self, v: Tensor, shape: tuple[int, ...], name: str) -> tuple[Tensor, bool]:
        """Return vectors as ``(k, n, *shape)``, and whether there was a single one for each example."""
        vectors = numbers(v, name).to(self.x)
        single = vectors.dim() == len(shape) + 1
        vectors = vectors[None] if single else vectors
        if tuple(vectors.shape[1:]) != (len(self), *shape):
            expected = ", ".join(map(str, (len(self), *shape)))
            received = tuple(vectors.shape[1:] if single else vectors.shape)
            raise DataError(f"{name} must be ({expected}) or (k, {expected}), received {received}")
        return vectors, single
