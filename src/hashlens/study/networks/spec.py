"""The spec of a study of networks: data, network, training, axes, repeats and measures, as a YAML file says them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from hashlens.study.networks import fields
from hashlens.study.networks.measures import DEFAULT_MEASURES
from hashlens.study.networks.misfits import misfits, unmet
from hashlens.study.networks.sections import Axes, DataSpec, NetworkSpec, TrainingSpec
from hashlens.study.spec.fields import Count, Listed
from hashlens.study.spec.lines import FieldPath
from hashlens.study.spec.spec import StudySpec
from hashlens.training.recipe import Recipe, find_recipe


class NetworksSpec(StudySpec):
    """A study of networks: which are trained, on what, and what is measured on each.

    A factor may be given both as an axis and in `network` or `training`: the axis wins. Made in Python, sections are
    given as mappings: ``StudySpec(axes={"width": [10, 20]}, repeats=3)``.

    Parameters
    ----------
    name, description : str
        For people.
    data : mapping, optional
        ``train`` and ``test``: what :func:`hashlens.load_data` takes as text; None when the examples are given
        separately.
    network : mapping
        ``architecture``, ``width``, ``depth``, ``batch_norm``, ``dropout`` of all networks.
    training : mapping
        ``recipe`` and what is to be otherwise than there.
    axes : mapping of str to list
        What is varied: see `Axes`.
    repeats : int
        Networks of each cell, from different seeds.
    seed : int
        What all seeds are drawn from.
    measures : list of str
        Names in `hashlens.study.networks.measures.MEASURES`.
    k : int
        Neighbours of K-NN.
    logistic : {"one-vs-one", "multinomial"}
        How logistic regression tells classes apart.
    ensemble : int
        Networks that are trained together, at most.
    keep : bool
        Whether the networks are kept beside the store, so that more can be measured on them later.

    Raises
    ------
    StudyError
        If a field is unknown, out of range, or does not fit the others; it names the field, the value received and
        what is allowed.
    """

    runs_are: ClassVar[str] = "networks"

    data: DataSpec | None = None
    network: NetworkSpec = NetworkSpec()
    training: TrainingSpec = TrainingSpec()
    axes: Axes = Axes()
    measures: Listed[fields.MeasureName] = DEFAULT_MEASURES
    k: Count = 9
    logistic: fields.Logistic = "one-vs-one"
    ensemble: Count = 16
    keep: fields.Switch = False

    def recipe(self) -> Recipe:
        """Return how the networks are trained: the recipe, with what the spec changes; axes are not looked at."""
        changes: dict[str, Any] = {
            name: value
            for name, value in self.training.model_dump(exclude={"recipe", "patience"}).items()
            if value is not None
        }
        if self.training.patience != "recipe":
            changes["patience"] = self.training.patience
        if self.network.batch_norm is not None:
            changes["batch_norm"] = self.network.batch_norm
        return replace(find_recipe(self.training.recipe), **changes)

    @property
    def last_epoch(self) -> int:
        """Epochs that are trained, unless early stopping ends a training before."""
        return self.recipe().epochs

    @property
    def checkpoints(self) -> tuple[int, ...]:
        """Epochs after which the networks are measured, ascending; 0 is the initialisation."""
        return tuple(sorted(self.axes.epochs or (self.last_epoch,)))

    @property
    def architectures(self) -> tuple[str, ...]:
        """Names of the architectures."""
        return self.axes.architecture or (self.network.architecture,)

    @property
    def random_inputs(self) -> tuple[str, ...]:
        """Kinds of random inputs that are measured besides the data."""
        return tuple(kind for kind in self.axes.random_inputs or () if kind != "none")

    def misfits(self) -> Iterator[tuple[FieldPath, str]]:
        """Yield the fields that do not fit each other, and what is wrong."""
        yield from misfits(self)
        yield from super().misfits()
        yield from unmet(self, None, has_labels=True)

    def check_against(self, n_train: int | None, has_labels: bool) -> None:
        """Raise StudyError unless the study can be made with the data.

        Parameters
        ----------
        n_train : int or None
            Training examples; None where it is not known.
        has_labels : bool
            Whether train and test have labels.

        Raises
        ------
        StudyError
            If there are no labels, fewer examples than ``axes.samples`` asks for, or fewer than K-NN needs.
        """
        self.require(unmet(self, n_train, has_labels))
