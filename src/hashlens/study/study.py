"""Study: a spec, its data and its store in one object."""

import logging
from pathlib import Path
from typing import Any

import torch

from hashlens.arguments import is_number, shortly
from hashlens.data.examples import ArrayExamples
from hashlens.data.finite import require_finite
from hashlens.data.labels import unseen_classes
from hashlens.data.numbering import with_one_numbering
from hashlens.data.sources import load_data, load_training_data
from hashlens.device import find_device
from hashlens.errors import DataError, HashlensError, StudyError
from hashlens.nets import build
from hashlens.passwords import masked
from hashlens.result import Split
from hashlens.study.cells import runs
from hashlens.study.results import Results
from hashlens.study.run import LEASE_SECONDS, LONGEST_LEASE, Work, work
from hashlens.study.spec import StudySpec, check_against
from hashlens.study.spec.measures import MEASURES
from hashlens.study.store import Store
from hashlens.study.store.status import StudyStatus
from hashlens.training.evaluate import check_examples

log = logging.getLogger("hashlens")


class Study:
    """Many networks, trained and measured as a spec says, with what they found kept in a store.

    A run that is done is never done again: interrupted at any moment and run again, a study goes on where it was. Any
    number of processes may run the same study on one store; they share the work.

    Parameters
    ----------
    spec : StudySpec
        What is trained and measured.
    store : str or Path
        Path of an SQLite file, or a URL ``postgresql://USER@HOST/NAME``.
    train, test : what :func:`hashlens.load_data` takes, optional
        In place of the spec's ``data``.

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

    def __init__(self, spec: StudySpec, store: str | Path, *, train: Any = None, test: Any = None) -> None:
        if not isinstance(spec, StudySpec):
            raise StudyError(f"a study is made of a StudySpec, received {shortly(spec)}: Study.load reads a file")
        self.spec = spec
        self._target = store
        self._given = Split(train, test)

    @classmethod
    def load(cls, path: str | Path, store: str | Path | None = None, *, train: Any = None, test: Any = None) -> "Study":
        """Return the study of a YAML file.

        Parameters
        ----------
        path : str or Path
            The file.
        store : str or Path, optional
            Where results are kept; by default beside the file, with the ending ``.db``.
        train, test : what :func:`hashlens.load_data` takes, optional
            In place of the spec's ``data``.

        Raises
        ------
        StudyError
            If the file is missing or a field is wrong: with its line.
        """
        return cls(
            StudySpec.load(path), Path(path).with_suffix(".db") if store is None else store, train=train, test=test
        )

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
    ) -> "Study":
        """Train and measure what is not done yet, and return the study.

        Parameters
        ----------
        wait : bool
            Whether to stay until the runs that other workers hold are done too.
        lease : float
            Seconds after which the runs of a worker that went silent are taken up by others.
        device : str or torch.device, optional
            Where networks are trained and read; the CPU by default.
        retry_failed : bool
            Whether networks that failed before are trained again.

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
        home = None if device is None else find_device(device)
        data = self._load()
        todo = Work(self.spec, data, runs(self.spec, len(data.train)), home)
        _require_networks(todo)
        store = Store.open(self._target)
        store.begin(self.spec.to_plain(), todo.runs, {"train": data.train.digest(), "test": data.test.digest()})
        _warn_of_devices(store, "cpu" if home is None else str(home))
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

    def _load(self) -> Split[ArrayExamples]:
        said = self.spec.data
        sources = {
            name: given if given is not None else getattr(said, name, None)
            for name, given in (("train", self._given.train), ("test", self._given.test))
        }
        for name, source in sources.items():
            if source is None:
                raise StudyError(
                    f"study {self.spec.name!r} has no {name} data: write data: {{train: ..., test: ...}} in its spec, "
                    f"or give {name}="
                )
        train, test = load_training_data(sources["train"]).load(), load_data(sources["test"]).load()
        check_against(self.spec, len(train), train.labels is not None and test.labels is not None)
        train, test = with_one_numbering(train, test)
        for name, part in (("train", train), ("test", test)):
            require_finite(name, part)
        if unseen := unseen_classes(train.labels, test.labels, train.class_names):
            log.warning("%s", unseen)
        return Split(train, test)


def _require_networks(todo: Work) -> None:
    """Raise an error before there is a store if an architecture cannot be built for the data, or does not take them."""
    train, test = todo.data.train, todo.data.test
    shape = tuple(train.inputs.shape[1:])
    if shape != tuple(test.inputs.shape[1:]):
        raise DataError(
            f"train and test must be of one shape: {train.name} has examples of {shape}, {test.name} of "
            f"{tuple(test.inputs.shape[1:])}"
        )
    highest = -1 if test.labels is None else int(test.labels.max())
    if highest >= todo.classes and "network_accuracy" in todo.spec.measures:
        raise DataError(
            f"{test.name}: labels go up to {highest}, and networks have outputs for those of {train.name}, 0 to "
            f"{todo.classes - 1}: their accuracy on test is not defined; leave such examples out of test, or "
            "network_accuracy out of measures"
        )
    for name, cell in {run.cell.architecture: run.cell for run in reversed(todo.runs)}.items():
        network = build(name, input_shape=shape, classes=todo.classes, **cell.arguments())
        check_examples(network, train)
        _require_geometry(todo, network)


def _require_geometry(todo: Work, network: torch.nn.Module) -> None:
    """Raise StudyError if a measure is of regions that the network or the data have not."""
    for place, name in enumerate(todo.spec.measures):
        if MEASURES[name].geometry:
            from hashlens.study.geometry import require_geometry

            try:
                require_geometry(name, network, todo.data.train)
            except HashlensError as error:
                raise todo.spec.error(("measures", place), f"{name!r} cannot be measured: {error}") from error


def _warn_of_devices(store: Store, device: str) -> None:
    """Say so when a study goes on where its numbers will not be the same to the last bit."""
    others = {run.facts["device"] for run in store.runs() if run.facts} - {device}
    if others:
        log.warning(
            "networks so far were trained on %s, and the rest will be on %s: their numbers agree as those of other "
            "seeds do, not to the last bit",
            ", ".join(sorted(others)), device,
        )  # fmt: skip
