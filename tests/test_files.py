from pathlib import Path

import pytest

from hashlens.errors import OutputError
from hashlens.files import atomic_write, check_writable


def test_a_file_appears_whole(tmp_path):
    with atomic_write(tmp_path / "folder" / "file") as partial:
        partial.write_text("whole")
        assert not (tmp_path / "folder" / "file").exists()
    assert (tmp_path / "folder" / "file").read_text() == "whole"
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["file"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_write(tmp_path / "file", overwrite=True) as partial:
        partial.write_text("ha")
        raise KeyboardInterrupt
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_what_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match=r"file/inner cannot be written: .*; free some space"),
        atomic_write(tmp_path / "file" / "inner") as partial,
    ):
        partial.write_text("never")


def test_a_full_disk_is_one_clear_line(tmp_path):
    with pytest.raises(OutputError, match="No space left on device"), atomic_write(tmp_path / "file") as partial:
        partial.write_text("half")
        with open("/dev/full", "w") as full:
            full.write("x" * 100_000)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["/dev/full", "/", "x" * 300, "a\0b"])
@pytest.mark.parametrize("write", [check_writable, lambda path: atomic_write(path).__enter__()])
def test_what_is_no_file_is_refused_and_stays(path, write):
    with pytest.raises(OutputError, match="choose another path") as error:
        write(path)
    assert "\n" not in str(error.value)
    assert not Path("/dev/full").is_file()


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "file").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "far" / "file")
    with atomic_write(tmp_path / "link", overwrite=True) as partial:
        partial.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / "file").read_text() == "new"


def test_what_another_wrote_meanwhile_is_not_replaced(tmp_path):
    with (
        pytest.raises(OutputError, match="exists already"),
        atomic_write(tmp_path / "file", overwrite=False) as mine,
        atomic_write(tmp_path / "file", overwrite=False) as other,
    ):
        other.write_text("other's")
        mine.write_text("mine")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "other's")]
