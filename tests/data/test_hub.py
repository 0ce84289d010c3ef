import sys

import numpy as np
import pytest

from hashlens.data import load_data
from hashlens.errors import DataError, MissingExtraError

COMMIT = "0123456789012345678901234567890123456789"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The Hub's client, offline, with a cache of its own; returns the folder of data set owner/name in it."""
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    refs = tmp_path / "datasets--owner--name/refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text(COMMIT)
    return tmp_path / "datasets--owner--name/snapshots" / COMMIT


def test_what_is_in_the_cache_is_read_without_a_network(cache, images, write_parquet):
    write_parquet(cache / "data/train-00000-of-00001.parquet", images, [0] * 11)
    examples = load_data("hub:owner/name#train[:4]")
    assert np.array_equal(examples.load().inputs.numpy(), images[:4].transpose(0, 3, 1, 2))
    assert examples.name == "hub:owner/name#train[:4]"


def test_a_configuration_is_a_folder(cache, images, write_parquet):
    write_parquet(cache / "one/train-00000-of-00001.parquet", images[:2])
    write_parquet(cache / "two/train-00000-of-00001.parquet", images[:3])
    assert len(load_data("hub:owner/name/two#train")) == 3
    with pytest.raises(DataError, match=r"they lie in .*one, .*two: name one of these"):
        load_data("hub:owner/name#train")


def test_imdb_is_bags_of_the_words_of_its_training_reviews(cache):
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = cache.parents[2] / "datasets--stanfordnlp--imdb"
    plain = folder / "snapshots" / COMMIT / "plain_text"
    plain.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs/main").write_text(COMMIT)
    for split, texts in {"train": ["good good", "bad"], "test": ["bad good", "unheard", "good"]}.items():
        table = pa.table({"text": texts, "label": [row % 2 for row in range(len(texts))]})
        pq.write_table(table, plain / f"{split}-00000-of-00001.parquet")
    test = load_data("imdb#test")
    assert test.load().inputs.tolist() == [[1, 1], [0, 0], [0, 1]]
    assert test.labels.tolist() == [0, 1, 0]
    assert test.class_names == ("neg", "pos")
    assert load_data("imdb#train").load().inputs.tolist() == [[0, 2], [1, 0]]


def test_what_is_neither_there_nor_within_reach_is_one_line(cache):
    with pytest.raises(DataError, match=r"is the name right, and is there a network or a copy in the cache") as error:
        load_data("hub:other/name#train")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("hub:owner/name", "say which split: hub:owner/name#train or hub:owner/name#test"),
        ("hub:name#train", "expected hub:OWNER/NAME#SPLIT, as in hub:ylecun/mnist#train"),
    ],
)
def test_an_incomplete_name_is_refused(cache, source, message):
    with pytest.raises(DataError, match=message):
        load_data(source)


@pytest.mark.parametrize(
    ("source", "module", "message"),
    [
        ("hub:owner/name#train", "huggingface_hub", r"needs huggingface-hub, .*: pip install 'hashlens\[hub\]'"),
        ("imdb#train", "huggingface_hub", r"pip install 'hashlens\[hub\]'"),
        ("adult#train", "pandas", r"needs pandas, .*: pip install 'hashlens\[openml\]'"),
        ("torchvision:MNIST:x#train", "torchvision", r"needs torchvision, .*: pip install 'hashlens\[vision\]'"),
    ],
)
def test_a_missing_extra_is_named_with_its_install_line(monkeypatch, source, module, message):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=message):
        load_data(source)
