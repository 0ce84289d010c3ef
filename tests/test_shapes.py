"""Shapes in signatures: what public functions say of the arrays that they take and give, checked here only."""

import functools
import importlib
import inspect
import typing

import beartype
import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError, jaxtyped

from hashlens import measures, regions, retrieval
from hashlens.audit.audited_accuracy import audited_accuracy
from hashlens.audit.label_noise import label_noise, probability_wrong
from hashlens.audit.local_ratio import local_ratio, nearest_others, pair_ratios
from hashlens.audit.novelty import Novelty
from hashlens.audit.predictions import class_probabilities
from hashlens.audit.temperature import fitted_temperature
from hashlens.audit.weighted_energy import weighted_energy
from hashlens.codes import Codes, hamming, pack_bits, unpack_bits
from hashlens.codes.packing import pack_bits_torch, pack_two_breakpoints
from hashlens.index import Index, WithinRadius
from hashlens.index.exact import nearest_rows, rows_within
from hashlens.index.rows import Rows
from hashlens.measures.features import as_features, range_scaled
from hashlens.nets.output import Output
from hashlens.regions.affine import AffineMap
from hashlens.regions.along import Along, count_pieces
from hashlens.regions.at import Region
from hashlens.regions.plane import Plane
from hashlens.regions.predict_classes import predict_classes
from hashlens.regions.slices import Slice

generator = np.random.default_rng(0)
BITS = generator.random((12, 70)) < 0.5
LABELS = np.arange(12) % 3
CODES = Codes.from_bits(BITS, LABELS)
FEW = CODES[:4]
PACKED = pack_bits(BITS)
FEATURES = generator.random((12, 5))
OTHERS = torch.from_numpy(generator.random((4, 5)))
NARROW = np.zeros((4, 3))
FLAT = np.zeros(5)
DISTANCES = np.sort(generator.integers(0, 9, (6, 4)).astype(np.int32))
PROBABILITIES = np.full((12, 3), 0.2) + 0.4 * np.eye(3)[LABELS]
ROWS = Rows.of(CODES)
POINTS = torch.from_numpy(generator.random((4, 2)))
LOGITS = Output("logits", "a test")


@functools.cache
def model():
    return measures.logistic_regression(FEATURES, LABELS)


@functools.cache
def network():
    layers = torch.nn.utils.skip_init(torch.nn.Linear, 2, 6), torch.nn.utils.skip_init(torch.nn.Linear, 6, 3)
    for layer in layers:
        for parameter in layer.parameters():
            parameter.data = torch.linspace(-1, 1, parameter.numel()).view_as(parameter).clone()
    return torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1])


@functools.cache
def region():
    return regions.at(network(), POINTS)


@functools.cache
def pieces():
    return regions.along(network(), POINTS, POINTS + 1)


@functools.cache
def plane():
    return regions.plane(network())


