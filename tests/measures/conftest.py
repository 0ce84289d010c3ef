import numpy as np
import pytest
import torch

from hashlens.codes.codes import Codes


@pytest.fixture(scope="session")
def digits_codes() -> tuple[Codes, Codes]:
    """Codes of scikit-learn's digits by 40 fixed hyperplanes: 1,200 train and 597 test rows."""
    from sklearn.datasets import load_digits

    inputs, labels = load_digits(return_X_y=True)
    normals = np.random.default_rng(0).normal(size=(64, 40))
    bits = (inputs - inputs.mean(axis=0)) @ normals > 0
    return Codes.from_bits(bits[:1200], labels[:1200]), Codes.from_bits(bits[1200:], labels[1200:])


def random_codes(seed: int, rows: int, bits: int, classes: int | None = None) -> Codes:
    generator = np.random.default_rng(seed)
    labels = None if classes is None else generator.integers(classes, size=rows)
    return Codes.from_bits(generator.integers(2, size=(rows, bits)), labels)


@pytest.fixture
def make_codes():
    return random_codes


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
