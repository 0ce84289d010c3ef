import importlib
from types import ModuleType

import pytest

import hashlens

ROOMS = (
    *("codes", "data", "explanations", "index", "integrations", "measures", "nets", "regions", "retrieval"),
    "training",
)
PACKAGES = ["hashlens", *(f"hashlens.{room}" for room in ROOMS)]


@pytest.mark.parametrize("name", PACKAGES)
def test_all_is_complete_and_sorted(name):
    package = importlib.import_module(name)
    public = {
        key
        for key, value in vars(package).items()
        if (not key.startswith("_") or key == "__version__")
        and (not isinstance(value, ModuleType) or (name == "hashlens" and key in hashlens.__all__))
    }
    public -= {"TYPE_CHECKING", "Any", "import_module"} if name == "hashlens" else set()
    assert public | set(getattr(package, "_ON_FIRST_USE", ())) == set(package.__all__)
    constants_classes_functions = lambda key: (not key.isupper(), key.lower() == key, key)  # noqa: E731
    assert list(package.__all__) == sorted(package.__all__, key=constants_classes_functions)


def test_every_public_function_has_a_docstring():
    for name in hashlens.__all__:
        assert (getattr(hashlens, name).__doc__ or "").strip(), name


def test_import_is_light(fresh):
    heavy = (
        *("sklearn", "faiss", "pyarrow", "matplotlib", "jinja2", "pandas", "torchvision", "scipy"),
        *("numba", "llvmlite", "sqlalchemy", "pydantic"),
    )
    code = f"import sys, hashlens; print([name for name in {heavy} if name in sys.modules])"
    loaded = fresh(code).stdout
    assert loaded.strip() == "[]"
