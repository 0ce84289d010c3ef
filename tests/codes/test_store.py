import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hashlens.codes.codes import Codes
from hashlens.codes.fingerprint import hash_rows
from hashlens.errors import CodesError, OutputError

from .test_codes import two_layers


def same(a, b):
    assert np.array_equal(a.packed, b.packed)
    assert all(x.same_as(y) and x.soft == y.soft for x, y in zip(a.layers, b.layers, strict=True))
    assert a.provenance == b.provenance
    assert a.class_names == b.class_names
    assert np.array_equal(a.ids, b.ids)
    assert (a.labels is None) == (b.labels is None)
    if a.labels is not None:
        assert np.array_equal(a.labels, b.labels)


@pytest.mark.parametrize("change", ["as it is", "sampled", "unlabelled", "named ids", "no rows", "class names"])
def test_round_trip(tmp_path, change):
    codes, _ = two_layers()
    if change == "sampled":
        codes = codes.sample_bits(30)
    elif change == "unlabelled":
        codes = Codes(codes.packed, codes.layers, ids=codes.ids)
    elif change == "named ids":
        codes = Codes(
            codes.packed, codes.layers, labels=codes.labels, ids=np.array([f"cat/{i}.png" for i in codes.ids])
        )
    elif change == "no rows":
        codes = codes[:0]
    elif change == "class names":
        codes = replace(codes, class_names=tuple(f"[class] {i}" for i in range(30)))
    codes.save(tmp_path / "codes")
    loaded = Codes.load(tmp_path / "codes")
    same(loaded, codes)
    if len(codes):
        assert isinstance(loaded.packed, np.memmap)


def test_rows_hold_the_fingerprints(tmp_path):
    codes, _ = two_layers()
    rows = pd.read_parquet(codes.save(tmp_path / "codes") / "rows.parquet")
    assert b"".join(rows["fingerprint"]) == hash_rows(codes.packed).tobytes()
    assert rows["label"].tolist() == codes.labels.tolist()


def test_export_is_read_by_others(tmp_path):
    codes, bits = two_layers()
    packed = pd.read_parquet(codes.export(tmp_path / "packed.parquet"))
    assert list(packed) == ["id", "label", "code:layer0", "code:layer1"]
    assert b"".join(packed["code:layer0"]) == np.ascontiguousarray(codes.layer("layer0").packed).tobytes()
    loose = pd.read_parquet(codes.export(tmp_path / "loose.parquet", packed=False))
    assert np.array_equal(np.stack(loose["code:layer1"]), bits[:, 70:])


def test_export_has_the_names_of_classes_and_nothing_where_a_row_has_no_label(tmp_path):
    codes = Codes.from_bits([[0, 1], [1, 1], [1, 0]], ["dog", None, "cat"])
    rows = pd.read_parquet(codes.export(tmp_path / "codes.parquet"))
    assert rows["class_name"].fillna("").tolist() == ["dog", "", "cat"]
    assert rows["label"].isna().tolist() == [False, True, False]


