from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
import xxhash
from torch import nn

import hashlens as hl
from hashlens.codes.fingerprint import hash_rows, hash_rows_torch
from hashlens.data.examples import ArrayExamples
from hashlens.errors import CodesError, DataError, DeviceError, ModelError, OutputError

from .test_capture import Net, examples, make


class Conv(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 5, 3), nn.ReLU6())
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(5 * 36, 7), nn.GELU(), nn.Linear(7, 4))

    def forward(self, x):
        return self.head(self.body(x))


class Small(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 1), nn.ReLU())


def images(n=20):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(0))


LABELS = np.arange(20) % 4


def test_layers_by_glob():
    net = make(Conv)
    assert [at.name for at in hl.encode(net, images()).layers] == ["body.1", "body.3", "head.2"]
    assert [at.name for at in hl.encode(net, images(), layers="body.*").layers] == ["body.1", "body.3"]
    assert [at.name for at in hl.encode(net, images(), layers=["!head.*", "!*.3"]).layers] == ["body.1"]


def test_sampled_bits_are_those_of_the_whole_code():
    net = make(Conv)
    whole = hl.encode(net, images())
    sampled = hl.encode(net, images(), bits=50, seed=4, batch_size=7)
    assert sampled.code_bits == 50
    assert sampled.provenance.sampled_from == whole.code_bits == 3 * 64 + 2 * 5 * 36 + 7
    after = whole.sample_bits(50, seed=4)
    assert np.array_equal(sampled.packed, after.packed)
    assert all(x.same_as(y) for x, y in zip(sampled.layers, after.layers, strict=True))


def test_as_many_bits_are_sampled_of_every_layer():
    net = make(Conv)
    whole = hl.encode(net, images())
    sampled = hl.encode(net, images(), bits=50, seed=4, per_layer=True, batch_size=7)
    assert [at.bits for at in sampled.layers] == [50, 50, 7]
    assert sampled.provenance.sampled_from == whole.code_bits
    after = whole.sample_bits(50, seed=4, per_layer=True)
    assert np.array_equal(sampled.packed, after.packed)
    assert all(x.same_as(y) for x, y in zip(sampled.layers, after.layers, strict=True))
    assert not np.array_equal(sampled.layers[0].positions, sampled.layers[1].positions)


def test_channels_sum_over_space():
    net = make(Conv)
    codes = hl.encode(net, images(), granularity="channel", batch_size=6)
    x = torch.relu(net.body[0](images()))
    y = net.body[3](net.body[2](x))
    assert [at.shape for at in codes.layers] == [(3,), (5,), (7,)]
    assert np.allclose(codes.layer("body.1").values, x.sum((2, 3)).detach().numpy(), atol=1e-5)
    assert np.allclose(codes.layer("body.3").values, y.sum((2, 3)).detach().numpy(), atol=1e-5)
    assert np.array_equal(codes.layer("body.1").unpack(), (x > 0).any(3).any(2).numpy())
    assert codes.layer("body.3").code_bits == 2 * 5


def test_channels_of_an_in_place_gate_use_its_input():
    class Shifted(nn.Module):
        def forward(self, x):
            return nn.functional.threshold(x * 2, 0.5, 0.7, inplace=True)

    x = torch.tensor([[0.1, 0.4]])
    codes = hl.encode(Shifted(), x, granularity="channel")
    assert codes.unpack().tolist() == [[False, True]]
    assert np.allclose(codes.values, [[0.7, 0.8]])


def test_all_kinds_of_data_give_the_same_codes():
    net = make(Conv)
    x = images()
    pairs = torch.utils.data.TensorDataset(x, torch.from_numpy(LABELS))
    shuffled = torch.utils.data.DataLoader(pairs, batch_size=6, shuffle=True, drop_last=True)
    expected = hl.encode(net, (x, LABELS))
    for data in (pairs, shuffled, (x.numpy(), LABELS), (x.double().numpy(), LABELS.tolist())):
        codes = hl.encode(net, data)
        assert np.array_equal(codes.packed, expected.packed)
        assert np.array_equal(codes.labels, LABELS)
        assert codes.ids.tolist() == list(range(20))


def test_digits_by_name():
    codes = hl.encode(make(nn.Sequential, nn.Flatten(), make(nn.Linear, 64, 10), nn.ReLU()), "digits#test")
    assert len(codes) == 360
    assert codes.provenance.data == "digits#test"


def test_out_streams_the_same_codes_to_a_folder(tmp_path):
    net = make(Conv)
    expected = hl.encode(net, (images(), LABELS))
    written = hl.encode(net, (images(), LABELS), batch_size=3, out=tmp_path / "codes")
    assert np.array_equal(written.packed, expected.packed)
    assert np.array_equal(written.labels, LABELS)
    assert hl.Codes.load(tmp_path / "codes").provenance.batch_size == 3


