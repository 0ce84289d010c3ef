"""One number that a run computed."""

from dataclasses import dataclass
from math import nan


@dataclass(frozen=True, slots=True)
class Row:
    """One value of a measure, computed by a run.

    Attributes
    ----------
    step : int
        Position along the experiment's step: for networks, the number of epochs trained. 0 if there is no step.
    measure : str
        Name of the measure.
    split : str
        Examples on which it was computed, such as ``train``, ``test`` or a kind of random inputs; empty if there is no
        split.
    value : float
        The value; NaN if it is undefined, stored as NULL.
    layer : str
        Name of the layer; empty for the whole network.
    """

    step: int = 0
    measure: str = ""
    split: str = ""
    value: float = nan
    layer: str = ""
