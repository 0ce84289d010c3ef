"""Rooms: the parts of hashlens. Which one imports which is read from the source, and must fit `docs/design.md`."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

import hashlens
from hashlens.measures.regime import RegimeName

SOURCE = Path(hashlens.__file__).parent
DESIGN = SOURCE.parents[1] / "docs/design.md"
NAMED = re.compile(r"hashlens(\.\w+)+")
GROUND = "ground"
WRITTEN_IN = (".py", ".js", ".css", ".jinja")


def module_name(file, root):
    parts = file.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree, module, is_package):
    """Yield the modules that a file imports, wherever it does, and those that it names for import_module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            package = module.split(".") if is_package else module.split(".")[:-1]
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *filter(None, [node.module])])
            yield from [f"{source}.{name.name}" for name in node.names] if source == "hashlens" else [source]
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and NAMED.fullmatch(node.value):
            yield node.value


@cache
def tree_of(file):
    return ast.parse(file.read_text(encoding="utf-8"))


def written_in_report():
    files = (SOURCE / "report").rglob("*")
    return [file for file in files if file.suffix in WRITTEN_IN and "vendor" not in file.parts]


def room_of(module, rooms):
    """Return the room of a module; what is imported from hashlens itself is of the room `hashlens`."""
    parts = module.split(".")
    if parts[0] != "hashlens":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in rooms else "hashlens"


def rooms_of(root):
    """Return the names of the rooms: top-level modules and packages, and `hashlens` for what all of it offers."""
    found = {path.stem for path in root.glob("*.py")} | {path.parent.name for path in root.glob("*/__init__.py")}
    return found - {"__init__"} | {"hashlens"}


@cache
def arrows(root):
    """Return for each two rooms, one importing the other, where it does: (file, module) pairs."""
    rooms, found = rooms_of(root), defaultdict(set)
    for file in root.rglob("*.py"):
        module = module_name(file, root)
        for other in imported(tree_of(file), module, file.stem == "__init__"):
            here, there = room_of(module, rooms), room_of(other, rooms)
            if there is not None and there != here:
                found[here, there].add((str(file.relative_to(root)), other))
    return found


def circles(pairs):
    """Return the sets of rooms that import each other in a circle."""
    beyond = defaultdict(set)
    for here, there in pairs:
        beyond[here].add(there)

    def reached(start):
        seen, ahead = set(), [start]
        while ahead:
            for room in beyond[ahead.pop()] - seen:
                seen.add(room)
                ahead.append(room)
        return seen

    behind = {room: reached(room) for room in list(beyond)}
    return {
        frozenset({room} | {other for other in reach if room in behind.get(other, ())})
        for room, reach in behind.items()
        if room in reach
    }


def floors(text):
    """Return the floor of each room, counted from the ground, and the names of the floors, as the table draws them."""
    table = text.split("## Floors")[1].split("\n## ")[0]
    rows = [row.strip("|").split("|") for row in table.splitlines() if row.startswith("|")][2:]
    rows.reverse()
    return {room: at for at, row in enumerate(rows) for room in re.findall(r"`(\w+)`", row[1])}, [
        row[0].strip() for row in rows
    ]


def misfits(pairs, floor):
    """Return a line for each arrow that does not go down to a lower floor; on the ground floor rooms use each other."""
    found = []
    for (here, there), places in sorted(pairs.items()):
        if floor[here] > floor[there] or floor[here] == floor[there] == 0:
            continue
        found += [f"{file} ({here}, floor {floor[here]}) imports {module} ({there}, floor {floor[there]})"
                  for file, module in sorted(places)]  # fmt: skip
    return found


def test_every_room_has_one_floor_in_the_drawing():
    text = DESIGN.read_text(encoding="utf-8")
    floor, names = floors(text)
    assert names[0] == GROUND
    assert floor.keys() == rooms_of(SOURCE), "docs/design.md draws other rooms than there are"
    drawn = re.findall(r"`(\w+)`", " ".join(row.split("|")[2] for row in text.split("## Floors")[1].split("\n## ")[0]
                                            .splitlines() if row.startswith("|")))  # fmt: skip
    assert len(drawn) == len(set(drawn)), "a room stands on two floors"


