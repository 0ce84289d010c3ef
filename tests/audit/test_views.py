"""Leaks among images that were changed, and what is ordinary in as many views."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import hashlens as hl
from hashlens.audit import audit, encode_views
from hashlens.audit.audit import Audit
from hashlens.audit.leaks import leaks
from hashlens.audit.nearest_view import nearest_view
from hashlens.codes.codes import Codes
from hashlens.data.views import VIEWS
from hashlens.errors import AuditError, CodesError, DataError

COPIED = {3: 40, 10: 41, 17: 42, 30: 43}
"""Test row -> training row that it is a mirrored copy of."""


def pictures(n, seed):
    """Return smooth random images, ``(n, 3, 16, 16)`` between 0 and 1."""
    coarse = torch.rand(n, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(coarse, 16, mode="bicubic").clamp(0, 1)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, stride=2), nn.ReLU(), nn.Flatten(),
            nn.Linear(784, 10),
        ).requires_grad_(False)  # fmt: skip


@pytest.fixture(scope="module")
def data():
    train, test = pictures(1500, 0), pictures(400, 1)
    for row, partner in COPIED.items():
        test[row] = train[partner].flip(-1)
    return train, test


@pytest.fixture(scope="module")
def codes(network, data):
    return [hl.encode(network, part, bits=1024, per_layer=True) for part in data]


@pytest.fixture(scope="module")
def views(network, data):
    return encode_views(network, *data, ["mirrored", "darker"])


def test_mirrored_copies_are_found_in_their_view_only(codes, views):
    assert not set(COPIED) & set(leaks(*codes).suspected_rows.tolist())
    found = leaks(*codes, views=views)
    assert set(COPIED) <= set(found.suspected_rows.tolist())
    first = {row: (partner, view) for row, partner, view in zip(found.rows, found.train_rows, found.view, strict=True)}
    assert [first[row] for row in COPIED] == [(partner, "mirrored") for partner in COPIED.values()]
    said = " ".join(str(found).split())
    assert "test images were also encoded mirrored, darker: 3,800 images more in" in said
    assert "0.000 mirrored" in said


@pytest.mark.slow
def test_few_ordinary_images_are_suspected_in_as_many_views(network, codes, data):
    found = leaks(*codes, views=encode_views(network, *data))
    assert set(COPIED) <= set(found.suspected_rows.tolist())
    assert found.suspected - len(COPIED) <= 3


def test_the_nearest_view_is_that_of_the_lowest_ratio(codes, views):
    layer = codes[0].layers[0].name
    known, rows = codes[0].layer(layer), views.rows[:60]
    asked = [known[rows], *(part.layer(layer)[:60] for part in views.train)]
    distances, neighbours, view = nearest_view(asked, known, 5, rows)
    bits = known.unpack()
    for at, row in enumerate(rows):
        ratios, lists = [], []
        for part in asked:
            apart = (part.unpack()[at] != bits).sum(axis=1)
            apart[row] = bits.shape[1] + 1
            order = np.argsort(apart, kind="stable")[:5]
            lists.append((apart[order].tolist(), order.tolist()))
            ratios.append(apart[order[0]] / apart[order[-1]])
        assert view[at] == np.argmin(ratios)
        assert (distances[at].tolist(), neighbours[at].tolist()) == lists[view[at]]


def test_views_are_the_rows_they_say(network, data, views):
    seen = hl.encode(network, data[0][views.rows[:20]].flip(-1), bits=1024, per_layer=True)
    assert np.array_equal(seen.packed, views.train[0].packed[:20])
    assert np.array_equal(hl.encode(network, data[1] / 1.3, bits=1024, per_layer=True).packed, views.test[1].packed)


def test_a_sample_of_train_is_taken_where_there_are_many(monkeypatch, network, data):
    monkeypatch.setattr(sys.modules["hashlens.audit.layer_choice"], "ORDINARY_ROWS", 100)
    some = encode_views(network, data[0], data[1][:60], "mirrored")
    assert len(some.rows) == len(some.train[0]) == 100
    assert (np.diff(some.rows) > 0).all()
    seen = hl.encode(network, data[0][some.rows].flip(-1), bits=1024, per_layer=True)
    assert np.array_equal(seen.packed, some.train[0].packed)


def test_views_of_other_examples_are_refused(codes, views):
    with pytest.raises(AuditError, match="the views have 400 test rows"):
        leaks(codes[0], codes[1][:300], views=views)
    other = replace(views, test=tuple(Codes.from_bits(part.unpack()) for part in views.test))
    with pytest.raises(CodesError, match="cannot be mixed"):
        leaks(*codes, views=other)


def test_what_has_no_views_is_refused(network, data):
    with pytest.raises(AuditError, match="no view was requested"):
        encode_views(network, *data, False)
    with pytest.raises(DataError, match="no view 'upside down'"):
        encode_views(network, *data, "upside down")
    table = torch.rand(30, 7, generator=torch.Generator().manual_seed(0))
    with pytest.raises(DataError, match="views need images"):
        encode_views(network, table, table)


@pytest.mark.slow
def test_an_audit_searches_in_views_and_keeps_what_they_told(network, data, tmp_path):
    labels = [np.arange(len(part)) % 10 for part in data]
    found = audit(network, *((part, of) for part, of in zip(data, labels, strict=True)), views="mirrored")
    assert set(COPIED) <= set(found.leaks.suspected_rows.tolist())
    assert found.command.endswith("views='mirrored')")
    loaded = Audit.load(found.to_csv(tmp_path / "tables"))
    assert str(loaded) == str(found)
    assert np.array_equal(loaded.leaks.view, found.leaks.view)
    assert set(found.leaks.view) <= {"as it is", *VIEWS}
    page = found.to_html(tmp_path / "audit.html").read_text()
    assert "test images were also encoded mirrored" in page
