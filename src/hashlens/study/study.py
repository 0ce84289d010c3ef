"""Study: a spec, its data and its store in one object."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from hashlens.arguments import is_number, shortly
from hashlens.device import find_device
from hashlens.errors import StudyError
from hashlens.passwords import masked
from hashlens.study.experiment import find_experiment
from hashlens.study.results import Results
from hashlens.study.run import LEASE_SECONDS, LONGEST_LEASE, Work, planned, work
from hashlens.study.spec import StudySpec
from hashlens.study.store import Store
from hashlens.study.store.identity import StudyStart
from hashlens.study.store.status import StudyStatus

log = logging.getLogger("hashlens")


class Study:
    """An experiment repeated as a spec says, such as many networks trained and measured, with the numbers in a store.

    A run that is done is never done again: interrupted at any moment and run again, a study goes on where it was. Any
    number of processes may run the same study on one store; they share the work. With more levels of an axis or more
    repeats in its spec, a study grows: only what is new is run.

    Parameters
    ----------
    spec : StudySpec
        Which experiment is repeated, and over what.
    store : str or Path
        Path of an SQLite file, or a URL ``postgresql://USER@HOST/NAME``.
    **given
        What the experiment takes besides; of networks ``train`` and ``test``, what :func:`hashlens.load_data` takes,
        in place of the spec's ``data``.

    Examples
    --------
    >>> import hashlens as hl  # doctest: +SKIP
    >>> study = hl.Study.load("study.yaml").run()  # doctest: +SKIP
    >>> hl.phase_chart(study.results, x="width", y="epochs").plot()  # doctest: +SKIP

    Raises
    ------
    StudyError
        If `spec` is no StudySpec.
    """

    def __init__(self, spec: StudySpec, store: str | Path, **inputs: Any) -> None:
        if not isinstance(spec, StudySpec):
            raise StudyError(f"a study is made of a StudySpec, received {shortly(spec)}: Study.load reads a file")
        self.spec = spec
        self._target = store
        self.inputs = inputs
        self.experiment = find_experiment(spec.experiment)

    @classmethod
    def load(cls, path: str | Path, store: str | Path | None = None, **inputs: Any) -> "Study":
        """Return the study of a YAML file.

        Parameters
        ----------
        path : str or Path
            The file.
        store : str or Path, optional
            Where results are kept; by default beside the file, with the ending ``.db``.
        **given
            What the experiment takes besides.

        Raises
        ------
        StudyError
            If the file is missing or a field is wrong: with its line.
        """
        return cls(StudySpec.load(path), Path(path).with_suffix(".db") if store is None else store, **inputs)

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Study":
        """Return the study that `to_plain` wrote; its data are those that its spec names."""
        return cls(StudySpec.from_plain(plain["spec"]), plain["store"])

    def to_plain(self) -> dict[str, Any]:
        """Return the spec and where the store is, without the password of a URL."""
        return {"spec": self.spec.to_plain(), "store": masked(str(self._target))}

    def __repr__(self) -> str:
        return f"Study({self.spec.name!r}, store={str(self._target)!r})"

    def run(
        self,
        *,
        wait: bool = True,
        lease: float = LEASE_SECONDS,
        device: str | torch.device | None = None,
        retry_failed: bool = False,
        on_start: Callable[[StudyStart], None] | None = None,
    ) -> "Study":
        """Do what is not done yet, and return the study.

        Parameters
        ----------
        wait : bool
            Whether to stay until the runs that other workers hold are done too.
        lease : float
            Seconds after which the runs of a worker that went silent are taken up by others.
        device : str or torch.device, optional
            Where to compute; the CPU by default.
        retry_failed : bool
            Whether runs that failed before are done again.
        on_start : callable, optional
            Called before the work with what is there already and what is new.

        Raises
        ------
        StudyError
            If the spec does not fit the data, or the store is of another study, locked or corrupt.
        DataError
            If the data cannot be read, or hold numbers that are not finite.
        ModelError
            If the data are not what an architecture takes.
        OutputError
            If the store cannot be written.
        DeviceError
            If there is no such device.
        """
        if not is_number(lease) or not 0 < lease <= LONGEST_LEASE:
            raise StudyError(f"a lease is more than 0 and at most {LONGEST_LEASE:,} seconds, received {lease!r}")
        device_ = None if device is None else find_device(device)
        materials = self.experiment.open(self.spec, device_, **self.inputs)
        store = Store.open(self._target)
        todo = Work(self.experiment, materials, planned(self.experiment, materials, store))
        start = store.begin(
            self.spec.to_plain(), todo.runs, materials.digests, self.experiment.terms,
            gains=self.experiment.gains(self.spec), is_kept=self.experiment.is_kept,
        )  # fmt: skip
        if on_start is not None:
            on_start(start)
        _warn_of_devices(store, "cpu" if device_ is None else str(device_))
        if retry_failed:
            store.retry_failed()
        work(store, todo, wait=wait, lease=lease)
        return self

    @property
    def store(self) -> Store:
        """The store, which a first :meth:`run` makes."""
        return Store.open(self._target, create=False)

    @property
    def results(self) -> Results:
        """All that was found so far."""
        return self.store.results()

    def status(self) -> StudyStatus:
        """Return how far the study is."""
        return self.store.status()


def _warn_of_devices(store: Store, device: str) -> None:
    """Say so when a study goes on where its numbers will not be the same to the last bit."""
    others = {run.facts["device"] for run in store.runs() if "device" in run.facts} - {device}
    if others:
        log.warning(
            "earlier runs were done on %s, and the others will run on %s: their numbers will agree like "
            "those of other seeds, not bit for bit",
            ", ".join(sorted(others)), device,
        )  # fmt: skip
