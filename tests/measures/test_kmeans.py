import numpy as np
import pytest

from hashlens.codes.codes import Codes
from hashlens.errors import MeasureError
from hashlens.measures import kmeans


def inertia(features, centres):
    return ((features[:, None] - centres[None]) ** 2).sum(axis=2).min(axis=1).sum()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_it_is_as_good_as_the_best_of_ten_of_scikit_learn(digits_codes, seed):
    from sklearn.cluster import KMeans

    codes = digits_codes[0]
    theirs = min(
        KMeans(10, n_init=10, random_state=i).fit(codes.unpack().astype(np.float64)).inertia_ for i in range(3)
    )
    assert kmeans(codes, 10, seed=seed).inertia <= 1.0001 * theirs


@pytest.mark.parametrize("bits", [4, 30])
def test_inertia_assignment_and_centres_belong_together(make_codes, bits):
    codes = make_codes(0, 400, bits)
    features = codes.unpack().astype(np.float64)
    found = kmeans(codes, 5, seed=1)
    assert found.inertia == pytest.approx(inertia(features, found.centres), rel=1e-4)
    assert found.inertia == pytest.approx(((features - found.centres[found.assignment]) ** 2).sum())
    for cluster in range(5):
        assert np.allclose(features[found.assignment == cluster].mean(axis=0), found.centres[cluster])


def test_equal_codes_share_a_cluster_and_count_each(make_codes):
    few = make_codes(0, 40, 12)
    rows = np.random.default_rng(0).integers(40, size=1000)
    weighted = kmeans(few[rows], 4)
    plain = kmeans(few[rows].unpack().astype(np.float32), 4)
    assert weighted.inertia == pytest.approx(plain.inertia, rel=1e-2)
    for row in range(40):
        assert len(set(weighted.assignment[rows == row].tolist())) <= 1


def test_as_many_clusters_as_rows_leave_no_inertia(make_codes):
    codes = Codes.from_bits(np.eye(6, dtype=int))
    found = kmeans(codes, 6)
    assert found.inertia == pytest.approx(0, abs=1e-6)
    assert sorted(found.assignment.tolist()) == list(range(6))


def test_more_clusters_than_distinct_codes_leave_no_inertia():
    found = kmeans(Codes.from_bits([[0, 1]] * 9 + [[1, 0]] * 9), 5)
    assert found.inertia == pytest.approx(0, abs=1e-6)


def test_the_seed_decides(make_codes):
    codes = make_codes(0, 3000, 20)
    assert np.array_equal(kmeans(codes, 7, seed=5).assignment, kmeans(codes, 7, seed=5).assignment)


@pytest.mark.parametrize(
    ("k", "restarts", "message"),
    [(6, 4, "6 clusters and 5 rows"), (0, 4, "at least one cluster, received 0"), (2, 0, "restarts=0")],
)
def test_bad_input(make_codes, k, restarts, message):
    with pytest.raises(MeasureError, match=message):
        kmeans(make_codes(0, 5, 8), k, restarts)
