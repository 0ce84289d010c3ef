import warnings

import numpy as np
import pytest
import torch
from PIL import Image

import hashlens as hl
from hashlens.errors import CodesError, DataError
from hashlens.integrations.datasets import encode_batch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what it imports
    datasets = pytest.importorskip("datasets", reason="needs datasets")


@pytest.fixture(autouse=True)
def _quiet():
    datasets.disable_progress_bars()
    datasets.disable_caching()


@pytest.fixture
def images(digits):
    """Digits as images of 8 bits, and as the network takes them."""
    pixels = (digits[0][:60, 0] * 255).to(torch.uint8).numpy()
    table = {"image": [Image.fromarray(each) for each in pixels], "label": digits[1][:60].tolist()}
    return datasets.Dataset.from_dict(table, features=datasets.Features(
        {"image": datasets.Image(), "label": datasets.Value("int64")}
    )), torch.from_numpy(pixels[:, None]).float() / 255  # fmt: skip


def test_a_map_adds_the_codes_of_images(network, images):
    dataset, inputs = images
    encoder = encode_batch(network)
    mapped = dataset.map(encoder, batched=True, batch_size=17)
    expected = hl.encode(network, inputs)
    assert mapped["code"][:] == [row.tobytes() for row in expected.packed]
    found = encoder.codes(mapped, labels="label")
    assert (found.packed == expected.packed).all()
    assert found.labels.tolist() == dataset["label"][:]
    # Those codes are as good as any: they can be searched together with codes of encode.
    assert (hl.measures.nearest_codes(found, expected, 1)[0] == 0).all()
    fixed = mapped.cast_column("code", datasets.Value(f"fixed_size_binary[{encoder.row_bytes}]"))
    assert fixed.data.schema.field("code").type.byte_width == expected.packed.shape[1]
    assert (encoder.codes(fixed).packed == expected.packed).all()


def test_a_transform_and_settings_are_those_of_encode(network, images):
    dataset, inputs = images
    encoder = encode_batch(network, "image", name="bits", bits=7, seed=3, transform=lambda x: 1 - x)
    mapped = dataset.map(encoder, batched=True, batch_size=60)
    assert (encoder.codes(mapped).packed == hl.encode(network, 1 - inputs, bits=7, seed=3).packed).all()


class Tokens(torch.nn.Module):
    """Takes two columns by name."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.embedding, self.linear = torch.nn.Embedding(20, 5), torch.nn.Linear(5, 6)

    def forward(self, input_ids, attention_mask):
        return torch.relu(self.linear(self.embedding(input_ids) * attention_mask[..., None]))


def test_several_columns_go_to_the_network_by_name():
    rows = np.random.default_rng(0).integers(0, 20, (30, 4))
    mask = np.arange(4) < np.arange(1, 31)[:, None] % 4 + 1
    dataset = datasets.Dataset.from_dict({"input_ids": rows.tolist(), "attention_mask": mask.astype(int).tolist()})
    network = Tokens()
    encoder = encode_batch(network, ["input_ids", "attention_mask"], mask="attention_mask")
    found = encoder.codes(dataset.map(encoder, batched=True, batch_size=8))
    with torch.no_grad():
        on = network(torch.from_numpy(rows), torch.from_numpy(mask).long()) > 0
    assert (found.unpack() == (on.numpy() & mask[..., None]).reshape(30, -1)).all()


def test_rows_padded_to_several_lengths_are_refused():
    encoder = encode_batch(Tokens(), ["input_ids", "attention_mask"], mask="attention_mask")
    encoder({"input_ids": [[1, 2]], "attention_mask": [[1, 1]]})
    with pytest.raises(CodesError, match="codes of different bits cannot be mixed"):
        encoder({"input_ids": [[1, 2, 3]], "attention_mask": [[1, 1, 1]]})


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        ({"picture": []}, "there is no column 'image' in the batch: it has 'picture'"),
        ({"image": []}, "column 'image' of the batch has no rows"),
        ({"image": [[1.0], [1.0, 2.0]]}, "column 'image' holds no images or numbers of one shape"),
        ({"image": ["a", "b"]}, "column 'image' holds no images or numbers of one shape"),
        ({"image": [Image.new("L", (8, 8)), Image.new("L", (9, 8))]}, "column 'image' holds no images or numbers of"),
    ],
)
def test_wrong_columns(network, batch, says):
    with pytest.raises(DataError, match=says):
        encode_batch(network)(batch)


def test_codes_need_an_encoded_batch_and_its_length(network, images):
    encoder = encode_batch(network)
    with pytest.raises(CodesError, match="call the encoder with a batch first"):
        encoder.codes(images[0])
    mapped = images[0].map(encode_batch(network, layers="3"), batched=True)
    encoder({"image": images[1].numpy()})
    broken = mapped.map(lambda row: {"code": row["code"][:-1]})
    with pytest.raises(CodesError, match="holds no codes of 8 bytes"):
        encoder.codes(broken)
