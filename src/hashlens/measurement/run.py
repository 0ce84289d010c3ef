"""Measurement run: the parts of a measurement that need the network or the raw data, not the codes alone."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch

from hashlens.codes.codes import Codes, align_layouts
from hashlens.codes.encode import encode, fingerprint
from hashlens.codes.observe import Observation, observe
from hashlens.codes.reading import Reading
from hashlens.data.examples import Examples
from hashlens.data.labels import has_label, unseen_classes
from hashlens.data.noise import random_inputs
from hashlens.data.numbering import match_class_numbers, with_one_numbering
from hashlens.data.subset import subset
from hashlens.errors import DataError, HashlensError, MeasureError
from hashlens.measurement.exhibits import Exhibits, exhibits
from hashlens.measurement.measurement import LayerMeasurement, untrained_codes_as_accurate
from hashlens.measures import (
    Categorization,
    Control,
    Determinism,
    Floor,
    LogisticMethod,
    Separation,
    categorization,
    feature_categorization,
    floor,
    hyperplane_codes,
    knn_accuracy,
    redundancy_ratio,
)
from hashlens.measures.categorization import categorize, require_labelled_classes
from hashlens.measures.classes import labelled_codes, unlabelled_rows_note
from hashlens.measures.controls import MAX_HYPERPLANES
from hashlens.measures.learning import Learning, constant_bits, majority_share, matched_accuracy
from hashlens.measures.prepared import nearest_train, prepare
from hashlens.measures.projection import ProjectionMethod
from hashlens.nets.class_names import declared_classes
from hashlens.nets.output import output_notes
from hashlens.nets.untrained import untrained_copy
from hashlens.result import Split
from hashlens.seeds import numpy_generator

LabelledInputs = tuple[Any, Any]
"""Inputs or features, and their labels."""
Data = TypeVar("Data", bound=Examples)
LAYER_KNN_BITS = 1024
FLOOR_EXAMPLES = 256


@dataclass
class MeasurementRun:
    """A network, its data and its reading, with the notes collected during the measurement."""

    model: torch.nn.Module
    data: Split[Examples]
    reading: Reading
    k: int
    logistic: LogisticMethod
    memory_budget: int
    notes: list[str] = field(default_factory=list)
    _raw: Split[LabelledInputs] | None = None

    @property
    def rows(self) -> int:
        """Number of examples of train and test together."""
        return len(self.data.train) + len(self.data.test)

    def observe(self, model: torch.nn.Module | None = None, penultimate: bool = False) -> Split[Observation]:
        """Run the network, or `model` in its place, over train and test, once each."""
        row_budget = max(8, self.memory_budget // self.rows)
        network = self.model if model is None else model
        # The output is read in the way decided on train for test too, and for the untrained network.
        train = observe(network, self.data.train, self.reading, row_budget, penultimate)
        if model is None and train.output is not None:
            self.reading = replace(self.reading, output=train.output)
        test = observe(network, self.data.test, self.reading, row_budget, penultimate)
        codes = align_layouts([train.codes, test.codes])
        observations = Split(replace(train, codes=codes[0]), replace(test, codes=codes[1]))
        if model is None:
            self._note_observations(observations)
        return observations

    def _note_observations(self, observations: Split[Observation]) -> None:
        """Add notes on the output, on labels and classes, and on bits that are left out or sampled."""
        self.notes += output_notes(observations.train.output, observations.train.unsteady)
        self.notes += [
            f"no network accuracy on {name}: labels go up to {int(part.codes.labels.max())}, but the "
            f"network's output has {part.classes} classes; number the classes as in its training"
            for name, part in (("train", observations.train), ("test", observations.test))
            if part.has_unknown_labels and part.codes.labels is not None
        ]
        unlabelled = [_unlabelled_rows(part.codes) for part in (observations.train, observations.test)]
        if any(unlabelled):
            self.notes.append(f"{unlabelled_rows_note(*unlabelled)}, by all measures that need labels; R counts them")
        names = observations.train.codes.class_names
        if unseen := unseen_classes(observations.train.codes.labels, observations.test.codes.labels, names):
            self.notes.append(unseen)
        if not has_output_per_class(observations.train):
            self.notes.append(
                f"the network's output has {observations.train.classes} classes, and the labels of train "
                "have another number: if it was not trained on these classes, its accuracy is "
                "meaningless; so the retention is the accuracy of the codes itself"
            )
        if left_out := observations.train.codes.provenance.left_out_note:
            self.notes.append(left_out)
        total = observations.train.fingerprints.provenance.sampled_from
        if self.reading.bits is not None and total is not None and total > self.reading.bits:
            self.notes.append(
                f"all numbers, also R and the regime, use {self.reading.bits:,} of {total:,} bits, "
                "sampled at random as bits= requests"
            )
        measured, total = observations.train.codes.code_bits, observations.train.fingerprints.code_bits
        if measured < total:
            self.notes.append(
                f"R uses all {total:,} bits; all other numbers use {measured:,} of them, sampled at random, "
                f"because all bits would exceed the memory budget of {self.memory_budget / 2**30:.3g} GiB"
            )

    def categorize_with_exhibits(
        self, codes: Split[Codes], collisions: Split[Determinism], projection: ProjectionMethod
    ) -> tuple[Categorization, Exhibits]:
        """Return the categorization of the codes, and the examples to inspect, from one neighbour search."""
        require_labelled_classes(codes.train, codes.test, self.k)
        seed = self.reading.seed
        prepared = prepare(codes.train, codes.test, self.memory_budget, seed)
        nearest = nearest_train(prepared, self.k)
        names = codes.train.class_names or codes.test.class_names
        return (
            categorize(prepared, *nearest, self.logistic, seed),
            exhibits(prepared, *nearest, collisions, names, projection, seed),
        )

    def categorize(self, codes: Split[Codes]) -> Categorization:
        """Return the categorization of the codes of a control."""
        return categorization(
            codes.train,
            codes.test,
            k=self.k,
            logistic=self.logistic,
            memory_budget=self.memory_budget,
            seed=self.reading.seed,
        )

    def layers(self, codes: Split[Codes], distances: Separation) -> tuple[LayerMeasurement, ...]:
        """Measure each layer separately; empty for a code of one layer, which is measured already.

        `distances` is the separation of the test codes.
        """
        if len(codes.train.layers) < 2:
            return ()
        means = {part.name: part for part in distances.layers}
        results = []
        for layer in codes.train.layers:
            train, test = codes.train.layer(layer.name), codes.test.layer(layer.name)
            sampled = [part.sample_bits(LAYER_KNN_BITS, self.reading.seed) for part in (train, test)]
            results.append(
                LayerMeasurement(
                    name=layer.name,
                    gate=layer.gate,
                    soft=layer.soft,
                    bits=layer.bits,
                    redundancy_ratio=Split(redundancy_ratio(train), redundancy_ratio(test)),
                    knn=knn_accuracy(*sampled, k=self.k),
                    within=means[layer.name].within,
                    between=means[layer.name].between,
                )
            )
        return tuple(results)

    def floor(self, observation: Observation) -> Floor | None:
        """Encode some of the test examples again in another order and batch size, and compare the codes."""
        try:
            affordable = max(8, self.memory_budget // (8 * max(1, observation.fingerprints.code_bits // 8)))
            examples = subset(self.data.test, min(FLOOR_EXAMPLES, affordable, len(self.data.test)))
            order = numpy_generator(self.reading.seed, "floor").permutation(len(examples))
            once = encode(self.model, examples, reading=self.reading)
            again = encode(self.model, examples.select(order), reading=self.reading, batch_size=1)
            return floor(once, again)
        except HashlensError as error:
            self.notes.append(f"no floor: {error}")
            return None

    def random_inputs(self) -> Control:
        """Return R on uniform random inputs, as many as test examples."""
        test, generator = self.data.test, numpy_generator(self.reading.seed, "random inputs")
        try:
            if self.reading.forward is not None or not _lies_in_unit_range(test):
                raise DataError("inputs do not lie in [0, 1], so uniform random inputs would not be comparable")
            self._require_memory("random inputs", test, len(test))
            noise = random_inputs(test, len(test), generator)
            prints = fingerprint(self.model, noise, reading=self.reading, mask=None)
        except HashlensError as error:
            return Control("random_inputs", available=False, reason=str(error))
        return Control("random_inputs", redundancy_ratio=Split(None, redundancy_ratio(prints)))

    def controls(
        self, observations: Split[Observation], untrained: torch.nn.Module | None, advance: Callable[[str], None]
    ) -> dict[str, Control]:
        """Measure every control; one that cannot be measured is marked as unavailable, with the reason."""
        results = {}
        works: dict[str, Callable[[], Control]] = {
            "untrained": lambda: self._untrained_control(untrained),
            "random_hyperplanes": lambda: self._hyperplane_control(observations.train.fingerprints.code_bits),
            "raw_inputs": lambda: self._feature_control("raw_inputs", self._raw_inputs()),
            "penultimate": lambda: self._penultimate_control(observations),
        }
        for name, work in works.items():
            advance(f"control {name.replace('_', ' ')}")
            try:
                results[name] = work()
            except HashlensError as error:
                results[name] = Control(name, available=False, reason=str(error))
        return results

    def learning(self, codes: Split[Codes], observations: Split[Observation], controls: dict[str, Control]) -> Learning:
        """Return the evidence on whether the network has learnt."""
        never_on, always_on = constant_bits(codes.train)
        _, labels, labelled = labelled_codes(codes.test, None, "a comparison with chance")
        raw = controls.get("raw_inputs")
        accuracies = [] if raw is None else [value for value in (raw.knn, raw.logistic) if value is not None]
        return Learning(
            codes.train.code_bits,
            never_on,
            always_on,
            len(labels),
            # If outputs and labels have different classes, the accuracy means nothing.
            observations.test.accuracy if has_output_per_class(observations.train) else None,
            max(accuracies, default=None),
            majority_share(labels),
            None
            if observations.test.predictions is None
            else matched_accuracy(observations.test.predictions[labelled], labels),
        )

    def compare_with_controls(self, codes: Categorization, controls: dict[str, Control]) -> None:
        """Add a note if codes without any learning do as well: the verdict then says little about training."""
        best = max(codes.knn, codes.logistic)
        for encoder, accuracy in untrained_codes_as_accurate(codes, controls):
            self.notes.append(
                f"the codes of {encoder} do as well ({accuracy:.3f} against {best:.3f}): on this data the code says "
                "little about training"
            )

    def _measure_codes(self, name: str, train: Codes, test: Codes, ratio: Split[float]) -> Control:
        result = self.categorize(Split(train, test))
        return Control(name, redundancy_ratio=ratio, knn=result.knn, logistic=result.logistic)

    def _untrained_control(self, untrained: torch.nn.Module | None) -> Control:
        network = untrained_copy(self.model, self.reading.seed) if untrained is None else untrained
        observations = self.observe(network)
        ratio = Split(
            redundancy_ratio(observations.train.fingerprints), redundancy_ratio(observations.test.fingerprints)
        )
        return self._measure_codes("untrained", observations.train.codes, observations.test.codes, ratio)

    def _raw_inputs(self) -> Split[LabelledInputs]:
        """Return the inputs of train and test as vectors, with the labels read in the same pass."""
        if self._raw is None:
            first = next(self.data.train.batches(1)).inputs
            if not isinstance(first, torch.Tensor) or not first.is_floating_point():
                raise DataError("inputs are not real-valued vectors")
            self._require_memory("raw inputs", self.data.train, self.rows)
            train, test = (data.load() for data in (self.data.train, self.data.test))
            self._raw = Split(*((part.tensor().float().flatten(1), part.labels) for part in (train, test)))
        return self._raw

    def _require_memory(self, noun: str, examples: Examples, rows: int) -> None:
        needed = 4 * rows * next(examples.batches(1)).inputs[0].numel()
        if needed > self.memory_budget:
            raise DataError(f"{noun} take {needed / 2**30:.1f} GiB, more than the memory budget; raise memory_budget")

    def _hyperplane_control(self, code_bits: int) -> Control:
        (inputs, labels), (test_inputs, test_labels) = self._raw_inputs().train, self._raw_inputs().test
        bits = min(MAX_HYPERPLANES, code_bits)
        train, test = hyperplane_codes(
            inputs, test_inputs, bits, train_labels=labels, test_labels=test_labels, seed=self.reading.seed
        )
        return self._measure_codes(
            "random_hyperplanes", train, test, Split(redundancy_ratio(train), redundancy_ratio(test))
        )

    def _penultimate_control(self, observations: Split[Observation]) -> Control:
        train, test = observations.train.penultimate, observations.test.penultimate
        if train is None or test is None:
            raise MeasureError(
                "no affine map with one row of inputs for each example was found, or its inputs exceed the "
                "memory budget; raise memory_budget"
            )
        return self._feature_control(
            "penultimate", Split((train, observations.train.codes.labels), (test, observations.test.codes.labels))
        )

    def _feature_control(self, name: str, features: Split[LabelledInputs]) -> Control:
        knn, logistic = feature_categorization(*features.train, *features.test, k=self.k, logistic=self.logistic)
        return Control(name, knn=knn, logistic=logistic)


def _unlabelled_rows(codes: Codes) -> int:
    labels = codes.labels
    return 0 if labels is None else int((~has_label(labels)).sum())


def has_output_per_class(observation: Observation) -> bool:
    """Return whether a network has as many outputs as its labels have classes; true if they cannot be compared."""
    labels = observation.codes.labels
    if labels is None or observation.predictions is None:
        return True
    return observation.classes == len(set(labels[has_label(labels)].tolist()))


def _lies_in_unit_range(examples: Examples) -> bool:
    """Return whether the first inputs are real numbers in [0, 1]."""
    inputs = next(examples.batches(64)).inputs
    real = isinstance(inputs, torch.Tensor) and inputs.is_floating_point()
    return real and bool(inputs.min() >= 0 and inputs.max() <= 1)


def number_classes_alike(data: Split[Data], model: torch.nn.Module | None = None) -> Split[Data]:
    """Return train and test with one class numbering: that of the network if it has class names, else that of train.

    Raises
    ------
    MeasureError
        If train or test has no labels, before any work is done.
    """
    for name, examples in (("train", data.train), ("test", data.test)):
        if examples.labels is None and next(iter(examples.batches(1))).labels is None:
            raise MeasureError(f"{name} ({examples.name}) has no labels, which a measurement needs: give labelled data")
    return Split(*with_one_numbering(match_class_numbers(data.train, declared_classes(model)), data.test))
