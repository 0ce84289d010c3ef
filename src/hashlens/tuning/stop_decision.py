"""What a rule decided, and why."""

from dataclasses import dataclass

from rich.text import Text

from hashlens.result import Result


@dataclass(frozen=True)
class StopDecision(Result):
    """Whether to stop.

    Attributes
    ----------
    stop : bool
        The decision.
    bound : float
        What may still be gained, in the unit of the rule; not a number where it was not computed.
    error : float
        What it is not worth: the rule stops where `bound` is less.
    reason : str
        Why, in a line.
    """

    stop: bool
    bound: float
    error: float
    reason: str

    def __rich__(self) -> Text:
        return Text(f"{'stop' if self.stop else 'go on'}: {self.reason}")
