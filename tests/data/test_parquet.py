import os
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from hashlens.data import load_data
from hashlens.errors import DataError


@pytest.mark.parametrize("struct", [True, False])
@pytest.mark.parametrize("column", ["image", "img"])
@pytest.mark.parametrize("label_column", ["label", "labels", "fine_label"])
def test_pixels_labels_and_class_names_come_back(tmp_path, images, write_parquet, struct, column, label_column):
    path = write_parquet(
        tmp_path / "a.parquet",
        images,
        np.arange(11) % 2,
        column=column,
        label_column=label_column,
        class_names=["ant", "bee"],
        struct=struct,
    )
    examples = load_data(f"parquet:{path}")
    assert np.array_equal(examples.load().inputs.numpy(), images.transpose(0, 3, 1, 2))
    assert examples.labels.tolist() == [0, 1] * 5 + [0]
    assert examples.class_names == ("ant", "bee")
    inputs = next(examples.batches(2)).inputs
    assert torch.equal(inputs, torch.from_numpy(images[:2].transpose(0, 3, 1, 2)).float() * (1 / 255))


@pytest.mark.parametrize(
    ("files", "split"),
    [
        (["train-00000-of-00001.parquet", "test-00000-of-00001.parquet"], "train"),
        (["data/train-00000-of-00001-0123abcd.parquet", "data/test-00000-of-00001-0123abcd.parquet"], "train"),
        (["plain_text/train.parquet"], None),
        (["train_extra-00000-of-00001.parquet", "train-00000-of-00001.parquet"], "train_extra"),
    ],
)
def test_a_split_is_found_by_its_file_name(tmp_path, images, write_parquet, files, split):
    for count, file in enumerate(files, 3):
        write_parquet(tmp_path / file, images[:count])
    examples = load_data(f"parquet:{tmp_path}" + (f"#{split}" if split else ""))
    assert len(examples) == 3
    assert examples.labels is None


def test_labels_that_are_names_and_labels_kept_back(tmp_path, images, write_parquet):
    named = load_data(f"parquet:{write_parquet(tmp_path / 'a.parquet', images[:3], ['bee', 'ant', 'bee'])}")
    assert named.labels.tolist() == [1, 0, 1]
    assert named.class_names == ("ant", "bee")
    assert load_data(f"parquet:{write_parquet(tmp_path / 'b.parquet', images[:3], [-1, -1, -1])}").labels is None


def test_only_the_row_groups_that_are_asked_for_are_read(tmp_path, images, write_parquet, encode_png):
    content = [encode_png(image) for image in images]
    content[6] = b"broken"
    path = write_parquet(tmp_path / "a.parquet", content)
    for part in ("[:6]", "[7:]"):
        assert sum(len(batch) for batch in load_data(f"parquet:{path}{part}").batches(2)) in (6, 4)
    with pytest.raises(DataError, match=r"the image of row 6 cannot be read: cannot identify image file"):
        list(load_data(f"parquet:{path}").batches(4))


def names(**columns):
    return pa.table(columns)


