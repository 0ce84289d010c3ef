"""Pages of studies that were run: thresholds are moved, and the regimes follow."""

import pytest
from tests.browser.opening import see_all

from hashlens.measures.regime import RegimeThresholds
from hashlens.study.networks.regimes.widget import counts_text, results_cells

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def counts(page) -> str:
    return page.locator(".counts").inner_text()


def check_thresholds(page, results) -> None:
    """Move thresholds with the keyboard and at once, and compare what the page says with what Python says."""
    before = counts_text(results_cells(results).counts())
    assert counts(page) == before
    seen = {before}
    top = float(page.locator("input[name=under_retention]").get_attribute("max"))
    for name, key, thresholds in (
        ("under_redundancy", "Home", RegimeThresholds(under_redundancy=0, sufficient_redundancy=0)),
        ("under_retention", "End", RegimeThresholds(under_retention=top, sufficient_retention=top)),
    ):
        page.locator(f"input[name={name}]").focus()
        page.keyboard.press(key)
        assert counts(page) == counts_text(results_cells(results, thresholds).counts())
        seen.add(counts(page))
        page.locator("button.reset").press("Enter")
        assert counts(page) == before
    assert len(seen) > 1  # whichever threshold a network of this machine stands near
    page.locator("input[name=sufficient_retention]").fill("0.985")
    stricter = RegimeThresholds(sufficient_retention=0.985)
    assert counts(page) == counts_text(results_cells(results, stricter).counts())


def check_cell(page) -> None:
    """Go to a cell with the keyboard and ask for its curves."""
    page.locator("canvas").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".hover").inner_text().startswith("width ")
    page.keyboard.press("Enter")
    assert page.locator(".of-cell h4").inner_text().startswith("width ")
    see_all(page)
    assert page.locator(".of-cell .plot .main-svg").count() > 2


def test_a_reproduction_follows_its_thresholds(visit, pages, reproduction):
    page = visit(pages["reproduction"])
    check_thresholds(page, reproduction.study.results)
    check_cell(page)


@pytest.mark.shared
def test_a_study_of_mnist_follows_its_thresholds(visit, pages, mnist_study):
    page = visit(pages["mnist_study"])
    check_thresholds(page, mnist_study.results)
    check_cell(page)
