import csv
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hashlens as hl
from hashlens.audit.calibration import Calibration
from hashlens.audit.novelty import Novelty
from hashlens.errors import AuditError, CodesError


def random_bits(rows, bits, seed, share=0.5):
    return np.random.default_rng(seed).random((rows, bits)) < share


def plain_distances(asked, known, k, left_out=False):
    """Distances to the k-th nearest, all pairs written out."""
    pairs = (asked[:, None] != known[None]).sum(axis=2)
    return np.sort(pairs, axis=1)[:, k if left_out else k - 1]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), k=st.integers(1, 4), bits=st.integers(3, 70))
def test_scores_are_distances_in_units_of_the_typical_one(seed, k, bits):
    known, asked = random_bits(60, bits, seed), random_bits(20, bits, seed + 1)
    labels = np.arange(60) % 3 * 5
    predicted = np.random.default_rng(seed).integers(0, 3, 20) * 5
    novelty = Novelty(hl.Codes.from_bits(known, labels), k)
    new = hl.Codes.from_bits(asked)
    typical = max(1, np.median(plain_distances(known, known, k, left_out=True)))
    assert novelty.score(new) == pytest.approx(plain_distances(asked, known, k) / typical)
    expected = np.empty(20)
    for name in (0, 5, 10):
        same, rows = known[labels == name], predicted == name
        typical = max(1, np.median(plain_distances(same, same, k, left_out=True)))
        expected[rows] = plain_distances(asked[rows], same, k) / typical
    assert novelty.score(new, predicted) == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), rate=st.floats(0.01, 0.6), held_out=st.integers(1, 60))
def test_what_lies_above_the_threshold_has_a_p_value_below_the_rate(seed, rate, held_out):
    novelty = Novelty(
        hl.Codes.from_bits(random_bits(40, 9, seed)), 2, per_class=False,
        held_out=hl.Codes.from_bits(random_bits(held_out, 9, seed + 1)),
    )  # fmt: skip
    scores = novelty.score(hl.Codes.from_bits(random_bits(50, 9, seed + 2, 0.8)))
    assert ((scores > novelty.threshold(rate)) == (novelty.p_values(scores) <= rate)).all()


def test_the_threshold_is_the_quantile_corrected_for_few_rows():
    known = hl.Codes.from_bits(np.zeros((10, 20)))
    distances = np.arange(1, 20)
    held_out = hl.Codes.from_bits(np.arange(20) < distances[:, None])
    novelty = Novelty(known, 1, per_class=False, held_out=held_out)
    # Of 19 rows and the one to come, one in twenty: above the largest of the 19.
    assert [novelty.threshold(rate) for rate in (0.5, 0.1, 0.05, 0.049)] == [10.0, 18.0, 19.0, np.inf]
    assert novelty.p_values([0.0, 10.0, 19.0, 19.5]).tolist() == [1.0, 11 / 20, 2 / 20, 1 / 20]


def test_known_examples_exceed_the_threshold_as_often_as_promised():
    rng = np.random.default_rng(0)
    centres = random_bits(4, 120, 1)

    def draw(rows):
        labels = rng.integers(0, 4, rows)
        return hl.Codes.from_bits(centres[labels] ^ (rng.random((rows, 120)) < 0.05 * (1 + labels[:, None])), labels)

    train, held_out, new = draw(400), draw(1000), draw(20000)
    novelty = Novelty(train, 3, held_out=held_out, held_out_predicted=held_out.labels)
    for rate in (0.01, 0.1):
        alarms = (novelty.score(new, new.labels) > novelty.threshold(rate)).mean()
        assert alarms == pytest.approx(rate, abs=3.5 * np.sqrt(rate / 1000))
    # Codes that were drawn alike and learnt by nobody can be left out in turn as well.
    alone = Novelty(train, 3)
    assert (alone.score(new, new.labels) > alone.threshold(0.1)).mean() == pytest.approx(0.1, abs=0.05)
    far = hl.Codes.from_bits(random_bits(500, 120, 9))
    assert (alone.score(far, rng.integers(0, 4, 500)) > alone.threshold(0.05)).mean() > 0.99


