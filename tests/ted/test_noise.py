import numpy as np
import pytest

from hashlens.ted import add_noise, retention

TABLE = retention(8000, seed=2)
OF_LABEL = {label: set(TABLE.explanations[label == TABLE.labels].tolist()) for label in (0, 1)}


@pytest.mark.parametrize("kind", ["within label", "across labels", "by annotator"])
def test_without_a_share_nothing_changes(kind):
    assert (add_noise(TABLE.explanations, TABLE.labels, 0.0, kind) == TABLE.explanations).all()


@pytest.mark.parametrize("kind", ["within label", "by annotator"])
def test_within_a_label_the_share_of_its_rows_is_wrong_and_none_contradicts_it(kind):
    found = add_noise(TABLE.explanations, TABLE.labels, 0.4, kind, seed=1)
    wrong = found != TABLE.explanations
    leaves = TABLE.labels == 1
    assert not wrong[~leaves].any()  # there is one explanation, so that none other can stand for it
    assert wrong[leaves].mean() == pytest.approx(0.4, abs=0.02)
    assert set(found[leaves].tolist()) <= OF_LABEL[1]


def test_across_labels_what_is_wrong_contradicts_the_label():
    found = add_noise(TABLE.explanations, TABLE.labels, 0.4, "across labels", seed=1)
    wrong = found != TABLE.explanations
    assert wrong.mean() == pytest.approx(0.4, abs=1e-9)
    for label in (0, 1):
        assert set(found[wrong & (label == TABLE.labels)].tolist()) <= OF_LABEL[1 - label]


def test_an_annotator_takes_one_explanation_always_for_the_same_other():
    found = add_noise(TABLE.explanations, TABLE.labels, 0.5, "by annotator", seed=1, annotators=3)
    taken = {right: set(found[(right == TABLE.explanations)].tolist()) - {right} for right in OF_LABEL[1]}
    assert max(map(len, taken.values())) == 3
    alone = add_noise(TABLE.explanations, TABLE.labels, 0.5, "by annotator", seed=1, annotators=1)
    assert {len(set(alone[right == TABLE.explanations].tolist()) - {right}) for right in OF_LABEL[1]} == {1}


def test_a_table_keeps_what_is_right_beside_what_is_taught():
    table = retention(8000, seed=2, noise=0.3, missing=0.5)
    assert (table.explanations == TABLE.explanations).all()
    taught = np.array([value is not None for value in table.E])
    assert taught.sum() == 4000
    assert 0.05 < (table.E[taught] != table.explanations[taught]).mean() < 0.15
    part = table[:10]
    assert (len(part), part.E.tolist()) == (10, table.E[:10].tolist())
