"""The measures that a study can compute on each network: their names, splits and requirements."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from hashlens.nets.load import load_object

Split = Literal["train", "test", "uniform", "bytes"]


@dataclass(frozen=True)
class StudyMeasure:
    """A measure that a study can list under ``measures``.

    Attributes
    ----------
    rows : tuple of str
        Names under which the results store its values.
    splits : tuple of str
        Splits of the data on which it is computed: ``train``, ``test``.
    labels : bool
        Whether it needs labels.
    random_inputs : bool
        Whether it can also be computed on random inputs.
    geometry : bool
        Whether it describes the network's linear regions. Only a piecewise linear network has them.
    hook : str
        ``package.module:object`` of another room that measures it, a :class:`Hook`; empty for measures of this room.
    """

    rows: tuple[str, ...]
    splits: tuple[Split, ...]
    labels: bool = True
    random_inputs: bool = False
    geometry: bool = False
    hook: str = ""


class Hook(Protocol):
    """A measure that another room computes; it is imported by the studies that have it."""

    def require(self, network: Any, examples: Any) -> None:
        """Raise HashlensError if the measure cannot be computed for a network; `examples` are a few of its inputs."""

    def rows(self, network: Any, evaluation: Any) -> Iterable[tuple[str, str, float, str]]:
        """Yield measure, split, value and layer (empty for the whole network) of a network of a study."""


def hook_of(measure: str) -> Hook | None:
    """Return the hook of a measure; None for measures of this room."""
    name = MEASURES[measure].hook
    hook: Hook | None = load_object(name, "measure") if name else None
    return hook


BOTH: tuple[Split, ...] = ("train", "test")
MEASURES = {
    "redundancy_ratio": StudyMeasure(("redundancy_ratio",), BOTH, labels=False, random_inputs=True),
    "collision_probability": StudyMeasure(("collision_probability",), BOTH, labels=False, random_inputs=True),
    "bits_to_determinism": StudyMeasure(("bits_to_determinism",), ("train",), labels=False),
    # The mean loss of the last epoch on the labels used in training. An untrained network has none.
    "loss": StudyMeasure(("loss",), ("train",)),
    "network_accuracy": StudyMeasure(("network_accuracy",), BOTH),
    "knn": StudyMeasure(("knn",), ("test",)),
    # Separate from knn because its cost is quadratic in the number of training examples.
    "knn_train": StudyMeasure(("knn",), ("train",)),
    "logistic": StudyMeasure(("logistic",), BOTH),
    "kmeans": StudyMeasure(("kmeans_purity", "kmeans_hungarian"), BOTH),
    "separation": StudyMeasure(("separation_within", "separation_between"), ("test",)),
    "local_complexity": StudyMeasure(("local_complexity",), BOTH, labels=False, random_inputs=True, geometry=True),
    # The codes beside their limit of infinite width.
    "code_movement": StudyMeasure(
        ("code_movement", "code_movement_random"),
        ("test",),
        labels=False,
        hook="hashlens.kernels.code_movement:CODE_MOVEMENT",
    ),
    "chord": StudyMeasure(("chord_length",), BOTH, labels=False, random_inputs=True, geometry=True),
}
"""All measures, by the name that a study uses."""

DEFAULT_MEASURES = ("redundancy_ratio", "knn", "logistic", "kmeans", "network_accuracy")
