"""One numbering and one meaning of "no label", in everything that compares labels of codes."""

from dataclasses import replace

import numpy as np
import pytest

from hashlens.audit import Novelty, blind_spots, duplicates, label_issues, leaks
from hashlens.audit.weighted_energy import weighted_energy
from hashlens.codes.codes import Codes
from hashlens.errors import AuditError, MeasureError
from hashlens.measures import categorization, determinism, knn_accuracy, knn_accuracy_leave_one_out, separation
from hashlens.measures.knn import knn_accuracy_features, knn_predict
from hashlens.measures.logistic import logistic_regression
from hashlens.retrieval import retrieval_quality, select_bits
from hashlens.retrieval.quality import retrieval_quality_features

NAMES = ("ant", "bee", "cow")
MISSING = [-1, None, float("nan")]


def coded(classes, rng, bits=96):
    """Return bits that tell classes 0, 1, 2 apart, one block each, with a tenth flipped."""
    blocks = np.eye(3, dtype=bool)[np.asarray(classes)].repeat(bits // 3, axis=1)
    return blocks ^ (rng.random(blocks.shape) < 0.1)


@pytest.fixture
def train():
    rng = np.random.default_rng(0)
    classes = np.arange(120) % 3
    return Codes.from_bits(coded(classes, rng), labels=classes, class_names=NAMES)


@pytest.fixture
def without_ants():
    """Test codes of a source that has no ant: its class 0 is the bee."""
    rng = np.random.default_rng(1)
    classes = 1 + np.arange(40) % 2
    return Codes.from_bits(coded(classes, rng), labels=classes - 1, class_names=NAMES[1:])


def unlabelled(codes, rows, missing=-1):
    labels = codes.labels.astype(object)
    labels[rows] = missing
    return Codes.from_bits(codes.unpack(), labels=labels, ids=codes.ids, class_names=codes.class_names)


class TestByName:
    def test_neighbours(self, train, without_ants):
        assert knn_accuracy(train, without_ants) == 1.0
        assert categorization(train, without_ants).knn == 1.0
        assert categorization(train, without_ants).logistic == 1.0

    def test_label_issues(self, train, without_ants):
        found = label_issues(without_ants, reference=train)
        assert found.likely == 0
        assert found.class_names == NAMES
        assert set(found.given.tolist()) == {1, 2}

    def test_probabilities_of_the_network_that_knows_all_classes(self, train, without_ants):
        exact = np.eye(3)[without_ants.labels + 1] * 0.94 + 0.02
        assert label_issues(without_ants, reference=train, probabilities=exact).likely == 0
        # Without train nobody says that column 0 is the ant.
        notes = label_issues(without_ants, probabilities=exact).notes
        assert any("3 classes, and the labels have 2 named classes" in note for note in notes)

    @pytest.mark.slow
    def test_retrieval(self, train, without_ants):
        found = retrieval_quality(without_ants, train, k=(1, 10))
        assert found.precision == (1.0, 1.0)
        assert found.without_relevant == 0

    def test_retrieval_by_labels_that_are_names(self, train, without_ants):
        names = [NAMES[1 + label] for label in without_ants.labels]
        bare = replace(without_ants, labels=None, class_names=None)
        assert retrieval_quality(bare, train, k=1, query_labels=names).precision == (1.0,)

    def test_blind_spots(self, train, without_ants):
        assert len(blind_spots(train, without_ants, without_ants.labels + 1)) == 0

    def test_novelty_of_predictions_that_are_names(self, train, without_ants):
        novelty = Novelty(train)
        names = [NAMES[1 + label] for label in without_ants.labels]
        assert np.array_equal(novelty.score(without_ants, names), novelty.score(without_ants, without_ants.labels + 1))
        with pytest.raises(AuditError, match="class dog is predicted"):
            novelty.score(without_ants[:1], ["dog"])

    def test_leaks(self, train, without_ants):
        found = leaks(train, without_ants)
        assert found.class_names == NAMES
        assert np.array_equal(found.labels, (without_ants.labels + 1)[found.rows])

    def test_saved_and_loaded(self, train, without_ants, tmp_path):
        loaded = [Codes.load(part.save(tmp_path / name)) for name, part in (("a", train), ("b", without_ants))]
        assert knn_accuracy(*loaded) == 1.0
        assert label_issues(loaded[1], reference=loaded[0]).likely == 0

    def test_numbers_that_fit_no_name_are_refused(self, train, without_ants):
        plain = replace(without_ants, labels=without_ants.labels + 2, class_names=None)
        for compare in (
            lambda: knn_accuracy(train, plain),
            lambda: retrieval_quality(plain, train),
            lambda: label_issues(plain, reference=train),
            lambda: blind_spots(train, plain, plain.labels),
        ):
            with pytest.raises((MeasureError, AuditError), match="give both class names, or both numbers"):
                compare()

    def test_names_that_are_other_numbers_are_refused(self, train, without_ants):
        # Sorted as text, class 2 of folders 0, 1, 10 ... is the 10.
        numbered = replace(train, class_names=("0", "1", "10"))
        plain = replace(without_ants, labels=without_ants.labels + 1, class_names=None)
        assert knn_accuracy(numbered, plain) == 1.0  # 2 has one meaning: there is no class that is called '2'
        with pytest.raises(MeasureError, match=r"class 1 of .* is called '2', another '1'"):
            knn_accuracy(replace(train, class_names=("0", "2", "1")), plain)


class TestOneSet:
    def test_other_labels_of_the_queries_are_those_of_the_rows(self, train):
        other = np.random.default_rng(2).integers(2, size=len(train))
        found = retrieval_quality(train, query_labels=other, k=(1, 50, 119))
        assert max(found.recall) <= 1
        assert found == retrieval_quality(train, labels=other, k=(1, 50, 119))
        rows = train.unpack().astype(np.float32)
        assert max(retrieval_quality_features(rows, None, None, other, k=119).recall) == 1.0

    def test_two_sets_are_refused(self, train):
        with pytest.raises(MeasureError, match="two sets of labels for the same rows"):
            retrieval_quality(train, query_labels=train.labels, labels=1 - train.labels % 2)


@pytest.mark.parametrize("missing", MISSING, ids=str)
class TestNoLabel:
    """Rows without a label change nothing of what is found in the others."""

    rows = np.arange(0, 120, 4)

    def both(self, train, missing):
        return unlabelled(train, self.rows, missing), train[np.setdiff1d(np.arange(120), self.rows)]

    def test_neighbours(self, train, without_ants, missing):
        some, rest = self.both(train, missing)
        assert np.array_equal(knn_predict(without_ants, some, k=5), knn_predict(without_ants, rest, k=5))
        assert knn_accuracy_leave_one_out(some, k=5) == knn_accuracy_leave_one_out(rest, k=5)
        assert knn_accuracy(some, unlabelled(without_ants, slice(10), missing)) == 1.0
        rows = np.random.default_rng(0).random((120, 4))
        kept = rows[np.setdiff1d(np.arange(120), self.rows)]
        given = [missing if at in self.rows else int(label) for at, label in enumerate(train.labels)]
        assert knn_accuracy_features(rows, given, rows, given, k=3) == knn_accuracy_features(
            kept, rest.labels, kept, rest.labels, k=3
        )

    @pytest.mark.slow
    def test_categorization(self, train, without_ants, missing):
        some, rest = self.both(train, missing)
        found, expected = categorization(some, without_ants), categorization(rest, without_ants)
        assert found.notes == ("Rows without a label are left out: 30 of train.",)
        assert replace(found, notes=()) == expected

    def test_logistic_separation_and_bits(self, train, missing):
        some, rest = self.both(train, missing)
        assert np.array_equal(logistic_regression(some).names, [0, 1, 2])
        assert logistic_regression(some).accuracy(some, some.labels) == logistic_regression(rest).accuracy(
            rest, rest.labels
        )
        assert separation(some).overall == separation(rest).overall
        assert np.array_equal(select_bits(some, 9, "mutual_information"), select_bits(rest, 9, "mutual_information"))

    def test_retrieval(self, train, missing):
        some, rest = self.both(train, missing)
        found = retrieval_quality(some, k=(1, 10))
        assert found.without_label == 30
        assert replace(found, without_label=0) == retrieval_quality(rest, k=(1, 10))

    def test_label_issues(self, train, missing):
        some, rest = self.both(train, missing)
        found, expected = label_issues(some), label_issues(rest)
        assert np.array_equal(found.probability, expected.probability)
        assert np.array_equal(found.ids, expected.ids)
        assert np.array_equal(some.ids[found.rows], found.ids)
        assert -1 not in found.suggested
        assert "Rows without a label are left out: 30 of test." in found.notes

    def test_label_issues_by_a_reference_and_probabilities(self, train, without_ants, missing):
        asked = unlabelled(without_ants, slice(10), missing)
        exact = np.eye(3)[without_ants.labels + 1] * 0.94 + 0.02
        found = label_issues(asked, reference=train, probabilities=exact)
        assert len(found) == 30
        assert set(found.rows.tolist()) == set(range(10, 40))
        assert found.likely == 0

    def test_conflicts(self, missing):
        codes = Codes.from_bits([[0, 1]] * 3 + [[1, 1]] * 2, labels=[0, missing, 0, 1, 2])
        assert determinism(codes).conflicting_rows == 2
        assert blind_spots(codes, codes, [0, 5, 0, 1, 2], k=1).examples == 4

    def test_duplicates_of_one_class(self, train, missing):
        labels = train.labels.astype(object)
        labels[1] = missing
        bits = train.unpack()
        bits[1] = bits[0]
        found = duplicates(Codes.from_bits(bits, labels=labels, class_names=NAMES))
        group = next(group for group in found.groups if 1 in group.rows)
        assert not group.conflicting
        assert group.classes == ("no label", "ant")

    def test_novelty(self, train, without_ants, missing):
        some, _ = self.both(train, missing)
        assert set(Novelty(some)._classes) == {0, 1, 2}
        scores = np.zeros((len(without_ants), 3))
        assert np.isfinite(weighted_energy(some, without_ants, scores)).all()


def test_without_any_label(train):
    none = replace(train, labels=np.full(120, -1))
    for ask in (knn_accuracy_leave_one_out, separation, retrieval_quality, label_issues, Novelty):
        with pytest.raises(MeasureError, match="none of the 120 rows has one"):
            ask(none)


def test_minus_one_and_one_are_two_classes_and_it_is_said(caplog):
    rng = np.random.default_rng(3)
    classes = np.arange(60) % 2
    bits = coded(classes, rng)
    signs = 2 * classes - 1
    assert knn_accuracy_leave_one_out(bits.astype(np.float32), signs, k=5) == 1.0
    assert "-1 and 1 only, so -1 is read as a class" in caplog.text
    assert knn_predict(Codes.from_bits(bits), Codes.from_bits(bits), signs, k=1).tolist() == signs.tolist()
    # Together with another class, -1 is no label again.
    assert set(knn_predict(Codes.from_bits(bits), Codes.from_bits(bits), [2, *signs[1:]], k=1).tolist()) == {1, 2}


class TestVectors:
    """Labels that are names, of rows that are no codes."""

    @pytest.fixture
    def rows(self):
        rng = np.random.default_rng(0)
        known, asked = np.arange(60) % 3, 1 + np.arange(20) % 2
        vectors = [np.eye(3)[classes] + 0.05 * rng.normal(size=(len(classes), 3)) for classes in (known, asked)]
        names = np.array(NAMES)
        return vectors[0], names[known], vectors[1], names[asked]

    def test_neighbours_and_queries(self, rows):
        train, known, test, asked = rows
        assert knn_accuracy_features(train, known, test, asked) == 1.0
        assert retrieval_quality_features(test, train, asked, known, k=1).mean_average_precision == pytest.approx(1)

    def test_a_fitted_model_knows_its_classes_by_name(self, rows):
        train, known, test, asked = rows
        model = logistic_regression(train, known)
        assert model.class_names == NAMES
        assert model.accuracy(test, asked) == 1.0
        # Numbers are those of its classes, and a name that it does not know is a class that it never predicts.
        assert model.accuracy(test, [NAMES.index(name) for name in asked]) == 1.0
        assert model.accuracy(test, ["aardvark", *asked[1:]]) == 0.95

    def test_numbers_beyond_the_names_are_refused(self, rows):
        train, known, test, _ = rows
        with pytest.raises(MeasureError, match="labels without class names, such as 3"):
            knn_accuracy_features(train, known, test, np.full(len(test), 3))


def test_minus_one_beside_class_1_of_named_codes_is_no_label_in_determinism():
    bits = np.arange(8).repeat(2)[:, None] >> np.arange(3) & 1
    codes = Codes.from_bits(bits > 0, labels=[1, -1] * 8, class_names=NAMES)
    assert determinism(codes).conflicting_groups == 0
    assert determinism(codes, labels=["bee", "cow"] * 8).conflicting_groups == 8


def test_minus_one_beside_class_1_is_not_compared_with_a_class_0():
    rng = np.random.default_rng(0)
    train = Codes.from_bits(rng.random((30, 8)) < 0.5, labels=np.arange(30) % 2)
    test = Codes.from_bits(rng.random((10, 8)) < 0.5, labels=[-1, 1] * 5)
    with pytest.raises(MeasureError, match=r"-1 and 1 only, which are two classes, and .* has a class 0"):
        knn_accuracy(train, test)


def test_labels_that_are_the_targets_of_a_regression_are_refused(train):
    targets = np.random.default_rng(0).permutation(120).astype(float)
    for call in (
        lambda: label_issues(train, targets),
        lambda: retrieval_quality(train, labels=targets),
        lambda: logistic_regression(train, targets),
    ):
        with pytest.raises(MeasureError, match="120 labels are 120 different floating-point numbers, as the values of"):
            call()
    assert label_issues(train, targets % 3, k=5).given.max() == 2
