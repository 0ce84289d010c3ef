"""Progress of a study: runs done, active workers, failures, and an estimate of the remaining time."""

from dataclasses import dataclass

from rich.console import Group

from hashlens.result import Result
from hashlens.tables import number, table


@dataclass(frozen=True)
class Lease:
    """The runs that one worker has claimed.

    Attributes
    ----------
    worker : str
        Name of the worker.
    runs : int
        Number of runs that it has claimed.
    seconds : float
        Seconds since the oldest of its claims.
    """

    worker: str
    runs: int
    seconds: float


@dataclass(frozen=True)
class Failure:
    """A run that failed, and is repeated only on request (`retry_failed`).

    Attributes
    ----------
    cell : str
        Key of its cell.
    repeat : int
        Number of the repeat.
    reason : str
        Reason of the failure.
    """

    cell: str
    repeat: int
    reason: str


@dataclass(frozen=True)
class StudyStatus(Result):
    """Progress of a study.

    Attributes
    ----------
    study : str
        Name of the study.
    runs, done, pending : int
        Number of all runs, of runs whose results are stored, and of runs that no worker has claimed, or whose lease
        has expired.
    leases : tuple of Lease
        Active workers and the number of runs that each has claimed.
    failures : tuple of Failure
        Failed runs and the reasons.
    seconds_per_run : float or None
        Median duration of the runs done, in seconds; None before the first.
    seconds_left : float or None
        Estimated seconds for the remaining runs, divided among the active workers, or by one worker if none is active.
    """

    study: str
    runs: int
    done: int
    pending: int
    leases: tuple[Lease, ...]
    failures: tuple[Failure, ...]
    seconds_per_run: float | None
    seconds_left: float | None

    @property
    def leased(self) -> int:
        """Number of runs that workers have claimed."""
        return sum(lease.runs for lease in self.leases)

    @property
    def finished(self) -> bool:
        """True if every run is done."""
        return self.done == self.runs

    def __rich__(self) -> Group:
        counts = {"done": self.done, "running": self.leased, "waiting": self.pending, "failed": len(self.failures)}
        workers = f"{len(self.leases)} worker" + ("" if len(self.leases) == 1 else "s")
        rows = [(name, number(count), f"{count / max(self.runs, 1):.1%}") for name, count in counts.items()]
        rows.append(("all", number(self.runs), ""))
        if self.finished:
            note = f"{duration(self.seconds_per_run or 0.0)} per run (median)" if self.runs else ""
        elif self.seconds_left is None:
            note = "time left: unknown until the first run is done" if self.pending + self.leased else ""
        else:
            note = f"about {duration(self.seconds_left)} left with {workers if self.leases else '1 worker'}"
            note += f"; {duration(self.seconds_per_run or 0.0)} per run (median)"
        parts = [table(self.study or "study", ("runs", "number", "share"), rows, note)]
        if self.leases:
            leases = [(lease.worker, number(lease.runs), duration(lease.seconds)) for lease in self.leases]
            parts.append(table("running", ("worker", "runs", "for"), leases))
        if self.failures:
            failures = [(failure.cell, str(failure.repeat), failure.reason) for failure in self.failures[:20]]
            others = len(self.failures) - len(failures)
            parts.append(
                table("failed", ("cell", "repeat", "reason"), failures, f"and {others} more" if others else "", names=3)
            )
        return Group(*parts)


def duration(seconds: float) -> str:
    """Return a duration as text, in its two largest units.

    >>> duration(0.25), duration(75), duration(7260), duration(90000)
    ('0.2 s', '1 min 15 s', '2 h 1 min', '1 d 1 h')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    rounded = round(seconds)
    for name, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if rounded >= size:
            return f"{rounded // size} {name} {rounded % size // part} {smaller}"
    return f"{rounded} s"
