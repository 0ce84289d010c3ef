import numba
from numba.core.event import install_listener

from hashlens.regions.compiling import CompilationListener, compiling


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
