import numpy as np
import pytest
import torch

import hashlens as hl
from hashlens.codes.codes import Codes
from hashlens.errors import MeasureError
from hashlens.measures import hyperplane_codes
from hashlens.retrieval import preferred_bits, select_bits

METHODS = ("variance", "decorrelation", "depth", "random", "mutual_information")


@pytest.fixture(scope="module")
def codes():
    known = np.random.default_rng(0)
    labels = known.integers(0, 3, 500)
    rows = known.normal(size=(500, 6)) + labels[:, None] * known.normal(size=6)
    return hyperplane_codes(rows, rows, 100, train_labels=labels, test_labels=labels)[0]


def test_variance_takes_the_bits_nearest_to_one_half(codes):
    share = codes.unpack().mean(axis=0)
    spread = (share * (1 - share)).round(9)
    mask = select_bits(codes, 20)
    assert mask.sum() == 20
    assert spread[mask].min() >= spread[~mask].max()


def test_supervised_selection_is_by_mutual_information(codes):
    from sklearn.metrics import mutual_info_score

    worth = [mutual_info_score(codes.labels, bit) for bit in codes.unpack().T]
    assert np.array_equal(preferred_bits(codes, 30, "mutual_information"), np.argsort(-np.array(worth))[:30])
    other = np.random.default_rng(1).integers(0, 2, 500)
    worth = [mutual_info_score(other, bit) for bit in codes.unpack().T]
    assert preferred_bits(codes, 1, "mutual_information", labels=other)[0] == np.argmax(worth)


def test_decorrelation_is_greedy(codes):
    bits = codes.unpack().astype(float)
    alike = np.corrcoef(bits.T) ** 2
    chosen = [int(bits.var(axis=0).argmax())]
    for _ in range(29):
        score = bits.var(axis=0) * (1 - alike[chosen].max(axis=0))
        score[chosen] = -1
        chosen.append(int(score.argmax()))
    assert preferred_bits(codes, 30, "decorrelation").tolist() == chosen


def test_decorrelation_takes_no_bit_twice():
    known = np.random.default_rng(0)
    single = known.random((3000, 8)) < 0.5
    twins = np.concatenate([single, ~single, np.zeros((3000, 3), bool), known.random((3000, 1)) < 0.01], axis=1)
    order = preferred_bits(Codes.from_bits(twins), 20, "decorrelation")
    assert sorted(order[:8] % 8) == list(range(8))
    assert order[8] == 19
    assert sorted(order) == list(range(20))


def test_depth_takes_the_last_layer_first_and_constant_bits_last():
    with torch.random.fork_rng():
        network = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.ReLU(), torch.nn.Linear(8, 6), torch.nn.ReLU())
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in network[::2]:
            layer.weight.normal_(generator=generator)
            layer.bias.zero_()
        network[2].bias[:2] = -1e6
    known = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    codes = hl.encode(network, known)
    order = preferred_bits(codes, 14, "depth")
    varying = np.flatnonzero(~codes.constant_bits())
    assert set(order[:4]) == set(varying[varying >= 8])
    assert set(order[4:12]) == set(range(8))
    assert order[12:].tolist() == [8, 9]


@pytest.mark.parametrize("method", METHODS)
def test_a_longer_choice_contains_a_shorter_one(codes, method):
    few, many = (select_bits(codes, bits, method, seed=3) for bits in (10, 60))
    assert (few <= many).all()
    assert codes.keep(few).code_bits == 10
    assert select_bits(codes, 100, method).all()


def test_a_random_choice_is_that_of_its_seed(codes):
    first, again, other = (select_bits(codes, 50, "random", seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bits": 0}, "from 1 to the 100 .* received 0"),
        ({"bits": 101}, "received 101"),
        ({"bits": 5, "method": "varience"}, "did you mean 'variance'"),
        ({"bits": 5, "labels": np.zeros(500, int)}, "'variance' is unsupervised and uses no labels"),
        ({"bits": 5, "method": "mutual_information", "labels": [1, 2]}, "one label for each of 500 rows"),
        ({"bits": 5, "method": "mutual_information", "labels": np.zeros(500, int)}, "at least two classes"),
    ],
)
def test_bad_input(codes, arguments, message):
    with pytest.raises(MeasureError, match=message):
        select_bits(codes, **arguments)


def test_labels_and_rows_are_needed():
    with pytest.raises(MeasureError, match="needs labels"):
        select_bits(Codes.from_bits([[0, 1]]), 1, "mutual_information")
    with pytest.raises(MeasureError, match="at least one row"):
        select_bits(Codes.from_bits(np.zeros((0, 3))), 1)
