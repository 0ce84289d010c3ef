"""How far a study is: what is done, who is at work, what failed, and how long the rest will take."""

from dataclasses import dataclass

from rich.console import Group

from hashlens.result import Result
from hashlens.tables import number, table


@dataclass(frozen=True)
class Lease:
    """The runs that one worker holds.

    Attributes
    ----------
    worker : str
        Its name.
    runs : int
        How many runs it holds.
    seconds : float
        How long it has held the oldest of them.
    """

    worker: str
    runs: int
    seconds: float


@dataclass(frozen=True)
class Failure:
    """A run that failed, and is not tried again until told to.

    Attributes
    ----------
    cell : str
        Key of its cell.
    repeat : int
        Which repeat.
    reason : str
        Why.
    """

    cell: str
    repeat: int
    reason: str


@dataclass(frozen=True)
class StudyStatus(Result):
    """How far a study is.

    Attributes
    ----------
    study : str
        Its name.
    runs, done, pending : int
        All runs, those whose numbers are stored, and those that nobody holds (their leases may have run out).
    leases : tuple of Lease
        Who is at work on what.
    failures : tuple of Failure
        What failed and why.
    seconds_per_run : float or None
        Median over the runs done; None before the first.
    seconds_left : float or None
        Estimate for the runs neither done nor failed, shared by the workers at work, or done by one if there is none.
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
        """Runs that are being worked on."""
        return sum(lease.runs for lease in self.leases)

    @property
    def finished(self) -> bool:
        """Whether every run is done."""
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
    """Return a time in words, in its two largest units.

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
