"""Measure: the encoding properties, controls and regime of a network, from train and test data."""

from typing import Any, Unpack

import torch

from hashlens.arguments import call_source, excerpt, is_number, require_whole
from hashlens.codes.observe import Observation
from hashlens.codes.reading import Reading, ReadingOptions
from hashlens.data.sources import load_data, load_training_data
from hashlens.errors import MeasureError
from hashlens.measurement.measurement import Measurement
from hashlens.measurement.run import MeasurementRun, has_output_per_class, number_classes_alike
from hashlens.measures import (
    LogisticMethod,
    Regime,
    RegimeThresholds,
    bits_to_determinism,
    determinism,
    regime,
    separation,
)
from hashlens.measures.learning import Learning
from hashlens.measures.projection import ProjectionMethod, check_projection
from hashlens.measures.regime import as_thresholds
from hashlens.progress import bar
from hashlens.result import Split


def measure(
    model: torch.nn.Module,
    train: Any,
    test: Any,
    *,
    reading: Reading | None = None,
    k: int = 9,
    logistic: LogisticMethod = "multinomial",
    controls: bool = True,
    untrained: torch.nn.Module | None = None,
    thresholds: RegimeThresholds | None = None,
    memory_budget: int = 2 << 30,
    projection: ProjectionMethod = "pca",
    **options: Unpack[ReadingOptions],
) -> Measurement:
    """Measure the encoding of a network: determinism and categorization of its codes, beside controls, and its regime.

    Parameters
    ----------
    model : torch.nn.Module
        The network, as in :func:`hashlens.encode`.
    train, test : str, Examples, pair, Dataset or DataLoader
        Labelled training and test data of the network, in any form that :func:`hashlens.load_data` takes.
    reading, **options
        How the network is read: a :class:`hashlens.Reading`, or its fields. ``seed`` also draws the untrained network,
        hyperplanes, random inputs and samples.
    k : int
        Number of neighbours of K-NN.
    logistic : {"multinomial", "one-vs-one"}
        Kind of logistic regression for more than two classes; the paper uses one-vs-one.
    controls : bool
        Whether to measure the controls, which can take several times as long as the rest.
    untrained : torch.nn.Module, optional
        The network before training, for the control; by default a copy with random parameters.
    thresholds : RegimeThresholds, optional
        Thresholds between the regimes; the default ones are set by hashlens, not by the paper.
    memory_budget : int
        Bytes that codes and features may take, 2 GiB by default. Determinism is always measured on whole codes. Other
        measures that would need more memory use a seeded sample of the bits, and ``notes`` report it.
    projection : {"pca", "umap"}
        Method of projection for the map on the page; ``"umap"`` takes longer and needs the package umap-learn.

    Returns
    -------
    Measurement
        The result. It prints as tables; ``to_dict()``, ``to_html(path)`` and ``plot()`` export it.

    Raises
    ------
    MeasureError
        If there are no labels, only one class, or fewer train examples than `k`, or an argument has a wrong type or
        value.
    HashlensError
        If :func:`hashlens.encode` raises it.

    References
    ----------
    He, Lei, Ji, Tao (2021): Neural networks behave as hash encoders: an empirical study. arXiv 2101.05490.
    """
    reading = Reading.from_options(measure, reading, options)
    arguments = {**locals(), "reading": None, "options": reading.changes}
    _check_arguments(k, memory_budget, projection)
    limits = as_thresholds(thresholds)
    data = number_classes_alike(Split(load_training_data(train), load_data(test)), model)
    run = MeasurementRun(model, data, reading, k, logistic, memory_budget)
    steps = 4 + 4 * controls
    with bar("measuring", steps) as advance:
        observations = run.observe(penultimate=controls)
        codes = Split(observations.train.codes, observations.test.codes)
        advance("determinism")
        n = min(len(codes.train), len(codes.test))
        collisions = Split(
            determinism(observations.train.fingerprints, rarefy_to=n),
            determinism(observations.test.fingerprints, rarefy_to=n),
        )
        fewest_bits = bits_to_determinism(codes.train, seed=reading.seed)
        advance("categorization")
        categories, examples = run.categorize_with_exhibits(codes, collisions, projection)
        advance("separation")
        distances = separation(codes.test, seed=reading.seed)
        single_layers = run.layers(codes, distances)
        advance("floor")
        rounding, random_inputs = run.floor(observations.test), run.random_inputs()
        control_results = run.controls(observations, untrained, advance) if controls else {}
        run.compare_with_controls(categories, control_results)
    network_accuracy = Split(observations.train.accuracy, observations.test.accuracy)
    return Measurement(
        model=codes.train.provenance.model,
        examples=Split(len(codes.train), len(codes.test)),
        code_bits=observations.train.fingerprints.code_bits,
        informative_bits=categories.informative_bits,
        soft=codes.train.soft,
        redundancy_ratio=Split(collisions.train.redundancy_ratio, collisions.test.redundancy_ratio),
        determinism=collisions,
        bits_to_determinism=fewest_bits,
        categorization=categories,
        network_accuracy=network_accuracy,
        controls=control_results,
        random_inputs=random_inputs,
        conflicts=Split(collisions.train.conflicts, collisions.test.conflicts),
        separation=distances,
        floor=rounding,
        layers=single_layers,
        regime=_regime(
            collisions.train.redundancy_ratio,
            max(categories.knn, categories.logistic),
            observations,
            run.learning(codes, observations, control_results),
            limits,
        ),
        notes=tuple(run.notes),
        provenance=Split(codes.train.provenance, codes.test.provenance),
        exhibits=examples,
        command=call_source(measure, **arguments),
        data=data,
    )


def _check_arguments(k: Any, memory_budget: Any, projection: str) -> None:
    require_whole(MeasureError, "k", k)
    check_projection(projection)
    if not is_number(memory_budget) or memory_budget <= 0:
        raise MeasureError(f"memory_budget must be a number of bytes, more than 0, received {excerpt(memory_budget)}")


def _regime(
    redundancy_ratio: float,
    codes_accuracy: float,
    observations: Split[Observation],
    learning: Learning,
    thresholds: RegimeThresholds,
) -> Regime:
    """Return the regime; retention is the accuracy of the codes itself if the network's cannot be compared with it."""
    comparable = has_output_per_class(observations.train) and learning.matched is None
    reference = observations.test.accuracy if comparable else None
    return regime(
        redundancy_ratio,
        codes_accuracy / reference if reference else codes_accuracy,
        thresholds=thresholds,
        learning=learning,
        compared=bool(reference),
    )
