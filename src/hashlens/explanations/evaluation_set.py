"""The examples for which explanations are compared, and the explanations of one method."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.explanations.controls import CONTROLS, control
from hashlens.explanations.explain import explain
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.faithfulness import expand_values
from hashlens.explanations.methods import find_method
from hashlens.explanations.subject import Subject

Tensor = torch.Tensor
Floats = npt.NDArray[np.float64]
SINGLE = ("cle", "anchor")
Explainer = Callable[[Any, Tensor, Tensor, int], Explanation]
"""Function from model, inputs, classes and seed to an explanation."""


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """Network, examples and classes, the same for every method.

    Attributes
    ----------
    subject : Subject
        Network or function that is explained.
    x : torch.Tensor
        ``(n, ...)``: inputs.
    target : torch.Tensor
        ``(n,)`` int64: class explained for each input.
    background : torch.Tensor or None
        ``(m, ...)``: examples whose mean replaces removed values of a table.
    seed : int
        Seed of all random numbers.
    notes : list of str
        Notes on what could not be measured, with the reason.
    """

    subject: Subject
    x: Tensor
    target: Tensor
    background: Tensor | None = None
    seed: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def unknown(self) -> Floats:
        """NaN for each example: the value of a metric that cannot be measured."""
        return np.full(len(self.x), np.nan)


@dataclass(frozen=True, eq=False)
class Candidate:
    """One method, and its explanation of the evaluation set.

    Attributes
    ----------
    name : str
        Name of the method or control.
    evaluation_set : EvaluationSet
        The network and the examples.
    make : callable
        Function that computes an explanation.
    explanation : Explanation
        Explanation of the examples.
    seconds : float
        Time that it took per example, in seconds.
    """

    name: str
    evaluation_set: EvaluationSet
    make: Explainer
    explanation: Explanation
    seconds: float = float("nan")

    @classmethod
    def compute(cls, name: str, evaluation_set: EvaluationSet, make: Explainer) -> "Candidate":
        """Compute the explanation, and record the time it takes."""
        started = time.perf_counter()
        result = make(evaluation_set.subject.function, evaluation_set.x, evaluation_set.target, evaluation_set.seed)
        return cls(name, evaluation_set, make, result, (time.perf_counter() - started) / len(evaluation_set.x))

    @cached_property
    def values(self) -> Tensor:
        """The values on the input, ``(n, ...)`` float64."""
        return expand_values(self.explanation, tuple(self.evaluation_set.x.shape[1:]))

    def recompute(
        self, model: Any = None, x: Tensor | None = None, target: Tensor | None = None, seed: int | None = None
    ) -> Tensor:
        """Return the values for another network, for other inputs or classes, or with another seed."""
        evaluation_set = self.evaluation_set
        result = self.make(
            evaluation_set.subject.function if model is None else model,
            evaluation_set.x if x is None else x,
            evaluation_set.target if target is None else target,
            evaluation_set.seed if seed is None else seed,
        )
        return expand_values(result, tuple(evaluation_set.x.shape[1:]))


def explainer(name: str, options: Mapping[str, Any]) -> Explainer:
    """Return the function that explains by a method, or by a control."""
    if name in CONTROLS:
        return lambda model, x, target, seed: control(name, x, target, seed)

    def together(model: Any, x: Tensor, target: Tensor, seed: int) -> Explanation:
        return explain(model, x, name, target=target, seed=seed, **options)

    def one_by_one(model: Any, x: Tensor, target: Tensor, seed: int) -> Explanation:
        """Explain examples one at a time: each image has its own parts, and some methods take a single example."""
        rows = [together(model, x[i : i + 1], target[i : i + 1], seed) for i in range(len(x))]
        values = torch.cat([expand_values(row, tuple(x.shape[1:])) for row in rows])
        diagnostics: dict[str, Any] = {"rows_run": sum(row.diagnostics["rows_run"] for row in rows)}
        if "completeness_gap" in rows[0].diagnostics:
            diagnostics["completeness_gap"] = [row.diagnostics["completeness_gap"] for row in rows]
        return replace(
            rows[0], values=values.numpy(), segments=None, features=(), target=target.numpy(), diagnostics=diagnostics
        )

    is_perturbation = find_method(name).group == "perturbation"
    return lambda model, x, target, seed: (
        one_by_one if is_perturbation and (x.dim() > 2 or name in SINGLE) else together
    )(model, x, target, seed)