@pytest.mark.parametrize(
    ("write", "split", "message"),
    [
        (lambda w, d, x: None, "", "expected Parquet files SPLIT-.*; there are none"),
        (lambda w, d, x: (d / "train.parquet").write_bytes(b""), "", "cannot be read: .*Parquet file size is 0 bytes"),
        (lambda w, d, x: (d / "train.parquet").write_bytes(b"x" * 99), "", "cannot be read: .*magic bytes"),
        (lambda w, d, x: w(d / "train.parquet", []), "", "there are no examples: train.parquet has no rows"),
        (lambda w, d, x: w(d / "train.parquet", x[:2]), "#test", "no split 'test'; known: train"),
        (lambda w, d, x: w(d / "train.parquet", x[:2]), "#trainn", "no split 'trainn'; did you mean 'train'"),
        (lambda w, d, x: w(d / "train-00000-of-00002.parquet", x), "", "1 files of split 'train' .* their names say 2"),
        (
            lambda w, d, x: (w(d / "train.parquet", x), w(d / "test.parquet", x)),
            "",
            "say which split: .*#test or .*#train",
        ),
        (
            lambda w, d, x: (w(d / "a/train.parquet", x), w(d / "b/train.parquet", x)),
            "",
            "they lie in .*a, .*b: name one of these",
        ),
        (
            lambda w, d, x: pq.write_table(names(text=["a"], label=[0]), d / "train.parquet"),
            "",
            "no column of images, expected one of image, img; the columns are text, label",
        ),
        (
            lambda w, d, x: pq.write_table(names(image=["a.png"]), d / "train.parquet"),
            "",
            "column 'image' holds string; expected encoded images",
        ),
        (lambda w, d, x: w(d / "train.parquet", [None]), "", "row 0 has no image bytes"),
        (lambda w, d, x: w(d / "train.parquet", x[:2], [0, -2]), "", "the label of row 1 is -2"),
        (lambda w, d, x: w(d / "train.parquet", x[:2], [[0, 1], [1, 0]]), "", "labels have shape .2, 2."),
        (
            lambda w, d, x: w(d / "train.parquet", x[:2], [0, 2], class_names=["a", "b"]),
            "",
            "the label of row 1 is 2; the file names 2 classes",
        ),
        (
            lambda w, d, x: w(d / "train.parquet", [x[0], x[1, :, :4]]),
            "",
            "the image of row 1 is 4x4 pixels, the first one is 5x4; all must have one size",
        ),
        (
            lambda w, d, x: (
                w(d / "train-0-of-2.parquet", x),
                w(d / "train-1-of-2.parquet", x, label_column="no", labels=[0] * 11),
            ),
            "",
            "train-1-of-2.parquet has other columns than train-0-of-2.parquet",
        ),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, images, write_parquet, write, split, message):
    write(write_parquet, tmp_path, images)
    with pytest.raises(DataError, match=message) as error:
        list(load_data(f"parquet:{tmp_path}{split}").batches(2))
    assert "\n" not in str(error.value)


def test_a_file_has_no_split(tmp_path, images, write_parquet):
    with pytest.raises(DataError, match=r"one file has no splits; leave out #train, or name its folder"):
        load_data(f"parquet:{write_parquet(tmp_path / 'a.parquet', images)}#train")


def test_damage_anywhere_in_the_file_never_escapes_as_another_error(tmp_path, images, write_parquet):
    content = write_parquet(tmp_path / "whole.parquet", images, [0] * 11).read_bytes()
    path = tmp_path / "damaged.parquet"
    generator = np.random.default_rng(0)
    for place in generator.choice(len(content), 150, replace=False):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        with suppress(DataError):
            load_data(f"parquet:{path}").load()
    for stop in generator.choice(len(content), 20, replace=False):
        path.write_bytes(content[:stop])
        with pytest.raises(DataError, match=r"cannot be read"):
            load_data(f"parquet:{path}")


@pytest.mark.slow
@pytest.mark.shared
def test_mnist_is_what_everybody_knows(shared_data):
    train, test = (load_data(f"parquet:{shared_data}/mnist#{split}") for split in ("train", "test"))
    assert (len(train), len(test)) == (60_000, 10_000)
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert train.class_names == tuple("0123456789")
    inputs = next(test.batches(100)).inputs
    assert inputs.shape == (100, 1, 28, 28)
    assert (inputs.min(), inputs.max()) == (0, 1)
    # The mean and standard deviation that every MNIST tutorial normalises by.
    pixels = train.load().inputs.numpy()
    assert pixels.mean() / 255 == pytest.approx(0.1307, abs=1e-4)
    assert pixels.std() / 255 == pytest.approx(0.3081, abs=1e-4)


@pytest.mark.shared
def test_cifar_10_is_what_everybody_knows(shared_data):
    train, test = (load_data(f"parquet:{shared_data}/cifar10#{split}") for split in ("train", "test"))
    assert np.bincount(train.labels).tolist() == [5000] * 10
    assert np.bincount(test.labels).tolist() == [1000] * 10
    assert test.labels[:4].tolist() == [3, 8, 8, 0]
    assert test.class_names[3] == "cat"
    assert next(test.batches(64)).inputs.shape == (64, 3, 32, 32)


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads the memory in use from /proc")
def test_memory_is_that_of_a_few_batches(shared_data):
    examples = load_data(f"parquet:{shared_data}/mnist#train[:48000]")
    warm = examples.narrow(0, 2560)
    for _ in warm.batches(256):
        pass
    before = peak = resident_bytes()
    rows = 0
    for batch in examples.batches(256):
        rows += len(batch)
        peak = max(peak, resident_bytes())
    assert rows == 48_000
    # The pixels are 38 MB as bytes and 150 MB as floats; the encoded images are 11 MB.
    assert peak - before < 30e6


def test_a_row_may_have_no_label(tmp_path, images, write_parquet):
    write_parquet(tmp_path / "train.parquet", images[:3], [1, None, 0], class_names=["a", "b"])
    examples = load_data(f"parquet:{tmp_path}")
    assert examples.labels.tolist() == [1, -1, 0]
    assert examples.class_names == ("a", "b")


def test_hidden_files_are_no_splits(tmp_path, images, write_parquet, caplog):
    write_parquet(tmp_path / "train.parquet", images[:3])
    (tmp_path / "._train.parquet").write_bytes(b"no table")
    assert len(load_data(f"parquet:{tmp_path}")) == 3
    assert "skipped 1 file that is not an example: 1 hidden" in caplog.text


@pytest.mark.parametrize("kind", ["large_binary", "binary_view", "dictionary"])
def test_images_may_be_any_column_of_bytes(tmp_path, images, encode_png, kind):
    content = pa.array([encode_png(image) for image in images], pa.binary())
    content = content.dictionary_encode() if kind == "dictionary" else content.cast(getattr(pa, kind)())
    pq.write_table(pa.table({"image": content}), tmp_path / "train.parquet")
    assert np.array_equal(load_data(f"parquet:{tmp_path}").load().inputs.numpy(), images.transpose(0, 3, 1, 2))
