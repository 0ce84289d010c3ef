"""The spec of a study: data, network, training, axes, repeats and measures, as a YAML file says them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import PrivateAttr, ValidationError

from hashlens.arguments import shortly
from hashlens.errors import StudyError, nearest
from hashlens.study.spec import fields
from hashlens.study.spec.fields import Count, Listed, Text, shown
from hashlens.study.spec.lines import FieldPath, Source, read_yaml
from hashlens.study.spec.measures import DEFAULT_MEASURES
from hashlens.study.spec.misfits import misfits, unmet
from hashlens.study.spec.sections import SECTIONS, Axes, DataSpec, NetworkSpec, Section, TrainingSpec
from hashlens.training.recipe import Recipe, find_recipe


class StudySpec(Section):
    """A study: which networks are trained, on what, and what is measured on each.

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
        Names in `hashlens.study.spec.measures.MEASURES`.
    k : int
        Neighbours of K-NN.
    logistic : {"one-vs-one", "multinomial"}
        How logistic regression tells classes apart.
    ensemble : int
        Networks that are trained together, at most.

    Raises
    ------
    StudyError
        If a field is unknown, out of range, or does not fit the others; it names the field, the value received and
        what is allowed.
    """

    name: Text = "study"
    description: Text = ""
    data: DataSpec | None = None
    network: NetworkSpec = NetworkSpec()
    training: TrainingSpec = TrainingSpec()
    axes: Axes = Axes()
    repeats: Count = 1
    seed: fields.Seed = 0
    measures: Listed[fields.MeasureName] = DEFAULT_MEASURES
    k: Count = 9
    logistic: fields.Logistic = "one-vs-one"
    ensemble: Count = 16

    _source: Source = PrivateAttr(default=Source())

    def __init__(self, source: Source | None = None, /, **given: Any) -> None:
        if source is not None and not isinstance(source, Source):
            raise StudyError(
                f"a spec is made of fields by name, as StudySpec(axes={{'width': [10, 20]}}), received "
                f"{shortly(source)}; StudySpec.load reads a file"
            )
        source = source or Source()
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise source.error(*_explained(error)) from None
        self._source = source
        self._require(misfits(self))

    @classmethod
    def load(cls, path: str | Path) -> "StudySpec":
        """Return the spec that a YAML file holds.

        Raises
        ------
        StudyError
            If it cannot be read, or a field is wrong: with the line.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except TypeError as error:
            raise StudyError(f"the YAML file of a study is a path, received {shortly(path)}") from error
        except FileNotFoundError as error:
            raise StudyError(f"{path}: there is no such file; expected the YAML file of a study") from error
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            raise StudyError(f"{path}: cannot be read as the YAML file of a study: {reason}") from error
        return cls.from_yaml(text, str(path))

    @classmethod
    def from_yaml(cls, text: str, where: str = "study.yaml") -> "StudySpec":
        """Return the spec that YAML text holds; errors name its place `where`."""
        given, source = read_yaml(text, where)
        return cls(source, **given)

    def to_yaml(self) -> str:
        """Return YAML text of the same spec; fields that are as by default are left out."""
        said = self.model_dump(mode="json", exclude_defaults=True)
        return str(yaml.safe_dump({"name": self.name, **said}, sort_keys=False, default_flow_style=None, width=120))

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

    def error(self, path: FieldPath, text: str) -> StudyError:
        """Return the error for a field of this spec, with its line where it has one."""
        return self._source.error((path, text))

    def _require(self, wrong: Iterator[tuple[FieldPath, str]]) -> None:
        if found := list(wrong):
            raise self._source.error(*found)


def check_against(spec: StudySpec, n_train: int | None, has_labels: bool) -> None:
    """Raise StudyError unless the study can be made with the data.

    Parameters
    ----------
    spec : StudySpec
        The study.
    n_train : int or None
        Training examples; None where it is not known.
    has_labels : bool
        Whether train and test have labels.

    Raises
    ------
    StudyError
        If there are no labels, fewer examples than ``axes.samples`` asks for, or fewer than K-NN needs.
    """
    spec._require(unmet(spec, n_train, has_labels))


def _explained(error: ValidationError) -> Iterator[tuple[FieldPath, str]]:
    """Return the path of each wrong field, and what is wrong with it."""
    for problem in error.errors(include_url=False):
        path, kind = problem["loc"], problem["type"]
        if kind == "extra_forbidden":
            yield path, _unknown(path)
        elif kind == "missing":
            yield path, "is missing"
        elif kind in ("model_type", "model_attributes_type"):
            known = ", ".join(SECTIONS[str(path[0])].model_fields)
            yield path, f"must be a mapping of {known}, received {shown(problem['input'])}"
        else:
            yield path, str(problem.get("ctx", {}).get("error", problem["msg"]))


def _unknown(path: FieldPath) -> str:
    """Return the hint for a name that is not a field where it stands."""
    name = str(path[-1])
    known = StudySpec.model_fields if len(path) == 1 else SECTIONS[str(path[0])].model_fields
    elsewhere = [f"'{section}'" for section, model in SECTIONS.items() if name in model.model_fields]
    elsewhere += ["the top level"] if name in StudySpec.model_fields else []
    hint = f"it belongs under {' or '.join(elsewhere)}" if elsewhere else nearest(name, known)
    return f"unknown {'axis' if path[0] == 'axes' else 'field'}; {hint}"