def test_an_example_of_one_class_is_novel_where_it_is_taken_for_another():
    bits = np.repeat([[0] * 8, [1] * 8], 6, axis=0)
    novelty = Novelty(hl.Codes.from_bits(bits, np.repeat([3, 4], 6)), 2)
    new = hl.Codes.from_bits([[0] * 8, [0] * 8])
    assert novelty.score(new, [3, 4]).tolist() == [0.0, 8.0]
    assert novelty.score(new).tolist() == [0.0, 0.0]


def test_of_several_layers_the_score_is_their_mean():
    parts = [random_bits(30, 20, 0), random_bits(30, 900, 1)]
    layers = (hl.codes.Layer("a", "relu", (20,), bits=20), hl.codes.Layer("b", "relu", (900,), bits=900, start=64))
    packed = np.concatenate([hl.Codes.from_bits(part).packed for part in parts], axis=1)
    both = hl.Codes(packed, layers, labels=np.arange(30) % 2)
    new, predicted = both[20:], np.arange(10) % 2
    mean = Novelty(both[:20], 3).score(new, predicted)
    alone = [Novelty(both[:20].layer(name), 3).score(new.layer(name), predicted) for name in "ab"]
    assert mean == pytest.approx(np.mean(alone, axis=0))
    some = [Novelty(both[:20].layer("b").sample_bits(50, 7), 3).score(new.layer("b").sample_bits(50, 7), predicted)]
    sampled = Novelty(both[:20], 3, bits=50, seed=7).score(new, predicted)
    assert sampled == pytest.approx(np.mean([alone[0], *some], axis=0))


def test_items_are_ranked_with_their_ids_and_written_whole(tmp_path):
    novelty = Novelty(hl.Codes.from_bits(np.eye(30, 12)), 1, per_class=False)
    new = hl.Codes.from_bits(np.tri(6, 12, -1), ids=["a", "b", "c", "d", "e", "f"])
    found = novelty.novel(new, false_alarm_rate=0.1)
    assert found.ids.tolist()[:2] == ["f", "e"]
    assert (found.ids == new.ids[found.rows]).all()
    assert found.scores == pytest.approx(novelty.score(new)[found.rows])
    assert 0 < found.novel == (found.scores > found.threshold).sum() < 6
    with found.to_csv(tmp_path / "novel.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["id"] for line in lines] == found.ids.tolist()
    assert [float(line["p_value"]) for line in lines] == pytest.approx(found.p_values)
    assert f"{found.novel} of 6 examples novel" in str(found)


def test_many_rows_are_left_out_by_sample(monkeypatch):
    codes = hl.Codes.from_bits(random_bits(3000, 64, 0), np.arange(3000) % 2)
    whole = Novelty(codes, 5).threshold(0.1)
    monkeypatch.setattr(import_module("hashlens.audit.novelty"), "LEFT_OUT", 1000)
    assert Novelty(codes, 5).threshold(0.1) == pytest.approx(whole, rel=0.1)
    assert Novelty(codes, 5, seed=1).threshold(0.1) == pytest.approx(whole, rel=0.1)


BALANCED, IMBALANCED, SINGLE = [250] * 4, [1820] + [20] * 9, [910, 100, 10, *[1] * 30]


def flipped_centres(generator, classes):
    """Bits of class centres, flipped the more often the higher the class."""
    centres = generator.random((classes, 1000)) < 0.5
    share = 0.02 * (1 + np.arange(classes) % 4)
    return lambda labels: centres[labels] ^ (generator.random((len(labels), 1000)) < share[labels][:, None])


def hyperplanes_of_gaussians(generator, classes):
    """Bits by hyperplanes of Gaussians; a third of the examples of class 0 lie three times as wide."""
    means, planes = generator.normal(size=(classes, 8)) * 2, generator.normal(size=(8, 1000))
    offsets = generator.normal(size=1000)

    def draw(labels):
        scale = np.where((labels == 0) & (generator.random(len(labels)) < 1 / 3), 3.0, 0.5 + labels % 3 / 4)
        return (means[labels] + scale[:, None] * generator.normal(size=(len(labels), 8))) @ planes + offsets > 0

    return draw


def false_alarms(kind, counts, seed, rate=0.05, rows=1000):
    """Return the share of new examples of the known kind that are called novel, with predictions."""
    generator = np.random.default_rng(seed)
    draw, labels = kind(generator, len(counts)), np.repeat(np.arange(len(counts)), counts)
    new = generator.choice(len(counts), rows, p=np.array(counts) / sum(counts))
    novelty = Novelty(hl.Codes.from_bits(draw(labels), labels), 5)
    return (novelty.score(hl.Codes.from_bits(draw(new)), new) > novelty.threshold(rate)).mean()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [flipped_centres, hyperplanes_of_gaussians])
