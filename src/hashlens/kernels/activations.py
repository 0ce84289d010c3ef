"""Activations of infinitely wide networks: how each changes the covariance of its Gaussian inputs.

The dual of an activation f is the mean of ``f(u) f(v)`` over Gaussian u, v of known covariance. The derivative of the
dual with respect to this covariance is the mean of ``f'(u) f'(v)`` (Price's theorem). The NTK is multiplied by it.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch

from hashlens.arguments import excerpt, is_number
from hashlens.errors import KernelError
from hashlens.kernels.layer import Layer
from hashlens.kernels.moments import COMPILED_FROM, Moments, equal_positions

Tensor = torch.Tensor
Dual = tuple[Tensor, Tensor]


class Activation(Layer):
    """An activation: a function that is applied to each feature.

    Attributes
    ----------
    has_bit : bool
        Whether the activation is a gate. The bit of a gate in the neural code is 1 if its input is above 0.
    """

    has_bit: ClassVar[bool] = True

    @abstractmethod
    def dual(self, cov: Tensor, first: Tensor, second: Tensor) -> Dual:
        """Return the means of f(u) f(v) and of f'(u) f'(v).

        Parameters
        ----------
        cov : torch.Tensor
            Covariance of u and v.
        first, second : torch.Tensor
            Variances of u and of v, in shapes that can be broadcast to that of `cov`.
        """

    @abstractmethod
    def dual_of_equal(self, variance: Tensor) -> Dual:
        """Return the means of f(u)^2 and of f'(u)^2: the dual of two equal inputs, computed exactly."""

    def apply(self, moments: Moments, parameterization: str, name: str) -> Moments:
        """Return the moments after the activation."""
        if not moments.is_gaussian:
            raise KernelError(
                f"{name} follows a layer whose features are not Gaussian in the limit: put a Dense or Conv layer "
                "before it (a sum of branches is Gaussian if each branch ends in one)"
            )
        if moments.agreements is not None and self.has_bit:
            moments.agreements.append(agreement(moments))
        self._apply_dual(moments)
        moments.is_gaussian = False
        return moments

    def _apply_dual(self, moments: Moments) -> None:
        """Replace covariances by their dual, and multiply the NTK by its derivative."""
        covariances, slope = self.dual(moments.cov, *moments.variances())
        assert moments.rows is not None
        assert moments.columns is not None
        rows, row_slope = self._dual_of_inputs(moments, moments.rows)
        same = moments.same_input_entries(covariances)
        if same is not None:
            same.copy_(rows)
            slopes = moments.same_input_entries(slope)
            assert slopes is not None
            slopes.copy_(row_slope)
        both = moments.columns is moments.rows
        columns = rows if both else self._dual_of_inputs(moments, moments.columns)[0]
        moments.cov, moments.rows, moments.columns = covariances, rows, columns
        if moments.ntk is not None:
            moments.ntk *= slope

    def _dual_of_inputs(self, moments: Moments, inputs: Tensor) -> Dual:
        """Return the dual of each input with itself, for equal positions or, where they are kept, all pairs."""
        own, own_slope = self.dual_of_equal(moments.variance_of(inputs))
        if not moments.rows_have_pairs:
            return own, own_slope
        variance = equal_positions(inputs)
        found, slope = self.dual(inputs, variance[..., None, None], variance[:, None, None])
        equal_positions(found).copy_(own)
        equal_positions(slope).copy_(own_slope)
        return found, slope


def agreement(moments: Moments) -> Tensor:
    """Return the probability that u and v are on the same side of 0, ``1 - angle / pi``; the mean over positions.

    If the variance of an input is 0, its bits are all 0. They agree with half of the bits of any other input.
    """
    cov = equal_positions(moments.cov) if moments.pairs_of_positions else moments.cov
    assert moments.rows is not None
    assert moments.columns is not None
    first, second = moments.variance_of(moments.rows), moments.variance_of(moments.columns)
    if not moments.aligned:
        first, second = first[:, None], second[None]
    angle = _angle(cov, first, second)
    zeros = (first == 0) | (second == 0)
    found = torch.where(zeros, torch.where((first == 0) & (second == 0), 1.0, 0.5).to(cov), 1 - angle / math.pi)
    if moments.is_same:
        (found if moments.aligned else found.diagonal(dim1=0, dim2=1)).fill_(1.0)
    return found.flatten(1 if moments.aligned else 2).mean(-1) if moments.has_positions else found


