from importlib.util import find_spec

import numba
import numpy as np
import pytest

from hashlens.codes.codes import Codes
from hashlens.errors import MeasureError
from hashlens.measures.projection import PROJECTION_BITS, project


def test_principal_components_are_those_of_the_covariance(digits_codes):
    codes = digits_codes[0]
    found = project(codes)
    centred = codes.unpack().astype(float) - codes.unpack().mean(axis=0)
    variances, axes = np.linalg.eigh(centred.T @ centred)
    for axis in (0, 1):
        expected = centred @ axes[:, -1 - axis]
        assert abs(np.corrcoef(found.places[:, axis], expected)[0, 1]) == pytest.approx(1, abs=1e-5)
        assert found.variance[axis] == pytest.approx(variances[-1 - axis] / variances.sum(), rel=1e-4)
    assert np.array_equal(project(codes).places, found.places)


@pytest.mark.parametrize("bits", [[[0, 1]], [[1], [0]], [[0, 0, 1], [0, 1, 1]], [[1, 1, 1]] * 5, np.eye(3)])
def test_few_rows_or_bits_have_a_place_too(bits):
    found = project(Codes.from_bits(bits))
    assert found.places.shape == (len(bits), 2)
    assert np.isfinite(found.places).all()
    assert 0 <= sum(found.variance) <= 1 + 1e-6


def test_wide_codes_are_sampled(make_codes):
    wide = make_codes(0, 6, PROJECTION_BITS + 100)
    assert np.array_equal(project(wide).places, project(wide.sample_bits(PROJECTION_BITS, 0)).places)


@pytest.mark.slow
def test_umap_keeps_clusters_together(monkeypatch):
    if find_spec("umap") is None:
        pytest.skip("umap-learn is not installed")
    # Compiling UMAP's loops takes a minute; as plain Python they take seconds on so few rows.
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    generator = np.random.default_rng(0)
    centres = generator.integers(2, size=(2, 64))
    codes = Codes.from_bits(np.repeat(centres, 12, axis=0) ^ (generator.random((24, 64)) < 0.1))
    found = project(codes, "umap")
    assert found.method == "umap"
    assert found.variance is None
    first, second = found.places[:12], found.places[12:]
    spread = max(np.ptp(first, axis=0).max(), np.ptp(second, axis=0).max())
    assert np.linalg.norm(first.mean(axis=0) - second.mean(axis=0)) > spread


def test_umap_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(MeasureError, match="pip install umap-learn"):
        project(Codes.from_bits([[0], [1]]), "umap")
