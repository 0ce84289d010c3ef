"""One number that a run found."""

from dataclasses import dataclass
from math import nan


@dataclass(frozen=True, slots=True)
class Row:
    """One number that a run found.

    Attributes
    ----------
    step : int
        Along the step of the experiment: after how many epochs, of networks. 0 where the experiment has no steps.
    measure : str
        Name of the measure.
    split : str
        Of what it is: ``train`` or ``test``; empty where there is nothing to tell apart.
    value : float
        The number; NaN where the measure has none, stored as NULL.
    layer : str
        Name of the layer, empty for the whole.
    """

    step: int = 0
    measure: str = ""
    split: str = ""
    value: float = nan
    layer: str = ""
