import numpy as np
import pytest
from PIL import Image

from hashlens.data import load_data
from hashlens.errors import DataError

pytestmark = pytest.mark.vision


@pytest.fixture(autouse=True)
def _torchvision():
    pytest.importorskip("torchvision")


def idx(array):
    """Return uint8 `array` in the format of the MNIST files."""
    header = [0, 0, 8, array.ndim]
    return bytes(header) + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


@pytest.fixture
def mnist(tmp_path, images):
    """MNIST's files with eleven images in train and three in test."""
    raw = tmp_path / "MNIST/raw"
    raw.mkdir(parents=True)
    for prefix, count in (("train", 11), ("t10k", 3)):
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(idx(images[:count, :, :, 0]))
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(np.arange(count, dtype=np.uint8) % 10))
    return tmp_path


def test_a_data_set_is_read_from_its_files(mnist, images):
    train = load_data(f"torchvision:MNIST:{mnist}#train")
    assert np.array_equal(train.load().inputs.numpy()[:, 0], images[:, :, :, 0])
    assert train.labels.tolist() == [*range(10), 0]
    assert train.class_names[0] == "0 - zero"
    assert len(load_data(f"torchvision:MNIST:{mnist}#test")) == 3
    part = load_data(f"torchvision:MNIST:{mnist}#train[4:7]")
    assert [batch.ids.tolist() for batch in part.batches(2)] == [[4, 5], [6]]
    assert np.array_equal(part.load().inputs.numpy()[:, 0], images[4:7, :, :, 0])


def test_image_folder_has_no_splits(tmp_path, images, write_folder):
    write_folder(tmp_path, images[:2], ["a", "b"])
    assert load_data(f"torchvision:ImageFolder:{tmp_path}").labels.tolist() == [0, 1]
    with pytest.raises(DataError, match=r"this data set has no splits; leave out #train"):
        load_data(f"torchvision:ImageFolder:{tmp_path}#train")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("MNITS:{}#train", "torchvision has no data set 'MNITS'; did you mean 'MNIST'"),
        ("MNIST", "expected torchvision:NAME:ROOT#SPLIT"),
        ("MNIST:{}", "say which split"),
        ("SVHN:{}", "say which split"),
        ("MNIST:{}#tran", "no split 'tran'; did you mean 'train'"),
        ("MNIST:{}#train", "cannot be read: Dataset not found"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, place, message):
    with pytest.raises(DataError, match=message) as error:
        load_data("torchvision:" + place.format(tmp_path))
    assert "\n" not in str(error.value)


def test_image_folder_has_no_hidden_examples_or_classes_and_keeps_its_rows(tmp_path, images, write_folder, caplog):
    write_folder(tmp_path, images[:4], [".cache", "a", "b", "a"])
    (tmp_path / "a/._1.png").write_bytes(b"no image")
    examples = load_data(f"torchvision:ImageFolder:{tmp_path}")
    assert examples.class_names == ("a", "b")
    assert examples.labels.tolist() == [0, 0, 1]
    # Rows of the data set of torchvision, which counts what is hidden.
    assert examples.ids.tolist() == [2, 3, 4]
    assert np.array_equal(examples.load().inputs, images[[1, 3, 2]].transpose(0, 3, 1, 2))
    assert "skipped 2 files that are not examples: 2 hidden" in caplog.text


def test_image_folder_draws_on_white_and_takes_grey_as_colour(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("L", (3, 2), 7).save(tmp_path / "a/0.png")
    Image.new("RGBA", (3, 2), (0, 0, 0, 0)).save(tmp_path / "a/1.png")
    found = load_data(f"torchvision:ImageFolder:{tmp_path}").load().inputs
    assert found.shape == (2, 3, 2, 3)
    assert [found[0].unique().tolist(), found[1].unique().tolist()] == [[7], [255]]
