"""The trace of a tuning run: the values of all trials, in their order."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt
from hashlens.errors import TuningError, nearest
from hashlens.report.figures import Figure, Lines, Series
from hashlens.result import Result
from hashlens.tables import Table, number, table
from hashlens.tuning.space import Parameter, Space

if TYPE_CHECKING:
    from hashlens.tuning.replay import Replay
    from hashlens.tuning.stop_rule import StopRule

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Direction = Literal["minimize", "maximize"]
DIRECTIONS: tuple[Direction, ...] = ("minimize", "maximize")


def _no_numbers() -> Floats:
    return np.empty(0)


@dataclass(frozen=True, eq=False)
class Trace(Result):
    """Values of all trials of a tuning run.

    Attributes
    ----------
    values : numpy.ndarray
        float64 ``(trials,)``: value of each trial, which is minimized or maximized; NaN for pruned and failed trials.
    direction : {"minimize", "maximize"}
        Whether lower or higher values are better.
    fold_values : numpy.ndarray
        float64 ``(trials, folds)``: fold values, whose mean is the value of the trial; NaN for trials without them,
        and ``(trials, 0)`` if no trial has them.
    test_values : numpy.ndarray
        float64 ``(trials,)``: the same measure on test data that are not used for tuning; empty if not known.
    seconds : numpy.ndarray
        float64 ``(trials,)``: duration of each trial in seconds; empty if not known.
    parameters : tuple of dict
        Hyperparameters of each trial; empty if not known.
    space : tuple of Parameter
        Space of the hyperparameters; by default the smallest space that contains them.
    recorded : dict of str to numpy.ndarray
        Further columns, float64 ``(trials,)``, computed at the start of each trial from all trials before it:
        ``regret_bound``, ``expected_improvement``, ``probability_of_improvement``. Rules with ``recorded=True`` use
        them.
    name : str
        Name of the run.
    """

    values: Floats
    direction: Direction = "minimize"
    fold_values: Floats = field(default_factory=lambda: np.empty((0, 0)))
    test_values: Floats = field(default_factory=_no_numbers)
    seconds: Floats = field(default_factory=_no_numbers)
    parameters: tuple[dict[str, Any], ...] = ()
    space: tuple[Parameter, ...] = ()
    recorded: dict[str, Floats] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise TuningError(f"direction must be minimize or maximize; {nearest(self.direction, DIRECTIONS)}")
        values = _column("values", self.values)
        arrays = {"values": values, "fold_values": _folds(self.fold_values, len(values))}
        for name in ("test_values", "seconds"):
            arrays[name] = _column(name, getattr(self, name), len(values))
        for name, array in arrays.items():
            object.__setattr__(self, name, array)
        object.__setattr__(
            self, "recorded", {name: _column(name, column, len(values)) for name, column in self.recorded.items()}
        )
        if self.parameters and len(self.parameters) != len(values):
            raise TuningError(f"{len(self.parameters)} trials have parameters, and {len(values)} have values")
        if self.parameters and not self.space:
            object.__setattr__(self, "space", Space.of_trials(self.parameters).parameters)
        self._check_signs()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def display_name(self) -> str:
        """Name of the run, for use in a sentence."""
        return f"trace {self.name!r}" if self.name else "the trace"

    @property
    def has_folds(self) -> bool:
        """Whether any trial has fold values."""
        return bool(np.isfinite(self.fold_values).any())

    @property
    def sign(self) -> float:
        """1 if lower values are better, else -1."""
        return 1.0 if self.direction == "minimize" else -1.0

    @cached_property
    def losses(self) -> Floats:
        """Losses: the values with the sign changed if higher is better; infinite where there is no value."""
        found: Floats = np.where(np.isfinite(self.values), self.sign * self.values, np.inf)
        return found

    @cached_property
    def incumbents(self) -> Ints:
        """Earliest best trial after 0, 1, ... trials, int64 ``(trials + 1,)``; -1 if there is none."""
        lowest = np.minimum.accumulate(self.losses) if len(self) else self.losses
        improves = np.r_[np.inf, lowest[:-1]] > lowest if len(self) else np.zeros(0, dtype=bool)
        improving_trials = np.where(improves, np.arange(len(self)), -1)
        return np.r_[np.int64(-1), np.maximum.accumulate(improving_trials)] if len(self) else np.array([-1])

    @cached_property
    def best(self) -> Floats:
        """Loss of the incumbent after 0, 1, ... trials, float64 ``(trials + 1,)``; infinite if there is none."""
        return np.where(self.incumbents < 0, np.inf, self.losses[self.incumbents] if len(self) else np.inf)

    @cached_property
    def test_curve(self) -> Floats:
        """Test value of the incumbent after 0, 1, ... trials, float64 ``(trials + 1,)``; NaN if there is none.

        Raises
        ------
        TuningError
            If no test values are known.
        """
        if not len(self.test_values):
            raise TuningError(
                f"{self.display_name} has no test values: add a column test_value, or report_folds(trial, values, test)"
            )
        return np.where(self.incumbents < 0, np.nan, self.test_values[self.incumbents])

    def require_tests(self) -> None:
        """Raise TuningError unless there is an incumbent, and each incumbent has a finite test value."""
        if not len(self) or self.incumbents[-1] < 0:
            raise TuningError(
                f"{self.display_name} has no trial with a finite value, of {len(self)} in all: at least one is needed"
            )
        begin = int(np.argmax(self.incumbents >= 0))
        untested = self.incumbents[begin:][~np.isfinite(self.test_curve[begin:])]
        if len(untested):
            trial = untested[0]
            raise TuningError(
                f"{self.display_name}, trial {trial}: the test value is {self.test_values[trial]:g}, and the trial was "
                "the best so far: each such trial needs a finite test value"
            )

    def first(self, trials: int) -> "Trace":
        """Return the trace of the first trials; `trials` is their number."""
        return replace(
            self,
            values=self.values[:trials],
            fold_values=self.fold_values[:trials],
            test_values=self.test_values[:trials],
            seconds=self.seconds[:trials],
            parameters=self.parameters[:trials],
            recorded={name: column[:trials] for name, column in self.recorded.items()},
        )

    def replay(self, rules: "Sequence[StopRule]") -> "Replay":
        """Replay stopping rules: when each would have stopped, what it would have saved, and what that would have cost.

        Parameters
        ----------
        rules : sequence of StopRule
            Rules to replay.

        Raises
        ------
        TuningError
            If there are no test values, or a rule needs data that the trace does not have.
        """
        from hashlens.tuning.replay import replay

        return replay((self,), rules)

    def figures(self) -> tuple[Figure, ...]:
        """Return a figure of the value of the incumbent over trials, and of its test value if it is known."""
        counts = [n for n in range(1, len(self) + 1) if self.incumbents[n] >= 0]
        lines = [Series("validation", tuple(map(float, counts)), tuple((self.sign * self.best[counts]).tolist()))]
        if len(self.test_values):
            lines.append(Series("test", lines[0].x, tuple(self.test_curve[counts].tolist())))
        return (Lines("Best trial so far", "trials", "value", tuple(lines), dense=True),)

    def __rich__(self) -> Table:
        finite = int(np.isfinite(self.values).sum())
        incumbent = int(self.incumbents[-1])
        rows = [
            ("trials", number(len(self))),
            ("with a finite value", number(finite)),
            ("best trial", number(incumbent) if incumbent >= 0 else "–"),
            ("its value", number(float(self.values[incumbent])) if incumbent >= 0 else "–"),
        ]
        if incumbent >= 0 and len(self.test_values):
            rows.append(("its test value", number(float(self.test_values[incumbent]))))
        if len(self.seconds):
            rows.append(("seconds", number(float(np.nansum(self.seconds)), 1)))
        return table(f"Trace {self.name}".strip(), ("", self.direction), rows)

    def _check_signs(self) -> None:
        """Raise TuningError if most values are minus the means of their fold values."""
        if not self.fold_values.size:
            return
        means = self.fold_values.mean(axis=1)
        known = np.isfinite(means) & np.isfinite(self.values) & (np.abs(means) > 1e-12)
        opposite = known & np.isclose(self.values, -means, rtol=1e-6)
        if known.any() and opposite.sum() > known.sum() / 2:
            at = int(np.flatnonzero(opposite)[0])
            raise TuningError(
                f"{self.display_name}, trial {at}: the value {self.values[at]:g} is minus the mean of its fold values, "
                f"{means[at]:g}: minimize and maximize are mixed up; give values and fold values the same sign"
            )


def traces_of(given: Any) -> tuple[Trace, ...]:
    """Return one trace, or several, as a tuple; raise TuningError for anything else, or if one lacks test values."""
    traces = (given,) if isinstance(given, Trace) else tuple(given) if isinstance(given, list | tuple) else None
    if traces is None or not all(isinstance(trace, Trace) for trace in traces):
        raise TuningError(f"expected a Trace or a sequence of them, received {excerpt(given)}: see read_traces")
    if not traces:
        raise TuningError("expected one trace or more, received none")
    for trace in traces:
        trace.require_tests()
    return traces


def _column(name: str, given: Any, trials: int | None = None) -> Floats:
    try:
        column = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TuningError(f"{name} must be numbers, one a trial: {' '.join(str(error).split())}") from error
    if column.ndim != 1 or (trials is not None and len(column) not in (0, trials)):
        expected = "one number a trial" if trials is None else f"{trials} numbers, one a trial, or none"
        raise TuningError(f"{name} must be {expected}, received shape {column.shape}")
    return column


def _row(trial: int, given: Any) -> Floats:
    try:
        row = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TuningError(f"fold values of trial {trial} must be numbers, received {excerpt(given)}") from error
    if row.ndim != 1:
        raise TuningError(f"fold values of trial {trial} must be a list of numbers, received {excerpt(given)}")
    return row


def _folds(given: Any, trials: int) -> Floats:
    """Return fold values as one array; raise for a row of another length, naming its trial."""
    if not isinstance(given, np.ndarray) or given.dtype == object:
        rows = [None if row is None or not np.size(row) else _row(at, row) for at, row in enumerate(given)]
        first_trials: dict[int, int] = {}  # by number of folds, in the order of the trials
        for trial, row in enumerate(rows):
            if row is not None:
                first_trials.setdefault(len(row), trial)
        if len(first_trials) > 1:
            (usual, _), (other, at) = [*first_trials.items()][:2]
            raise TuningError(
                f"trial {at} has {other} fold values, and trials before it have {usual}: values of other splits cannot "
                "be compared"
            )
        folds = next(iter(first_trials), 0)
        given = np.array([np.full(folds, np.nan) if row is None else row for row in rows]).reshape(len(rows), folds)
    array = np.asarray(given, dtype=np.float64)
    if array.ndim == 2 and not len(array):
        return np.empty((trials, 0))
    if array.ndim != 2 or len(array) != trials:
        raise TuningError(f"fold_values must have shape ({trials}, folds), received {array.shape}")
    if array.shape[1] == 1:
        raise TuningError("fold_values must have 2 folds or more, received 1")
    return array
