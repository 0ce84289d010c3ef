"""StopCallback: an Optuna callback that stops a study by a rule."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hashlens.plain import to_plain
from hashlens.tuning.regret_bound import RegretBound
from hashlens.tuning.stop_decision import StopDecision
from hashlens.tuning.stop_rule import StopRule, require_rule
from hashlens.tuning.study_trace import direction_of, study_trace

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

STOPPED, DECISION = "hashlens:stopped", "hashlens:after {:04d}"
"""Names of the user attributes of a study."""


class StopCallback:
    """Callback that stops an Optuna study by a rule: ``study.optimize(objective, callbacks=[StopCallback(rule)])``.

    The decision after each trial is stored in the study's user attributes (``hashlens:after 0020``: stop, bound, error,
    reason, rule), where Optuna's dashboard shows it. ``hashlens:stopped`` is the number of trials after which the study
    was stopped.

    A decision after ``n`` trials depends on the trials with the ``n`` lowest numbers, and is made when all of them have
    ended, in any order. Unfinished trials that were started before the callback was created, for example by a killed
    process, are ignored. Decisions that a killed process did not make are made by the next one.

    Parameters
    ----------
    rule : StopRule, optional
        Stopping rule; by default :class:`RegretBound`.
    on_decision : callable, optional
        Function that is called with each decision.

    Attributes
    ----------
    stopped : int or None
        Number of trials after which the rule stopped the study; None until then. With Optuna's ask-and-tell interface,
        check it in your own loop, because nothing else ends the loop.
    """

    stopped: int | None = None

    def __init__(self, rule: StopRule | None = None, on_decision: Callable[[StopDecision], None] | None = None) -> None:
        self.rule = RegretBound() if rule is None else require_rule(rule)
        self._on_decision, self._created, self._lock = on_decision, datetime.now(), threading.Lock()

    def __call__(self, study: "Study", trial: "FrozenTrial | None" = None) -> None:
        """Decide after each trial up to which all trials have ended, and stop the study if the rule stops.

        Raises
        ------
        TuningError
            If it is not a study, has several objectives, or lacks data that the rule needs.
        """
        with self._lock:
            direction_of(study)
            trials = self._ended_trials(study.get_trials(deepcopy=False))
            decided = self._earlier_decisions(study.user_attrs, len(trials))
            missing = [n for n in range(1, len(trials) + 1) if n not in decided]
            for n, decision in zip(missing, self._decisions(study, trials, missing), strict=True):
                decided[n] = self._as_attribute(decision)
                study.set_user_attr(DECISION.format(n), decided[n])
                if self._on_decision is not None:
                    self._on_decision(decision)
            if stops := [n for n, written in decided.items() if written["stop"]]:
                self.stopped = min(stops)
                study.set_user_attr(STOPPED, self.stopped)
                with suppress(RuntimeError):  # outside of `optimize`
                    study.stop()

    def _earlier_decisions(self, attributes: dict[str, Any], trials: int) -> dict[int, dict[str, Any]]:
        """Return the earlier decisions of this rule, by the number of trials."""
        found = {n: attributes.get(DECISION.format(n)) for n in range(1, trials + 1)}
        return {n: one for n, one in found.items() if one is not None and one.get("rule") == str(self.rule)}

    def _as_attribute(self, decision: StopDecision) -> dict[str, Any]:
        """Return a decision in the form of a user attribute."""
        return {"stop": decision.stop, "bound": to_plain(decision.bound), "error": to_plain(decision.error),
                "reason": decision.reason, "rule": str(self.rule)}  # fmt: skip

    def _decisions(self, study: "Study", trials: "list[FrozenTrial]", counts: list[int]) -> list[StopDecision]:
        if not counts:
            return []
        trace = study_trace(study, trials)
        return self.rule.decisions(trace, counts)

    def _ended_trials(self, trials: "list[FrozenTrial]") -> "list[FrozenTrial]":
        """Return the ended trials before the first one that is running or waiting."""
        found = []
        for trial in sorted(trials, key=lambda one: one.number):
            if trial.state.is_finished():
                found.append(trial)
            elif trial.datetime_start is None or trial.datetime_start >= self._created:
                break
        return found
