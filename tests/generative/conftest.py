"""Small images and small models."""

import pytest
import torch

import hashlens as hl


@pytest.fixture(scope="package")
def digits():
    """400 digits of 8 x 8 pixels from 0 to 1, float32 ``(400, 1, 8, 8)``."""
    return hl.load_data("digits#train[:400]").load().tensor()


@pytest.fixture
def drawn_aside():
    """Networks of one's own are drawn from the global generator, which is then left as it was."""
    with torch.random.fork_rng():
        yield


SMALL = {"latent": 4, "width": 16, "batch_size": 64}