# Of each function: itself, arguments that fit, and arguments whose shapes or dtypes do not; keywords last.
CASES = {
    "pack_bits": lambda: (pack_bits, (BITS,), [(BITS[0],), (BITS.astype(int),), (BITS, PACKED[:3])]),
    "pack_two_breakpoints": lambda: (pack_two_breakpoints, (FEATURES, 0.0, 1.0), [(FLAT, 0.0, 1.0)]),
    "pack_bits_torch": lambda: (pack_bits_torch, (torch.from_numpy(BITS),), [(torch.from_numpy(BITS[0]),), (BITS,)]),
    "unpack_bits": lambda: (unpack_bits, (PACKED, 70), [(PACKED[0], 70), (PACKED.view(np.uint64), 70)]),
    "hamming": lambda: (hamming, (PACKED[:, None], PACKED[None]), [(PACKED, PACKED[:3]), (PACKED, PACKED[:, :8])]),
    "Codes.words": lambda: (Codes.words.fget, (CODES,), []),
    "Codes.unpack": lambda: (Codes.unpack, (CODES, slice(3)), []),
    "Codes.constant_bits": lambda: (Codes.constant_bits, (CODES, FEW), []),
    "Codes.keep": lambda: (Codes.keep, (CODES, BITS[0]), [(CODES, BITS[0, :69]), (CODES, BITS)]),
    "as_features": lambda: (as_features, (FEATURES,), [(FLAT,)]),
    "range_scaled": lambda: (range_scaled, (FEATURES, OTHERS), [(FEATURES, NARROW), (FLAT, OTHERS)]),
    "nearest_codes": lambda: (measures.nearest_codes, (FEW, CODES, 3), []),
    "nearest_features": lambda: (
        measures.nearest_features,
        (OTHERS, FEATURES, 3),
        [(NARROW, FEATURES, 3), (FLAT, FEATURES, 3)],
    ),
    "vote": lambda: (measures.vote, (DISTANCES, DISTANCES.astype(np.int64)), [(DISTANCES, np.zeros((6, 3), np.int64))]),
    "knn_predict": lambda: (measures.knn_predict, (FEW, CODES, {"k": 3}), []),
    "knn_accuracy_features": lambda: (
        measures.knn_accuracy_features,
        (FEATURES, LABELS, OTHERS, LABELS[:4], {"k": 3}),
        [(FEATURES, LABELS, NARROW, LABELS[:4], {"k": 3})],
    ),
    "knn_accuracy_leave_one_out": lambda: (
        measures.knn_accuracy_leave_one_out,
        (FEATURES, LABELS, {"k": 3}),
        [(FLAT, LABELS, {"k": 3})],
    ),
    "kmeans": lambda: (measures.kmeans, (FEATURES, 2, 2), [(FLAT, 2, 2)]),
    "logistic_regression": lambda: (measures.logistic_regression, (FEATURES, LABELS), [(FEATURES[None], LABELS)]),
    "LogisticModel.decisions": lambda: (measures.LogisticModel.decisions, (model(), OTHERS), [(model(), FLAT)]),
    "LogisticModel.predict": lambda: (measures.LogisticModel.predict, (model(), OTHERS), [(model(), FLAT)]),
    "LogisticModel.accuracy": lambda: (
        measures.LogisticModel.accuracy,
        (model(), FEATURES, LABELS),
        [(model(), FLAT, LABELS)],
    ),
    "hyperplane_codes": lambda: (measures.hyperplane_codes, (FEATURES, OTHERS, 9), [(FEATURES, NARROW, 9)]),
    "feature_categorization": lambda: (
        measures.feature_categorization,
        (FEATURES, LABELS, OTHERS, LABELS[:4], {"k": 3}),
        [(FEATURES, LABELS, NARROW, LABELS[:4], {"k": 3})],
    ),
    "nearest_rows": lambda: (nearest_rows, (ROWS, PACKED[:4], 3), [(ROWS, PACKED[:4, :8], 3), (ROWS, PACKED[0], 3)]),
    "rows_within": lambda: (rows_within, (ROWS, PACKED[:4], 30), [(ROWS, PACKED[:4, :8], 30)]),
    "Index.ids": lambda: (Index.ids.fget, (Index(CODES),), []),
    "Index.labels": lambda: (Index.labels.fget, (Index(CODES),), []),
    "WithinRadius.counts": lambda: (WithinRadius.counts.fget, (Index(CODES).range_search(FEW, 30),), []),
    "random_directions": lambda: (regions.random_directions, (POINTS, 2), []),
    "towards_others": lambda: (regions.towards_others, (POINTS, 2), []),
    "Region.contains": lambda: (Region.contains, (region(), POINTS), []),
    "Region.on_boundary": lambda: (Region.on_boundary.func, (region(),), []),
    "AffineMap.__call__": lambda: (
        AffineMap.__call__,
        (region().affine, POINTS),
        [(region().affine, POINTS.long()), (region().affine, POINTS.numpy())],
    ),
    "AffineMap.bias": lambda: (AffineMap.bias.fget, (region().affine,), []),
    "AffineMap.dense": lambda: (AffineMap.dense, (region().affine,), []),
    "Along.counts": lambda: (Along.counts.fget, (pieces(),), []),
    "Along.lengths": lambda: (Along.lengths.fget, (pieces(),), []),
    "Along.breakpoints": lambda: (Along.breakpoints.fget, (pieces(),), []),
    "Along.middles": lambda: (Along.middles, (pieces(),), []),
    "count_pieces": lambda: (
        count_pieces,
        (pieces().program, POINTS, POINTS + 1),
        [(pieces().program, POINTS, POINTS[:3]), (pieces().program, POINTS.long(), POINTS)],
    ),
    "predict_classes": lambda: (
        predict_classes,
        (OTHERS, LOGITS),
        [(OTHERS[0], LOGITS), (OTHERS.long(), LOGITS), (OTHERS, LOGITS, OTHERS[:2])],
    ),
    "Plane.value": lambda: (Plane.value.fget, (plane(),), []),
    "Plane.edges": lambda: (Plane.edges.fget, (plane(),), []),
    "Plane.adjacency": lambda: (Plane.adjacency.func, (plane(),), []),
    "Plane.predicted": lambda: (Plane.predicted, (plane(), [[0.0, 0.5], [0.1, 0.2]], [0, 1]), []),
    "Slice.points": lambda: (Slice.points, (plane().slice, [[0.0, 0.5], [0.1, 0.2]]), []),
    "Slice.project": lambda: (Slice.project, (plane().slice, POINTS), []),
    "Plane.vertices": lambda: (Plane.vertices.fget, (plane(),), []),
    "Plane.polygon": lambda: (Plane.polygon, (plane(), 0), []),
    "Plane.areas": lambda: (Plane.areas.func, (plane(),), []),
    "Plane.centers": lambda: (Plane.centers.func, (plane(),), []),
    "Plane.gradient_norms": lambda: (Plane.gradient_norms.func, (plane(),), []),
    "Plane.classes": lambda: (Plane.classes.func, (plane(),), []),
    "Plane.locate": lambda: (Plane.locate, (plane(), [[0.0, 0.5], [0.1, 0.2]]), []),
    "select_bits": lambda: (retrieval.select_bits, (CODES, 8), []),
    "preferred_bits": lambda: (retrieval.preferred_bits, (CODES, 8, "variance"), []),
    "itq_codes": lambda: (retrieval.itq_codes, (FEATURES, OTHERS, 4), [(FEATURES, NARROW, 3), (FLAT, OTHERS, 4)]),
    "principal_components": lambda: (retrieval.principal_components, (FEATURES, OTHERS, 4), [(FEATURES, NARROW, 3)]),
    "retrieval_quality_features": lambda: (
        retrieval.retrieval_quality_features,
        (OTHERS, FEATURES, LABELS[:4], LABELS, {"k": 3}),
        [(NARROW, FEATURES, LABELS[:4], LABELS, {"k": 3})],
    ),
    "local_ratio": lambda: (local_ratio, (DISTANCES,), [(DISTANCES[0],), (DISTANCES.astype(float),)]),
    "pair_ratios": lambda: (pair_ratios, (DISTANCES,), [(DISTANCES[0],)]),
    "nearest_others": lambda: (nearest_others, (CODES, np.arange(5), 3), [(CODES, np.arange(4).reshape(2, 2), 3)]),
    "Novelty.score": lambda: (Novelty.score, (Novelty(CODES, k=3), FEW), []),
    "weighted_energy": lambda: (weighted_energy, (CODES, FEW, PROBABILITIES[:4], 3), []),
    "audited_accuracy": lambda: (
        audited_accuracy,
        (LABELS > 0, LABELS > 1, PROBABILITIES, LABELS),
        [(LABELS > 0, LABELS[:5] > 1), (LABELS > 0, None, PROBABILITIES, LABELS[:, None])],
    ),
    "label_noise": lambda: (
        label_noise,
        (PROBABILITIES, LABELS),
        [(PROBABILITIES, LABELS[:5]), (PROBABILITIES[0], LABELS)],
    ),
    "probability_wrong": lambda: (probability_wrong, (PROBABILITIES, LABELS, 0.1), [(PROBABILITIES, LABELS[:5], 0.1)]),
    "fitted_temperature": lambda: (fitted_temperature, (PROBABILITIES, LABELS), [(PROBABILITIES, LABELS[:5])]),
    "class_probabilities": lambda: (
        class_probabilities,
        (OTHERS, LOGITS),
        [(OTHERS[0], LOGITS), (OTHERS.long(), LOGITS)],
    ),
}


