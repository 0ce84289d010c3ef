"""Declared space: a space of hyperparameters in the form that users write."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hashlens.arguments import is_finite, is_whole, shortly
from hashlens.errors import TuningError

if TYPE_CHECKING:
    from optuna.trial import Trial


def declared(space: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Optuna distributions of a space.

    Parameters
    ----------
    space : mapping of str to object
        Range or choices of each hyperparameter: ``(low, high)``, ``(low, high, "log")``, ``[choice, ...]``, or an
        Optuna distribution.

    Raises
    ------
    TuningError
        If an entry has another form; the message names the hyperparameter.
    """
    if not isinstance(space, Mapping):
        raise TuningError(f"space must be a mapping of names to ends or choices, received {shortly(space)}")
    return {name: _distribution(name, given) for name, given in space.items()}


def suggested(trial: "Trial", distributions: Mapping[str, Any]) -> "Trial":
    """Return a trial after it suggested a value for each of the distributions."""
    for name, at in distributions.items():
        if hasattr(at, "choices"):
            trial.suggest_categorical(name, at.choices)
        elif type(at).__name__.startswith("Int"):
            trial.suggest_int(name, at.low, at.high, step=at.step, log=at.log)
        else:
            trial.suggest_float(name, at.low, at.high, step=at.step, log=at.log)
    return trial


def _distribution(name: str, given: Any) -> Any:
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(given, BaseDistribution):
        return given
    if isinstance(given, list) and given:
        return CategoricalDistribution(given)
    ends = given[:2] if isinstance(given, tuple) else ()
    log = isinstance(given, tuple) and given[2:] == ("log",)
    fits = len(ends) == 2 and all(map(is_finite, ends)) and ends[0] <= ends[1] and (log or len(given) == 2)
    if not fits or (log and ends[0] <= 0):
        raise TuningError(
            f"space, {name!r}: expected (low, high), (low, high, 'log') above 0, a list of choices or an Optuna "
            f"distribution, received {shortly(given)}"
        )
    kind = IntDistribution if all(map(is_whole, ends)) else FloatDistribution
    return kind(ends[0], ends[1], log=log)