def test_a_failed_encoding_leaves_no_folder(tmp_path):
    x = images()
    x[15, 0, 0, 0] = float("nan")
    with pytest.raises(hl.HashlensError):
        hl.encode(make(Conv), x, batch_size=5, out=tmp_path / "codes")
    assert list(tmp_path.iterdir()) == []


def test_fingerprints_are_the_hashes_of_the_codes():
    net = make(Conv)
    prints = hl.fingerprint(net, (images(), LABELS), batch_size=9)
    codes = hl.encode(net, (images(), LABELS))
    assert np.array_equal(prints.hashes, hash_rows(codes.packed))
    assert prints.code_bits == codes.code_bits
    assert np.array_equal(prints.labels, LABELS)


@pytest.mark.parametrize("width", [0, 1, 24, 256, 257])
@pytest.mark.parametrize("rows", [0, 3, 70_000])
def test_a_hash_is_that_of_the_bytes_of_its_row(width, rows):
    packed = np.random.default_rng(0).integers(0, 256, (rows, width), dtype=np.uint8)
    hashes = hash_rows(packed)
    some = [0, rows // 2, rows - 1] if rows else []
    digests = b"".join(xxhash.xxh3_128_digest(packed[at].tobytes()) for at in some)
    assert hashes.shape == (rows, 2)
    assert hashes[some].tobytes() == (digests if width else bytes(len(digests)))
    assert np.array_equal(hash_rows(packed[::2]), hashes[::2])


def test_the_multilinear_hash_separates_what_differs_by_one_bit():
    words = np.zeros((257, 8), np.uint32)
    for at in range(256):
        words[at, at // 32] = np.uint32(1) << np.uint32(at % 32)
    hashes = hash_rows_torch(torch.from_numpy(words.view(np.int32)))
    assert len(torch.unique(hashes, dim=0)) == 257
    assert torch.equal(hashes, hash_rows_torch(torch.from_numpy(words.view(np.int32))))


def test_provenance_says_what_was_read():
    codes = hl.encode(Net(), examples(), batch_size=5)
    origin = codes.provenance
    assert (origin.model, origin.dtype, origin.device, origin.batch_size) == ("Net", "float64", "cpu", 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert hl.encode(make(Conv), images()).provenance.autocast == "torch.bfloat16"
    assert hl.encode(make(Conv), images()).provenance.autocast == ""


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"granularity": "pixel"}, CodesError, "granularity must be one of"),
        ({"gates": "some"}, CodesError, "gates must be one of"),
        ({"batch_size": 0}, CodesError, "batch_size must be a whole number, 1 or more"),
        ({"bits": 0}, CodesError, "bits must be a whole number, 1 or more"),
        ({"per_layer": True}, CodesError, "per_layer=True needs bits="),
        ({"bits": 2.5}, CodesError, "bits must be a whole number, 1 or more"),
        ({"batch_size": "8"}, CodesError, "batch_size must be a whole number, 1 or more"),
        ({"layers": []}, CodesError, "layers must be globs"),
        ({"layers": 3}, CodesError, "layers must be globs"),
        ({"seed": -1}, CodesError, "seed must be a whole number, 0 or more, received -1"),
        ({"bits": 8, "granularity": "channel"}, CodesError, "samples units"),
        ({"device": "cuda:7"}, DeviceError, "cuda:7.*CUDA devices"),
        ({"device": "gpu"}, DeviceError, "unknown device 'gpu'"),
        ({"data": torch.zeros(0, 24, dtype=torch.float64)}, DataError, "empty|no examples"),
        ({"data": "digit"}, DataError, "did you mean 'digits'"),
        ({"mask": lambda batch: batch}, DataError, "mask must give a tensor"),
        ({"mask": lambda batch: 1 / 0}, DataError, "cannot be read from a batch.*ZeroDivisionError"),
        ({"forward": lambda net, batch: 1 / 0}, ModelError, "the model rejects inputs.*division by zero"),
        (
            {"forward": lambda net, batch: Path("/nowhere").read_text()},
            ModelError,
            "the model rejects inputs.*No such file",
        ),
    ],
)
def test_bad_arguments_are_one_line(arguments, kind, message):
    data = arguments.pop("data", torch.zeros(3, 4, 24, dtype=torch.float64))
    with pytest.raises(kind, match=message) as error:
        hl.encode(Net(), data, **arguments)
    assert "\n" not in str(error.value)


class Once(torch.utils.data.IterableDataset):
    """A stream that can be read once only."""

    def __init__(self, rows):
        self.rows = iter(rows)

    def __iter__(self):
        return self.rows


def test_a_stream_is_read_once_and_to_its_end():
    codes = hl.encode(Net(), torch.utils.data.DataLoader(Once(examples(37)), batch_size=8))
    assert np.array_equal(codes.packed, hl.encode(Net(), examples(37)).packed)


