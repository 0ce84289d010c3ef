import numpy as np
import pytest
import torch

from hashlens.data.examples import ArrayExamples


@pytest.fixture(scope="session")
def digits() -> ArrayExamples:
    from sklearn.datasets import load_digits

    inputs, labels = load_digits(return_X_y=True)
    inputs = torch.from_numpy(inputs).to(torch.uint8).reshape(-1, 1, 8, 8)
    return ArrayExamples(inputs, labels.astype(np.int64), np.arange(len(labels)), name="digits", scale=1 / 16)


@pytest.fixture(scope="session")
def few(digits) -> ArrayExamples:
    return digits.select(slice(0, 193))
