import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hashlens.data import load_data, random_inputs, shuffle_labels, swap_labels, uniform_labels
from hashlens.errors import DataError
from hashlens.seeds import numpy_generator


def examples(n=1000, classes=10):
    return load_data((torch.zeros(n, 2), np.arange(n) % classes))


@given(st.floats(0, 1), st.integers(0, 5))
def test_shuffling_keeps_the_class_counts_and_the_original(fraction, seed):
    clean = examples(50)
    before = clean.labels.copy()
    noisy = shuffle_labels(clean, fraction, numpy_generator(seed))
    assert np.array_equal(np.bincount(noisy.labels), np.bincount(clean.labels))
    assert (noisy.labels != clean.labels).sum() <= round(fraction * 50)
    assert np.array_equal(clean.labels, before)
    assert noisy.inputs is clean.inputs


@pytest.mark.parametrize("noise", [shuffle_labels, uniform_labels])
def test_the_part_that_stays_right_by_chance_is_one_class_in_ten(noise):
    clean = examples(20_000)
    changed = (noise(clean, 0.5, numpy_generator(0)).labels != clean.labels).mean()
    assert changed == pytest.approx(0.5 * 0.9, abs=0.01)


@pytest.mark.parametrize("noise", [shuffle_labels, uniform_labels])
def test_noise_comes_from_the_generator_alone(noise):
    first, again, other = (noise(examples(), 0.4, numpy_generator(seed)).labels for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(noise(examples(), 0.0, numpy_generator(1)).labels, examples().labels)
    assert noise(examples(), 0.4, numpy_generator(1)).name == f"arrays | {noise.__name__}(0.4)"


def test_uniform_labels_reach_every_class_that_has_a_name():
    clean = load_data("digits[:1]")
    drawn = {int(uniform_labels(clean, 1.0, numpy_generator(seed)).labels[0]) for seed in range(200)}
    assert drawn == set(range(10))


@pytest.mark.parametrize("noise", [shuffle_labels, uniform_labels])
def test_bad_noise_is_refused(noise):
    with pytest.raises(DataError, match=r"there are no labels to add noise to"):
        noise(load_data(torch.ones(3, 2)), 0.5, numpy_generator(0))
    for fraction in (-0.1, 1.1, float("nan")):
        with pytest.raises(DataError, match=r"the fraction of noise is .*; expected 0 to 1"):
            noise(examples(), fraction, numpy_generator(0))


def test_swapping_changes_that_share_of_the_paired_classes_to_their_partners():
    clean = examples(1000)
    noisy = swap_labels(clean, 0.05, [(4, 9), (3, 5)], numpy_generator(0))
    changed = noisy.labels != clean.labels
    assert changed.sum() == 20
    partners = {4: 9, 9: 4, 3: 5, 5: 3}
    assert [partners[label] for label in clean.labels[changed].tolist()] == noisy.labels[changed].tolist()
    assert noisy.inputs is clean.inputs


@pytest.mark.parametrize("pairs", [[(4, 4)], [(1, 2), (2, 3)], [(3, 10)]])
def test_pairs_that_cannot_be_swapped_are_refused(pairs):
    with pytest.raises(DataError, match="pairs must be of different classes that occur, each in one pair"):
        swap_labels(examples(100), 0.5, pairs, numpy_generator(0))


@pytest.mark.parametrize("kind", ["uniform", "bytes"])
def test_random_inputs_are_uniform_in_the_shape_of_the_examples(kind):
    drawn = random_inputs(load_data("digits"), 2000, numpy_generator(3), kind)
    inputs = next(drawn.batches(2000)).inputs
    assert inputs.shape == (2000, 1, 8, 8)
    assert inputs.dtype == torch.float32
    assert drawn.labels is None
    assert 0 <= inputs.min() < 0.001
    assert 0.999 < inputs.max() <= 1
    assert inputs.mean() == pytest.approx(0.5, abs=0.005)
    assert inputs.std() == pytest.approx(12**-0.5, abs=0.005)
    assert torch.equal(inputs, random_inputs(load_data("digits"), 2000, numpy_generator(3), kind).tensor())


def test_bad_random_inputs_are_refused():
    with pytest.raises(DataError, match=r"no random inputs of kind 'unifrm'; did you mean 'uniform'"):
        random_inputs(examples(), 5, numpy_generator(0), "unifrm")
    with pytest.raises(DataError, match=r"requested 0 random inputs; expected 1 or more"):
        random_inputs(examples(), 0, numpy_generator(0))
