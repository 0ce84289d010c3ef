import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import hashlens

ROOMS = (
    *("codes", "data", "explanations", "index", "integrations", "measures", "nets", "regions", "retrieval"),
    *("generative", "kernels", "ted", "training", "tuning"),
)


def is_sorted(names):
    constants_classes_functions = lambda key: (not key.isupper(), key.lower() == key, key)  # noqa: E731
    return list(names) == sorted(names, key=constants_classes_functions)


@pytest.mark.parametrize("name", ROOMS)
def test_all_is_complete_and_sorted(name):
    package = importlib.import_module(f"hashlens.{name}")
    public = {
        key for key, value in vars(package).items() if not key.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(package.__all__)
    assert is_sorted(package.__all__)


def test_public_names_are_those_that_load_and_those_that_type_checkers_see():
    tree = ast.parse(Path(hashlens.__file__).read_text(encoding="utf-8"))
    checked = {}
    for statement in next(node for node in tree.body if isinstance(node, ast.If)).body:
        for name in statement.names:
            checked[name.name] = f"hashlens.{name.name}" if statement.module == "hashlens" else statement.module
    assert is_sorted(hashlens.__all__)
    assert list(hashlens._MODULES) == [name for name in hashlens.__all__ if name != "__version__"]
    # The function `audit` is loaded from its own module, since its room has its name.
    assert checked == {**hashlens._MODULES, "audit": "hashlens.audit"}
    assert dir(hashlens) == sorted(hashlens.__all__)
    assert not hasattr(hashlens, "audits")


@pytest.mark.parametrize("name", sorted(set(hashlens.__all__) - {"__version__"}))
def test_each_public_name_is_what_its_module_defines(name):
    value = getattr(hashlens, name)
    if isinstance(value, ModuleType):
        assert (name in (*ROOMS, "errors"), value.__name__) == (True, f"hashlens.{name}")
    else:
        assert value is getattr(importlib.import_module(hashlens._MODULES[name]), name)
        assert (value.__name__, value.__module__.split(".")[0]) == (name, "hashlens")


ORDERS = (
    "import hashlens.audit",
    "import hashlens.audit.leaks",
    "import hashlens; hashlens.audit; import hashlens.audit.leaks",
    "import hashlens.measurement.measure, hashlens.training.train",
)


def test_functions_are_functions_in_whatever_order_they_are_imported(fresh):
    code = f"""
import sys
from types import FunctionType, ModuleType
for order in {ORDERS}:
    for name in [name for name in sys.modules if name == "hashlens" or name.startswith("hashlens.audit")]:
        del sys.modules[name]
    exec(order)
    import hashlens as hl
    from hashlens import audit, codes, measure
    same = audit is hl.audit and measure is hl.measure and codes is hl.codes and hl is sys.modules["hashlens"]
    print(same, *(type(getattr(hl, name)) is FunctionType for name in ("audit", "floor", "leaks", "measure", "train")))
"""
    found = fresh(code)
    assert found.stdout.splitlines() == ["True True True True True True"] * len(ORDERS), found.stderr


def test_every_public_function_has_a_docstring():
    for name in hashlens.__all__:
        assert (getattr(hashlens, name).__doc__ or "").strip(), name


HEAVY = (
    *("torch", "numpy", "scipy", "sklearn", "faiss", "numba", "llvmlite", "pyarrow", "matplotlib", "jinja2", "pandas"),
    *("torchvision", "sqlalchemy", "cattrs"),
)


def alone(code):
    """Return what code prints in a Python process that has imported nothing."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_import_loads_nothing_but_itself():
    assert alone(f"import sys, hashlens; print([name for name in {HEAVY} if name in sys.modules])").strip() == "[]"


def test_results_are_read_without_what_makes_studies(fresh):
    heavy = (
        "sklearn",
        "faiss",
        "pyarrow",
        "matplotlib",
        "jinja2",
        "pandas",
        "scipy",
        "numba",
        "sqlalchemy",
        "pydantic",
    )
    code = (
        f"import sys, hashlens as hl; hl.encode, hl.measure; print([name for name in {heavy} if name in sys.modules])"
    )
    assert fresh(code).stdout.strip() == "[]"


@pytest.mark.slow
def test_help_and_version_load_no_network():
    code = f"""
import contextlib, io, sys
import typer
from hashlens.cli.app import app, run

def commands(command, words=()):
    yield words
    for name, below in getattr(command, "commands", {{}}).items():
        yield from commands(below, (*words, name))

lines = [["--version"], *([*words, "--help"] for words in commands(typer.main.get_command(app)))]
printed = io.StringIO()
for words in lines:
    with contextlib.redirect_stdout(printed):
        assert run(words) == 0
    loaded = [name for name in {HEAVY} if name in sys.modules]
    if loaded:
        print(*words, loaded)
print(len(lines), printed.getvalue().count("Usage: "))
"""
    commands = 1 + 8 + 1 + 5 + 1 + 3 + 1 + 2 + 1 + 4 + 1 + 2 + 1 + 3 + 1 + 3
    assert alone(code).splitlines() == [f"{commands + 1} {commands}"]
