"""The base class of layers of infinitely wide networks."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from hashlens.kernels.moments import Moments

Parameterization = Literal["ntk", "standard"]
PARAMETERIZATIONS: tuple[Parameterization, ...] = ("ntk", "standard")


class Layer(ABC):
    """A layer, as a transformation of second moments.

    Attributes
    ----------
    pools : bool
        True if the layer needs the covariances of all pairs of positions of its input.
    """

    pools: ClassVar[bool] = False

    @abstractmethod
    def apply(self, moments: Moments, parameterization: Parameterization, name: str) -> Moments:
        """Return the moments after the layer.

        Parameters
        ----------
        moments : Moments
            Moments before the layer; they may be changed in place.
        parameterization : {"ntk", "standard"}
            Parameterisation of layers with weights.
        name : str
            Name of the layer, for error messages.

        Raises
        ------
        KernelError
            If the layer cannot follow the layers before it.
        """