@pytest.mark.parametrize("counts", [BALANCED, IMBALANCED, SINGLE], ids=["balanced", "91 to 1", "classes of one"])
def test_false_alarms_are_as_many_as_promised_whatever_the_classes(kind, counts, monkeypatch):
    # So few rows are left out in turn as there would be of classes of many thousands.
    monkeypatch.setattr(import_module("hashlens.audit.novelty"), "LEFT_OUT", 400)
    assert np.mean([false_alarms(kind, counts, seed) for seed in range(50)]) == pytest.approx(0.05, abs=0.015)


def mistaken_alarms(seed, as_predicted):
    """Return the share of new examples called novel of a network that mistakes a twelfth, and the share expected."""
    generator = np.random.default_rng(seed)
    draw, labels = flipped_centres(generator, 3), generator.integers(3, size=(2, 500))
    taken_for = np.where(generator.random((2, 500)) < 1 / 12, (labels + 1) % 3, labels)
    known, new = (hl.Codes.from_bits(draw(taken_for[at]), labels[at]) for at in range(2))
    found = Novelty(known, 5, predicted=taken_for[0] if as_predicted else None).novel(new, taken_for[1])
    return found.novel / 500, found.expected / 500


def test_where_classes_are_mistaken_training_codes_are_left_out_of_what_is_predicted():
    as_predicted, by_label = (np.mean([mistaken_alarms(seed, way) for seed in range(10)], axis=0) for way in (1, 0))
    assert as_predicted == pytest.approx([0.05, 0.05], abs=0.015)
    # Those of another label are far from all of it, more of them than the rate.
    assert by_label[0] < 0.01 < by_label[1]


def test_predictions_of_the_training_codes_count_their_rows_and_fit_their_classes():
    codes = hl.Codes.from_bits(random_bits(60, 30, 0), np.arange(60) % 2)
    by_label, same = Novelty(codes, 3), Novelty(codes, 3, predicted=codes.labels)
    assert [each.threshold(0.1) for each in (by_label, same)] == [by_label.threshold(0.1)] * 2
    with pytest.raises(AuditError, match="one label for each of 60 rows, received 59"):
        Novelty(codes, 3, predicted=codes.labels[1:])
    with pytest.raises(AuditError, match="predictions are not used with per_class=False"):
        Novelty(codes, 3, per_class=False, predicted=codes.labels)
    with pytest.raises(AuditError, match="class 7 is predicted, but no training code has this label"):
        Novelty(codes, 3, predicted=[7] * 60).threshold(0.1)


def test_fewer_are_expected_where_scores_tie():
    codes = hl.Codes.from_bits(np.repeat(np.eye(20, dtype=int), 10, axis=0))
    found = Novelty(codes, 2, per_class=False).novel(codes)
    assert (found.novel, found.expected, found.threshold) == (0, 0.0, 0.0)
    assert found.chance == "about 0 expected if all examples are of known kinds"


def test_a_class_of_few_is_scored_among_all_and_calibrated_so():
    bits, labels = random_bits(41, 30, 0), np.array([0] * 20 + [1] * 20 + [2])
    codes, new = hl.Codes.from_bits(bits, labels), hl.Codes.from_bits(random_bits(5, 30, 1))
    novelty = Novelty(codes, 3)
    assert np.array_equal(novelty.score(new, [2] * 5), novelty.score(new))
    assert not np.array_equal(novelty.score(new, [1] * 5), novelty.score(new))


