"""``hashlens index``, from codes to neighbours."""

import numpy as np
import pandas as pd
import pytest

from hashlens.cli.app import run
from hashlens.codes.codes import Codes
from hashlens.index import Index


@pytest.fixture
def folders(tmp_path):
    bits = np.random.default_rng(0).random((400, 90)) < 0.5
    asked = bits[:5].copy()
    asked[:, :3] ^= True
    Codes.from_bits(bits).save(tmp_path / "codes")
    Codes.from_bits(asked, ids=list("abcde")).save(tmp_path / "queries")
    return tmp_path


@pytest.mark.parametrize("kind", ["exact", "ivf", "hnsw"])
def test_build_and_search(kind, folders, capsys):
    codes, queries, index, out = (str(folders / name) for name in ("codes", "queries", "index", "out.csv"))
    assert run(["index", "build", codes, "-o", index, "--kind", kind, "--layers", "co*"]) == 0
    assert kind in capsys.readouterr().out
    assert Index.load(index).kind == kind
    parameter = {"exact": [], "ivf": ["--nprobe", "20"], "hnsw": ["--efSearch", "20"]}[kind]
    assert run(["index", "search", index, queries, "-k", "2", "-o", out, *parameter]) == 0
    assert "0 (3)" in capsys.readouterr().out
    found = pd.read_csv(out)
    assert found[found["rank"] == 1]["id"].tolist() == [0, 1, 2, 3, 4]
    assert found["query"].tolist() == [letter for letter in "abcde" for _ in range(2)]
    assert (found[found["rank"] == 1]["distance"] == 3).all()


def test_search_within_a_radius_and_by_weights(folders, capsys):
    codes, queries, index, out = (str(folders / name) for name in ("codes", "queries", "index", "out.csv"))
    assert run(["index", "build", codes, "-o", index]) == 0
    assert run(["index", "search", index, queries, "--radius", "3", "-o", out]) == 0
    assert pd.read_csv(out)["id"].tolist() == [0, 1, 2, 3, 4]
    assert run(["index", "search", index, queries, "-k", "1", "--weight", "code=2", "--force", "-o", out]) == 0
    assert pd.read_csv(out)["distance"].tolist() == [6] * 5


MISTAKES = {
    "k above n": (["search", "INDEX", "QUERIES", "-k", "401"], "k must be at most the 400 rows"),
    "no index": (["search", "CODES", "QUERIES"], "is no index: its format is 'codes'; make one with Index.save"),
    "no codes": (["build", "INDEX", "-o", "OUT"], "is no folder of codes: its format is 'index'; make one with"),
    "unknown kind": (["build", "CODES", "-o", "OUT", "--kind", "hsnw"], "did you mean 'hnsw'"),
    "there already": (["build", "CODES", "-o", "INDEX"], "exists already"),
    "codes in the way": (["build", "CODES", "-o", "CODES", "--force"], "is read as input"),
    "negative radius": (["search", "INDEX", "QUERIES", "--radius", "-1"], "--radius"),
    "radius and nprobe": (["search", "INDEX", "QUERIES", "--radius", "1", "--nprobe", "2"], "leave out --nprobe"),
    "nprobe for exact": (["search", "INDEX", "QUERIES", "--nprobe", "2"], "takes no --nprobe: leave it out"),
    "weight of text": (["search", "INDEX", "QUERIES", "--weight", "code=x"], "LAYER=NUMBER"),
    "option of another kind": (["build", "CODES", "-o", "OUT", "--nlist", "3"], "has no option 'nlist'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_exit_2(name, folders, capsys):
    Index(Codes.load(folders / "codes")).save(folders / "index")
    before = sorted(path.name for path in folders.iterdir())
    arguments, message = MISTAKES[name]
    places = {name.upper(): str(folders / name) for name in ("codes", "queries", "index", "out")}
    assert run(["index", *(places.get(argument, argument) for argument in arguments)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert message in lines[0]
    assert sorted(path.name for path in folders.iterdir()) == before
