import csv

import numpy as np
import pytest

from hashlens.audit.leaks import leaks
from hashlens.audit.local_ratio import OrdinaryRatios, local_ratio, nearest_others
from hashlens.codes.codes import Codes
from hashlens.codes.provenance import Provenance
from hashlens.errors import AuditError, CodesError

from .planted import evenly, flipped, layered, planted


@pytest.fixture(scope="module")
def found():
    train, test, truth = planted()
    return leaks(train, test), train, test, truth


def test_planted_copies_come_first_in_the_layer_where_they_stand_out(found):
    result, _, _, truth = found
    assert result.layer == "sharp"
    assert set(truth) <= set(result.suspected_rows.tolist())
    assert result.suspected <= len(truth) + 5
    first = dict(zip(result.rows[: len(truth)].tolist(), result.train_rows[: len(truth)].tolist(), strict=True))
    assert first == truth


def test_the_ranking_is_that_of_all_distances(found):
    result, train, test, _ = found
    bits = [part.layer("sharp").unpack() for part in (test, train)]
    full = np.stack([(row != bits[1]).sum(axis=1) for row in bits[0]])
    sorted_distances = np.sort(full, axis=1)
    ratio = sorted_distances[:, 0] / sorted_distances[:, 9]
    assert np.array_equal(result.ratios, np.sort(ratio))
    assert np.array_equal(result.ratios, ratio[result.rows])
    assert np.array_equal(result.train_rows, full.argmin(axis=1)[result.rows])
    assert np.array_equal(result.distances, full.min(axis=1)[result.rows])
    assert np.array_equal(result.ids, test.ids[result.rows])
    assert np.array_equal(result.train_ids, train.ids[result.train_rows])
    assert np.array_equal(result.train_labels, train.labels[result.train_rows])


def test_layers_that_cannot_be_used_say_why(found):
    reasons = {at.name: at.reason for at in found[0].layers}
    assert reasons == {
        "all layers": "",
        "blurred": "",
        "sharp": "",
        "classes": "a quarter of the rows or more share their code with another row",
        "dead": "no bit varies",
    }


def test_what_is_expected_falls_on_the_threshold(found):
    result = found[0]
    assert np.all(np.diff(result.expected) >= 0)
    assert np.array_equal(result.expected <= 1 + 1e-9, result.ratios <= result.threshold)


@pytest.mark.slow
@pytest.mark.parametrize("dimension", [4, 12, 40])
def test_few_rows_are_suspected_where_nothing_leaked(dimension):
    generator = np.random.default_rng(dimension)
    codes = Codes.from_bits(evenly(generator, 5000, 1000, dimension))
    assert leaks(codes[:3000], codes[3000:]).suspected <= 8


def test_a_test_set_that_is_mostly_leaked_is_found_too():
    train, test, truth = planted(leaked=600)
    assert len(set(truth) & set(leaks(train, test).suspected_rows.tolist())) >= 595


def test_identical_codes_have_ratio_zero_and_come_first():
    generator = np.random.default_rng(1)
    bits = evenly(generator, 1200, 300)
    bits[1005], bits[1100:1110] = bits[7], bits[8]
    bits[20:35] = bits[8]
    result = leaks(Codes.from_bits(bits[:1000]), Codes.from_bits(bits[1000:]))
    assert set(result.rows[:11].tolist()) == {5, *range(100, 110)}
    assert (result.ratios[:11] == 0).all()
    assert result.identical[:11].all()
    assert not result.identical[11:].any()
    assert result.train_rows[result.rows == 5] == 7
    assert 5 in result.suspected_rows


def test_identical_in_the_layer_searched_is_not_identical():
    train, test, truth = planted()
    row, partner = next(iter(truth.items()))
    start = train.layer("blurred").packed.shape[1]
    end = start + train.layer("sharp").packed.shape[1]
    test.packed[row, start:end] = train.packed[partner, start:end]
    result = leaks(train, test)
    assert (result.rows[0], result.distances[0], result.identical[0]) == (row, 0, False)


def test_suspected_rows_of_one_training_row_make_one_group():
    generator = np.random.default_rng(2)
    bits = evenly(generator, 1500, 400)
    for row in (3, 9):
        bits[1000 + row] = flipped(generator, bits[50], 0.01)
    bits[51] = flipped(generator, bits[50], 0.01)
    bits[1020] = flipped(generator, bits[60], 0.01)
    groups = leaks(Codes.from_bits(bits[:1000]), Codes.from_bits(bits[1000:])).groups
    assert [(part.rows.train.tolist(), part.rows.test.tolist()) for part in groups[:2]] == [
        ([50, 51], [3, 9]),
        ([60], [20]),
    ]


def test_a_sample_of_bits_is_searched_and_the_seed_repeats_it():
    train, test, truth = planted()
    some = leaks(train, test, bits=128, layer="sharp", seed=3)
    assert some.bits == 128
    assert len(set(truth) & set(some.suspected_rows.tolist())) >= 25
    again, other = (leaks(train, test, bits=128, layer="sharp", seed=seed) for seed in (3, 4))
    assert np.array_equal(some.ratios, again.ratios)
    assert not np.array_equal(some.ratios, other.ratios)


