import csv
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hashlens.audit.label_issues import label_issues
from hashlens.audit.label_noise import label_noise, probability_wrong
from hashlens.audit.neighbour_votes import neighbour_votes
from hashlens.audit.out_of_sample import out_of_sample
from hashlens.audit.temperature import fitted_temperature, geometric_mean, with_temperature
from hashlens.codes.codes import Codes, concatenate
from hashlens.data import load_data, swap_labels, uniform_labels
from hashlens.errors import HashlensError
from hashlens.seeds import numpy_generator

from .overlapping import gaussians, noisy

CLEAN = load_data("digits").load()


def noisy_sample(noise):
    noisy = noise(CLEAN, numpy_generator(0, "noise"))
    return out_of_sample("mlp", noisy, epochs=15, depth=2, width=64), noisy.labels != CLEAN.labels


@pytest.fixture(scope="module")
def uniform():
    return noisy_sample(lambda clean, generator: uniform_labels(clean, 0.05, generator))


@pytest.fixture(scope="module")
def pairs():
    return noisy_sample(lambda clean, generator: swap_labels(clean, 0.1, [(4, 9), (3, 5)], generator))


def average_precision(hits):
    return (np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean()


def precision(sample, wrong, evidence):
    return average_precision(wrong[label_issues(sample, evidence=evidence).rows])


def random_codes(seed, rows, bits, classes):
    generator = np.random.default_rng(seed)
    return Codes.from_bits(generator.integers(2, size=(rows, bits)), generator.integers(classes, size=rows))


def test_codes_and_confidence_together_are_better_than_either(uniform, pairs):
    for sample, wrong in (uniform, pairs):
        alone = [precision(sample, wrong, evidence) for evidence in ("codes", "confidence")]
        assert precision(sample, wrong, "both") > max(alone) > 0.8


def test_it_beats_the_confidence_that_everybody_ranks_by_where_mistakes_are_of_one_kind(pairs):
    sample, wrong = pairs
    own = sample.probabilities[np.arange(len(sample)), sample.labels]
    assert precision(sample, wrong, "both") > average_precision(wrong[np.argsort(own, kind="stable")]) + 0.1


def test_probabilities_say_how_many_labels_are_wrong(uniform):
    sample, wrong = uniform
    issues = label_issues(sample)
    assert issues.probability.sum() == pytest.approx(issues.expected)
    assert issues.expected == pytest.approx(wrong.sum(), rel=0.25)
    assert (np.diff(issues.probability) <= 0).all()
    assert wrong[issues.rows[: issues.likely]].mean() > 0.9
    assert wrong[issues.rows[-1000:]].sum() == 0


def test_ids_given_and_suggested_labels_stay_with_their_rows(uniform):
    sample, wrong = uniform
    issues = label_issues(replace(sample, ids=np.array([f"digit {row}" for row in range(len(sample))])))
    assert sorted(issues.rows.tolist()) == list(range(len(sample)))
    assert issues.ids.tolist() == [f"digit {row}" for row in issues.rows]
    assert np.array_equal(issues.given, sample.labels[issues.rows])
    assert (issues.given != issues.suggested).all()
    mistakes = wrong[issues.rows]
    assert (issues.suggested == CLEAN.labels[issues.rows])[mistakes].mean() > 0.9


def test_codes_of_one_fold_are_never_compared_with_those_of_another(uniform):
    sample, _ = uniform
    first = sample.folds[0]

    def flipped(codes):
        return Codes.from_bits(~codes.unpack(), codes.labels)

    turned = replace(first, codes=flipped(first.codes), reference=flipped(first.reference))
    before = label_issues(sample)
    after = label_issues(replace(sample, folds=(turned, *sample.folds[1:])))
    assert np.array_equal(before.rows, after.rows)
    assert np.array_equal(before.probability, after.probability)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.booleans())
def test_votes_and_collisions_are_those_of_a_search_by_hand(seed, k, own):
    codes, reference = random_codes(seed, 30, 5, 3), random_codes(seed + 1, 20, 5, 3)
    asked = neighbour_votes(
        codes, codes.labels, None if own else reference, codes.labels if own else reference.labels, 3, k
    )
    known = codes if own else reference
    for row in range(len(codes)):
        distances = (codes.unpack()[row] != known.unpack()).sum(axis=1)
        order = [at for at in np.argsort(distances, kind="stable") if not (own and at == row)][:k]
        weights = np.exp(-2 * distances[order] / max(1, distances[order[-1]]))
        shares = np.bincount(known.labels[order], weights, 3) / weights.sum()
        assert asked.shares[row] == pytest.approx(shares)
    everyone = codes if own else concatenate([codes, reference])
    same = (everyone.unpack()[:, None] == everyone.unpack()[None]).all(axis=2)
    differ = everyone.labels[:, None] != everyone.labels[None]
    assert asked.collisions.tolist() == (same & differ).sum(axis=1)[: len(codes)].tolist()
    assert asked.probabilities.min() > 0
    assert asked.probabilities.sum(axis=1) == pytest.approx(1)


