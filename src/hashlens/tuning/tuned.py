"""What tuning gave: the trials, what was decided after each, and the best."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.text import Text

from hashlens.report.figures import Figure, Lines, Rule, Series
from hashlens.result import Result
from hashlens.tables import number, table
from hashlens.tuning.trace import Trace

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tuned(Result):
    """A tuning run, stopped or not.

    Attributes
    ----------
    trace : Trace
        Its trials.
    rule : str
        The rule that could stop it.
    bound, error : numpy.ndarray
        float64 ``(trials,)``: what the rule compared after each trial; not a number where it did not.
    stopped : int or None
        After how many trials it was stopped.
    reason : str
        Why it was, or why not after the last trial.
    best : dict
        The hyperparameters of the best trial; empty where no trial has a value.
    budget : int
        How many trials there could have been.
    study, storage : str
        Under which name and where Optuna has it.
    """

    trace: Trace
    rule: str
    bound: Floats
    error: Floats
    stopped: int | None
    reason: str
    best: dict[str, Any]
    budget: int
    study: str = ""
    storage: str = ""

    def figures(self) -> tuple[Figure, ...]:
        """Return what was bounded against its error, and the best value over trials."""
        return (*self._course(), *self.trace.figures())

    def _course(self) -> tuple[Figure, ...]:
        lines = []
        for name, values in (("bound", self.bound), ("error", self.error)):
            at = np.flatnonzero(np.isfinite(values))
            lines.append(Series(name, tuple((at + 1.0).tolist()), tuple(values[at].tolist())))
        if not any(len(line.x) for line in lines):
            return ()
        rules = () if self.stopped is None else (Rule("x", float(self.stopped), "stopped"),)
        return (Lines("What may be gained, and its error", "trials", "in the unit of the values", tuple(lines), rules,
                      dense=True),)  # fmt: skip

    def __rich__(self) -> RenderableType:
        trials, last = len(self.trace), int(self.trace.incumbents[-1])
        said = f"stopped after {self.stopped} of {self.budget} trials" if self.stopped else f"ran all {trials} trials"
        rows = [("trials", number(trials)), ("best trial", number(last) if last >= 0 else "–")]
        if last >= 0:
            rows.append(("its value", number(float(self.trace.values[last]))))
            if len(self.trace.test_values):
                rows.append(("its test value", number(float(self.trace.test_values[last]))))
        rows += [
            (name, f"{value:.6g}" if isinstance(value, float) else str(value)) for name, value in self.best.items()
        ]
        return Group(Text(f"{said}: {self.reason}"), table("Tuning", ("", self.trace.direction), rows, self.rule))
