"""FID, KID, precision, recall, density and coverage, beside other implementations and plain formulas."""

import numpy as np
import pytest
import torch

from hashlens.errors import MeasureError
from hashlens.generative.distances import frechet_distance, kernel_distance, manifolds

GENERATOR = torch.Generator().manual_seed(0)
REAL = torch.randn(60, 5, generator=GENERATOR)
MADE = torch.randn(50, 5, generator=GENERATOR) * 1.3 + 0.4


def test_frechet_distance_is_that_of_the_formula():
    from scipy.linalg import sqrtm

    x, y = REAL.double().numpy(), MADE.double().numpy()
    a, b = np.cov(x.T), np.cov(y.T)
    wanted = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert frechet_distance(REAL, MADE) == pytest.approx(wanted, rel=1e-9)
    assert frechet_distance(REAL, REAL) == pytest.approx(0, abs=1e-9)
    # One number of each: (m - m')^2 + (s - s')^2.
    one, other = REAL[:, :1], MADE[:, :1]
    plain = (one.mean() - other.mean()) ** 2 + (one.std() - other.std()) ** 2
    assert frechet_distance(one, other) == pytest.approx(float(plain), rel=1e-5)


class Flat(torch.nn.Module):
    """Features of images that are their pixels."""

    num_features = 12

    def forward(self, images):
        return images.flatten(1).float()


@pytest.mark.filterwarnings("ignore:Metric")
def test_torchmetrics_has_the_same_distances():
    fid = pytest.importorskip("torchmetrics.image.fid")
    from torchmetrics.image.kid import KernelInceptionDistance

    drawn = torch.Generator().manual_seed(0)
    real, made = torch.rand(40, 3, 2, 2, generator=drawn), torch.rand(40, 3, 2, 2, generator=drawn) ** 2
    with torch.random.fork_rng():
        for metric, ours in (
            (fid.FrechetInceptionDistance(Flat(), normalize=True, input_img_size=(3, 2, 2)), frechet_distance),
            (KernelInceptionDistance(Flat(), subsets=1, subset_size=40, normalize=True), kernel_distance),
        ):
            metric.update(real, real=True)
            metric.update(made, real=False)
            found = metric.compute()
            found = found[0] if isinstance(found, tuple) else found
            assert ours(real.flatten(1), made.flatten(1)) == pytest.approx(float(found), rel=1e-3, abs=1e-4)


def test_kernel_distance_is_the_mean_over_pairs():
    kernel = lambda a, b: (a @ b / 5 + 1) ** 3  # noqa: E731
    x, y = REAL.double().numpy()[:12], MADE.double().numpy()[:9]
    within = [np.mean([kernel(a, b) for i, a in enumerate(of) for j, b in enumerate(of) if i != j]) for of in (x, y)]
    wanted = sum(within) - 2 * np.mean([kernel(a, b) for a in x for b in y])
    assert kernel_distance(REAL[:12], MADE[:9]) == pytest.approx(wanted, rel=1e-9)


def neighbourhoods(x, y, k):
    """Precision, recall, density and coverage, by loops."""
    apart = lambda a, b: float(np.linalg.norm(a - b))  # noqa: E731
    reach = [sorted(apart(a, b) for b in x)[k] for a in x]
    other = [sorted(apart(a, b) for b in y)[k] for a in y]
    inside = [[apart(a, b) < reach[i] for b in y] for i, a in enumerate(x)]
    precision = np.mean([any(row[j] for row in inside) for j in range(len(y))])
    recall = np.mean([any(apart(a, b) < other[j] for j, b in enumerate(y)) for a in x])
    return precision, recall, np.sum(inside) / k / len(y), np.mean([any(row) for row in inside])


@pytest.mark.parametrize("k", [1, 5])
def test_neighbourhoods_are_those_of_their_definition(k):
    found = manifolds(REAL, MADE, k=k)
    wanted = neighbourhoods(REAL.double().numpy(), MADE.double().numpy(), k)
    assert (found.precision, found.recall, found.density, found.coverage) == pytest.approx(wanted, abs=1e-12)
    assert 0 < found.precision < 1


def test_prdc_has_the_same_neighbourhoods():
    prdc = pytest.importorskip("prdc")
    theirs = prdc.compute_prdc(REAL.numpy(), MADE.numpy(), nearest_k=5)
    found = manifolds(REAL, MADE, k=5)
    assert theirs == pytest.approx({name: getattr(found, name) for name in theirs}, abs=1e-6)


def test_bad_features_are_one_clear_line():
    with pytest.raises(MeasureError, match=r"two rows or more, \(n, d\), received \(1, 5\)"):
        frechet_distance(REAL[:1], MADE)
    with pytest.raises(MeasureError, match="k must be from 1 to 49"):
        manifolds(REAL, MADE, k=50)