def test_without_probabilities_labels_may_be_any_class_numbers():
    codes = random_codes(3, 60, 6, 3)
    names = np.array([7, 40, 1000])
    plain, named = label_issues(codes, k=5), label_issues(codes, names[codes.labels], k=5)
    assert np.array_equal(plain.rows, named.rows)
    assert np.array_equal(names[plain.suggested], named.suggested)
    assert np.array_equal(plain.probability, named.probability)


def test_test_labels_are_judged_by_training_codes():
    reference = Codes.from_bits([[0, 0, 0, 0]] * 20 + [[1, 1, 1, 1]] * 20, [0] * 20 + [1] * 20)
    asked = Codes.from_bits([[0, 0, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0]], [0, 0, 0], ids=["a", "b", "c"])
    issues = label_issues(asked, reference=reference, k=10)
    assert issues.ids[0] == "b"
    assert issues.suggested[0] == 1
    assert issues.agreement.tolist() == [0, 1, 1]
    assert issues.collisions[0] == 20
    assert issues.notes == ()
    assert "out_of_sample" in label_issues(asked, [0, 1, 0], k=1).notes[0]


@pytest.mark.slow
def test_noise_that_was_drawn_is_found_again():
    generator = np.random.default_rng(0)
    transition = np.array([[0.9, 0.1, 0.0], [0.02, 0.98, 0.0], [0.0, 0.0, 1.0]])
    true = generator.integers(3, size=30_000)
    given = (generator.random(30_000)[:, None] > transition.cumsum(axis=1)[true]).sum(axis=1)
    probabilities = geometric_mean([np.eye(3)[true] * 0.9 + 0.1 / 3 + 0.02 * generator.random((30_000, 3))])
    noise = label_noise(probabilities, given)
    assert noise.transition == pytest.approx(transition, abs=0.01)
    assert noise.rate == pytest.approx((given != true).mean(), abs=0.005)


@pytest.mark.slow
def test_honest_doubt_is_not_counted_as_noise():
    generator = np.random.default_rng(2)
    first = generator.random(20_000)
    labels = (generator.random(20_000) > first).astype(int)
    assert label_noise(np.stack([first, 1 - first], axis=1), labels).rate < 0.005


def test_overlapping_classes_with_right_posteriors_have_no_wrong_labels():
    generator = np.random.default_rng(0)
    inputs, labels, exact = gaussians(generator, 6000)
    bits = inputs @ generator.normal(size=(inputs.shape[1], 256)) > 0
    known, new = (Codes.from_bits(bits[rows], labels[rows]) for rows in (slice(3000), slice(3000, None)))
    own = exact[3000:]
    assert (own.argmax(axis=1) != new.labels).sum() > 1000
    for evidence in ("confidence", "both"):
        issues = label_issues(new, reference=known, probabilities=own, evidence=evidence)
        assert issues.expected < 0.02 * 3000
        assert issues.likely < 30
    noise = noisy(generator, new.labels, 0.1)
    issues = label_issues(new, noise, reference=known, probabilities=own)
    assert issues.expected == pytest.approx(300, rel=0.25)


def test_temperature_takes_back_what_was_added():
    generator = np.random.default_rng(1)
    right = geometric_mean([generator.dirichlet([0.5] * 4, size=20_000)])
    labels = (generator.random(20_000)[:, None] > right.cumsum(axis=1)).sum(axis=1).clip(max=3)
    assert fitted_temperature(right, labels) == pytest.approx(1, abs=0.05)
    assert fitted_temperature(with_temperature(right, 1 / 3), labels) == pytest.approx(3, abs=0.15)


def test_known_answers():
    assert geometric_mean([np.array([[0.8, 0.2]]), np.array([[0.2, 0.8]])]) == pytest.approx(np.array([[0.5, 0.5]]))
    together = np.array([[0.9, 0.1], [0.1, 0.9]])
    odds, probability = probability_wrong(together, np.array([0, 0]), 0.5)
    assert odds == pytest.approx([-np.log(9), np.log(9)])
    assert probability == pytest.approx([0.1, 0.9])


