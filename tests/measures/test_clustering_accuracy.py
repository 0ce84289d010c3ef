from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashlens.errors import MeasureError
from hashlens.measures import hungarian_accuracy, purity

pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20)


@given(pairs)
def test_hungarian_accuracy_is_the_best_of_all_matchings(rows):
    clusters, labels = np.array(rows).T
    best = max((np.array(names)[clusters] == labels).mean() for names in permutations(range(4)))
    assert hungarian_accuracy(clusters, labels) == pytest.approx(best)


@given(pairs)
def test_purity_is_at_least_hungarian_accuracy_and_one_for_singletons(rows):
    clusters, labels = np.array(rows).T
    assert purity(clusters, labels) >= hungarian_accuracy(clusters, labels)
    assert purity(np.arange(len(rows)), labels) == 1.0


def test_ten_pure_clusters_of_two_classes_flatter():
    clusters, labels = np.arange(100) % 10, np.arange(100) % 2
    assert purity(clusters, labels) == 1.0
    assert hungarian_accuracy(clusters, labels) == 0.2


def test_lengths_must_agree():
    with pytest.raises(MeasureError, match="same rows"):
        purity([0, 1], [0])
