"""Resources of a study of networks: its loaded data, and checks that networks can be built for them."""

import logging
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from hashlens.codes.reading import Reading
from hashlens.data.examples import ArrayExamples
from hashlens.data.finite import require_finite
from hashlens.data.labels import unseen_classes
from hashlens.data.noise import random_inputs
from hashlens.data.numbering import with_one_numbering
from hashlens.data.sources import load_data, load_training_data
from hashlens.errors import DataError, HashlensError, StudyError
from hashlens.nets import build
from hashlens.result import Split
from hashlens.seeds import numpy_generator
from hashlens.study.experiment import Resources
from hashlens.study.networks.cells import cells
from hashlens.study.networks.evaluate import Evaluation
from hashlens.study.networks.measures import MEASURES, hook_of
from hashlens.study.networks.spec import NetworksSpec
from hashlens.training.evaluate import check_examples

log = logging.getLogger("hashlens")
MAX_CLASSES = 1_000_000


@dataclass(frozen=True, eq=False)
class NetworkResources(Resources):
    """Everything that the networks of a study depend on, after loading its data.

    Attributes
    ----------
    spec : NetworksSpec
        Spec of the study.
    device : str or torch.device, optional
        Device for training and reading networks; the CPU by default.
    data : Split of ArrayExamples
        Train and test examples in memory.
    random_inputs : dict of str to ArrayExamples
        Random inputs by kind.
    """

    spec: NetworksSpec
    device: str | torch.device | None = None
    data: Split[ArrayExamples] = field(kw_only=True)
    random_inputs: dict[str, ArrayExamples] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind in self.spec.random_inputs:
            generator = numpy_generator(self.spec.seed, "random inputs", kind)
            self.random_inputs[kind] = random_inputs(self.data.test, len(self.data.test), generator, kind)  # type: ignore[arg-type]

    @property
    def digests(self) -> dict[str, str]:
        """Digests of train and test."""
        return {"train": self.data.train.digest(), "test": self.data.test.digest()}

    @property
    def classes(self) -> int:
        """Number of outputs of the networks."""
        names = self.data.train.class_names
        if names is not None:
            return len(names)
        if self.data.train.labels is None:
            raise DataError(f"{self.data.train.name} has no labels: training needs them")
        highest = int(self.data.train.labels.max())
        if highest >= MAX_CLASSES:
            raise DataError(
                f"{self.data.train.name}: the highest label is {highest}; a network has one output for each "
                f"number up to it, at most {MAX_CLASSES:,}: number the classes 0, 1, ..."
            )
        return highest + 1

    @cached_property
    def radius(self) -> float | None:
        """Radius of the balls of ``local_complexity``, the same for all networks; None if it is not measured."""
        if "local_complexity" not in self.spec.measures:
            return None
        from hashlens.study.networks.geometry import ball_radius

        return ball_radius(self.data.train)

    @property
    def on_cpu(self) -> bool:
        """Whether networks are trained on the CPU."""
        return self.device is None or torch.device(self.device).type == "cpu"

    def evaluation(self, samples: int) -> Evaluation:
        """Return the evaluation for networks with `samples` distinct training examples."""
        data = Split(self.data.train.narrow(0, samples), self.data.test)
        reading = Reading(device=self.device, seed=self.spec.seed)
        spec = self.spec
        init = spec.recipe().init
        return Evaluation(data, self.random_inputs, spec.measures, spec.k, spec.logistic, reading, self.radius, init)  # type: ignore[arg-type]


def load_split(spec: NetworksSpec, train: Any = None, test: Any = None) -> Split[ArrayExamples]:
    """Return the examples of a study: `train` and `test`, or those of its spec.

    Raises
    ------
    StudyError
        If there are no examples, or the spec does not fit them.
    DataError
        If they cannot be read, or have numbers that are not finite.
    """
    sources = {
        name: override if override is not None else getattr(spec.data, name, None)
        for name, override in (("train", train), ("test", test))
    }
    for name, source in sources.items():
        if source is None:
            raise StudyError(
                f"study {spec.name!r} has no {name} data: write data: {{train: ..., test: ...}} in its spec, "
                f"or give {name}="
            )
    train, test = load_training_data(sources["train"]).load(), load_data(sources["test"]).load()
    spec.check_against(len(train), train.labels is not None and test.labels is not None)
    train, test = with_one_numbering(train, test)
    for name, part in (("train", train), ("test", test)):
        require_finite(name, part)
    if unseen := unseen_classes(train.labels, test.labels, train.class_names):
        log.warning("%s", unseen)
    return Split(train, test)


def require_networks(resources: NetworkResources) -> None:
    """Raise an error, before a store is created, if an architecture cannot be built for the data or rejects them."""
    train, test = resources.data.train, resources.data.test
    shape = tuple(train.inputs.shape[1:])
    if shape != tuple(test.inputs.shape[1:]):
        raise DataError(
            f"train and test must be of one shape: {train.name} has examples of {shape}, {test.name} of "
            f"{tuple(test.inputs.shape[1:])}"
        )
    highest = -1 if test.labels is None else int(test.labels.max())
    if highest >= resources.classes and "network_accuracy" in resources.spec.measures:
        raise DataError(
            f"{test.name}: labels go up to {highest}, but networks have outputs for the labels of "
            f"{train.name}, 0 to {resources.classes - 1}: their accuracy on test is not defined; leave such "
            "examples out of test, or network_accuracy out of measures"
        )
    for name, cell in {cell.architecture: cell for cell in reversed(cells(resources.spec, len(train)))}.items():
        network = build(name, input_shape=shape, classes=resources.classes, **cell.arguments())
        check_examples(network, train)
        _require_measures(resources, network)


def _require_measures(resources: NetworkResources, network: torch.nn.Module) -> None:
    """Raise StudyError if a measure of regions, or of another room, cannot be computed for the network or the data."""
    for index, name in enumerate(resources.spec.measures):
        hook = hook_of(name)
        try:
            if MEASURES[name].geometry:
                from hashlens.study.networks.geometry import require_geometry

                require_geometry(name, network, resources.data.train)
            elif hook is not None:
                hook.require(network, resources.data.train)
        except HashlensError as error:
            raise resources.spec.error(("measures", index), f"{name!r} cannot be measured: {error}") from error
