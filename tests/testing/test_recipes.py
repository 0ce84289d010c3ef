"""The recipes of `docs/design.md` are followed word for word: their code runs as if it stood where they say."""

import importlib.util
import inspect
import re
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

from hashlens.codes.gates import GATES, Gate
from hashlens.explanations import methods
from hashlens.saved.kinds import KINDS
from hashlens.study.experiment import EXPERIMENTS

DESIGN = Path(__file__).parents[2] / "docs/design.md"


def recipes():
    """Return the code blocks of each recipe by its heading: (file, table or nothing, code)."""
    text = DESIGN.read_text(encoding="utf-8").split("## Recipes")[1].split("\n## ")[0]
    found = {}
    for part in text.split("\n### ")[1:]:
        blocks = re.findall(r"```python\n# (\S+?\.py)(?:, in .*?(\w+))?\n(.*?)```", part, re.DOTALL)
        found[part.partition("\n")[0]] = blocks
    return found


def put_into(table, entry, module):
    """Add a line to one of the tables that recipes name."""
    if table == "METHODS":
        (method,) = eval(f"({entry})", vars(module))
        methods.METHODS += (method,)
        methods.NAMES[method.name] = method
    elif table == "_HARD":
        entries = eval(f"{{{entry}}}", vars(module))
        GATES.update({name: Gate(name, planes) for name, planes in entries.items()})
    else:
        vars(module)[table].update(eval(f"{{{entry}}}", vars(module)))


@pytest.fixture
def tables():
    """Leave the tables of the package as they were."""
    before = dict(GATES), dict(KINDS), methods.METHODS, dict(methods.NAMES), dict(EXPERIMENTS)
    made = []
    yield made
    for table, was in zip((GATES, KINDS, methods.NAMES, EXPERIMENTS), (*before[:2], *before[3:]), strict=True):
        table.clear()
        table.update(was)
    methods.METHODS = before[2]
    for name in made:
        del sys.modules[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", recipes())
def test_a_recipe_does_what_it_says(name, tables, tmp_path):
    blocks = recipes()[name]
    assert len(blocks) >= 2
    tested = []
    for file, table, code in blocks:
        module_name = file.removesuffix(".py").replace("/", ".")
        if table:
            put_into(table, textwrap.dedent(code), importlib.import_module(f"hashlens.{module_name}"))
            continue
        own = not module_name.startswith("tests.")
        module = ModuleType(f"hashlens.{module_name}" if own else module_name)
        if own:
            assert importlib.util.find_spec(f"hashlens.{module_name}") is None, f"{file} is there already"
            tables.append(module.__name__)
        sys.modules[module.__name__] = module
        exec(compile(code, file, "exec"), vars(module))
        tests = [value for key, value in vars(module).items() if key.startswith("test_")]
        assert own != bool(tests)
        for test in tests:
            test(tmp_path) if inspect.signature(test).parameters else test()
            tested.append(test.__name__)
        if not own:
            del sys.modules[module.__name__]
    assert tested


def test_there_is_a_recipe_for_each_thing_that_people_add():
    assert list(recipes()) == ["A gate", "A measure", "A result", "An explainer", "An experiment"]


def test_every_place_that_the_design_names_is_there():
    source = DESIGN.parents[1] / "src/hashlens"
    where = DESIGN.read_text(encoding="utf-8").split("## Where to find things")[1].split("\n## ")[0]
    named = re.findall(r"`([\w/]+(?:/|\.py|\.js))`", where)
    assert len(named) > 30
    roots = (source, source.parents[1])
    assert [name for name in named if not any(list(root.glob(f"**/{name}")) for root in roots)] == []
