"""The 8 x 8 digits that come with scikit-learn: a source that is always available."""

import numpy as np

from hashlens.data.address import Address
from hashlens.data.arrays import from_arrays
from hashlens.data.examples import ArrayExamples

# The first 80 % of the 1,797 rows, in scikit-learn's order.
TRAIN_ROWS = 1437


def open_digits(address: Address) -> ArrayExamples:
    """Return the digits, uint8 ``(n, 1, 8, 8)`` from 0 to 16, scaled to [0, 1].

    ``#train`` is the first 80 %, ``#test`` the rest; without a split all digits are returned.

    References
    ----------
    E. Alpaydin, C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository, 1998 (the
    test set, as ``sklearn.datasets.load_digits`` gives it).
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = bunch.images.astype(np.uint8)[:, None]
    names = tuple(str(name) for name in bunch.target_names)
    digits = from_arrays(images, bunch.target, name=address.text, class_names=names, scale=1 / 16)
    if address.split is None:
        return digits
    return (
        digits.narrow(None, TRAIN_ROWS) if address.choose(["train", "test"]) == "train" else digits.narrow(TRAIN_ROWS)
    )
