import numpy as np
import torch

from hashlens.data import load_data


def test_digits_are_scikit_learns_in_its_order_scaled_to_one():
    from sklearn.datasets import load_digits

    bunch, digits = load_digits(), load_data("digits")
    assert digits.inputs.dtype == torch.uint8
    assert tuple(digits.inputs.shape) == (1797, 1, 8, 8)
    assert np.array_equal(digits.tensor().numpy()[:, 0] * 16, bunch.images)
    assert np.array_equal(digits.labels, bunch.target)
    assert digits.tensor().max() == 1.0
    assert digits.class_names == tuple("0123456789")


def test_train_and_test_part_the_digits_and_keep_their_row_numbers():
    train, test = load_data("digits#train"), load_data("digits#test")
    assert len(train) == 1437
    assert len(test) == 360
    assert np.concatenate([train.ids, test.ids]).tolist() == list(range(1797))
    assert test.name == "digits#test"
