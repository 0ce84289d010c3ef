"""Replay of recorded runs: when each rule would have stopped, the trials that it saves, and the change on test."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hashlens.arguments import require_whole
from hashlens.errors import TuningError, nearest
from hashlens.report.figures import Figure, Lines, Series
from hashlens.result import Result
from hashlens.tables import Table, table
from hashlens.tuning.stop_rule import StopRule, require_rule
from hashlens.tuning.trace import Trace, traces_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
WORSE = -0.05
"""RYC below which stopping counts as clearly worse."""


@dataclass(frozen=True, eq=False)
class Replay(Result):
    """Result of replaying stopping rules on recorded runs.

    Attributes
    ----------
    rules, runs : tuple of str
        Names of the rules and of the runs.
    trials : numpy.ndarray
        int64 ``(runs,)``: number of trials of each run, ``T``.
    stops : numpy.ndarray
        int64 ``(rules, runs)``: number of trials after which the rule stops, ``t``; ``T`` if it never does.
    fired : numpy.ndarray
        bool ``(rules, runs)``: whether the rule stops the run.
    rtc : numpy.ndarray
        float64 ``(rules, runs)``: relative time change, the share of trials saved, ``(T - t) / T``.
    rtc_seconds : numpy.ndarray
        float64 ``(rules, runs)``: share of seconds saved; NaN where they are not known.
    ryc : numpy.ndarray
        float64 ``(rules, runs)``: relative test value change ``(y_T - y_t) / max(|y_T|, |y_t|)`` of the incumbents'
        test losses; above 0 if stopping improved the test loss.
    """

    rules: tuple[str, ...]
    runs: tuple[str, ...]
    trials: Ints
    stops: Ints
    fired: npt.NDArray[np.bool_]
    rtc: Floats
    rtc_seconds: Floats
    ryc: Floats

    def row(self, rule: str) -> int:
        """Return the index of a rule; raise TuningError if there is none."""
        if rule not in self.rules:
            raise TuningError(f"no rule {rule!r} was replayed; {nearest(rule, self.rules)}")
        return self.rules.index(rule)

    def intervals(self, values: Floats, confidence: float = 0.95, resamples: int = 2000, seed: int = 0) -> Floats:
        """Return bootstrap intervals, over runs, of the mean of each rule.

        Parameters
        ----------
        values : numpy.ndarray
            float64 ``(rules, runs)``, such as `rtc`.
        confidence : float
            Confidence level, between 0 and 1.
        resamples : int
            Number of bootstrap samples.
        seed : int
            Seed of the bootstrap samples.

        Returns
        -------
        numpy.ndarray
            float64 ``(rules, 2)``: lower and upper ends.
        """
        require_whole(TuningError, "resamples", resamples)
        rng, runs = np.random.default_rng(seed), values.shape[1]
        drawn = rng.integers(0, runs, (resamples, runs))
        tails = [(1 - confidence) / 2, (1 + confidence) / 2]
        return np.array([np.quantile(row[drawn].mean(axis=1), tails) for row in values])

    def figures(self) -> tuple[Figure, ...]:
        """Return a figure of RTC against RYC of all rules, as means over runs."""
        series = tuple(
            Series(name, (float(self.rtc[at].mean()),), (float(self.ryc[at].mean()),))
            for at, name in enumerate(self.rules)
        )
        return (Lines("Saved against lost", "RTC", "RYC", series),)

    def __rich__(self) -> Table:
        saved, changed = self.intervals(self.rtc), self.intervals(self.ryc)
        rows = [
            (
                name,
                f"{self.rtc[at].mean():.3f}",
                f"{saved[at][0]:.3f} to {saved[at][1]:.3f}",
                f"{self.ryc[at].mean():+.4f}",
                f"{changed[at][0]:+.4f} to {changed[at][1]:+.4f}",
                f"{self.ryc[at].std():.3f}",
                f"{(self.ryc[at] < WORSE).mean():.2f}",
                f"{self.fired[at].mean():.2f}",
            )
            for at, name in enumerate(self.rules)
        ]
        columns = ("rule", "RTC", "95 %", "RYC", "95 %", "spread", "< -.05", "stops")
        runs = f"{len(self.runs):,} run{'s' * (len(self.runs) != 1)}"
        note = (
            "RTC: share of trials saved; RYC: share of the test value won (+) or lost (-); spread: standard deviation "
            "of RYC; < -.05: share of runs that lose more than 5 %; stops: share of runs that the rule stops"
        )
        return table(f"Replay of {runs}", columns, rows, note)


def replay(traces: Trace | Sequence[Trace], rules: StopRule | Sequence[StopRule]) -> Replay:
    """Replay stopping rules on recorded runs.

    Parameters
    ----------
    traces : Trace, or sequence of Trace
        Runs with test values.
    rules : StopRule, or sequence of StopRule
        Rules to replay.

    Raises
    ------
    TuningError
        If there are no runs or no rules, test values are missing, or a rule needs data that a run does not have.
    """
    traces = traces_of(traces)
    rules = (rules,) if isinstance(rules, StopRule) else tuple(rules)
    if not rules:
        raise TuningError("a replay needs one rule or more")
    names = [str(require_rule(rule)) for rule in rules]
    if twice := next((name for at, name in enumerate(names) if name in names[:at]), None):
        raise TuningError(f"rule {twice} was given twice: give each rule once")
    lengths = np.array([len(trace) for trace in traces])
    found = [[rule.stops_after(trace) for trace in traces] for rule in rules]
    stops = np.array([[at or length for at, length in zip(row, lengths, strict=True)] for row in found])
    return Replay(
        rules=tuple(names),
        runs=tuple(trace.name or str(at) for at, trace in enumerate(traces)),
        trials=lengths,
        stops=stops,
        fired=np.array([[at is not None for at in row] for row in found]),
        rtc=(lengths - stops) / lengths,
        rtc_seconds=np.array(
            [[_share_of_seconds(trace, at) for trace, at in zip(traces, row, strict=True)] for row in stops]
        ),
        ryc=np.array([[_relative_change(trace, at) for trace, at in zip(traces, row, strict=True)] for row in stops]),
    )


def _relative_change(trace: Trace, stop: int) -> float:
    """Return the RYC of stopping a run after `stop` trials."""
    early, late = (trace.sign * float(trace.test_curve[n]) for n in (stop, len(trace)))
    largest = max(abs(early), abs(late))
    return (late - early) / largest if largest else 0.0


def _share_of_seconds(trace: Trace, stop: int) -> float:
    """Return the share of a run's seconds that stopping after `stop` trials saves; NaN if they are not known."""
    if not len(trace.seconds):
        return np.nan
    whole = float(np.nansum(trace.seconds))
    return float(np.nansum(trace.seconds[stop:])) / whole if whole else 0.0