def spoil(folder, how):
    manifest = folder / "manifest.json"
    content = json.loads(manifest.read_text())
    if how == "truncated bits":
        data = (folder / "bits.npy").read_bytes()
        (folder / "bits.npy").write_bytes(data[:-8])
    elif how == "flipped bit":
        data = bytearray((folder / "bits.npy").read_bytes())
        data[-1] ^= 1
        (folder / "bits.npy").write_bytes(data)
    elif how == "missing rows":
        (folder / "rows.parquet").unlink()
    elif how == "newer schema":
        manifest.write_text(json.dumps({**content, "schema_version": 99}))
    elif how == "no manifest":
        manifest.unlink()
    elif how == "broken manifest":
        manifest.write_text(manifest.read_text()[:40])
    elif how == "other json":
        manifest.write_text("[]")
    elif how == "other format":
        manifest.write_text(json.dumps({**content, "format": "zip"}))
    elif how == "wrong layers":
        manifest.write_text(json.dumps({**content, "layers": content["layers"][:1]}))
    elif how == "other start":
        content["layers"][1]["start"] += 64
        manifest.write_text(json.dumps(content))
    elif how == "other rows":
        manifest.write_text(json.dumps({**content, "rows": 7}))
    elif how == "no checksum":
        del content["files"]["bits.npy"]["xxh3_128"]
        manifest.write_text(json.dumps(content))
    elif how == "layers of text":
        manifest.write_text(json.dumps({**content, "layers": "abc"}))
    elif how == "unknown provenance":
        manifest.write_text(json.dumps({**content, "provenance": {"moon": 1}}))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated bits", "truncated"),
        ("flipped bit", "wrong checksum"),
        ("missing rows", "rows.parquet is missing"),
        ("newer schema", "schema version 99.*upgrade hashlens"),
        ("no manifest", "no manifest.json"),
        ("broken manifest", "corrupt"),
        ("other json", "corrupt"),
        ("other format", "its format is"),
        ("wrong layers", "packed codes must be"),
        ("unknown provenance", "corrupt"),
        ("other start", "contradict each other"),
        ("other rows", "contradict each other"),
        ("no checksum", "corrupt"),
        ("layers of text", "corrupt"),
    ],
)
def test_a_spoiled_folder_is_refused_in_one_line(tmp_path, how, message):
    folder = two_layers()[0].save(tmp_path / "codes")
    spoil(folder, how)
    with pytest.raises(CodesError, match=message) as error:
        Codes.load(folder)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_not_there():
    with pytest.raises(CodesError, match="is not there; make one"):
        Codes.load("nowhere/codes")


def test_an_existing_folder_is_kept_unless_overwritten(tmp_path):
    codes, _ = two_layers()
    other, _ = two_layers(seed=5)
    codes.save(tmp_path / "codes")
    with pytest.raises(OutputError, match="exists already"):
        other.save(tmp_path / "codes")
    same(Codes.load(tmp_path / "codes"), codes)
    other.save(tmp_path / "codes", overwrite=True)
    same(Codes.load(tmp_path / "codes"), other)
    assert [at.name for at in tmp_path.iterdir()] == ["codes"]


def test_only_codes_are_ever_replaced(tmp_path):
    codes, _ = two_layers()
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("years")
    for place in ("work", "work/thesis.txt"):
        with pytest.raises(OutputError, match="is no folder of codes, so it is not replaced"):
            codes.save(tmp_path / place, overwrite=True)
    assert (tmp_path / "work" / "thesis.txt").read_text() == "years"
    (tmp_path / "empty").mkdir()
    same(Codes.load(codes.save(tmp_path / "empty", overwrite=True)), codes)


@pytest.mark.faults
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    codes, _ = two_layers()

    def full(self, rows):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hashlens.codes.store.GrowingArray.append", full)
    with pytest.raises(OutputError, match="No space left on device"):
        codes.save(tmp_path / "codes")
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_place(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        two_layers()[0].save(tmp_path / "file" / "codes")


def test_folders_from_before_digests_open_without(tmp_path):
    codes, _ = two_layers()
    digests = np.random.default_rng(0).integers(256, size=(len(codes), 16), dtype=np.uint8)
    folder = replace(codes, input_digests=digests).save(tmp_path / "new")
    assert np.array_equal(Codes.load(folder).input_digests, digests)
    assert pd.read_parquet(folder / "rows.parquet")["input_digest"][3] == digests[3].tobytes()
    old = codes.save(tmp_path / "old")
    assert list(pd.read_parquet(old / "rows.parquet")) == ["id", "label", "fingerprint"]
    assert Codes.load(old).input_digests is None


@pytest.mark.parametrize("digests", [np.zeros((3, 16), np.uint8), np.zeros((20, 16)), np.zeros((20, 8), np.uint8)])
def test_digests_that_do_not_fit_are_refused(digests):
    with pytest.raises(CodesError, match="input_digests must"):
        replace(two_layers()[0][:20], input_digests=digests)
