"""Pages of much: they stay small and open soon."""

import numpy as np
import pytest
from tests.browser.opening import opening_seconds
from tests.report.planted_study import planted_results

import hashlens as hl

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MAX_BYTES = 8_000_000


def test_a_measurement_of_sixty_thousand_examples(browser, tmp_path):
    generator = np.random.default_rng(0)
    # Noise: the worst that a page of thumbnails can have.
    train, test = (
        (generator.random((n, 1, 28, 28), np.float32), generator.integers(0, 10, n)) for n in (60_000, 10_000)
    )
    network = hl.train("mlp", hl.load_data(train).narrow(0, 500), epochs=1, seed=0, width=24).network
    path = hl.measure(network, train, test, controls=False).to_html(tmp_path / "page.html")
    assert path.stat().st_size < MAX_BYTES
    assert opening_seconds(browser, path) < 3


def test_a_study_of_five_thousand_cells(browser, tmp_path):
    path = planted_results({"width": [*range(4, 104, 2)], "epochs": [*range(100)]}).to_html(tmp_path / "page.html")
    assert path.stat().st_size < MAX_BYTES
    assert opening_seconds(browser, path) < 3
