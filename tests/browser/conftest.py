"""A browser with networking off, and pages written once, each when a test first asks for it."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import pytest
from tests.browser.opening import opened
from tests.browser.sample import HOSTILE, QUOTED, sample_page
from tests.report.planted_study import planted_results

import hashlens as hl
from hashlens.report.page import write_page
from hashlens.saved.report import report_page
from hashlens.study.reproduce.preset import find_preset
from hashlens.study.reproduce.reproduce import PAGE
from hashlens.study.reproduce.reproduction import Reproduction
from hashlens.study.spec import StudySpec


@pytest.fixture
def visit(browser) -> Iterator[Callable]:
    """Return a function that opens a file with networking off; whatever a page says or asks for fails the test."""
    with ExitStack() as stack:
        yield lambda path, scheme="light", width=1280: stack.enter_context(opened(browser, path, scheme, width))


@pytest.fixture(scope="session")
def axe() -> str:
    """Return the script of axe-core, which is not part of hashlens: $HASHLENS_AXE says where it lies."""
    place = os.environ.get("HASHLENS_AXE")
    if place is None or not Path(place).is_file():
        pytest.skip("HASHLENS_AXE does not name axe.min.js of axe-core")
    return Path(place).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("pages")


class Pages:
    """The pages by name: each is what the fixture ``NAME_page`` returns."""

    def __init__(self, request) -> None:
        self.request = request

    def __getitem__(self, name: str) -> Path:
        return self.request.getfixturevalue(f"{name}_page")


@pytest.fixture
def pages(request) -> Pages:
    return Pages(request)


@pytest.fixture(scope="session", name="sample_page")
def _sample(folder) -> Path:
    """Return a page with one of every part."""
    return write_page(sample_page(), folder / "sample.html")


@pytest.fixture(scope="session", name="hostile_page")
def _hostile(folder) -> Path:
    return write_page(sample_page(HOSTILE), folder / "hostile.html")


@pytest.fixture(scope="session", name="quoted_page")
def _quoted(folder) -> Path:
    return write_page(sample_page(QUOTED), folder / "quoted.html")


@pytest.fixture(scope="session", name="demo_page")
def _demo(folder) -> Path:
    """Return a page like the one that ``hashlens demo`` writes: a measurement with all controls."""
    train, test = "digits#train", "digits#test"
    network = hl.train("mlp", train, recipe="figures", epochs=20, width=32, seed=0, test=test).network
    return hl.measure(network, train, test, seed=0).to_html(folder / "demo.html")


@pytest.fixture(scope="session", name="audit_page")
def _audit(folder) -> Path:
    train, test = "digits#train", "digits#test"
    network = hl.train("mlp", train, epochs=10, seed=0, width=40).network
    return hl.audit(network, train, test).to_html(folder / "audit.html")


@pytest.fixture(scope="session", name="study_page")
def _study(folder) -> Path:
    """Return a page whose phase chart has slices; nobody ran the study."""
    axes = {"width": [8, 16, 32, 64, 128], "samples": [100, 1000], "epochs": [0, 1, 10, 100]}
    return planted_results(axes).to_html(folder / "study.html")


@pytest.fixture(scope="session")
def reproduction(folder) -> Reproduction:
    """Return a reproduction whose preset was cut down to six networks of few epochs."""
    preset = find_preset("digits-width")
    small = {
        "axes": {"width": [4, 16, 128], "random_inputs": ["none", "uniform"]},
        "training": {"epochs": 10},
        "repeats": 2,
    }
    with pytest.MonkeyPatch.context() as patch:
        shrunk = preset.model_copy(update={"quick": small})
        patch.setattr(import_module("hashlens.study.reproduce.reproduce"), "find_preset", lambda name: shrunk)
        return hl.reproduce("digits-width", out=folder / "digits-width")


@pytest.fixture(scope="session", name="reproduction_page")
def _reproduction(reproduction) -> Path:
    return reproduction.folder / PAGE


@pytest.fixture(scope="session", name="mnist_page")
def _mnist(folder, shared_data) -> Path:
    """Return the page of a network's measurement on some of MNIST, with thumbnails."""
    source = f"parquet:{shared_data}/mnist"
    train, test = hl.load_data(f"{source}#train[:3000]").load(), hl.load_data(f"{source}#test[:1000]").load()
    network = hl.train("mlp", train, epochs=1, seed=0, width=40).network
    return hl.measure(network, train, test, controls=False).to_html(folder / "mnist.html")


@pytest.fixture(scope="session")
def mnist_study(folder, shared_data) -> hl.Study:
    """Return a study of MNIST over width, in small."""
    source = f"parquet:{shared_data}/mnist"
    spec = StudySpec(
        name="mnist-width",
        data={"train": f"{source}#train[:2000]", "test": f"{source}#test[:500]"},
        training={"recipe": "figures", "epochs": 5},
        axes={"width": [10, 27, 100]},
    )
    return hl.Study(spec, folder / "mnist-width.db").run()


@pytest.fixture(scope="session", name="mnist_study_page")
def _mnist_study(folder, mnist_study) -> Path:
    return write_page(report_page(folder / "mnist-width.db"), folder / "mnist-width.html")
