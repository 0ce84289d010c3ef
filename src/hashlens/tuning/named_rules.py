"""Stopping rules by name, for the command line."""

from collections.abc import Callable

from hashlens.errors import TuningError, nearest
from hashlens.tuning.expected_improvement import ExpectedImprovement
from hashlens.tuning.interquartile_range import InterquartileRange
from hashlens.tuning.no_improvement import NoImprovement
from hashlens.tuning.probability_of_improvement import ProbabilityOfImprovement
from hashlens.tuning.regret_bound import RegretBound
from hashlens.tuning.stop_rule import StopRule

RULES: dict[str, Callable[[str, bool], StopRule]] = {
    "regret-bound": lambda text, recorded: RegretBound(threshold=float(text) if text else None, recorded=recorded),
    "no-improvement": lambda text, _: NoImprovement(k=int(text or 50)),
    "expected-improvement": lambda text, recorded: ExpectedImprovement(eps=float(text or 1e-16), recorded=recorded),
    "probability-of-improvement": lambda text, recorded: ProbabilityOfImprovement(
        eps=float(text or 1e-16), recorded=recorded
    ),
    "interquartile-range": lambda text, _: _interquartile_range(*text.split(":")),
}


def _interquartile_range(bar: str, *window: str) -> InterquartileRange:
    if len(window) > 1:
        raise ValueError
    number = float(bar or 0.1)
    return InterquartileRange(window=int(window[0]), bar=number) if window else InterquartileRange(bar=number)


def parse_rule(word: str, recorded: bool = False) -> StopRule:
    """Return the rule named by a word such as ``no-improvement:50``.

    Parameters
    ----------
    word : str
        A name of `RULES`, optionally followed by a colon and its number: a threshold, a number of trials, an epsilon or
        a bar. A bar may be followed by a second colon and a number of trials: the window of the interquartile range.
    recorded : bool
        Whether to use the bounds and improvements recorded in a trace.

    Raises
    ------
    TuningError
        If there is no such rule, or the number is invalid.
    """
    name, _, text = word.partition(":")
    if name not in RULES:
        raise TuningError(f"no rule {name!r}; {nearest(name, RULES)}")
    try:
        return RULES[name](text, recorded)
    except ValueError as error:
        raise TuningError(f"rule {word!r}: expected a number behind the colon, received {text!r}") from error
