from dataclasses import dataclass

import numpy as np
import pyarrow.csv
import pytest

from hashlens.errors import OutputError
from hashlens.ranked import SHOWN, Ranked


@dataclass(frozen=True, eq=False)
class Sizes(Ranked):
    ids: np.ndarray
    rows: np.ndarray
    sizes: np.ndarray
    shares: np.ndarray | None = None

    def _known(self):
        return {"size": self.sizes, "share": self.shares}


@pytest.fixture
def sizes():
    count = SHOWN + 5
    return Sizes(np.array([f"id {row}" for row in range(count)]), np.arange(count)[::-1], np.arange(count) + 0.5)


def test_columns_are_rank_id_and_row_and_then_what_is_known(sizes):
    assert list(sizes.columns) == ["rank", "id", "row", "size"]
    assert sizes.columns["rank"][:3].tolist() == [1, 2, 3]
    assert len(sizes) == SHOWN + 5


def test_a_table_has_the_first_rows_without_their_place_in_the_data(sizes):
    names, cells = sizes._first()
    assert names == ("rank", "id", "size")
    assert len(cells) == SHOWN
    assert cells[1] == ("2", "id 1", "1.5000")


def test_the_file_has_every_row(sizes, tmp_path):
    read = pyarrow.csv.read_csv(sizes.to_csv(tmp_path / "sizes.csv"))
    assert read.column("row").to_pylist() == sizes.rows.tolist()
    with pytest.raises(OutputError, match="exists already"):
        sizes.to_csv(tmp_path / "sizes.csv", overwrite=False)
