import importlib.util
import os

import numba
from numba.core.event import install_listener

from hashlens import compiling as compiling_module
from hashlens.compiling import CompilationListener, compiling


def test_a_compilation_is_told_and_a_second_call_is_none():
    told = []
    function = numba.njit(lambda value: value + 1)
    with install_listener("numba:compile", CompilationListener(told.append)):
        assert function(1) == 2
        assert function(2) == 3
        assert told == [""]
        assert function(0.5) == 1.5
    assert told == ["", ""]


def test_nothing_is_shown_or_kept_where_there_is_no_terminal(capsys):
    function = numba.njit(lambda value: value + 1)
    with compiling():
        function(1)
    assert capsys.readouterr() == ("", "")


CALLED = "from hashlens.compiling import compiled\n\n@compiled\ndef step(x):\n    return x + {by}\n"
CALLER = """
import importlib.util
from pathlib import Path
from hashlens.compiling import compiled

spec = importlib.util.spec_from_file_location("called", Path(__file__).with_name("called.py"))
called = importlib.util.module_from_spec(spec)
spec.loader.exec_module(called)
step = called.step

@compiled
def twice(x):
    return step(step(x))
"""


def loaded(folder):
    """Return the caller as a process that starts now sees it."""
    compiling_module._delete_stale_code.cache_clear()
    spec = importlib.util.spec_from_file_location("caller", folder / "caller.py")
    caller = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(caller)
    return caller.twice


def test_a_change_of_what_a_compiled_loop_calls_is_seen(tmp_path):
    (tmp_path / "called.py").write_text(CALLED.format(by=1))
    (tmp_path / "caller.py").write_text(CALLER)
    assert loaded(tmp_path)(0) == 2
    again = loaded(tmp_path)
    assert again(0) == 2
    assert sum(again.stats.cache_hits.values()) == 1  # kept while nothing changes
    (tmp_path / "called.py").write_text(CALLED.format(by=10))
    later = max(path.stat().st_mtime for path in (tmp_path / "__pycache__").iterdir()) + 1
    os.utime(tmp_path / "called.py", (later, later))
    assert loaded(tmp_path)(0) == 20
