"""The class Study: a spec, its data and its store in one object."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from hashlens.arguments import excerpt, is_number
from hashlens.device import find_device
from hashlens.errors import StudyError
from hashlens.passwords import mask_passwords
from hashlens.study.experiment import find_experiment
from hashlens.study.results import Results
from hashlens.study.run import LEASE_SECONDS, LONGEST_LEASE, Work, study_runs, work
from hashlens.study.spec import StudySpec
from hashlens.study.store import Store
from hashlens.study.store.identity import StudyStart
from hashlens.study.store.status import StudyStatus

log = logging.getLogger("hashlens")


class Study:
    """Repeat an experiment for all combinations of factors in a spec, and keep the results in a store.

    The default experiment trains and measures networks.

    A study can be interrupted at any moment; the next call of :meth:`run` continues where it stopped, and the results
    of finished runs are kept. Any number of processes may run the same study on one store; they share the work. If its
    spec gets more levels of an axis or more repeats, only the new runs are computed.

    Parameters
    ----------
    spec : StudySpec
        Definition of the study: the experiment and its axes.
    store : str or Path
        Path of an SQLite file, or a URL ``postgresql://USER@HOST/NAME``.
    **inputs
        Other inputs of the experiment. The default, ``networks``, takes ``train`` and ``test``: examples in any form
        that :func:`hashlens.load_data` accepts, which replace the spec's ``data``.

    Examples
    --------
    >>> import hashlens as hl  # doctest: +SKIP
    >>> study = hl.Study.load("study.yaml").run()  # doctest: +SKIP
    >>> hl.phase_chart(study.results, x="width", y="epochs").plot()  # doctest: +SKIP

    Raises
    ------
    StudyError
        If `spec` is not a StudySpec.
    """

    def __init__(self, spec: StudySpec, store: str | Path, **inputs: Any) -> None:
        if not isinstance(spec, StudySpec):
            raise StudyError(f"a study is made of a StudySpec, received {excerpt(spec)}: Study.load reads a file")
        self.spec = spec
        self._target = store
        self.inputs = inputs
        self.experiment = find_experiment(spec.experiment)

    @classmethod
    def load(cls, path: str | Path, store: str | Path | None = None, **inputs: Any) -> "Study":
        """Load a study from a YAML file.

        Parameters
        ----------
        path : str or Path
            Path of the YAML file.
        store : str or Path, optional
            Path or URL of the store; by default the path of the YAML file, with the suffix ``.db``.
        **inputs
            Other inputs of the experiment, as in the constructor.

        Raises
        ------
        StudyError
            If the file is missing or a field is wrong; the message gives the line.
        """
        return cls(StudySpec.load(path), Path(path).with_suffix(".db") if store is None else store, **inputs)

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Study":
        """Return a study from the output of `to_plain`; its data are loaded as its spec says."""
        return cls(StudySpec.from_plain(plain["spec"]), plain["store"])

    def to_plain(self) -> dict[str, Any]:
        """Return the spec and the path or URL of the store, without a password."""
        return {"spec": self.spec.to_plain(), "store": mask_passwords(str(self._target))}

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
        """Compute the remaining runs, and return the study.

        Parameters
        ----------
        wait : bool
            Whether to wait until the runs that other workers have claimed are done too.
        lease : float
            Seconds after which other workers take over the runs of a worker that stopped responding.
        device : str or torch.device, optional
            Device of the computations; the CPU by default.
        retry_failed : bool
            Whether to repeat runs that failed before.
        on_start : callable, optional
            Function called before the first run with a :class:`StudyStart`: the numbers of existing and new runs.

        Raises
        ------
        StudyError
            If the spec does not fit the data, or the store is locked, corrupt, or of another study.
        DataError
            If the data cannot be read, or contain values that are not finite.
        ModelError
            If an architecture does not accept the data.
        OutputError
            If the store cannot be written.
        DeviceError
            If there is no such device.
        """
        if not is_number(lease) or not 0 < lease <= LONGEST_LEASE:
            raise StudyError(f"a lease is more than 0 and at most {LONGEST_LEASE:,} seconds, received {lease!r}")
        device_ = None if device is None else find_device(device)
        resources = self.experiment.open(self.spec, device_, **self.inputs)
        store = Store.open(self._target)
        all_work = Work(self.experiment, resources, study_runs(self.experiment, resources, store))
        start = store.begin(
            self.spec.to_plain(), all_work.runs, resources.digests, self.experiment.variables,
            extendable_fields=self.experiment.extendable_fields(self.spec), can_remeasure=self.experiment.can_remeasure,
        )  # fmt: skip
        if on_start is not None:
            on_start(start)
        _warn_of_devices(store, "cpu" if device_ is None else str(device_))
        if retry_failed:
            store.retry_failed()
        work(store, all_work, wait=wait, lease=lease)
        return self

    @property
    def store(self) -> Store:
        """The store; the first :meth:`run` creates it."""
        return Store.open(self._target, create=False)

    @property
    def results(self) -> Results:
        """All results so far."""
        return self.store.results()

    def status(self) -> StudyStatus:
        """Return the progress of the study."""
        return self.store.status()


def _warn_of_devices(store: Store, device: str) -> None:
    """Warn if a study continues on another device, since its results are not the same bit for bit."""
    other_devices = {run.metadata["device"] for run in store.runs() if "device" in run.metadata} - {device}
    if other_devices:
        log.warning(
            "earlier runs were done on %s, and the others will run on %s: rounding differs between devices, so their "
            "numbers differ as much as those of two seeds",
            ", ".join(sorted(other_devices)), device,
        )  # fmt: skip
