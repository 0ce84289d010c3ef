import pytest
import torch

import hashlens as hl


@pytest.fixture(scope="session")
def digits():
    """Inputs ``(n, 1, 8, 8)`` and labels to train on."""
    examples = hl.load_data("digits#train").load()
    return examples.tensor(), torch.from_numpy(examples.labels)


@pytest.fixture
def network():
    """A small network with fixed weights, BatchNorm and dropout, which behave otherwise in training."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Flatten(),
            torch.nn.Linear(64, 12),
            torch.nn.BatchNorm1d(12),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.1),
            torch.nn.Linear(12, 10),
        )


@pytest.fixture(scope="session")
def as_measured():
    """A function that says of a network and a probe what a reading should, by ``hl.measure``."""

    def measured(model, probe, **settings):
        found = hl.measure(model, probe.train, probe.test, controls=False, **{"batch_size": 256, **settings})
        return found.redundancy_ratio, found.categorization.knn, found.network_accuracy, found.informative_bits

    return measured


@pytest.fixture(scope="session")
def told():
    """A function that gives what a reading says, in the same form."""
    return lambda reading: (
        reading.redundancy_ratio,
        reading.knn,
        reading.network_accuracy,
        reading.informative_bits,
    )
