import io
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
        (
            {"image": [Image.new("L", (8, 8)), Image.new("L", (9, 8))]},
            "one shape: images of 8x8 and 9x8 pixels; resize",
        ),
        ({"image": [b"broken"]}, "column 'image': an image cannot be read: cannot identify image file"),
        ({"image": [Image.new("L", (8, 8)), None]}, "column 'image': row 1 of the batch has no image"),
    ],
)
def test_wrong_columns(network, batch, says):
    with pytest.raises(DataError, match=says):
        encode_batch(network)(batch)


@pytest.fixture
def colours():
    """Eight images: in colour, grey, transparent, with a palette and turned on their side, and what they become."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 6, 3), dtype=np.uint8)
    made = [Image.fromarray(each) for each in pixels]
    made[1], made[2] = made[1].convert("L"), made[2].convert("RGBA")
    made[2].putalpha(Image.fromarray(pixels[2, ..., 0]))
    inputs = [np.asarray(each.convert("RGB")) for each in made]
    alpha = pixels[2, ..., :1] / 255
    inputs[2] = np.round(pixels[2] * alpha + 255 * (1 - alpha))
    inputs[3] = np.rot90(pixels[3], -1)
    exif = Image.Exif()
    exif[0x0112] = 6
    files = [io.BytesIO() for _ in made]
    for number, (image, file) in enumerate(zip(made, files, strict=True)):
        image.save(file, "PNG", **({"exif": exif} if number == 3 else {}))
    table = {"image": [{"bytes": file.getvalue(), "path": None} for file in files], "label": [0, 1] * 4}
    dataset = datasets.Dataset.from_dict(table, features=datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}
    ))  # fmt: skip
    return dataset, torch.from_numpy(np.stack(inputs).transpose(0, 3, 1, 2).copy()).float() * (1 / 255)


GATES = torch.nn.ReLU()


class Taken:
    """Keeps what a network is called with."""

    def __init__(self):
        self.seen = []

    def __call__(self, inputs):
        self.seen.append(inputs)
        return inputs.mean((1, 2, 3))[:, None] * torch.ones(4)


@pytest.mark.parametrize("form", [None, "torch", "numpy", "pandas", "arrow", "undecoded"])
def test_images_become_the_same_numbers_in_every_format(colours, form):
    dataset, expected = colours
    if form == "undecoded":
        dataset = dataset.cast_column("image", datasets.Image(decode=False))
    elif form:
        dataset = dataset.with_format(form)
    taken = Taken()
    encoder = encode_batch(GATES, transform=taken)
    # In batches of two, so that the second image, which is grey, has one in colour beside it and the others too.
    dataset.map(encoder, batched=True, batch_size=2)
    # Composited colours are rounded down or up by Pillow.
    assert [len(each) for each in taken.seen] == [2] * 4
    found = torch.cat(taken.seen)
    assert torch.allclose(found, expected, atol=1.01 / 255)
    assert (found[[0, 1, 3, 4, 5, 6, 7]] == expected[[0, 1, 3, 4, 5, 6, 7]]).all()


def test_a_grey_batch_after_one_in_colour_is_taken_as_colour():
    taken = Taken()
    encoder = encode_batch(GATES, transform=taken)
    encoder({"image": [Image.new("RGB", (4, 4), (9, 99, 200))]})
    encoder({"image": [Image.new("L", (4, 4), 51)]})
    assert taken.seen[-1].shape == (1, 3, 4, 4)
    assert (taken.seen[-1] == 51 * torch.tensor(1 / 255)).all()


def test_orientation_and_transparency_can_be_left_as_stored(colours):
    dataset, _ = colours
    taken = Taken()
    dataset.map(encode_batch(GATES, transform=taken, orientation="ignore", transparency="ignore"), batched=True)
    stored = [np.asarray(Image.open(io.BytesIO(row["bytes"])).convert("RGB"))
              for row in dataset.cast_column("image", datasets.Image(decode=False))["image"]]  # fmt: skip
    found = (taken.seen[0] * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    assert (found.numpy() == np.stack(stored)).all()
    with pytest.raises(DataError, match="orientation is 'apply' or 'ignore', received 'no'"):
        encode_batch(GATES, orientation="no")


@pytest.mark.parametrize("form", ["torch", "numpy", "pandas", "arrow"])
def test_packed_columns_keep_their_last_zeros_in_every_format(network, images, form):
    encoder = encode_batch(network)
    mapped = images[0].map(encoder, batched=True)
    expected = hl.encode(network, images[1])
    assert (expected.packed[:, -1] == 0).all()
    found = encoder.codes(mapped.with_format(form), labels="label")
    assert (found.packed == expected.packed).all()
    assert found.labels.tolist() == mapped["label"][:]


@pytest.mark.slow
@pytest.mark.parametrize("processes", [None, 2])
def test_a_column_from_the_cache_or_from_other_processes_is_read(network, images, tmp_path, processes):
    images[0].save_to_disk(tmp_path / "data")
    datasets.enable_caching()
    expected = hl.encode(network, images[1])
    files = []
    for _ in range(2):
        dataset = datasets.load_from_disk(tmp_path / "data")
        encoder = encode_batch(network)
        for _ in range(2):
            # The second map finds the first one's column, and so does that of another encoder of the same network.
            mapped = dataset.map(encoder, batched=True, num_proc=processes)
            files.append(tuple(each["filename"] for each in mapped.cache_files))
            found = encoder.codes(mapped, labels="label")
            assert (found.packed == expected.packed).all()
            assert found.provenance.parameters_digest == expected.provenance.parameters_digest
    assert len(set(files)) == 1
    with pytest.raises(CodesError, match="call the encoder with a batch first"):
        encode_batch(network).codes(mapped.remove_columns("image"))


def test_codes_need_an_encoded_batch_and_its_length(network, images):
    encoder = encode_batch(network)
    with pytest.raises(CodesError, match="call the encoder with a batch first"):
        encoder.row_bytes  # noqa: B018
    with pytest.raises(CodesError, match="there is no column 'code': map the encoder"):
        encoder.codes(images[0])
    mapped = images[0].map(encode_batch(network, layers="3"), batched=True)
    encoder({"image": images[1].numpy()})
    broken = mapped.map(lambda row: {"code": row["code"][:-1]})
    with pytest.raises(CodesError, match="holds no codes of 8 bytes"):
        encoder.codes(broken)


@pytest.mark.parametrize("form", [None, "torch", "numpy", "arrow", "pandas"])
def test_a_data_set_of_images_is_data_in_every_format(colours, form):
    dataset, expected = colours
    examples = hl.load_data(dataset.with_format(form))
    # Composited colours are rounded down or up by Pillow.
    assert torch.allclose(examples.load().tensor(), expected, atol=1.01 / 255)
    assert (examples.labels.tolist(), examples.class_names) == ([0, 1] * 4, ("a", "b"))
    assert examples.narrow(3, 5).load().ids.tolist() == [3, 4]
    assert hl.encode(GATES, dataset.with_format(form)).labels.tolist() == [0, 1] * 4


def test_a_transform_of_its_own_is_what_a_data_set_gives(colours):
    dataset, _ = colours
    own = dataset.with_transform(lambda rows: {"image": [torch.zeros(3)] * len(rows["image"]), "label": rows["label"]})
    batch = next(hl.load_data(own).batches(8))
    assert (batch.inputs["image"].shape, batch.labels.tolist()) == ((8, 3), [0, 1] * 4)


@pytest.mark.parametrize("form", [None, "torch", "numpy", "arrow"])
@pytest.mark.parametrize("kind", ["numbers", "names", "large names", "booleans"])
def test_a_column_of_numbers_and_its_labels_are_data(form, kind):
    rows = np.random.default_rng(0).random((9, 4)).astype(np.float32)
    names = ["cow", "ant", "bee"]
    numbers = [None if row == 4 else row % 3 for row in range(9)]
    if kind == "booleans":
        names = ["False", "True", "True"]
        labels, feature = [None if at is None else at > 0 for at in numbers], datasets.Value("bool")
    elif kind != "numbers":
        text = datasets.Value("string" if kind == "names" else "large_string")
        labels, feature = [None if at is None else names[at] for at in numbers], text
    else:
        labels, feature = numbers, datasets.ClassLabel(names=names)
    features = datasets.Features({"x": datasets.List(datasets.Value("float32")), "label": feature})
    dataset = datasets.Dataset.from_dict({"x": rows.tolist(), "label": labels}, features=features).with_format(form)
    network = hl.nets.build("mlp", input_shape=(4,), classes=3, width=9)
    found = hl.encode(network, dataset)
    assert (found.packed == hl.encode(network, rows).packed).all()
    known = ["" if label < 0 else (found.class_names or names)[label] for label in found.labels]
    assert known == ["" if at is None else names[at] for at in numbers]


def test_two_columns_of_images_are_refused():
    image = Image.new("L", (4, 4))
    features = datasets.Features({"a": datasets.Image(), "b": datasets.Image()})
    dataset = datasets.Dataset.from_dict({"a": [image], "b": [image]}, features=features)
    with pytest.raises(DataError, match="there are 2 columns of images, 'a', 'b': leave one"):
        hl.load_data(dataset)


def test_the_mode_of_a_column_is_what_the_network_gets(network, images):
    """`datasets` converts to it; grey images are colour then, and what is transparent has the colours as stored."""
    clear = Image.fromarray(np.full((8, 8, 4), (9, 90, 200, 0), np.uint8))
    grey = Image.fromarray(np.full((8, 8), 7, np.uint8))
    features = datasets.Features({"image": datasets.Image(mode="RGB")})
    plain = datasets.Dataset.from_dict({"image": [grey, clear]})
    with pytest.raises(DataError, match=r"the first image is grey; cast the column to datasets.Image\(mode=\"RGB\"\)"):
        hl.load_data(plain).load()
    colour = plain.cast(features)
    expected = torch.tensor([[7, 7, 7], [9, 90, 200]], dtype=torch.uint8)[..., None, None].expand(2, 3, 8, 8)
    for form in (None, "torch", "arrow"):
        assert torch.equal(hl.load_data(colour.with_format(form)).load().inputs, expected)
    encoder = encode_batch(GATES)
    mapped = colour.map(encoder, batched=True)
    assert (encoder.codes(mapped).packed == hl.encode(GATES, colour).packed).all()
