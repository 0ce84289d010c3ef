import numpy as np
import pytest

from hashlens.data import load_data
from hashlens.errors import DataError


def test_classes_are_the_sorted_sub_folders_and_ids_the_file_names(tmp_path, images, write_folder):
    write_folder(tmp_path, images[:4], ["dog", "ant", "dog", "bee/deep"])
    (tmp_path / "ant/notes.txt").write_text("no image")
    (tmp_path / ".cache").mkdir()
    examples = load_data(f"folder:{tmp_path}")
    assert examples.class_names == ("ant", "bee", "dog")
    assert examples.ids.tolist() == ["ant/001.png", "bee/deep/003.png", "dog/000.png", "dog/002.png"]
    assert examples.labels.tolist() == [0, 1, 2, 2]
    assert np.array_equal(examples.load().inputs.numpy(), images[[1, 3, 0, 2]].transpose(0, 3, 1, 2))


def test_a_class_without_images_keeps_its_number(tmp_path, images, write_folder):
    write_folder(tmp_path, images[:1], ["dog"])
    (tmp_path / "ant").mkdir()
    examples = load_data(f"folder:{tmp_path}")
    assert examples.class_names == ("ant", "dog")
    assert examples.labels.tolist() == [1]


def test_a_split_is_a_sub_folder_and_is_not_taken_for_a_class(tmp_path, images, write_folder):
    write_folder(tmp_path, images[:3], ["train/ant", "train/bee", "test/bee"])
    assert load_data(f"folder:{tmp_path}#train").class_names == ("ant", "bee")
    with pytest.raises(DataError, match=r"say which split: .*#test or .*#train"):
        load_data(f"folder:{tmp_path}")
    with pytest.raises(DataError, match=r"no split 'tran'; did you mean 'train'"):
        load_data(f"folder:{tmp_path}#tran")


def test_images_without_sub_folders_have_no_labels(tmp_path, images, write_folder):
    examples = load_data(f"folder:{write_folder(tmp_path, images[:2], [None, None])}")
    assert examples.labels is None
    assert examples.class_names is None
    assert [batch.labels for batch in examples.batches(1)] == [None, None]
    assert examples.load().labels is None


def test_what_is_wrong_is_one_line(tmp_path, images, write_folder):
    with pytest.raises(DataError, match=r"there are no examples: no images"):
        load_data(f"folder:{tmp_path}")
    write_folder(tmp_path, [images[0], images[1, :3]], ["a", "b"])
    with pytest.raises(DataError, match=r"image b/001.png is 5x3 pixels, the first one is 5x4; all must have one size"):
        load_data(f"folder:{tmp_path}").load()
    (tmp_path / "b/001.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=r"image b/001.png cannot be read"):
        load_data(f"folder:{tmp_path}").load()
    write_folder(tmp_path, images[:1], [None])
    with pytest.raises(DataError, match=r"images both in .* and in its sub-folders"):
        load_data(f"folder:{tmp_path}")
    with pytest.raises(DataError, match=r"is a file; expected a folder"):
        load_data(f"folder:{tmp_path}/000.png")
