"""Experiment: what a study repeats. It defines the cells of a study and executes its runs.

Store, resuming, workers, charts, claims and pages depend only on this interface. A spec names its experiment: one of
`EXPERIMENTS`, or ``package.module:object``, which every worker imports.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Protocol

from hashlens.errors import ModelError, StudyError, nearest
from hashlens.nets.load import load_object
from hashlens.study.cells import Cell, CellLike, Run, cross_levels
from hashlens.study.page.opening import Opening
from hashlens.study.results import Results
from hashlens.study.row import Row
from hashlens.study.spec.complete_spec import complete_spec
from hashlens.study.spec.spec import StudySpec
from hashlens.study.variables import Variables

EXPERIMENTS = {
    "encoders": "hashlens.generative.experiment:EXPERIMENT",
    "finite-vs-infinite": "hashlens.kernels.experiment:EXPERIMENT",
    "networks": "hashlens.study.networks.experiment:NETWORKS",
    "recorded-tuning": "hashlens.tuning.recorded_experiment:EXPERIMENT",
    "ted": "hashlens.ted.experiment:EXPERIMENT",
    "tuning": "hashlens.tuning.experiment:EXPERIMENT",
}
"""Experiments of the library, by name."""


@dataclass(frozen=True, eq=False)
class Resources:
    """Everything that the runs of a study depend on, after loading; an experiment may add fields.

    Attributes
    ----------
    spec : StudySpec
        Spec of the study.
    device : str or torch.device, optional
        Device of the computation; None for the CPU.
    """

    spec: Any
    device: Any = None

    @property
    def digests(self) -> dict[str, str]:
        """Digests of the data by name: a study can only be continued with the same data."""
        return {}


@dataclass(frozen=True)
class Outcome:
    """Result of one run.

    Attributes
    ----------
    run : Run
        The run.
    rows : sequence of Row
        The numbers, each with the name of one of the experiment's measures.
    failure : str or None
        Why the run failed; None if it succeeded.
    metadata : mapping
        Further information as JSON values; ``seconds``, versions and machine are added.
    """

    run: Run
    rows: Sequence[Row] = ()
    failure: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Reporter(Protocol):
    """Interface for runs to report progress and store files."""

    def advance(self, run: Run, steps: int = 1) -> None:
        """Advance the progress bar by a number of the steps counted by :meth:`Experiment.steps`."""

    def keep(self, run: Run, name: str, content: bytes) -> str:
        """Store a picture, a trace or weights beside the store; return the name of the file, which is its digest.

        The metadata of the run holds the name of the file: ``metadata["kept"][name]``.
        """


class Experiment(ABC):
    """Base class of experiments. A subclass defines `variables` and implements :meth:`run`; the rest has defaults.

    Attributes
    ----------
    variables : Variables
        Factors, step and measures.
    Spec : type of StudySpec
        Fields of its study files. Axes and measures are added from the variables, unless they are declared.
    runs_noun : str
        Plural noun for its runs on pages, such as ``networks``.
    """

    variables: ClassVar[Variables]
    Spec: ClassVar[type[StudySpec]] = StudySpec
    runs_noun: ClassVar[str] = "runs"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "variables" in cls.__dict__:
            cls.Spec = complete_spec(cls.Spec, cls.variables)

    def open(self, spec: Any, device: Any = None, **inputs: Any) -> Resources:
        """Load everything that the study needs, and check that it can be run.

        Parameters
        ----------
        spec : StudySpec
            Spec of the study.
        device : str or torch.device, optional
            Device of the computation.
        **inputs
            Further arguments of :class:`~hashlens.study.study.Study`.

        Raises
        ------
        HashlensError
            If the study cannot be run; nothing is written in that case.
        """
        if inputs:
            raise StudyError(f"experiment {self.variables.experiment!r} takes no {next(iter(inputs))}=")
        return Resources(spec, device)

    def cells(self, resources: Resources) -> Sequence[CellLike]:
        """Return the cells of a study, each with a unique key; by default all factors are crossed."""
        crossed_cells: tuple[Cell, ...] = cross_levels(resources.spec, self.variables)
        return crossed_cells

    def packs(self, pairs: Sequence[tuple[Any, int]], resources: Resources) -> Iterable[Sequence[tuple[Any, int]]]:
        """Return the pairs (cell, repeat) divided into packs that are run together; by default a pack is one pair."""
        return [[pair] for pair in pairs]

    def depends_on_pack(self, resources: Resources) -> bool:
        """Return whether the numbers of a run depend, within rounding, on the other runs of its pack.

        If so, runs of an unfinished pack that are done are repeated with the rest, and their new rows are dropped.
        """
        return False

    def steps(self, spec: Any) -> int:
        """Return the number of progress steps of a run."""
        return 1

    def opening(self, results: Results) -> Opening:
        """Return the opening of the page of a study; by default it is empty, and curves come first."""
        return Opening()

    def extendable_fields(self, spec: Any) -> Collection[str]:
        """Return the fields of a spec, such as ``measures``, that may get further values after runs are done.

        The additions are then measured by :meth:`remeasure`, if :meth:`can_remeasure` is true for all finished runs.
        """
        return ()

    def can_remeasure(self, metadata: Mapping[str, Any]) -> bool:
        """Return whether the stored files of a run, listed in its metadata, are enough to measure it again."""
        return False

    def remeasure(self, run: Run, metadata: Mapping[str, Any], resources: Any, read: Callable[[str], bytes]) -> Outcome:
        """Measure a finished run again, for what was added to its study.

        Parameters
        ----------
        run : Run
            The run.
        metadata : mapping
            Its stored information; ``metadata["kept"]`` names files.
        resources : Resources
            Resources of the extended study.
        read : callable
            Function from the name of a stored file to its bytes.

        Returns
        -------
        Outcome
            The rows; rows that the store already has do not change.
        """
        raise NotImplementedError

    @abstractmethod
    def run(self, pack: Sequence[Run], resources: Any, reporter: Reporter) -> Iterator[Outcome]:
        """Execute the runs of a pack, and yield the outcome of each.

        All random numbers of a run must follow from its ``seed``. An error ends the run, not the study: the run is
        marked as failed, with the reason.
        """


def find_experiment(name: object) -> Experiment:
    """Return the experiment that a spec names.

    Raises
    ------
    StudyError
        If there is no such experiment, or importing it fails.
    """
    if not isinstance(name, str) or not (":" in name or name in EXPERIMENTS):
        raise StudyError(
            f"unknown experiment {name!r}; {nearest(name, EXPERIMENTS)}; or write package.module:object, which is "
            "imported"
        )
    try:
        experiment = _import_experiment(name)
        experiment = experiment() if isinstance(experiment, type) and issubclass(experiment, Experiment) else experiment
    except ModelError as error:
        raise StudyError(str(error)) from error
    except TypeError as error:
        raise StudyError(f"experiment {name!r} cannot be made: {error}") from error
    if not isinstance(experiment, Experiment):
        raise StudyError(f"experiment {name!r} is a {type(experiment).__name__}, expected a hashlens.study Experiment")
    return experiment


@cache
def _import_experiment(name: str) -> Any:
    """Return the experiment with a name, imported only once, since a second import would duplicate its classes."""
    return load_object(EXPERIMENTS.get(name, name), "experiment")
