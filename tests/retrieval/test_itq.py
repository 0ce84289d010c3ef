import numpy as np
import pytest
import torch

from hashlens.errors import MeasureError
from hashlens.retrieval import itq_codes, principal_components


def cube(rows, bits, seed=0):
    """Return points near the corners of a turned cube, and the corners."""
    known = np.random.default_rng(seed)
    corners = known.integers(0, 2, (rows, bits))
    turn = np.linalg.qr(known.normal(size=(bits, bits)))[0]
    return ((2 * corners - 1) + 0.1 * known.normal(size=(rows, bits))) @ turn + 5, corners


def test_it_finds_the_corners_of_a_turned_cube():
    points, corners = cube(600, 4)
    train, test = itq_codes(points[:500], points[500:], 4, seed=1)
    for codes, expected in ((train, corners[:500]), (test, corners[500:])):
        agreement = np.abs(np.corrcoef(codes.unpack().T.astype(float), expected.T)[:4, 4:]).round(6)
        assert (np.sort(agreement, axis=1)[:, -1] == 1).all()
        assert sorted(agreement.argmax(axis=1)) == [0, 1, 2, 3]


def test_rotating_brings_components_closer_to_their_signs():
    known = np.random.default_rng(0)
    rows = known.normal(size=(400, 12)) * np.linspace(3, 0.3, 12)

    def loss(iterations):
        projected = principal_components(rows, rows, 8)[0]
        signs = 2.0 * itq_codes(rows, rows, 8, iterations=iterations)[0].unpack() - 1
        left, _, right = np.linalg.svd(projected.numpy().T @ signs)
        return np.square(signs - projected.numpy() @ left @ right).sum()

    assert loss(50) < loss(2) < loss(1)


def test_principal_components_are_those_of_scikit_learn():
    from sklearn.decomposition import PCA

    known = np.random.default_rng(0)
    train, test = known.normal(size=(90, 7)) * np.arange(1, 8) + 3, known.normal(size=(9, 7))
    model = PCA(4).fit(train)
    for mine, theirs in zip(principal_components(train, test, 4), map(model.transform, (train, test)), strict=True):
        assert np.abs(mine.numpy()) == pytest.approx(np.abs(theirs), abs=1e-4)


def test_it_looks_at_no_labels_and_keeps_its_seed():
    known = np.random.default_rng(0)
    rows = known.normal(size=(300, 10))
    plain, labelled = (
        itq_codes(rows, rows, 6)[0],
        itq_codes(rows, rows, 6, train_labels=np.arange(300), test_labels=np.arange(300))[0],
    )
    assert np.array_equal(plain.packed, labelled.packed)
    assert labelled.labels.tolist() == list(range(300))
    assert not np.array_equal(plain.packed, itq_codes(rows, rows, 6, seed=1)[0].packed)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.eye(9)[:, :4], np.eye(4), 5), "from 1 to 4 for 9 rows of 4 columns, received 5: lower the bits, or use h"),
        ((np.eye(3), np.eye(3), 0), "received 0"),
        ((np.eye(3), np.eye(4), 2), "same columns, not 3 and 4"),
        ((torch.full((3, 3), torch.inf), np.eye(3), 2), "NaN or infinity"),
        ((np.zeros((0, 3)), np.eye(3), 2), "from 1 to 0"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(MeasureError, match=message):
        itq_codes(*arguments)
