"""An objective for networks: the cheapest network of a space that is sufficiently expressive."""

import math
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hashlens.arguments import excerpt, is_number, require_whole
from hashlens.errors import TuningError, nearest
from hashlens.tuning.network_cost import COSTS, Cost, network_cost
from hashlens.tuning.no_improvement import NoImprovement
from hashlens.tuning.study_trace import parameter_of

if TYPE_CHECKING:
    import torch
    from optuna.trial import Trial

    from hashlens.data.examples import ArrayExamples
    from hashlens.measures.regime import RegimeThresholds
    from hashlens.result import Split
    from hashlens.study.experiment import Outcome
    from hashlens.study.networks.resources import NetworkResources

COSTLY = ("width", "depth", "epochs", "batch_norm")
"""Hyperparameters whose larger values increase the cost of a network."""
MEASURES = ("redundancy_ratio", "knn", "logistic", "network_accuracy")
NOT_TUNED = ("architecture", "recipe")


@dataclass(frozen=True)
class NetworkMeasures:
    """Measurements of the networks of one trial, as means over repeats.

    Attributes
    ----------
    regime : str
        Regime of :func:`hashlens.measures.regime` for the mean R and the mean retention; ``not learnt, `` stands before
        it if the networks are not accurate enough.
    redundancy_ratio : float
        Redundancy ratio R of the codes of the training data.
    retention : float
        The better of K-NN and logistic regression on the test codes, divided by `reference`.
    network_accuracy : float
        Test accuracy of the networks.
    reference : float
        Accuracy by which the accuracy of the codes is divided.
    cost : float
        Number of floating-point operations or of parameters.
    shortfall : float
        Distance from the regime: the sum of what is missing in R, retention and network accuracy, each from 0 to 1. It
        is 0 in the regime.
    """

    regime: str
    redundancy_ratio: float
    retention: float
    network_accuracy: float
    reference: float
    cost: float
    shortfall: float


