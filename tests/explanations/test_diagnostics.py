"""What a method says of itself: every key has a line in the table of the documentation, and every line is of a key."""

import re
from pathlib import Path

import pytest

from hashlens.explanations import explain
from hashlens.explanations.methods import METHODS

from .networks import convolutional, drawn
from .test_explain import OPTIONS

PAGE = Path(__file__).parents[2] / "docs" / "explanations.md"
IMAGES = drawn(1, 2, 12, 12)
FEW = {
    **OPTIONS, "activation_maximization": {"layer": "two", "steps": 2, "controls": 2},
    "deep_dream": {"layer": "two", "steps": 1, "octaves": 1}, "inversion": {"layer": "two", "steps": 2},
    "code_inversion": {"steps": 2, "example": drawn(1, 2, 12, 12, seed=5)},
}  # fmt: skip


def documented():
    """Return the keys of each method in the table, and those of all."""
    text = PAGE.read_text(encoding="utf-8").partition("## What the diagnostics mean\n")[2].partition("\n## ")[0]
    found = {method.name: set() for method in METHODS}
    for line in re.findall(r"^\| (?!method|---)(.*) \|$", text, re.MULTILINE):
        methods, keys, meaning, unit = line.split(" | ")
        assert meaning
        assert unit
        for method in found if methods == "all" else re.findall(r"`(\w+)`", methods):
            found[method] |= set(re.findall(r"`(\w+)`", keys))
    return found


@pytest.mark.parametrize("method", [method.name for method in METHODS])
def test_each_key_has_a_line_in_the_table(method):
    found = explain(convolutional("reused in place"), IMAGES, method, **FEW.get(method, {}))
    assert set(found.diagnostics) == documented()[method]
