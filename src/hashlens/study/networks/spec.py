"""The spec of a study of networks: data, network, training, axes, repeats and measures, as in its YAML file."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from hashlens.study.networks import fields
from hashlens.study.networks.measures import DEFAULT_MEASURES
from hashlens.study.networks.misfits import data_misfits, misfits
from hashlens.study.networks.sections import Axes, DataSpec, NetworkSpec, TrainingSpec
from hashlens.study.spec.fields import Count, Listed
from hashlens.study.spec.lines import FieldPath
from hashlens.study.spec.spec import StudySpec
from hashlens.training.recipe import Recipe, find_recipe


class NetworksSpec(StudySpec):
    """Spec of a study of networks: the networks to train, their data, and the measures.

    If a factor is both an axis and in `network` or `training`, the axis is used. In Python, sections are mappings:
    ``StudySpec(axes={"width": [10, 20]}, repeats=3)``.

    Parameters
    ----------
    name, description : str
        Name and description for readers.
    data : mapping, optional
        ``train`` and ``test``: names for :func:`hashlens.load_data`; None if the examples are passed separately.
    network : mapping
        ``architecture``, ``width``, ``depth``, ``batch_norm``, ``dropout`` of all networks.
    training : mapping
        ``recipe``, and fields that differ from it.
    axes : mapping of str to list
        Levels of the factors that vary; see `Axes`.
    repeats : int
        Number of networks of each cell, with different seeds.
    seed : int
        Seed that all other seeds are derived from.
    measures : list of str
        Names of measures, in `hashlens.study.networks.measures.MEASURES`.
    k : int
        Number of neighbours of K-NN.
    logistic : {"one-vs-one", "multinomial"}
        Kind of logistic regression.
    ensemble : int
        Largest number of networks that are trained together.
    keep : bool
        Whether the networks are stored beside the store, so that further measures can be computed later.

    Raises
    ------
    StudyError
        If a field is unknown, out of range, or does not fit the others; it names the field, the value received and
        what is allowed.
    """

    runs_noun: ClassVar[str] = "networks"

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
        """Return the training recipe with the changes of the spec, without axes."""
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
        """Number of epochs trained, unless early stopping ends a training before."""
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
        """Yield the fields that do not fit each other, with the problem."""
        yield from misfits(self)
        yield from super().misfits()
        yield from data_misfits(self, None, has_labels=True)

    def check_against(self, n_train: int | None, has_labels: bool) -> None:
        """Raise StudyError if the study cannot be run with the data.

        Parameters
        ----------
        n_train : int or None
            Number of training examples; None if it is not known.
        has_labels : bool
            Whether train and test have labels.

        Raises
        ------
        StudyError
            If there are no labels, or fewer examples than ``axes.samples`` or K-NN needs.
        """
        self.require(data_misfits(self, n_train, has_labels))