class SufficientNetwork:
    """An objective for :func:`hashlens.tune`: the lowest cost in the sufficiently expressive regime.

    Each trial trains a few networks and measures them as a study does. If they are in the regime, the value is the
    logarithm (base 10) of their cost. Otherwise it is the logarithm of the largest cost in the space plus their
    distance from the regime. So each network in the regime has a better value than all others.

    Networks are in the regime under two conditions. The mean R on train and the mean retention over repeats must be in
    it (see :func:`hashlens.measures.regime`). And the networks must have learnt: their accuracy is at least
    `min_relative_accuracy` times the reference. The reference is the accuracy of the largest network in the space,
    which is trained first. The measurements are in the user attributes of each trial: see :class:`NetworkMeasures`.

    Hyperparameters have the names that a study file has under ``network`` and ``training``: ``width``, ``depth``,
    ``batch_norm``, ``dropout``, ``epochs``, ``batch_size``, ``learning_rate``, ``weight_decay`` and more.

    Parameters
    ----------
    train, test : str, Examples, pair, Dataset or DataLoader
        Training data of the networks, and data for the measurements, in any form that :func:`hashlens.load_data` takes.
        Use other test data for a final accuracy.
    network : mapping, optional
        ``architecture`` and its options that are not tuned, as in a study file.
    training : mapping, optional
        ``recipe`` and its options that are not tuned, as in a study file.
    cost : {"training", "inference", "parameters"}
        Kind of cost: see :func:`network_cost`.
    repeats : int
        Number of networks of each trial, from different seeds.
    reference : float, optional
        Accuracy by which the accuracy of the codes is divided; by default that of the largest network.
    thresholds : RegimeThresholds, optional
        Thresholds of the regime; by default those of hashlens.
    min_relative_accuracy : float
        Smallest accuracy of the networks, as a share of the reference, from 0 to 1. Without it, an untrained wide
        network could be in the regime, because its codes may separate the classes.
    k : int
        Number of neighbours of K-NN.
    seed : int
        Seed from which all other seeds are derived.
    device : str or torch.device, optional
        Device of the training; the CPU by default.

    Attributes
    ----------
    rule : NoImprovement
        Default rule for :func:`hashlens.tune`: stop after 20 trials without an improvement. A cost has no fold values,
        and so no standard error over folds. ``RegretBound(threshold=0.04)`` stops if the cost can decrease by less than
        a tenth: .04 is the logarithm of 1.1.

    Raises
    ------
    TuningError
        If an argument or a hyperparameter does not fit.
    StudyError
        If a value is out of range.
    DataError
        If data cannot be read.
    """

    rule = NoImprovement(k=20)

    def __init__(
        self,
        train: Any,
        test: Any,
        *,
        network: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        cost: Cost = "training",
        repeats: int = 3,
        reference: float | None = None,
        thresholds: "RegimeThresholds | None" = None,
        min_relative_accuracy: float = 0.95,
        k: int = 9,
        seed: int = 0,
        device: "str | torch.device | None" = None,
    ) -> None:
        from hashlens.measures.regime import as_thresholds

        if cost not in COSTS:
            raise TuningError(f"cost must be one of {', '.join(COSTS)}; {nearest(cost, COSTS)}")
        for name, share in (("reference", reference), ("min_relative_accuracy", min_relative_accuracy)):
            if share is not None and (not is_number(share) or not 0 <= share <= 1):
                raise TuningError(f"{name} must be a share from 0 to 1, received {excerpt(share)}")
        if reference == 0:
            raise TuningError("reference must be an accuracy above 0, received 0")
        require_whole(TuningError, "repeats", repeats)
        self._fixed = {"network": dict(network or {}), "training": dict(training or {})}
        self._study = {"name": "tuned", "measures": list(MEASURES), "repeats": repeats, "k": k, "seed": seed}
        self._sources, self._device = (train, test), device
        self.cost, self.reference, self.min_relative_accuracy = cost, reference, min_relative_accuracy
        self.thresholds = as_thresholds(thresholds)
        self._outcomes_by_key: dict[str, list[Outcome]] = {}
        self._lock = threading.Lock()
        self._resources({})

    def __call__(self, trial: "Trial") -> float:
        """Return the value of a trial, and write the measurements into its user attributes.

        Raises
        ------
        optuna.TrialPruned
            If a network of the trial cannot be trained; the attribute ``failure`` says why.
        """
        largest = self._largest(trial)
        reference, most = self._reference(largest), self._cost(self._resources(largest))
        resources = self._resources(trial.params)
        outcomes = self._outcomes(trial.params)
        if failures := [outcome.failure for outcome in outcomes if outcome.failure]:
            import optuna

            trial.set_user_attr("failure", failures[0])
            raise optuna.TrialPruned(failures[0])
        epochs = float(np.mean([outcome.metadata["epochs_trained"] for outcome in outcomes]))
        found = self._measures(outcomes, reference, self._cost(resources, epochs))
        for name, value in asdict(found).items():
            trial.set_user_attr(name, value)
        return math.log10(most) + found.shortfall if found.shortfall else math.log10(found.cost)

    @cached_property
    def _data(self) -> "Split[ArrayExamples]":
        from hashlens.study.networks.resources import load_split

        return load_split(self._spec({}), *self._sources)

    def _spec(self, hyperparameters: Mapping[str, Any]) -> Any:
        """Return the study of one cell with these hyperparameters and the fixed ones."""
        from hashlens.study.networks.sections import NetworkSpec, TrainingSpec
        from hashlens.study.spec import StudySpec

        sections = {"network": NetworkSpec.model_fields, "training": TrainingSpec.model_fields}
        known = [name for names in sections.values() for name in names if name not in NOT_TUNED]
        for name in hyperparameters:
            if name not in known:
                raise TuningError(f"networks have no hyperparameter {name!r} to tune; {nearest(name, known)}")
        parts = {
            section: {**self._fixed[section], **{one: hyperparameters[one] for one in names if one in hyperparameters}}
            for section, names in sections.items()
        }
        return StudySpec(**self._study, **parts)

    def _resources(self, hyperparameters: Mapping[str, Any]) -> "NetworkResources":
        from hashlens.study.networks.resources import NetworkResources, require_networks

        found = NetworkResources(self._spec(hyperparameters), self._device, data=self._data)
        require_networks(found)
        return found

    def _outcomes(self, hyperparameters: Mapping[str, Any]) -> "list[Outcome]":
        """Train and measure all repeats as a study does; the same hyperparameters are computed once."""
        from hashlens.study.cells import cross_repeats, runs_of_packs
        from hashlens.study.networks.experiment import NETWORKS

        key = repr(sorted(hyperparameters.items()))
        if key not in self._outcomes_by_key:
            resources = self._resources(hyperparameters)
            packs = NETWORKS.packs(cross_repeats(NETWORKS.cells(resources), resources.spec.repeats), resources)
            runs = runs_of_packs(packs, resources.spec.seed)
            parts = [[run for run in runs if run.pack == at] for at in range(len(packs))]
            self._outcomes_by_key[key] = [
                outcome for part in parts for outcome in NETWORKS.run(part, resources, Silent())
            ]
        return self._outcomes_by_key[key]

    def _largest(self, trial: "Trial") -> dict[str, Any]:
        """Return the hyperparameters of the largest network: costly ones at the upper ends of the space."""
        found = {}
        for name, distribution in trial.distributions.items():
            if name in COSTLY:
                parameter = parameter_of(name, distribution)
                ends = parameter.choices or (parameter.high,)
                found[name] = max(ends) if parameter.kind != "int" else int(parameter.high)
        return found

    def _reference(self, largest: Mapping[str, Any]) -> float:
        """Return the accuracy of the largest network, which is trained once, or the reference of the user."""
        if self.reference is not None:
            return self.reference
        with self._lock:
            outcomes = self._outcomes(largest)
        if failures := [outcome.failure for outcome in outcomes if outcome.failure]:
            raise TuningError(
                f"the largest network of the space ({_as_text(largest)}) cannot be trained: {failures[0]}; give "
                "another space or recipe, or the accuracy that codes are compared with, reference="
            )
        return _mean(outcomes, "network_accuracy")

    def _cost(self, resources: "NetworkResources", epochs: float | None = None) -> float:
        from hashlens.nets.build import build
        from hashlens.study.networks.experiment import NETWORKS

        (cell,), train = NETWORKS.cells(resources), resources.data.train
        shape = tuple(train.inputs.shape[1:])
        network = build(cell.architecture, input_shape=shape, classes=resources.classes, **cell.arguments())
        epochs = resources.spec.last_epoch if epochs is None else epochs
        found = network_cost(network, shape, self.cost, examples=len(train), epochs=epochs)
        if not found > 0:
            raise TuningError(f"the cost of a network with epochs={epochs:g} is 0: give a space with 1 epoch or more")
        return found

    def _measures(self, outcomes: "list[Outcome]", reference: float, cost: float) -> NetworkMeasures:
        from hashlens.measures.regime import regime

        ratio, accuracy = _mean(outcomes, "redundancy_ratio", "train"), _mean(outcomes, "network_accuracy")
        better = [max(_value(outcome, name) for name in ("knn", "logistic")) for outcome in outcomes]
        retention = float(np.mean(better)) / reference
        limits, least = self.thresholds, self.min_relative_accuracy * reference
        missing = (
            (ratio - limits.sufficient_redundancy) / (1 - limits.sufficient_redundancy or 1.0),
            (limits.sufficient_retention - retention) / (limits.sufficient_retention or 1.0),
            (least - accuracy) / (least or 1.0),
        )
        name = f"{'not learnt, ' if accuracy < least else ''}{regime(ratio, retention, thresholds=limits).name}"
        shortfall = sum(max(0.0, part) for part in missing)
        return NetworkMeasures(name, ratio, retention, accuracy, reference, cost, shortfall)


class Silent:
    """A reporter that does nothing."""

    def advance(self, run: Any, steps: int = 1) -> None:
        """Do nothing."""

    def keep(self, run: Any, name: str, content: bytes) -> str:
        """Keep nothing."""
        return ""


def _value(outcome: "Outcome", measure: str, split: str = "test") -> float:
    return next(row.value for row in outcome.rows if (row.measure, row.split, row.layer) == (measure, split, ""))


def _mean(outcomes: "list[Outcome]", measure: str, split: str = "test") -> float:
    return float(np.mean([_value(outcome, measure, split) for outcome in outcomes]))


def _as_text(hyperparameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in hyperparameters.items()) or "as it is by default"
