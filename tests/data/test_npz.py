import numpy as np
import pytest
import torch

from hashlens.data import load_data
from hashlens.errors import DataError


@pytest.mark.parametrize(
    ("inputs", "labels"),
    [("x", "y"), ("X", "y"), ("inputs", "labels"), ("images", "labels"), ("data", "target")],
)
def test_keys_that_people_use(tmp_path, inputs, labels):
    np.savez(tmp_path / "a.npz", **{inputs: np.eye(3), labels: [2, 0, 1]})
    examples = load_data(f"npz:{tmp_path}/a.npz")
    assert torch.equal(examples.inputs, torch.eye(3))
    assert examples.labels.tolist() == [2, 0, 1]


@pytest.mark.parametrize(("inputs", "labels"), [("x_{}", "y_{}"), ("X_{}", "y_{}"), ("{}_images", "{}_labels")])
def test_a_split_chooses_among_keys(tmp_path, inputs, labels):
    arrays = {
        inputs.format("train"): np.eye(3),
        labels.format("train"): [[2], [0], [1]],
        inputs.format("test"): np.eye(2),
    }
    np.savez(tmp_path / "a.npz", **arrays)
    assert load_data(f"npz:{tmp_path}/a.npz#train").labels.tolist() == [2, 0, 1]
    test = load_data(f"npz:{tmp_path}/a.npz#test")
    assert len(test) == 2
    assert test.labels is None
    with pytest.raises(DataError, match=r"say which split: .*#test or .*#train"):
        load_data(f"npz:{tmp_path}/a.npz")


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((2, 6, 5), None), ((2, 6, 5, 3), (0, 3, 1, 2)), ((2, 6, 5, 1), (0, 3, 1, 2)), ((2, 3, 6, 5), None)],
)
def test_bytes_are_images_channels_first_scaled_to_one(tmp_path, shape, axes):
    pixels = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    np.savez_compressed(tmp_path / "a.npz", x=pixels)
    examples = load_data(f"npz:{tmp_path}/a.npz")
    expected = pixels[:, None] if len(shape) == 3 else pixels.transpose(axes) if axes else pixels
    assert np.array_equal(examples.inputs.numpy(), expected)
    assert torch.equal(next(examples.batches(9)).inputs, torch.from_numpy(expected.copy()).float() * (1 / 255))


@pytest.mark.parametrize(
    ("given", "kept"),
    [(np.float64, torch.float32), (np.float32, torch.float32), (np.float16, torch.float16), (np.int64, torch.int64)],
)
def test_other_inputs_keep_their_dtype_but_for_float64(tmp_path, given, kept):
    np.savez(tmp_path / "a.npz", x=np.ones((2, 3), given))
    assert next(load_data(f"npz:{tmp_path}/a.npz").batches(2)).inputs.dtype == kept


class Planted:
    """Creates a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_is_refused_and_does_not_run(tmp_path):
    witness = tmp_path / "it_ran"
    planted = np.array([Planted(witness)], object)
    np.savez(tmp_path / "a.npz", x=planted, y=[0])
    np.save(tmp_path / "b.npz.npy", planted, allow_pickle=True)
    for file in ("a.npz", "b.npz.npy"):
        with pytest.raises(
            DataError, match=r"cannot be read: .*allow_pickle=False; expected an .npz file without Python"
        ):
            load_data(f"npz:{tmp_path}/{file}")
    assert not witness.exists()


@pytest.mark.parametrize(
    ("arrays", "split", "message"),
    [
        ({}, "", "no array of inputs; expected x and y, .*; the file has nothing"),
        ({"weights": np.eye(2)}, "", "no array of inputs; .*; the file has weights"),
        ({"x": np.eye(2)}, "#train", "split 'train' has no arrays"),
        ({"x_train": np.eye(2)}, "#trian", "no split 'trian'; did you mean 'train'"),
        ({"x": np.ones((0, 3))}, "", "there are no examples"),
        ({"x": np.eye(3), "y": [0, 1]}, "", "labels must have one entry for each of the 3 inputs"),
        (
            {"x": np.ones((2, 9), np.uint8)},
            "",
            r"uint8 is read as images, .* received \(2, 9\); save other inputs as",
        ),
        ({"x": np.ones((2, 9, 9, 2), np.uint8)}, "", r"1 or 3 channels, received \(2, 9, 9, 2\)"),
        ({"x": np.array(["a", "b"])}, "", "inputs of dtype <U1 are not numbers"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, arrays, split, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message) as error:
        load_data(f"npz:{tmp_path}/a.npz{split}")
    assert "\n" not in str(error.value)


def test_damaged_files_are_one_line(tmp_path):
    np.savez_compressed(tmp_path / "whole.npz", x=np.arange(300.0).reshape(100, 3))
    content = (tmp_path / "whole.npz").read_bytes()
    path = tmp_path / "a.npz"
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]
    for damaged in (b"", b"not a zip", content[:middle], content[:-30], flipped):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"cannot be read: .*; expected an .npz file") as error:
            load_data(f"npz:{path}")
        assert "\n" not in str(error.value)
    np.save(tmp_path / "b.npy", np.eye(3))
    with pytest.raises(DataError, match=r"cannot be read: it holds one array; expected an .npz file"):
        load_data(f"npz:{tmp_path}/b.npy")
