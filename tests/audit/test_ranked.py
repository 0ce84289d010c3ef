from dataclasses import dataclass, fields, replace
from typing import ClassVar

import numpy as np
import pyarrow.csv
import pytest

from hashlens.audit.audit import Audit
from hashlens.audit.blind_spots import BlindSpots
from hashlens.audit.compare_models import ModelComparison
from hashlens.audit.duplicates import Duplicates
from hashlens.audit.label_issues import LabelIssues
from hashlens.audit.leaks import Leaks
from hashlens.audit.novel_items import NovelItems
from hashlens.errors import OutputError
from hashlens.measures.coverage import NewReach
from hashlens.ranked import ID, RANK, ROW, SHOWN, Column, Ranked


@dataclass(frozen=True, eq=False)
class Sizes(Ranked):
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        RANK,
        ID,
        ROW,
        Column("kind", "kinds", int, "what it is", identifies_row=True, classes=True),
        Column("size", "sizes", float),
        Column("share_of_all", "shares", float),
        Column("large", lambda found: found.sizes > 2, bool),
        Column("bytes", lambda found: (1000 * found.sizes).astype(int), int, cell=lambda found, at: f"about {at}"),
    )

    ids: np.ndarray
    rows: np.ndarray
    kinds: np.ndarray
    sizes: np.ndarray
    shares: np.ndarray | None = None
    class_names: tuple[str, ...] = ()


@pytest.fixture
def sizes():
    count = SHOWN + 5
    ids = np.array([f"id {row}" for row in range(count)])
    return Sizes(ids, np.arange(count)[::-1], np.arange(count) % 2, np.arange(count) * 1.25)


def test_columns_are_those_that_are_known(sizes):
    assert list(sizes.columns) == ["rank", "id", "row", "kind", "size", "large", "bytes"]
    assert sizes.columns["rank"][:3].tolist() == [1, 2, 3]
    assert sizes.columns["large"][:3].tolist() == [False, False, True]
    assert "share_of_all" in replace(sizes, shares=sizes.sizes).columns
    assert len(sizes) == SHOWN + 5


def test_people_read_the_first_rows_under_headings(sizes):
    shown = replace(sizes, class_names=("cat", "dog")).table("Sizes", "a note", without=("large",))
    assert shown.columns == ("rank", "id", "what it is", "size", "bytes")
    assert (shown.names, shown.note, len(shown.rows)) == (3, "a note", SHOWN)
    assert shown.rows[1] == ("2", "id 1", "dog", "1.2500", "about 1")
    assert sizes.table("Sizes", shown=3).rows[2] == ("3", "id 2", "0", "2.5000", "yes", "about 2")


def test_a_list_has_the_digits_and_the_names_of_the_file(sizes):
    named = replace(sizes, class_names=("cat", "dog"), shares=sizes.sizes / 7)
    names, rows = named.page_rows(("id", "row", "kind", "share_of_all"), 2)
    assert names == ("id", "row", "kind", "share_of_all")
    assert rows == [("id 0", "14", "cat", "0"), ("id 1", "13", "dog", "0.178571")]


def test_the_file_has_every_row_and_classes_by_their_names(sizes, tmp_path):
    read = pyarrow.csv.read_csv(replace(sizes, class_names=("cat", "dog")).to_csv(tmp_path / "sizes.csv"))
    assert read.column_names == [*sizes.columns, "kind_name"]
    assert read.column("row").to_pylist() == sizes.rows.tolist()
    assert read.column("kind_name").to_pylist()[:3] == ["cat", "dog", "cat"]
    with pytest.raises(OutputError, match="exists already"):
        sizes.to_csv(tmp_path / "sizes.csv", overwrite=False)


def test_a_result_without_rows_has_a_table_and_a_file(sizes, tmp_path):
    none = Sizes(*(getattr(sizes, field.name)[:0] for field in fields(sizes)[:4]), class_names=("cat",))
    assert none.table("Sizes").rows == ()
    assert none.to_csv(tmp_path / "none.csv").read_text().strip().count("\n") == 0


RANKINGS = (BlindSpots, Duplicates, LabelIssues, Leaks, ModelComparison, NewReach, NovelItems)


@pytest.mark.parametrize("kind", RANKINGS)
def test_every_ranking_says_its_columns_once_and_begins_with_rank_id_and_row(kind):
    assert issubclass(kind, Ranked)
    names = [column.name for column in kind.COLUMNS]
    assert names[:3] == ["rank", "id", "row"]
    assert len(set(names)) == len(names)
    known = {field.name for field in fields(kind)} | {name for name in dir(kind) if not name.startswith("_")}
    assert {column.attribute for column in kind.COLUMNS if column.attribute} <= known


def test_the_rankings_of_an_audit_are_all_that_is_ranked_here():
    assert {at.type for at in fields(Audit)} >= {Leaks | None, BlindSpots, NovelItems}
    assert set(RANKINGS) == {kind for kind in Ranked.__subclasses__() if kind.__module__.startswith("hashlens.")}
