"""What a study repeats: an experiment, which knows what its cells are and what their runs give.

Store, resume, workers, charts, claims and pages know nothing else of it. A spec names its experiment: one of
`EXPERIMENTS`, or ``package.module:object``, which every worker imports.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Protocol

from hashlens.errors import ModelError, StudyError, nearest
from hashlens.nets.load import load_object
from hashlens.study.cells import Cell, CellLike, Run, crossed
from hashlens.study.page.opening import Opening
from hashlens.study.results import Results
from hashlens.study.row import Row
from hashlens.study.spec.completed import completed
from hashlens.study.spec.spec import StudySpec
from hashlens.study.terms import Terms

EXPERIMENTS = {
    "networks": "hashlens.study.networks.experiment:NETWORKS",
    "ted": "hashlens.ted.experiment:EXPERIMENT",
    "tuning": "hashlens.tuning.experiment:EXPERIMENT",
}
"""Those that come with the library, by name."""


@dataclass(frozen=True, eq=False)
class Materials:
    """All that the runs of a study depend on, once it is loaded; an experiment may add to it.

    Attributes
    ----------
    spec : StudySpec
        The study.
    device : str or torch.device, optional
        Where to compute; None for the CPU.
    """

    spec: Any
    device: Any = None

    @property
    def digests(self) -> dict[str, str]:
        """Digests of the data, by name: a study goes on with the same data only."""
        return {}


@dataclass(frozen=True)
class Outcome:
    """What one run gave.

    Attributes
    ----------
    run : Run
        Which.
    rows : sequence of Row
        The numbers, each with a name of the experiment's measures.
    failure : str or None
        Why there are none.
    facts : mapping
        What else to know of it, as JSON takes it; ``seconds``, versions and machine are added.
    """

    run: Run
    rows: Sequence[Row] = ()
    failure: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class Reporter(Protocol):
    """What a run may tell while it is under way."""

    def advance(self, run: Run, steps: int = 1) -> None:
        """Move the progress bar, by so many of the steps that :meth:`Experiment.steps` counts."""

    def keep(self, run: Run, name: str, content: bytes) -> str:
        """Keep a picture, a trace or weights beside the store; return the name of the file, which is by digest.

        The facts of the run say which file it is: ``facts["kept"][name]``.
        """


class Experiment(ABC):
    """What is repeated. A subclass says its `terms`, and what a run gives (:meth:`run`); all else has a default.

    Attributes
    ----------
    terms : Terms
        Its factors, step and measures.
    Spec : type of StudySpec
        The fields of its study files. Axes and measures are added as the terms say, unless they are declared.
    runs : str
        What its runs are called on pages: ``networks``.
    """

    terms: ClassVar[Terms]
    Spec: ClassVar[type[StudySpec]] = StudySpec
    runs: ClassVar[str] = "runs"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "terms" in cls.__dict__:
            cls.Spec = completed(cls.Spec, cls.terms)

    def open(self, spec: Any, device: Any = None, **inputs: Any) -> Materials:
        """Load what the study needs, and make sure that it can be made with it.

        Parameters
        ----------
        spec : StudySpec
            The study.
        device : str or torch.device, optional
            Where to compute.
        **given
            What the caller of :class:`~hashlens.study.study.Study` gave besides the spec.

        Raises
        ------
        HashlensError
            If it cannot; nothing is written then.
        """
        if inputs:
            raise StudyError(f"experiment {self.terms.experiment!r} takes no {next(iter(inputs))}=")
        return Materials(spec, device)

    def cells(self, materials: Materials) -> Sequence[CellLike]:
        """Return the cells of a study, each with a key of its own: by default the levels of all factors, crossed."""
        found: tuple[Cell, ...] = crossed(materials.spec, self.terms)
        return found

    def packs(self, repeated: Sequence[tuple[Any, int]], materials: Materials) -> Iterable[Sequence[tuple[Any, int]]]:
        """Return the (cell, repeat) pairs parted into packs, which are run together: by default each alone."""
        return [[pair] for pair in repeated]

    def depends_on_pack(self, materials: Materials) -> bool:
        """Return whether a run gives other numbers, within rounding, where its pack holds other runs.

        What is done is then done once more with what is left of its pack, and its rows are dropped.
        """
        return False

    def steps(self, spec: Any) -> int:
        """Return how many steps of progress a run has."""
        return 1

    def opening(self, results: Results) -> Opening:
        """Return what the page of a study opens with: by default nothing, and curves come first."""
        return Opening()

    def gains(self, spec: Any) -> Collection[str]:
        """Return the fields of a spec, such as ``measures``, that may gain values once runs are done.

        What they add is then measured by :meth:`measure_again`, if :meth:`is_kept` is true of all runs that are done.
        """
        return ()

    def is_kept(self, facts: Mapping[str, Any]) -> bool:
        """Return whether what is kept of a run, by its facts, is enough to measure it again."""
        return False

    def measure_again(
        self, run: Run, facts: Mapping[str, Any], materials: Any, read: Callable[[str], bytes]
    ) -> Outcome:
        """Measure a run that was done before its study grew.

        Parameters
        ----------
        run : Run
            Which.
        facts : mapping
            What is known of it: ``facts["kept"]`` names files.
        materials : Materials
            Of the larger study.
        read : callable
            Returns the bytes of a file that was kept.

        Returns
        -------
        Outcome
            Rows, of which those that are there already are left as they are.
        """
        raise NotImplementedError

    @abstractmethod
    def run(self, pack: Sequence[Run], materials: Any, reporter: Reporter) -> Iterator[Outcome]:
        """Do the runs of a pack, and yield what each gave.

        Whatever is random in a run follows from its ``seed``. An error ends a run and not the study: it is marked as
        failed, with the reason.
        """


def find_experiment(name: object) -> Experiment:
    """Return the experiment that a spec names.

    Raises
    ------
    StudyError
        If there is none, or what it is imported from fails.
    """
    if not isinstance(name, str) or not (":" in name or name in EXPERIMENTS):
        raise StudyError(
            f"unknown experiment {name!r}; {nearest(name, EXPERIMENTS)}; or write package.module:object, which is "
            "imported"
        )
    try:
        found = _imported(name)
        found = found() if isinstance(found, type) and issubclass(found, Experiment) else found
    except ModelError as error:
        raise StudyError(str(error)) from error
    except TypeError as error:
        raise StudyError(f"experiment {name!r} cannot be made: {error}") from error
    if not isinstance(found, Experiment):
        raise StudyError(f"experiment {name!r} is a {type(found).__name__}, expected a hashlens.study Experiment")
    return found


@cache
def _imported(name: str) -> Any:
    """Return what an experiment's name stands for, once: a file that is run twice would give two of everything."""
    return load_object(EXPERIMENTS.get(name, name), "experiment")
