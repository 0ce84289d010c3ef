"""A result of another package: defined here, in about 30 lines, and shown everywhere with nothing else touched."""

import json
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest

from hashlens import load_result
from hashlens.errors import ReportError
from hashlens.files import write_columns
from hashlens.report.figures import Figure, Lines, Rule, Series
from hashlens.result import Result
from hashlens.saved import report_page
from hashlens.tables import Table, table
from hashlens.testing.figure_contract import check_figure
from hashlens.testing.result_contract import check_json, check_overwriting, check_page, check_result


@dataclass(frozen=True, eq=False)
class Tides(Result):
    """How high the water stood at a harbour.

    Attributes
    ----------
    harbour : str
        Its name.
    hours, metres : numpy.ndarray
        ``(n,)`` float64.
    flood : float or None
        Where streets flood, in metres.
    """

    harbour: str
    hours: npt.NDArray[np.float64]
    metres: npt.NDArray[np.float64]
    flood: float | None = None

    def __rich__(self) -> Table:
        rows = [(f"{hour:g}", f"{metres:.2f}") for hour, metres in zip(self.hours, self.metres, strict=True)]
        return table(f"Tides at {self.harbour}", ("hour", "metres"), rows)

    def figures(self) -> tuple[Figure, ...]:
        rules = () if self.flood is None else (Rule("y", self.flood, "streets flood"),)
        series = (Series(self.harbour, tuple(self.hours), tuple(self.metres)),)
        return (Lines(f"Tides at {self.harbour}", "hour", "metres", series, rules),)

    def to_csv(self, path, *, overwrite=False):
        return write_columns(path, {"hour": self.hours, "metres": self.metres}, overwrite=overwrite)


@pytest.fixture
def tides():
    return Tides("Dover <&>", np.array([0.0, 6.0, 12.0]), np.array([1.25, 6.5, 1.0]), 6.8)


def test_a_result_of_thirty_lines_is_shown_drawn_written_and_read_back(tides, tmp_path):
    assert str(tides).split()[:2] == ["Tides", "at"]
    assert "6.50" in str(tides)
    assert "6.50" in tides._repr_html_()
    (axes,) = tides.plot().axes
    assert axes.lines[0].get_ydata() == pytest.approx([1.25, 6.5, 1.0])
    page = tides.to_html(tmp_path / "tides.html").read_text(encoding="utf-8")
    assert "Dover &lt;&amp;&gt;" in page
    assert '"y":[1.25,6.5,1.0]' in page
    (tmp_path / "tides.json").write_text(json.dumps(tides.to_dict()))
    back = load_result(tmp_path / "tides.json", {"Tides": Tides})
    assert isinstance(back, Tides)
    assert back.metres == pytest.approx(tides.metres)
    assert (back.metres.dtype, back.flood) == (np.float64, 6.8)
    assert report_page(tmp_path / "tides.json", kinds={"Tides": Tides}) == back.page()
    check_result(tides, tmp_path, {"Tides": Tides})


def test_a_class_that_nobody_named_is_not_looked_for(tides, tmp_path):
    (tmp_path / "tides.json").write_text(json.dumps(tides.to_dict()))
    for read in (load_result, report_page):
        with pytest.raises(ReportError, match="a result of the unknown kind 'Tides'"):
            read(tmp_path / "tides.json")


class Forgetful(Tides):
    def to_dict(self):
        return super().to_dict() | {"metres": [0.0, 0.0, 0.0][: len(self.metres) - 1]}


class Shy(Tides):
    def page(self):
        return replace(super().page(), sections=())


class Careless(Tides):
    def to_csv(self, path, *, overwrite=False):
        return write_columns(path, {"hour": self.hours}, overwrite=True)


class Untidy(Tides):
    def to_csv(self, path, *, overwrite=False):
        path.with_name("notes.txt").write_text("beside it")
        return super().to_csv(path, overwrite=overwrite)


class Unsure(Tides):
    def export(self, path, *, overwrite=False):
        return write_columns(path, {"hour": self.hours, "again": [overwrite] * 3}, overwrite=overwrite)


def test_the_contract_says_what_a_result_lacks(tides, tmp_path):
    other = {name: of(*vars(tides).values()) for name, of in globals().items()
             if isinstance(of, type) and issubclass(of, Tides)}  # fmt: skip
    check_overwriting(tides, tmp_path)
    with pytest.raises(AssertionError, match="to_csv wrote over an existing file"):
        check_overwriting(other["Careless"], tmp_path / "careless")
    with pytest.raises(AssertionError, match="to_csv raised an error, but changed the file"):
        check_overwriting(other["Untidy"], tmp_path / "untidy")
    with pytest.raises(AssertionError, match="export writes another file if it overwrites one"):
        check_overwriting(other["Unsure"], tmp_path / "unsure")
    with pytest.raises(AssertionError, match="Shy: the page lacks 'Tides at Dover <&>'"):
        check_page(other["Shy"])
    with pytest.raises(AssertionError, match="Tides: its JSON is read back, but should be refused"):
        check_json(tides, tmp_path / "a.json", {"Tides": Tides}, expected_loading="refused")
    with pytest.raises(AssertionError, match="Forgetful: "):
        check_json(other["Forgetful"], tmp_path / "a.json", {"Forgetful": Tides})


def test_a_figure_that_one_backend_draws_otherwise_is_caught(tides, monkeypatch):
    from hashlens.report import plots, traces

    (figure,) = tides.figures()
    check_figure(figure)
    drawn = traces.TRACE_FUNCTIONS[Lines]
    monkeypatch.setitem(traces.TRACE_FUNCTIONS, Lines, lambda figure: drawn(figure) | {"data": []})
    with pytest.raises(AssertionError, match=r"Lines 'Tides at Dover <&>': Plotly does not draw \(0.0, 1.25\)"):
        check_figure(figure)
    monkeypatch.undo()
    monkeypatch.setitem(plots.DRAW_FUNCTIONS, Lines, lambda axes, figure: axes.plot([0], [1.25]))
    with pytest.raises(AssertionError, match=r"matplotlib does not draw \(6.0, 6.5\)"):
        check_figure(figure)
