"""What a study can measure on each network: names, where each is taken, and what it needs."""

from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "test", "uniform", "bytes"]


@dataclass(frozen=True)
class StudyMeasure:
    """One name that the ``measures`` of a study may list.

    Attributes
    ----------
    rows : tuple of str
        Names of the measures that the results then hold.
    splits : tuple of str
        Where it is taken: ``train``, ``test``.
    labels : bool
        Whether it needs labels.
    random_inputs : bool
        Whether it can be taken on random inputs too.
    geometry : bool
        Whether it is of the network's linear regions, which only a piecewise linear network has.
    """

    rows: tuple[str, ...]
    splits: tuple[Split, ...]
    labels: bool = True
    random_inputs: bool = False
    geometry: bool = False


BOTH: tuple[Split, ...] = ("train", "test")
MEASURES = {
    "redundancy_ratio": StudyMeasure(("redundancy_ratio",), BOTH, labels=False, random_inputs=True),
    "collision_probability": StudyMeasure(("collision_probability",), BOTH, labels=False, random_inputs=True),
    "bits_to_determinism": StudyMeasure(("bits_to_determinism",), ("train",), labels=False),
    # The mean loss of the last epoch, of the labels trained on: there is none at initialisation.
    "loss": StudyMeasure(("loss",), ("train",)),
    "network_accuracy": StudyMeasure(("network_accuracy",), BOTH),
    "knn": StudyMeasure(("knn",), ("test",)),
    # Apart from knn, since it takes the square of the training examples.
    "knn_train": StudyMeasure(("knn",), ("train",)),
    "logistic": StudyMeasure(("logistic",), BOTH),
    "kmeans": StudyMeasure(("kmeans_purity", "kmeans_hungarian"), BOTH),
    "separation": StudyMeasure(("separation_within", "separation_between"), ("test",)),
    "local_complexity": StudyMeasure(("local_complexity",), BOTH, labels=False, random_inputs=True, geometry=True),
    "chord": StudyMeasure(("chord_length",), BOTH, labels=False, random_inputs=True, geometry=True),
}
"""Every measure of a study by name."""

DEFAULT_MEASURES = ("redundancy_ratio", "knn", "logistic", "kmeans", "network_accuracy")