def test_with_classes_of_one_left_out_in_turn_fewer_alarms_are_possible_and_it_is_said():
    # One of a class left out has none of its own to be near: more such classes than the rate set the threshold.
    counts = [300, 100, 10, *[1] * 25]
    generator = np.random.default_rng(0)
    draw, labels = flipped_centres(generator, len(counts)), np.repeat(np.arange(len(counts)), counts)
    new = generator.choice(len(counts), 600, p=np.array(counts) / sum(counts))
    codes, others = hl.Codes.from_bits(draw(labels), labels), hl.Codes.from_bits(draw(new))
    few = Novelty(codes, 1).novel(others, new)
    assert few.novel < 0.035 * 600
    assert "fewer where classes have at most 1 examples" in few.calibration
    assert few.novel <= few.expected <= 30


def test_scores_that_stand_for_many_weigh_as_many():
    whole = Calibration.from_samples([np.repeat([1.0, 2.0], 5), np.array([9.0] * 10)])
    drawn = Calibration.from_samples([np.array([1.0, 2.0]), np.array([9.0])], [10, 10])
    for rate in (0.1, 0.4, 0.6, 0.8):
        assert whole.threshold(rate) == {0.1: 9.0, 0.4: 9.0, 0.6: 2.0, 0.8: 1.0}[rate]
    assert drawn.tail_weights.tolist() == [20.0, 15.0, 10.0, 0.0]
    asked = np.array([0.0, 2.0, 9.0, 10.0])
    assert whole.p_values(asked) == pytest.approx(np.array([21, 16, 11, 1]) / 21)
    own = (2 * 5**2 + 10**2) / 20
    assert drawn.p_values(asked) == pytest.approx((own + np.array([20, 15, 10, 0])) / (own + 20))


KNOWN = hl.Codes.from_bits(random_bits(12, 10, 0), [0, 1, 2] * 4)
OTHER = hl.Codes.from_bits(random_bits(12, 11, 0))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: Novelty(KNOWN, 0), AuditError, "k must be a whole number, 1 or more, received 0"),
        (lambda: Novelty(KNOWN, 12), AuditError, "k=12 needs more than 12 training codes, received 12"),
        (lambda: Novelty(np.eye(4)), AuditError, "codes must be Codes"),
        (lambda: Novelty(OTHER), AuditError, "per_class=True needs labelled training codes"),
        (lambda: Novelty(KNOWN, 1, held_out_predicted=[1]), AuditError, "give held_out="),
        (lambda: Novelty(KNOWN, 1, held_out=OTHER), CodesError, "codes of different bits cannot be mixed"),
        (lambda: Novelty(KNOWN, 1).score(KNOWN[:0]), AuditError, "new_codes holds no rows"),
        (lambda: Novelty(KNOWN, 1).score(KNOWN, [0]), hl.HashlensError, "one label for each of 12 rows"),
        (lambda: Novelty(KNOWN, 1).score(KNOWN, [7] * 12), AuditError, "class 7 is predicted.*labels are 0, 1, 2"),
        (lambda: Novelty(KNOWN, 1, False).score(KNOWN, [0] * 12), AuditError, "not used with per_class=False"),
        (lambda: Novelty(KNOWN, 1).threshold(1.0), AuditError, "must lie between 0 and 1, received 1.0"),
        (lambda: Novelty(KNOWN, 1).p_values("high"), AuditError, "scores must be numbers, received 'high'"),
        (lambda: Novelty(KNOWN, 1).p_values([1.0, np.nan]), AuditError, "received NaN among them"),
        (lambda: Novelty(KNOWN, 1, held_out=KNOWN).threshold(), AuditError, "give held_out_predicted="),
    ],
)
def test_wrong_input(call, error, says):
    with pytest.raises(error, match=says):
        call()