def test_every_label_is_written_with_its_rank(tmp_path, uniform):
    issues = label_issues(uniform[0])
    with issues.to_csv(tmp_path / "issues.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [int(line["id"]) for line in lines] == issues.ids.tolist()
    assert [int(line["rank"]) for line in lines] == list(range(1, len(issues) + 1))
    assert [float(line["probability"]) for line in lines] == issues.probability.tolist()
    assert f"{issues.likely} of 1,797 labels" in str(issues)
    assert len(issues.to_dict()["ids"]) == 1797


CODES = random_codes(0, 12, 8, 2)
OTHERS = random_codes(1, 10, 8, 2)
HALVES = np.full((12, 2), 0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"codes": np.zeros((3, 2))}, "codes must be Codes .* or OutOfSample, not array"),
        ({"k": 0}, "k must be a whole number, 1 or more, received 0"),
        ({"k": 12}, "k=12 neighbours are more than the 11 rows that could vote"),
        ({"reference": OTHERS, "k": 11}, "k=11 neighbours are more than the 10 rows that could vote"),
        ({"codes": Codes.from_bits(np.zeros((0, 4)))}, "needs labels, but these rows have none"),
        ({"labels": [[0], [0, 1]]}, "one label for each of 12 rows, received a ragged list"),
        ({"labels": [0, 1]}, "needs one label for each of 12 rows, received shape \\(2,\\)"),
        ({"labels": [3] * 12}, "all labels are of class 3"),
        ({"reference": CODES}, "codes and reference are the same rows"),
        ({"reference": random_codes(1, 10, 9, 2)}, "codes of different bits cannot be mixed"),
        ({"reference_labels": [0] * 12}, "reference_labels need a reference"),
        ({"reference": OTHERS, "reference_labels": [0]}, "a reference needs one label for each of 10 rows"),
        ({"evidence": "code"}, "unknown evidence 'code': did you mean 'codes'"),
        ({"evidence": "both"}, "evidence 'both' needs probabilities= of the network"),
        (
            {"probabilities": HALVES[:3]},
            "probabilities must be \\(12, classes\\), 2 classes or more, received \\(3, 2\\)",
        ),
        ({"probabilities": HALVES * 3}, "probabilities must be 0 or more and add up to 1"),
        ({"probabilities": HALVES * np.nan}, "probabilities must be 0 or more and add up to 1"),
        ({"probabilities": HALVES, "labels": [2] * 12}, "labels must be 0 to 1 .* received 2 to 2"),
    ],
)
def test_bad_input_meets_one_line(arguments, message):
    with pytest.raises(HashlensError, match=message) as caught:
        label_issues(**{"codes": CODES, "k": 3, **arguments})
    assert "\n" not in str(caught.value)


def test_what_out_of_sample_brings_is_not_given_again(uniform):
    with pytest.raises(HashlensError, match="include labels, reference and probabilities: leave these arguments out"):
        label_issues(uniform[0], labels=CLEAN.labels)


@pytest.mark.parametrize(("honest", "noted"), [(True, False), (False, True)])
def test_probabilities_that_do_not_fit_the_labels_are_not_to_be_trusted(honest, noted):
    random = np.random.default_rng(3)
    level = random.integers(0, 3, 3000)
    sure = np.array([0.98, 0.8, 0.5])[level]
    first = random.integers(0, 3, 3000)
    probabilities = np.repeat((1 - sure)[:, None] / 2, 3, axis=1)
    probabilities[np.arange(3000), first] = sure
    # Labels are right as often as the network says, or most often where it is neither sure nor unsure.
    right = random.random(3000) < (sure if honest else np.array([0.6, 0.95, 0.6])[level])
    labels = np.where(right, first, (first + random.integers(1, 3, 3000)) % 3)
    codes = Codes.from_bits(random.random((3000, 20)) < 0.5, labels=labels)
    found = label_issues(codes, probabilities=probabilities, evidence="confidence")
    assert any("Trust the order, but not the probabilities" in note for note in found.notes) == noted


def test_votes_alone_count_correct_labels_of_overlapping_classes_and_it_is_said():
    def found(spread, evidence, stated=True):
        random = np.random.default_rng(0)
        means, planes = random.normal(size=(5, 4)) * spread, random.normal(size=(4, 120))
        labels = random.integers(5, size=1200)
        x = means[labels] + random.normal(size=(1200, 4))
        codes = Codes.from_bits(x @ planes + random.normal(size=120) > 0, labels=labels)
        logs = -0.5 * ((x[:, None] - means) ** 2).sum(axis=2)
        exact = np.exp(logs - logs.max(axis=1, keepdims=True))
        exact /= exact.sum(axis=1, keepdims=True)
        probabilities = exact[600:] if stated else None
        return label_issues(codes[600:], reference=codes[:600], probabilities=probabilities, evidence=evidence)

    alone, confidence, apart = found(0.8, "codes", False), found(0.8, "confidence"), found(6, "codes", False)
    # The network's own doubt, where it is known, counts the wrong labels that codes alone rank.
    counted = found(0.8, "codes")
    assert alone.expected > 3 * counted.expected
    assert not any("expect fewer wrong labels" in note for note in counted.notes)
    assert counted.confidence is None
    assert counted.expected == pytest.approx(found(0.8, "both").expected)
    assert [any("expect fewer wrong labels" in note for note in each.notes) for each in (alone, confidence, apart)] == [
        True, False, False,
    ]  # fmt: skip
    assert alone.expected > 20 > 5 > confidence.expected  # no label is wrong
    assert apart.expected < 2
