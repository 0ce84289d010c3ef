"""What a layer of an infinitely wide network is."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from hashlens.kernels.moments import Moments

Parameterization = Literal["ntk", "standard"]
PARAMETERIZATIONS: tuple[Parameterization, ...] = ("ntk", "standard")


class Layer(ABC):
    """One layer: how it changes the moments of its inputs.

    Attributes
    ----------
    pools : bool
        Whether it needs the covariance of all pairs of positions before it.
    """

    pools: ClassVar[bool] = False

    @abstractmethod
    def apply(self, moments: Moments, parameterization: Parameterization, name: str) -> Moments:
        """Return the moments after the layer.

        Parameters
        ----------
        moments : Moments
            Before the layer; they may be written into.
        parameterization : {"ntk", "standard"}
            Of layers with weights.
        name : str
            Of the layer, for errors.

        Raises
        ------
        KernelError
            If the layer cannot follow what is before it.
        """