@pytest.mark.slow
def test_every_arrow_goes_down():
    floor, _ = floors(DESIGN.read_text(encoding="utf-8"))
    offenders = misfits(arrows(SOURCE), floor)
    assert not offenders, "\n" + "\n".join(offenders)


def test_no_import_circle_joins_two_rooms():
    pairs = arrows(SOURCE)
    offenders = [
        f"circle of {', '.join(sorted(circle))}: {here} imports {there} in {sorted(pairs[here, there])[0][0]}"
        for circle in circles(pairs)
        for here, there in sorted(pairs)
        if here in circle and there in circle
    ]
    assert not offenders, "\n" + "\n".join(offenders)


@pytest.mark.parametrize(
    ("low", "offender"),
    [
        ("from hashlens.high import x", "low/it.py (low, floor 1) imports hashlens.high"),
        ("def f():\n    import hashlens.high.it", "low/it.py (low, floor 1) imports hashlens.high.it"),
        ("if TYPE_CHECKING:\n    from hashlens import high", "low/it.py (low, floor 1) imports hashlens.high"),
        ("from ..high.it import x", "low/it.py (low, floor 1) imports hashlens.high.it"),
        ("PLACE = 'hashlens.high.it'", "low/it.py (low, floor 1) imports hashlens.high.it"),
        ("from hashlens.beside import x", "low/it.py (low, floor 1) imports hashlens.beside"),
        ("from hashlens import encode", "low/it.py (low, floor 1) imports hashlens.encode"),
        ("from hashlens.errors import x", None),
        ("from .other import x\nimport numpy", None),
    ],
)
def test_an_arrow_that_does_not_go_down_is_seen_however_it_is_written(tmp_path, low, offender):
    root = tmp_path / "hashlens"
    for room in ("low", "high"):
        (root / room).mkdir(parents=True)
        (root / room / "__init__.py").touch()
    (root / "low/it.py").write_text(low)
    (root / "high/it.py").write_text("from hashlens.low import it")
    for name in ("errors", "beside", "__init__"):
        (root / f"{name}.py").touch()
    floor = {"errors": 0, "low": 1, "beside": 1, "high": 2, "hashlens": 3}
    found = arrows(root)
    assert [line.rpartition(" (")[0] for line in misfits(found, floor)] == ([offender] if offender else [])
    assert circles(found) == ({frozenset({"low", "high"})} if offender and "high" in offender else set())


@pytest.mark.slow
def test_report_stands_on_the_ground_and_is_small():
    floor, _ = floors(DESIGN.read_text(encoding="utf-8"))
    assert {there for here, there in arrows(SOURCE) if here == "report" and floor[there] > 0} == set()
    lines = {file.name: len(file.read_text(encoding="utf-8").splitlines()) for file in written_in_report()}
    assert sum(lines.values()) < 3000, sorted(lines.items(), key=lambda line: -line[1])


@pytest.mark.slow
def test_report_names_no_class_and_no_regime_of_another_room():
    own, classes, named = set(), set(), defaultdict(set)
    for file in SOURCE.rglob("*.py"):
        nodes = list(ast.walk(tree_of(file)))
        if file.relative_to(SOURCE).parts[0] != "report":
            classes |= {node.name for node in nodes if isinstance(node, ast.ClassDef)}
            continue
        # What report defines, and what it imports from other packages or the ground floor, is not of another room.
        own |= {node.name for node in nodes if isinstance(node, ast.ClassDef)}
        own |= {node.name for node in nodes if isinstance(node, ast.alias)}
        for node in nodes:
            for name in names_in(node):
                named[name].add(file.name)
    for file in (file for file in written_in_report() if file.suffix != ".py"):
        for name in re.findall(r"\w+", file.read_text(encoding="utf-8")):
            named[name].add(file.name)
    assert {name: named[name] for name in (classes - own) & named.keys()} == {}
    for file in written_in_report():
        for regime in get_args(RegimeName):
            assert regime not in file.read_text(encoding="utf-8"), f"{file.name} names the regime {regime}"


def names_in(node):
    """Return the names that code uses at a node, those in annotations written as text included."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        return [node.attr]
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[\w.]+", node.value):
        return node.value.split(".")
    return []