def test_the_file_holds_the_ranking(found, tmp_path):
    result = found[0]
    with result.to_csv(tmp_path / "leaks.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == result.ids.tolist()
    assert [int(row["train_row"]) for row in rows] == result.train_rows.tolist()
    assert [float(row["ratio"]) for row in rows] == result.ratios.tolist()
    assert sum(row["suspected"] == "true" for row in rows) == result.suspected
    with result.to_csv(tmp_path / "few.csv", suspected_only=True).open() as file:
        assert len(file.readlines()) == result.suspected + 1


def test_people_read_the_layer_and_the_threshold(found):
    text = str(found[0])
    assert "sharp (chosen)" in text
    (chosen,) = [at for at in found[0].layers if at.name == "sharp"]
    low, high = chosen.interval
    said = f"at most {found[0].threshold:.3f}; about {chosen.expected:.2g} expected by chance ({low:.1f} to "
    assert said in " ".join(text.split())
    assert low < chosen.expected <= 1 < high


def test_even_points_have_the_ratios_of_a_poisson_process():
    generator = np.random.default_rng(0)
    dimension, k = 7.0, 10
    # The volumes of the first neighbours of a Poisson process are sums of exponential numbers.
    volumes = np.cumsum(generator.exponential(size=(200_000, k)), axis=1)
    ratios = (volumes[:, 0] / volumes[:, -1]) ** (1 / dimension)
    fitted = OrdinaryRatios.fit(ratios)
    assert fitted.dimension == pytest.approx(dimension, rel=0.02)
    assert fitted.neighbours == pytest.approx(k - 1, rel=0.03)
    assert (ratios <= fitted.ratio(1e-3)).mean() == pytest.approx(1e-3, rel=0.3)
    assert fitted.probability(fitted.ratio(1e-4)) == pytest.approx(1e-4)
    assert fitted.probability([0.0, 1.0]).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("distances", "ratios"), [([[3, 6], [0, 6]], [0.5, 0.0]), ([[0, 0]], [0.0]), ([[5, 5]], [1.0])]
)
def test_local_ratio(distances, ratios):
    assert local_ratio(np.array(distances)).tolist() == ratios


def test_no_row_is_its_own_neighbour_even_among_many_equals():
    codes = Codes.from_bits(np.zeros((30, 4), bool))
    rows = np.arange(30)
    _, neighbours = nearest_others(codes, rows, 5)
    assert not (neighbours == rows[:, None]).any()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda a, b: leaks(a, a), AuditError, "train and test are the same examples"),
        (lambda a, b: leaks(a, a[5:50]), AuditError, "train and test are the same examples"),
        (lambda a, b: leaks(a, b[:0]), AuditError, "test has no rows"),
        (lambda a, b: leaks(a[:0], b), AuditError, "train has no rows"),
        (lambda a, b: leaks(a[:10], b), AuditError, "at least 11 rows to search, received 10"),
        (lambda a, b: leaks(a, b, k=2), AuditError, "k must be a whole number, 3 or more, received 2"),
        (lambda a, b: leaks(a, b, k=2.5), AuditError, "k must be a whole number"),
        (lambda a, b: leaks(a, b, bits=0), AuditError, "bits must be a whole number"),
        (lambda a, b: leaks(a, b, seed=-1), AuditError, "seed must be a whole number, 0 or more"),
        (lambda a, b: leaks(a, b, expected_false=0), AuditError, "expected_false must be more than 0"),
        (lambda a, b: leaks(a, b, expected_false="1"), AuditError, "expected_false must be more than 0 rows, received"),
        (lambda a, b: leaks(a, b, expected_false=np.inf), AuditError, "expected_false must be more than 0 rows"),
        (
            lambda a, b: leaks(a, b, layer="sharpe"),
            AuditError,
            "no layer 'sharpe' in these codes: did you mean 'sharp'",
        ),
        (
            lambda a, b: leaks(a, b, expected_false=60),
            AuditError,
            "expected_false must be less than the 60 test examples, received 60",
        ),
        (lambda a, b: leaks(a, b.layer("sharp")), CodesError, "different bits cannot be mixed"),
        (lambda a, b: leaks(a, of(b, parameters_digest="f" * 32)), CodesError, "two networks cannot be mixed"),
        (lambda a, b: leaks(of(a, data="x#test"), of(b, data="x#train")), AuditError, "train and test are swapped"),
        (lambda a, b: leaks(a.unpack(), b), AuditError, "train must be Codes, .* received ndarray"),
    ],
)
def test_bad_input_is_one_clear_line(call, error, message):
    train, test, _ = planted(train=300, test=60, leaked=3)
    with pytest.raises(error, match=message) as caught:
        call(train, test)
    assert "\n" not in str(caught.value)


def of(codes, **provenance):
    return Codes(codes.packed, codes.layers, codes.labels, codes.ids, Provenance(**provenance))


@pytest.mark.parametrize(
    ("bits", "message"),
    [
        (np.repeat(np.eye(40, dtype=bool), 10, axis=0), "share their code"),
        (np.eye(200, dtype=bool), "neighbours at the same distance"),
        (np.zeros((200, 3), bool), "no bit varies"),
    ],
)
def test_codes_that_tell_nothing_apart(bits, message):
    other = layered({"code": np.ones((5, bits.shape[1]), bool)})
    found = leaks(layered({"code": bits}), other)
    assert found.suspected == len(found.groups) == 0
    assert message in found.layers[0].reason
    assert np.isnan(found.threshold)
    assert "No layer distinguishes examples well enough" in " ".join(str(found).split())
