import numpy as np

from hashlens.data.imdb import word_bags

TRAIN = ["good good film", "bad film", "a film about nothing"]


def test_bags_count_the_words_most_frequent_in_training():
    bags = word_bags(TRAIN, ["film film bad", "good unheard"], vocabulary_size=2)
    # The two most frequent are "film" and "good", in the order of the alphabet.
    assert bags.toarray().tolist() == [[2, 0], [0, 1]]
    assert bags.dtype == np.float32


def test_bags_have_no_more_words_than_asked_for():
    assert word_bags(TRAIN, TRAIN).shape == (3, 5)
