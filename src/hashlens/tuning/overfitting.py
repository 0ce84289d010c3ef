"""Overfitting of tuning: the test value of the final incumbent, compared with those of earlier incumbents."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.text import Text

from hashlens.arguments import require_whole
from hashlens.errors import TuningError
from hashlens.report.figures import Figure, Histogram, Lines, Series
from hashlens.result import Result
from hashlens.tables import table
from hashlens.tuning.trace import Trace, traces_of

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Overfitting(Result):
    """How much tuning runs overfitted, by the test values of their incumbents (the best trial so far).

    Attributes
    ----------
    runs, groups : tuple of str
        Name of each run, and the group that it belongs to. Runs of one group are repeats of each other.
    gap : numpy.ndarray
        float64 ``(runs,)``: how much worse the final incumbent is on test than the incumbent that is best on test, as
        a share of the test value of the latter; 0 if they are the same.
    oracle : numpy.ndarray
        float64 ``(runs,)``: gain of stopping at the incumbent that is best on test, as RYC, the relative test value
        change (see ``Replay``).
    onset : numpy.ndarray
        float64 ``(runs,)``: the share of the trials after which the test value of the incumbent was best for the last
        time; 1 if it did not become worse after that.
    overtuning : numpy.ndarray
        float64 ``(runs,)``: relative overtuning. It is the loss of the test value after the onset, divided by the gain
        from the first incumbent to the best; above 1 if the final incumbent is worse than the first, and NaN if there
        was no gain.
    trials : tuple of float
        Shares of the trials at which the curves have points.
    validation, test : numpy.ndarray
        float64 ``(shares,)``: loss of the incumbent, as a share of that of the first incumbent; the mean over runs.

    References
    ----------
    Relative overtuning: Schneider, Bischl, Feurer (2025): Overtuning in hyperparameter optimization. AutoML.
    """

    runs: tuple[str, ...]
    groups: tuple[str, ...]
    gap: Floats
    oracle: Floats
    onset: Floats
    overtuning: Floats
    trials: tuple[float, ...]
    validation: Floats
    test: Floats

    @property
    def overfitted(self) -> npt.NDArray[np.bool_]:
        """Whether the final incumbent is worse on test than an earlier one, bool ``(runs,)``."""
        return np.asarray(self.gap > 0)

    def interval(self, values: Floats, resamples: int = 2000, seed: int = 0) -> tuple[float, float]:
        """Return the ends of a 95 % bootstrap interval of a mean over runs; runs are resampled within each group.

        Parameters
        ----------
        values : numpy.ndarray
            float64 ``(runs,)``, such as `gap`; runs with NaN are left out of the mean.
        resamples : int
            Number of bootstrap samples.
        seed : int
            Seed of the bootstrap samples.
        """
        rng = np.random.default_rng(seed)
        drawn = np.empty((resamples, len(values)), dtype=np.int64)
        for group in dict.fromkeys(self.groups):
            members = np.flatnonzero([one == group for one in self.groups])
            drawn[:, members] = rng.choice(members, (resamples, len(members)))
        chosen = values[drawn]
        counts = np.isfinite(chosen).sum(axis=1)
        means = np.nansum(chosen, axis=1)[counts > 0] / counts[counts > 0]
        low, high = np.quantile(means, [0.025, 0.975])
        return float(low), float(high)

    def figures(self) -> tuple[Figure, ...]:
        """Return the curves of validation and test loss over trials, and a histogram of the gaps."""
        lines = (Series("validation", self.trials, tuple(self.validation.tolist())),
                 Series("test", self.trials, tuple(self.test.tolist())))  # fmt: skip
        edges = np.linspace(0.0, max(0.1, float(np.quantile(self.gap, 0.99))), 21)
        counts = np.histogram(np.minimum(self.gap, edges[-1]), edges)[0] / len(self.gap)
        return (
            Lines("Loss of the best trial", "share of the trials", "share of the first", lines, dense=True),
            Histogram("Gap of the final choice", "gap", tuple(edges.tolist()), (("runs", tuple(counts.tolist())),),
                      "share of runs"),
        )  # fmt: skip

    def __rich__(self) -> RenderableType:
        worse = self.overfitted
        measured = [
            ("final choice worse than an earlier one", worse.astype(np.float64)),
            ("gap", self.gap),
            ("gain of an oracle stop", self.oracle),
        ]
        if worse.any():
            measured.append(("onset, if worse", np.where(worse, self.onset, np.nan)))
        if np.isfinite(self.overtuning).any():
            measured.append(("relative overtuning", self.overtuning))
        rows = []
        for name, values in measured:
            low, high = self.interval(values)
            rows.append((name, f"{np.nanmean(values):.3f}", f"{low:.3f} to {high:.3f}",
                         f"{np.nanquantile(values, 0.5):.3f}", f"{np.nanquantile(values, 0.9):.3f}"))  # fmt: skip
        summary = f"{int(worse.sum())} of {len(worse)} runs end with a choice that is worse on test than an earlier one"
        return Group(Text(summary), table("Overfitting of tuning", ("", "mean", "95 %", "median", "90 %"), rows,
                     "Intervals are over repeats of the same data; gaps are shares of the best test loss"))  # fmt: skip


def overfitting_report(
    traces: Trace | Sequence[Trace], groups: Sequence[str] | None = None, first: int = 1
) -> Overfitting:
    """Measure how much tuning runs overfitted.

    Parameters
    ----------
    traces : Trace, or sequence of Trace
        Runs with test values.
    groups : sequence of str, optional
        Group of each run; runs of one group are repeats. By default the name of the run without its last word.
    first : int
        Smallest number of trials after which an incumbent can be the best on test. Stopping rules may not stop before
        a minimum number of trials either.

    Raises
    ------
    TuningError
        If there are no runs, or if a run has no test values or no finite value.
    """
    runs = traces_of(traces)
    group_names = [run.name.rpartition(" ")[0] or run.name for run in runs] if groups is None else list(groups)
    if len(group_names) != len(runs):
        raise TuningError(f"groups must be one for each of {len(runs)} runs, received {len(group_names)}")
    require_whole(TuningError, "first", first)
    shares = np.linspace(0.0, 1.0, 101)
    found = np.array([_overfitting_of(run, first) for run in runs])
    curves = np.array([_curves(run, shares) for run in runs])
    return Overfitting(
        runs=tuple(run.name or str(at) for at, run in enumerate(runs)),
        groups=tuple(group_names),
        gap=found[:, 0],
        oracle=found[:, 1],
        onset=found[:, 2],
        overtuning=found[:, 3],
        trials=tuple(shares.tolist()),
        validation=_mean_of_known(curves[:, 0]),
        test=_mean_of_known(curves[:, 1]),
    )


def _mean_of_known(curves: Floats) -> Floats:
    """Return the mean over runs of curves ``(runs, shares)``, without NaN where a run has any."""
    known = np.isfinite(curves)
    counts = known.sum(axis=0)
    return np.where(counts > 0, np.where(known, curves, 0.0).sum(axis=0) / np.maximum(counts, 1), np.nan)


def _overfitting_of(run: Trace, begin: int) -> tuple[float, float, float, float]:
    """Return gap, oracle, onset and relative overtuning of a run, as in :class:`Overfitting`."""
    curve = run.sign * run.test_curve
    known = np.flatnonzero(np.isfinite(curve))
    first, last = curve[known[0]], curve[-1]
    known = known[known >= min(begin, len(run))]
    best = float(curve[known].min())
    at = int(known[curve[known] == best][-1])
    scale, largest = abs(best), max(abs(best), abs(last))
    gain = first - best
    return (
        (last - best) / scale if scale else 0.0,
        (last - best) / largest if largest else 0.0,
        at / len(run),
        (last - best) / gain if gain > 0 else np.nan,
    )


def _curves(run: Trace, shares: Floats) -> Floats:
    """Return validation and test losses at shares of the trials, as shares of those of the first incumbent."""
    first = int(np.argmax(run.incumbents >= 0))
    at = np.maximum(first, np.round(shares * len(run)).astype(np.int64))
    lines = np.array([run.best[at], run.sign * run.test_curve[at]])
    starts = np.array([run.best[first], run.sign * run.test_curve[first]])[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(starts != 0, lines / np.abs(starts), np.nan)
