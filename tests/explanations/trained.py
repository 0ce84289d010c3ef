"""A network that knows scikit-learn's digits, trained once for all tests that look into it."""

from functools import cache

import hashlens as hl


@cache
def digits():
    """The network, and test images from 0 to 1."""
    network = hl.train("cnn", "digits#train", epochs=12, seed=0, width=8).network
    return network.eval(), hl.load_data("digits#test").load().tensor()
