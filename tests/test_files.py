import pytest

from hashlens.errors import OutputError
from hashlens.files import written_whole


def test_a_file_appears_whole(tmp_path):
    with written_whole(tmp_path / "folder" / "file") as beside:
        beside.write_text("whole")
        assert not (tmp_path / "folder" / "file").exists()
    assert (tmp_path / "folder" / "file").read_text() == "whole"
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["file"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(KeyboardInterrupt), written_whole(tmp_path / "file") as beside:
        beside.write_text("ha")
        raise KeyboardInterrupt
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_what_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match=r"file/inner cannot be written: .*; free some space"),
        written_whole(tmp_path / "file" / "inner") as beside,
    ):
        beside.write_text("never")


def test_a_full_disk_is_one_clear_line(tmp_path):
    with pytest.raises(OutputError, match="No space left on device"), written_whole(tmp_path / "file") as beside:
        beside.write_text("half")
        with open("/dev/full", "w") as full:
            full.write("x" * 100_000)
    assert not list(tmp_path.iterdir())
