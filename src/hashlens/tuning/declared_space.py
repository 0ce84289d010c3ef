"""Declared space: a space of hyperparameters in the form that users write."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hashlens.arguments import excerpt, is_finite, is_whole
from hashlens.errors import TuningError

if TYPE_CHECKING:
    from optuna.trial import Trial


def distributions_of(space: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Optuna distribution of each hyperparameter of a space.

    Parameters
    ----------
    space : mapping of str to object
        Range or choices of each hyperparameter. A tuple is a range: ``(low, high)``, or ``(low, high, "log")`` for a
        logarithmic scale; values are integers if both ends are integers. A list has the choices: ``[choice, ...]``. An
        Optuna distribution is used as it is.

    Raises
    ------
    TuningError
        If the space is not a mapping, or an entry has another form; the message names the hyperparameter.
    """
    if not isinstance(space, Mapping):
        raise TuningError(
            f"space must be a mapping of names to ranges (low, high) or lists of choices, received {excerpt(space)}"
        )
    return {name: _distribution(name, entry) for name, entry in space.items()}


def with_suggested_values(trial: "Trial", distributions: Mapping[str, Any]) -> "Trial":
    """Return the trial after Optuna has suggested a value for each hyperparameter; ``trial.params`` holds them."""
    # The kinds are recognised without isinstance, since Optuna is an optional dependency.
    for name, distribution in distributions.items():
        if hasattr(distribution, "choices"):
            trial.suggest_categorical(name, distribution.choices)
        elif type(distribution).__name__.startswith("Int"):
            trial.suggest_int(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
        else:
            trial.suggest_float(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
    return trial


def _distribution(name: str, entry: Any) -> Any:
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(entry, BaseDistribution):
        return entry
    if isinstance(entry, list) and entry:
        return CategoricalDistribution(entry)
    ends = entry[:2] if isinstance(entry, tuple) else ()
    log = isinstance(entry, tuple) and entry[2:] == ("log",)
    is_range = len(ends) == 2 and all(map(is_finite, ends)) and ends[0] <= ends[1] and (log or len(entry) == 2)
    if not is_range or (log and ends[0] <= 0):
        raise TuningError(
            f"space, {name!r}: expected (low, high), (low, high, 'log') with low above 0, a list of choices or an "
            f"Optuna distribution, received {excerpt(entry)}"
        )
    kind = IntDistribution if all(map(is_whole, ends)) else FloatDistribution
    return kind(ends[0], ends[1], log=log)
