"""Tuned: the result of tuning, with the trials, the decisions and the best hyperparameters."""

from dataclasses import dataclass, field
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
    """Result of a tuning run.

    Attributes
    ----------
    trace : Trace
        The trials.
    rule : str
        The stopping rule, as a call of its constructor.
    bound, error : numpy.ndarray
        float64 ``(trials,)``: bound and error that the rule compared after each trial; NaN where it did not.
    stopped : int or None
        Number of trials after which the rule stopped the run; None if it did not.
    reason : str
        Why the rule stopped the run, or why it did not stop it after the last trial.
    best : dict
        Hyperparameters of the best trial; empty if no trial has a value.
    budget : int
        Largest number of trials.
    study, storage : str
        Name of the study in Optuna, and its storage.
    attributes : dict
        User attributes that the objective has written in the best trial; without the fold values and the test value.
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
    attributes: dict[str, Any] = field(default_factory=dict)

    def figures(self) -> tuple[Figure, ...]:
        """Return figures of the bound beside the error, and of the best value over trials."""
        return (*self._course(), *self.trace.figures())

    def _course(self) -> tuple[Figure, ...]:
        lines = []
        for name, values in (("bound", self.bound), ("error", self.error)):
            at = np.flatnonzero(np.isfinite(values))
            lines.append(Series(name, tuple((at + 1.0).tolist()), tuple(values[at].tolist())))
        if not any(len(line.x) for line in lines):
            return ()
        rules = () if self.stopped is None else (Rule("x", float(self.stopped), "stopped"),)
        return (Lines("Bound of the remaining improvement, and its error", "trials", "in the unit of the values",
                      tuple(lines), rules, dense=True),)  # fmt: skip

    def __rich__(self) -> RenderableType:
        trials, last = len(self.trace), int(self.trace.incumbents[-1])
        ending = f"stopped after {self.stopped} of {self.budget} trials" if self.stopped else f"ran all {trials} trials"
        rows = [("trials", number(trials)), ("best trial", number(last) if last >= 0 else "–")]
        if last >= 0:
            rows.append(("its value", number(float(self.trace.values[last]))))
            if len(self.trace.test_values):
                rows.append(("its test value", number(float(self.trace.test_values[last]))))
        noted = {name: value for name, value in self.attributes.items() if isinstance(value, str | int | float)}
        rows += [
            (name, f"{value:.6g}" if isinstance(value, float) else str(value))
            for name, value in (*self.best.items(), *noted.items())
        ]
        return Group(Text(f"{ending}: {self.reason}"), table("Tuning", ("", self.trace.direction), rows, self.rule))