def test_provenance_has_the_batch_size_of_the_loader():
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(examples(37)), batch_size=7)
    assert hl.encode(Net(), loader).provenance.batch_size == 7


Pair = namedtuple("Pair", ["inputs", "label"])


def test_forward_receives_named_tuples_as_they_are():
    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return 12

        def __getitem__(self, at):
            return Pair(examples(12)[at], 1)

    codes = hl.encode(Net(), Rows(), forward=lambda net, batch: net(batch.inputs))
    assert np.array_equal(codes.packed, hl.encode(Net(), examples(12)).packed)


def test_data_that_cannot_be_read_are_not_taken_for_a_full_disk(tmp_path):
    class Missing(torch.utils.data.Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, at):
            return (tmp_path / "image.png").read_bytes()

    with pytest.raises(DataError, match=r"Missing.*No such file.*image\.png"):
        hl.encode(Net(), Missing(), out=tmp_path / "codes")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused_before_the_work(tmp_path):
    (tmp_path / "codes").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        hl.encode(Net(), examples(), out=tmp_path / "codes")


def test_equal_inputs_have_equal_digests_whatever_the_network():
    given = images()
    given[7] = given[2]
    codes = hl.encode(make(Conv), given, batch_size=3)
    other = hl.encode(make(Small), given.double())
    assert codes.input_digests.shape == (20, 16)
    assert np.array_equal(codes.input_digests, other.input_digests)
    groups = np.unique(codes.input_digests, axis=0, return_inverse=True)[1]
    assert groups[7] == groups[2]
    assert len(set(groups.tolist())) == 19
    assert codes.provenance.images


def test_digests_go_with_the_rows(tmp_path):
    codes = hl.encode(make(Conv), images(), batch_size=6, out=tmp_path / "codes")
    whole = hl.encode(make(Conv), images()).input_digests
    assert np.array_equal(codes.input_digests, whole)
    assert np.array_equal(codes[[3, 1]].input_digests, whole[[3, 1]])
    assert np.array_equal(codes.layer("body.1").sample_bits(9).input_digests, whole)
    assert np.array_equal(hl.concatenate([codes[:4], codes[9:]]).input_digests, np.delete(whole, slice(4, 9), 0))
    assert np.array_equal(hl.Codes.load(codes[5:].save(tmp_path / "few")).input_digests, whole[5:])
    index = hl.Index(codes)
    index.save(tmp_path / "index")
    assert np.array_equal(hl.Codes.load(tmp_path / "index" / "codes").input_digests, whole)


def test_scaled_images_are_digested_as_the_network_gets_them():
    pixels = (images() * 255).to(torch.uint8)
    scaled = hl.encode(make(Conv), ArrayExamples(pixels, None, np.arange(20), scale=1 / 255))
    assert np.array_equal(scaled.input_digests, hl.encode(make(Conv), pixels.float().mul(1 / 255)).input_digests)


def test_where_inputs_cannot_be_told_from_other_things_there_are_no_digests():
    loader = torch.utils.data.DataLoader(
        [(image, label, name) for image, label, name in zip(images(), LABELS, range(20), strict=True)], 5
    )
    assert hl.encode(make(Conv), loader).input_digests is not None
    assert hl.encode(make(Conv), loader, forward=lambda net, batch: net(batch[0])).input_digests is None


def test_codes_have_the_class_names_of_their_examples(tmp_path):
    network = make(hl.nets.MLP, 3, 2, width=5)
    data = (torch.eye(4, 3), ["cat", "dog", None, "cat"])
    for codes in (hl.encode(network, data), hl.encode(network, data, out=tmp_path / "codes")):
        assert (codes.class_names, codes.labels.tolist()) == (("cat", "dog"), [0, 1, -1, 0])


def test_minus_one_is_a_class_where_all_batches_have_minus_one_and_one_alone(tmp_path):
    network = make(hl.nets.MLP, 3, 2, width=5)
    data = torch.utils.data.TensorDataset(torch.eye(4, 3), torch.tensor([-1, -1, 1, -1]))
    for codes in (
        hl.encode(network, data, batch_size=2),
        hl.encode(network, data, batch_size=2, out=tmp_path / "codes"),
    ):
        assert (codes.class_names, codes.labels.tolist()) == (("-1", "1"), [0, 0, 1, 0])
    assert hl.fingerprint(network, data, batch_size=2).labels.tolist() == [0, 0, 1, 0]


def test_one_column_is_what_a_network_is_called_with_whatever_its_name():
    rows = torch.rand(6, 4, generator=torch.Generator().manual_seed(0))
    mlp = hl.nets.build("mlp", input_shape=(4,), classes=3, width=9)
    assert (hl.encode(mlp, [{"pixels": row} for row in rows]).packed == hl.encode(mlp, rows).packed).all()
