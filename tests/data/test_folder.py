import numpy as np
import pytest
from PIL import Image

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


def test_hidden_files_at_any_depth_are_not_examples_and_what_is_skipped_is_one_line(
    tmp_path, images, write_folder, caplog
):
    write_folder(tmp_path, images[:2], ["cat", "dog"])
    shown = load_data(f"folder:{tmp_path}").ids.tolist()
    junk = ["cat/.ipynb_checkpoints/000-checkpoint.png", "cat/._0.jpg", "__MACOSX/cat/._000.png", ".trash/9.png"]
    for name in [*junk, "cat/Thumbs.db", "dog/desktop.ini"]:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(b"no image")
    assert not caplog.messages
    examples = load_data(f"folder:{tmp_path}")
    assert examples.ids.tolist() == shown == ["cat/000.png", "dog/001.png"]
    assert examples.class_names == ("cat", "dog")
    line = f"folder:{tmp_path}: skipped 6 files that are not examples: 4 hidden, 1 .db, 1 .ini"
    assert sorted(caplog.messages[0]) == sorted(line)
    assert len(caplog.messages) == 1


def test_hidden_files_beside_splits_or_without_classes(tmp_path, images, write_folder):
    write_folder(tmp_path, images[:2], ["train/ant", "test/ant"])
    write_folder(tmp_path, images[:1], ["__MACOSX/train"])
    assert load_data(f"folder:{tmp_path}#test").ids.tolist() == ["ant/001.png"]
    flat = write_folder(tmp_path / "flat", images[:2], [None, ".cache"])
    assert load_data(f"folder:{flat}").ids.tolist() == ["000.png"]


def test_grey_among_colour_upper_case_suffixes_and_transparency(tmp_path, images, write_folder, caplog):
    write_folder(tmp_path, images[:1], ["a"])
    Image.fromarray(images[1]).convert("L").save(tmp_path / "a/B.PNG")
    clear = Image.new("RGBA", (5, 4), (0, 0, 0, 0))
    clear.save(tmp_path / "a/c.Png")
    examples = load_data(f"folder:{tmp_path}")
    assert examples.ids.tolist() == ["a/000.png", "a/B.PNG", "a/c.Png"]
    pixels = examples.load().inputs
    assert (pixels[1] == pixels[1, :1]).all()
    assert (pixels[2] == 255).all()
    assert "of 3 images, 1 are drawn on white where they are transparent" in caplog.text
    assert (load_data(f"folder:{tmp_path}?transparency=ignore").load().inputs[2] == 0).all()


def test_photos_of_both_orientations_name_the_way_out(tmp_path, images, write_folder):
    write_folder(tmp_path, images[:2], ["a", "a"])
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(images[1]).save(tmp_path / "a/001.png", exif=exif)
    with pytest.raises(
        DataError, match=r"001.png is 4x5 pixels, .* is 5x4; .*: orientation=ignore takes them as stored"
    ):
        load_data(f"folder:{tmp_path}").load()
    assert np.array_equal(
        load_data(f"folder:{tmp_path}?orientation=ignore").load().inputs[1], images[1].transpose(2, 0, 1)
    )


def test_a_colour_folder_may_begin_with_a_grey_image(tmp_path, images, write_folder):
    write_folder(tmp_path, [images[0, ..., 0], images[1]], ["a", "a"])
    with pytest.raises(
        DataError, match=r"001.png cannot be read: it is in colour, .* channels=3 takes grey images as col"
    ):
        load_data(f"folder:{tmp_path}").load()
    found = load_data(f"folder:{tmp_path}?channels=3").load().inputs
    assert np.array_equal(found[0], np.stack([images[0, ..., 0]] * 3))
    assert np.array_equal(found[1], images[1].transpose(2, 0, 1))


def test_what_was_done_is_said_once_whatever_parts_are_read(tmp_path, caplog):
    (tmp_path / "a").mkdir()
    for number in range(4):
        Image.new("RGBA", (5, 4), (0, 0, 0, 0)).save(tmp_path / f"a/{number}.png")
    examples = load_data(f"folder:{tmp_path}")
    for start in range(4):
        examples.narrow(start, start + 1).load()
    examples.load()
    assert len(caplog.messages) == 1


def test_names_that_are_no_text_are_refused_by_name(tmp_path):
    (tmp_path / "a").mkdir()
    with open(bytes(tmp_path / "a") + b"/caf\xe9.png", "wb") as file:
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(file, "PNG")
    with pytest.raises(DataError, match=r"caf\\\\xe9.png' is not valid UTF-8, which ids must be: rename it$"):
        load_data(f"folder:{tmp_path}")