def call(function, arguments):
    """Call a function, which checks the shapes and dtypes of what it takes and gives."""
    *positional, last = arguments
    positional, keywords = (positional, last) if isinstance(last, dict) else (arguments, {})
    return jaxtyped(typechecker=beartype.beartype)(function)(*positional, **keywords)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_shapes_are_as_the_signature_has_them(name):
    function, fitting, others = CASES[name]()
    call(inspect.unwrap(function), fitting)
    for wrong in others:
        with pytest.raises(TypeCheckError):
            call(inspect.unwrap(function), wrong)


def arrays_in(hint):
    """Yield whether each array of a type has its shape."""
    if hasattr(hint, "dim_str"):
        yield True
    elif hint is torch.Tensor or hint is np.ndarray or typing.get_origin(hint) is np.ndarray:
        yield False
    else:
        for part in typing.get_args(hint):
            yield from arrays_in(part)


@pytest.mark.parametrize("name", CASES)
def test_a_result_of_another_shape_is_seen(name):
    function, fitting, _ = CASES[name]()
    function = inspect.unwrap(function)
    if not any(arrays_in(typing.get_type_hints(function)["return"])):
        return  # it gives no array

    def seen(spoil):
        @functools.wraps(function)
        def wrong(*arguments, **keywords):
            found = function(*arguments, **keywords)
            return tuple(map(spoil, found)) if isinstance(found, tuple) else spoil(found)

        try:
            call(wrong, fitting)
        except TypeCheckError:
            return True
        return False

    def with_another_axis(found):
        return found[None]

    def without_the_last_column(found):
        return found[..., :-1]

    assert seen(with_another_axis) or seen(without_the_last_column)


@pytest.mark.parametrize("room", ["codes", "measures", "index", "retrieval"])
def test_public_functions_that_name_arrays_say_their_shapes(room):
    package = importlib.import_module(f"hashlens.{room}")
    functions = [getattr(package, name) for name in package.__all__ if inspect.isfunction(getattr(package, name))]
    unsaid = [
        f"{function.__name__}({name})"
        for function in functions
        for name, hint in typing.get_type_hints(inspect.unwrap(function)).items()
        if not all(arrays_in(hint))
    ]
    # The inputs of a quality curve are features as `retrieval_quality_features` takes them, in a Split.
    assert unsaid == (["quality_curve(inputs)", "quality_curve(penultimate)"] if room == "retrieval" else [])
