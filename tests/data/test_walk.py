import os
from collections import Counter

from hashlens.data.walk import files_under

PNG = frozenset({".png"})


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names(root, found):
    return [path.relative_to(root).as_posix() for path in found]


def test_hidden_files_and_folders_at_any_depth_are_skipped_and_counted(tmp_path):
    shown = ["a/1.png", "a/2.PNG", "a/deep/er/3.png", "b/0.png"]
    hidden = [".cache/0.png", "a/._1.png", "a/.ipynb_checkpoints/1.png", "a/deep/.x/y/3.png", "__MACOSX/a/1.png",
              "a/__MACOSX/2.png", "b/@eaDir/0.png/thumb.png"]  # fmt: skip
    others = ["a/Thumbs.db", "b/Thumbs.db", "README", "a/.DS_Store", ".git/config"]
    touch(tmp_path, *shown, *hidden, *others)
    found, skipped = files_under(tmp_path, PNG)
    assert names(tmp_path, found) == shown
    assert skipped == Counter({"hidden": 7, ".db": 2, "without a suffix": 1})


def test_a_folder_that_is_hidden_itself_is_read_where_it_is_named(tmp_path):
    touch(tmp_path, ".data/a/1.png")
    found, skipped = files_under(tmp_path / ".data", PNG)
    assert names(tmp_path, found) == [".data/a/1.png"]
    assert not skipped


def test_links_are_followed_but_never_in_a_circle(tmp_path):
    root = tmp_path / "root"
    touch(tmp_path, "root/a/1.png", "root/b/2.png", "elsewhere/3.png")
    for link, target in (
        ("a/self", "a"), ("a/to_b", "b"), ("b/to_a", "a"), ("b/up", ".."), ("b/top", "."), ("b/out", "../elsewhere"),
    ):  # fmt: skip
        (root / link).symlink_to(root / target)
    (root / "a/gone.png").symlink_to(root / "nowhere.png")
    os.symlink("loop.png", root / "a/loop.png")
    found, skipped = files_under(root, PNG)
    assert names(root, found) == [
        "a/1.png",
        "a/to_b/2.png",
        "a/to_b/out/3.png",
        "b/2.png",
        "b/out/3.png",
        "b/to_a/1.png",
    ]
    os.mkfifo(root / "b/pipe.png")
    assert files_under(root, PNG)[1]["pipes and devices"] == 2
    assert skipped["broken links"] == 4
    assert skipped["links to a containing folder"] == 8
