import numpy as np
import pytest

from hashlens.audit.weighted_energy import weighted_energy
from hashlens.codes.codes import Codes
from hashlens.errors import AuditError

KNOWN = Codes.from_bits([[0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1], [1, 1, 1, 0]], labels=[0, 0, 1, 1])
NEW = Codes.from_bits([[0, 0, 0, 0], [1, 1, 1, 1]])


def test_it_is_the_energy_with_classes_weighed_by_votes():
    scores = np.array([[2.0, 1.0], [2.0, 1.0]])
    found = weighted_energy(KNOWN, NEW, scores, k=2)
    # Two votes for class 0 and none for class 1, one more for each: 3/4 and 1/4; the other way round for the second.
    expected = [-np.log(0.75 * np.e**2 + 0.25 * np.e), -np.log(0.25 * np.e**2 + 0.75 * np.e)]
    np.testing.assert_allclose(found, expected)


def test_an_example_whose_neighbours_are_of_another_class_is_more_novel():
    first, second = weighted_energy(KNOWN, NEW, [[5.0, -5.0], [5.0, -5.0]], k=2)
    assert second > first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "k must be a whole number"),
        ({"k": 5}, "k=5 needs at least 5 training codes, received 4"),
        ({"bits": 0}, "bits must be a whole number"),
        ({"scores": [[1.0, 2.0]]}, "one row of classes for each of 2 new codes"),
        ({"scores": [[1.0, np.nan], [1.0, 2.0]]}, "scores must be finite"),
        ({"scores": [[1.0], [2.0]]}, "scores have 1 classes, but training codes have label 1"),
        ({"codes": Codes.from_bits([[0, 0, 0, 0]] * 20)}, "encode labelled data"),
    ],
)
def test_bad_input_meets_one_line(change, message):
    given = {"codes": KNOWN, "new_codes": NEW, "scores": [[1.0, 2.0], [2.0, 1.0]], "k": 2} | change
    with pytest.raises(AuditError, match=message):
        weighted_energy(**given)
