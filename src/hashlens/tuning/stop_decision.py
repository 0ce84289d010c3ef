"""The decision of a stopping rule, and its reason."""

from dataclasses import dataclass

from rich.text import Text

from hashlens.result import Result


@dataclass(frozen=True)
class StopDecision(Result):
    """Decision of a stopping rule.

    Attributes
    ----------
    stop : bool
        Whether to stop.
    bound : float
        Possible gain, in the unit of the rule; NaN if it was not computed.
    error : float
        Threshold of the bound: the rule stops if `bound` is smaller.
    reason : str
        Reason for the decision, in one line.
    """

    stop: bool
    bound: float
    error: float
    reason: str

    def __rich__(self) -> Text:
        return Text(f"{'stop' if self.stop else 'go on'}: {self.reason}")
