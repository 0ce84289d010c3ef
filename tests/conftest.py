from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = Path(__file__).resolve().parents[1] / "../shared/data"
    if not folder.is_dir():
        pytest.skip("the benchmark data is not beside the checkout (../shared/data)")
    return folder.resolve()


@pytest.fixture(autouse=True)
def _global_generators_untouched():
    """No test may leave the global generators moved: no function of hashlens touches them."""
    before = torch.random.get_rng_state()
    yield
    assert torch.equal(before, torch.random.get_rng_state()), "the global generator of torch was used"
