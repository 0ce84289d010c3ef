"""Every function that runs a network over data takes a reading, and reads with it as with its fields."""

import inspect
from importlib import import_module

import numpy as np
import pytest
import torch

import hashlens as hl
from hashlens.audit import encode_views, out_of_sample
from hashlens.audit.audit import Audit
from hashlens.codes import ReadingOptions
from hashlens.integrations.datasets import encode_batch
from hashlens.integrations.monitor import CodeMonitor
from hashlens.retrieval import model_quality_curve

ROWS = torch.randn(90, 1, 8, 8, generator=torch.Generator().manual_seed(0)).sigmoid()
LABELS = (ROWS.mean(dim=(1, 2, 3)).argsort().argsort() % 3).numpy()
TRAIN, TEST = (ROWS[:60], LABELS[:60]), (ROWS[60:], LABELS[60:])
FIELDS = {"layers": "*1*", "bits": 12, "seed": 3, "batch_size": 16}
OTHER = hl.nets.build("mlp", input_shape=(1, 8, 8), classes=3, seed=1, width=16, depth=2)


@pytest.fixture(scope="module")
def network():
    return hl.nets.build("mlp", input_shape=(1, 8, 8), classes=3, seed=0, width=16, depth=2)


def _audited(network, **how):
    found: Audit = hl.audit(network, TRAIN, TEST, **how)
    return found.novel.scores, found.label_issues.test.rows, found.command, found.provenance.test


def _monitored(network, **how):
    found = CodeMonitor(TRAIN, TEST, every=1, k=3, **how)(network)
    return found.redundancy_ratio, found.knn, found.informative_bits


def _metric(network, **how):
    metric = pytest.importorskip("hashlens.integrations.torchmetrics").CodeKNNAccuracy(network, k=3, **how)
    metric.update(*map(torch.as_tensor, TRAIN), reference=True)
    metric.update(*map(torch.as_tensor, TEST))
    return metric.compute().item(), metric._rows("query_codes")


def _predicted(network, **how):
    found = out_of_sample(lambda part, seed: network, TRAIN, folds=2, **how)
    return found.probabilities, found.folds[0].codes.packed, found.folds[1].rows


def _viewed(network, **how):
    return encode_views(network, TRAIN[0], TEST[0], "mirrored", **how).test[0].packed


ENTRIES = {
    "hashlens.encode": lambda network, **how: hl.encode(network, ROWS, **how).packed,
    "hashlens.fingerprint": lambda network, **how: hl.fingerprint(network, ROWS, **how).hashes,
    "hashlens.measure": lambda network, **how: hl.measure(network, TRAIN, TEST, k=3, controls=False, **how).to_dict(),
    "hashlens.audit": _audited,
    "hashlens.compare_models": lambda network, **how: hl.compare_models(network, OTHER, TEST, **how).to_dict(),
    "hashlens.audit.encode_views": _viewed,
    "hashlens.audit.out_of_sample": _predicted,
    "hashlens.retrieval.model_quality_curve": lambda network, **how: model_quality_curve(
        network, TRAIN, TEST, (8,), methods=("depth",), k=1, **how
    ).to_dict(),
    "hashlens.CodeMonitor": _monitored,
    "hashlens.integrations.datasets.encode_batch": lambda network, **how: encode_batch(network, "x", **how)(
        {"x": ROWS}
    ),
    "hashlens.integrations.torchmetrics.CodeKNNAccuracy": _metric,
}
EXPLAINING = {"hashlens.explain", "hashlens.compare_explanations", "hashlens.explanations.score_explanation"}
"""Tested in tests/explanations/test_reading.py."""


def _same(one, other):
    if isinstance(one, tuple):
        return all(map(_same, one, other))
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other


@pytest.mark.slow
@pytest.mark.parametrize("name", ENTRIES)
def test_a_reading_reads_as_its_fields_do(name, network):
    enter = ENTRIES[name]
    by_fields = enter(network, **FIELDS)
    assert _same(by_fields, enter(network, reading=hl.Reading(**FIELDS)))
    assert _same(
        by_fields, enter(network, reading=hl.Reading(layers="none", bits=12, seed=3), layers="*1*", batch_size=16)
    )
    with pytest.raises(hl.HashlensError, match=r"reading must be a hashlens\.Reading, received"):
        enter(network, reading=FIELDS)
    if not name.endswith(("measure", "curve")):  # which take longest
        assert not _same(by_fields, enter(network, **{**FIELDS, "seed": 4}))


def _public():
    """Yield the name and the signature of each public function and class."""
    rooms = ("", ".audit", ".codes", ".explanations", ".integrations", ".measurement", ".retrieval", ".regions")
    found = {f"hashlens{room}.{name}": getattr(import_module(f"hashlens{room}"), name)
             for room in rooms for name in import_module(f"hashlens{room}").__all__}  # fmt: skip
    found["hashlens.integrations.datasets.encode_batch"] = encode_batch
    for name, of in found.items():
        if inspect.isfunction(of) or (inspect.isclass(of) and "__init__" in vars(of)):
            yield name, inspect.signature(of).parameters


def test_what_a_reading_says_is_no_argument_of_its_own():
    """Whoever runs a network over data takes `reading`, and its fields nowhere else than there."""
    taking = {name.rpartition(".")[2]: parameters for name, parameters in _public() if "reading" in parameters}
    known = {name.rpartition(".")[2] for name in (*ENTRIES, *EXPLAINING)} - {"CodeKNNAccuracy"}
    assert set(taking) == known
    for name, parameters in taking.items():
        assert not set(parameters) & ReadingOptions.__optional_keys__, name
    others = [name for name, parameters in _public() if {"forward", "mask", "gates", "granularity"} & set(parameters)]
    assert [name for name in others if not name.endswith((".Reading", ".Provenance"))] == []


def test_an_audit_reads_channels_too():
    network = hl.nets.build("lenet", input_shape=(1, 16, 16), classes=3, seed=0)
    images = [(torch.nn.functional.interpolate(x, size=16), labels) for x, labels in (TRAIN, TEST)]
    found = hl.audit(network, *images, granularity="channel", bits=4)
    codes = [hl.encode(network, part, granularity="channel").sample_bits(4, per_layer=True) for part in images]
    assert {at.bits for at in codes[0].layers} == {4}
    assert found.provenance.test.granularity == "channel"
    predicted = network(images[1][0]).argmax(dim=1).numpy()
    expected = hl.Novelty(codes[0], 5, bool(np.isin(predicted, LABELS).all()), seed=0).novel(codes[1], predicted)
    np.testing.assert_array_equal(found.novel.scores, expected.scores)
    whole = hl.audit(network, *images, granularity="channel")
    assert whole.provenance.test.sampled_from is None
