import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

import tests.torchvision_operators  # noqa: F401
from tests.fresh import FreshPython

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
)  # fmt: skip

# A shell ignores Ctrl-C in what it starts in the background, and each process would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is slow; that says nothing of the code.
settings.register_profile("busy", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("busy")


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


@pytest.fixture(scope="session")
def fresh(tmp_path_factory) -> Iterator[FreshPython]:
    """Run code in a Python process of its own, where only torch was imported."""
    python = FreshPython(tmp_path_factory.mktemp("fresh"))
    yield python
    python.close()


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Return chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    # Chromium without windows takes a third less processor time.
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield started
        started.close()