def _angle(cov: Tensor, first: Tensor, second: Tensor) -> Tensor:
    return torch.atan2((first * second - cov * cov).clamp_(min=0).sqrt_(), cov)


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """``max(x, 0) + slope * min(x, 0)``.

    Parameters
    ----------
    slope : float
        Slope for negative inputs: 0 gives a ReLU, -1 the absolute value.

    References
    ----------
    Cho, Saul (2009): Kernel methods for deep learning. NeurIPS. The angle is computed by ``atan2``, since the arc
    cosine loses half of the digits of small angles.
    """

    slope: float = 0.01

    def __post_init__(self) -> None:
        if not is_number(self.slope) or not math.isfinite(self.slope):
            raise KernelError(f"LeakyReLU: slope must be a number, received {excerpt(self.slope)}")

    def dual(self, cov: Tensor, first: Tensor, second: Tensor) -> Dual:
        """Return the means of f(u) f(v) and of f'(u) f'(v)."""
        sine = (first * second - cov * cov).clamp_(min=0).sqrt_()
        slope = (math.pi - torch.atan2(sine, cov)) / (2 * math.pi)
        found = sine.div_(2 * math.pi).addcmul_(slope, cov)
        if self.slope != 0:
            bend = (1 - self.slope) ** 2
            found = found.mul_(bend).add_(cov, alpha=self.slope)
            slope = slope.mul_(bend).add_(self.slope)
        return found, slope

    def dual_of_equal(self, variance: Tensor) -> Dual:
        """Return the means of f(u)^2 and of f'(u)^2."""
        share = (1 + self.slope**2) / 2
        return variance * share, torch.full_like(variance, share)

    def _apply_dual(self, moments: Moments) -> None:
        if moments.cov.device.type != "cpu" or moments.aligned or moments.cov.numel() < COMPILED_FROM:
            super()._apply_dual(moments)
            return
        from hashlens.kernels.compiled_dual import replace_by_dual

        assert moments.rows is not None
        assert moments.columns is not None
        first, second = (moments.variance_of(inputs).sqrt() for inputs in (moments.rows, moments.columns))
        rows, row_slope = self._dual_of_inputs(moments, moments.rows)
        both = moments.columns is moments.rows
        columns = rows if both else self._dual_of_inputs(moments, moments.columns)[0]
        tangent = None if moments.ntk is None else moments.same_input_entries(moments.ntk)
        own_tangent = None if tangent is None else tangent * row_slope
        moments.cov = moments.cov.contiguous()
        moments.ntk = None if moments.ntk is None else moments.ntk.contiguous()
        replace_by_dual(moments.cov, moments.ntk, first, second, self.slope, moments.pairs_of_positions)
        own = moments.same_input_entries(moments.cov)
        if own is not None:
            own.copy_(rows)
        if own_tangent is not None and moments.ntk is not None:
            moments.same_input_entries(moments.ntk).copy_(own_tangent)  # type: ignore[union-attr]
        moments.rows, moments.columns = rows, columns


@dataclass(frozen=True)
class ReLU(LeakyReLU):
    """``max(x, 0)``."""

    slope: float = 0.0

    def __post_init__(self) -> None:
        if self.slope != 0:
            raise KernelError(f"ReLU has slope 0, received {excerpt(self.slope)}: use LeakyReLU")

    def __repr__(self) -> str:
        return "ReLU()"


@dataclass(frozen=True)
class Abs(LeakyReLU):
    """``|x|``."""

    slope: float = -1.0

    def __post_init__(self) -> None:
        if self.slope != -1:
            raise KernelError(f"Abs has slope -1, received {excerpt(self.slope)}: use LeakyReLU")

    def __repr__(self) -> str:
        return "Abs()"


@dataclass(frozen=True)
class Erf(Activation):
    """The error function.

    References
    ----------
    Williams (1997): Computing with infinite networks. NeurIPS.
    """

    def dual(self, cov: Tensor, first: Tensor, second: Tensor) -> Dual:
        """Return the means of f(u) f(v) and of f'(u) f'(v)."""
        root = ((1 + 2 * first) * (1 + 2 * second) - 4 * cov * cov).sqrt_()
        return torch.atan2(2 * cov, root).mul_(2 / math.pi), 4 / (math.pi * root)

    def dual_of_equal(self, variance: Tensor) -> Dual:
        """Return the means of f(u)^2 and of f'(u)^2."""
        root = (1 + 4 * variance).sqrt()
        return torch.atan2(2 * variance, root) * (2 / math.pi), 4 / (math.pi * root)


@dataclass(frozen=True)
class GELU(Activation):
    """``x Phi(x)``, where Phi is the distribution function of the normal distribution.

    The dual follows from Stein's lemma, applied twice to ``u v Phi(u) Phi(v)``.
    """

    def dual(self, cov: Tensor, first: Tensor, second: Tensor) -> Dual:
        """Return the means of f(u) f(v) and of f'(u) f'(v)."""
        square = cov * cov
        root = ((1 + first) * (1 + second) - square).sqrt_()
        both_active = 0.25 + torch.atan2(cov, root) / (2 * math.pi)
        curved = 1 / (1 + first) + 1 / (1 + second) - 1
        numerator = first * second + square * curved
        density = 1 / (2 * math.pi * root)
        found = cov * both_active + numerator * density
        slope = both_active + cov * density * (1 + 2 * curved + numerator / (root * root))
        return found, slope

    def dual_of_equal(self, variance: Tensor) -> Dual:
        """Return the means of f(u)^2 and of f'(u)^2."""
        return self.dual(variance, variance, variance)


@dataclass(frozen=True)
class Sin(Activation):
    """The sine. It is not a gate, and has no bit in the neural code."""

    has_bit: ClassVar[bool] = False

    def dual(self, cov: Tensor, first: Tensor, second: Tensor) -> Dual:
        """Return the means of f(u) f(v) and of f'(u) f'(v)."""
        half = (first + second) / 2
        near, far = torch.exp(cov - half), torch.exp(-cov - half)
        return (near - far) / 2, (near + far) / 2

    def dual_of_equal(self, variance: Tensor) -> Dual:
        """Return the means of f(u)^2 and of f'(u)^2."""
        far = torch.expm1(-2 * variance)
        return -far / 2, 1 + far / 2
