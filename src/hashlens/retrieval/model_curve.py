"""Retrieval quality of a network against code length: its codes, inputs and penultimate features in one pass."""

from collections.abc import Sequence
from typing import Any, Unpack

import torch

from hashlens.arguments import require_whole
from hashlens.codes.observe import observe
from hashlens.codes.reading import Reading, ReadingOptions
from hashlens.data.examples import ArrayExamples
from hashlens.data.sources import load_data
from hashlens.errors import HashlensError, MeasureError
from hashlens.measurement.run import number_classes_alike
from hashlens.measures.features import FLOAT_BYTES, Features
from hashlens.result import Split
from hashlens.retrieval.bit_selection import Selection
from hashlens.retrieval.curve import LENGTHS, METHODS, QualityCurve, checked_lengths, quality_curve


def model_quality_curve(
    model: torch.nn.Module,
    train: Any,
    test: Any,
    lengths: Sequence[int] = LENGTHS,
    *,
    reading: Reading | None = None,
    methods: Sequence[Selection] = METHODS,
    k: Sequence[int] | int = (1, 10, 100),
    memory_budget: int = 2 << 30,
    **options: Unpack[ReadingOptions],
) -> QualityCurve:
    """Measure retrieval quality against code length of a network's codes, and of controls on its inputs and features.

    Parameters
    ----------
    model : torch.nn.Module
        The network, as in :func:`hashlens.encode`.
    train, test : str, Examples, pair, Dataset or DataLoader
        Labelled data: train is ranked, test examples are the queries.
    lengths, methods, k
        As in :func:`quality_curve`.
    reading, **options
        How the network is read: a :class:`hashlens.Reading`, or its fields. ``seed`` also draws bits and rotations.
    memory_budget : int
        Bytes that codes may take, 2 GiB by default. Of larger codes a seeded sample of the bits is kept; controls whose
        features would be larger are left out.

    Raises
    ------
    HashlensError
        If :func:`hashlens.encode` or :func:`quality_curve` raises it.
    """
    reading = Reading.from_options(model_quality_curve, reading, options)
    checked_lengths(lengths)
    require_whole(MeasureError, "memory_budget", memory_budget)
    data = number_classes_alike(Split(load_data(train).load(), load_data(test).load()), model)
    budget = max(8, memory_budget // (len(data.train) + len(data.test)))
    observations = Split(*(observe(model, part, reading, budget, penultimate=True) for part in (data.train, data.test)))
    trained, tested = observations.train.penultimate, observations.test.penultimate
    return quality_curve(
        Split(observations.train.codes, observations.test.codes),
        lengths,
        inputs=_vectors(data, budget),
        penultimate=None if trained is None or tested is None else Split(trained, tested),
        methods=methods,
        k=k,
        seed=reading.seed,
    )


def _vectors(data: Split[ArrayExamples], row_budget: int) -> Split[Features] | None:
    """Return the inputs as vectors; None if they are not single tensors, or too large."""
    try:
        first = data.train.tensor(slice(0, 1))
    except HashlensError:
        return None
    if not first.is_floating_point() or FLOAT_BYTES * first.numel() > row_budget:
        return None
    return Split(*(part.tensor().float().flatten(1) for part in (data.train, data.test)))
