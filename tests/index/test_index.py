"""Search, add and recall: against a slow oracle that compares every pair of bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashlens.codes.codes import Codes
from hashlens.codes.layers import Layer, lay_out
from hashlens.codes.packing import pack_bits
from hashlens.codes.provenance import Provenance
from hashlens.errors import CodesError, IndexFault
from hashlens.index import Index, exact, rows

WIDTHS = (70, 5, 130)
KINDS = ("exact", "ivf", "hnsw")
PARAMETER = {"ivf": "nprobe", "hnsw": "efSearch"}


def at(kind, value):
    """Return the search parameter of a kind of index, as an argument."""
    return {} if kind == "exact" else {PARAMETER[kind]: value}


def some_codes(n, seed=0, widths=WIDTHS, ids=None, labels=True, model="net"):
    """Return n codes around 20 centres, and their bits."""
    centres = np.random.default_rng(99).random((20, sum(widths)))
    generator = np.random.default_rng(seed)
    bits = generator.random((n, sum(widths))) * 0.6 + 0.2 < centres[generator.integers(0, 20, n)]
    parts = np.split(bits, np.cumsum(widths)[:-1], axis=1)
    layers = lay_out([Layer(f"layer{i}", "relu", (width,), bits=width) for i, width in enumerate(widths)])
    packed = np.concatenate([pack_bits(part) for part in parts], axis=1)
    given_labels = np.arange(n) % 3 if labels else None
    ids = np.arange(n) + 1000 * seed if ids is None else np.asarray(ids)
    return Codes(packed, layers, given_labels, ids, Provenance(model=model, parameters_digest=model)), bits


def distances_of(queries, bits, weights=None):
    """Return all distances, weighted bit by bit."""
    weights = np.ones(bits.shape[1]) if weights is None else weights
    return ((queries[:, None] != bits[None]) * weights).sum(axis=2)


def nearest_of(distances, k):
    """Return the k nearest rows of each query by (distance, row)."""
    numbers = np.broadcast_to(np.arange(distances.shape[1]), distances.shape)
    order = np.lexsort((numbers, distances), axis=1)[:, :k]
    return np.take_along_axis(distances, order, axis=1), order


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 12), st.integers(2, 12))
def test_exact_search_is_by_distance_then_row(seed, n, k, width):
    generator = np.random.default_rng(seed)
    bits, asked = generator.random((n, width)) < 0.5, generator.random((5, width)) < 0.5
    index, k = Index(Codes.from_bits(bits)), min(k, n)
    found = index.search(Codes.from_bits(asked), k)
    distances, order = nearest_of(distances_of(asked, bits), k)
    assert np.array_equal(found.distances, distances)
    assert np.array_equal(found.rows, order)


@pytest.mark.parametrize("layers", [["layer1"], ["layer0", "layer2"], ["!layer0"], ["layer*"]])
@pytest.mark.parametrize("when", ["built", "searched", "both"])
def test_layers_are_compared_alone_whether_chosen_early_or_late(layers, when, monkeypatch):
    monkeypatch.setattr(rows.Rows.blocks, "__defaults__", (False, 50 * 32))  # blocks of some dozens of rows
    codes, bits = some_codes(300)
    queries, asked = some_codes(40, seed=1)
    index = Index(codes, layers=layers if when != "searched" else None)
    found = index.search(queries, 7, layers=layers if when != "built" else None)
    names = [layer.name for layer in index._rows.select_layers(layers).layers]
    mask = np.concatenate([np.full(width, f"layer{i}" in names) for i, width in enumerate(WIDTHS)])
    distances, order = nearest_of(distances_of(asked[:, mask], bits[:, mask]), 7)
    assert np.array_equal(found.distances, distances)
    assert np.array_equal(found.rows, order)
    assert np.array_equal(found.ids, codes.ids[order])


@pytest.mark.parametrize("kind", KINDS)
def test_rows_added_in_parts_are_found_like_rows_given_at_once(kind, tmp_path):
    codes, bits = some_codes(400)
    queries, asked = some_codes(30, seed=1)
    mapped = Codes.load(codes[100:300].save(tmp_path / "part"))
    index = Index(codes[:100], kind)
    for part in (mapped, codes[300:301], codes[301:]):
        index.add(part)
    full = index.options.get("nlist", 400)
    found = index.search(queries, 6, **at(kind, full))
    distances, order = nearest_of(distances_of(asked, bits), 6)
    assert np.array_equal(found.distances, distances)
    if kind == "exact":
        assert np.array_equal(found.rows, order)
        assert np.shares_memory(index._rows.parts[1].packed, mapped.packed)
        assert len(index._rows.parts) == 3, "small parts in memory are joined"
    assert len(index) == 400
    assert np.array_equal(index.ids, codes.ids)
    assert np.array_equal(index.labels, codes.labels)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_recall_is_the_share_found_and_a_wider_search_finds_more(kind):
    codes, bits = some_codes(1500)
    queries, asked = some_codes(100, seed=1)
    index = Index(codes, kind, seed=3)
    farthest = nearest_of(distances_of(asked, bits), 5)[0][:, -1:]
    found = index.search(queries, 5, **at(kind, 1))
    assert index.recall(queries, 5, **at(kind, 1)) == pytest.approx((found.distances <= farthest).mean())
    assert np.array_equal(found.distances, np.take_along_axis(distances_of(asked, bits), found.rows, axis=1))
    value = index.tune(queries, 5, recall=0.99)
    assert index.options[PARAMETER[kind]] == value
    assert index.recall(queries, 5) >= 0.99
    assert index.recall(queries, 5, **at(kind, 1)) < 0.99 or value == 1
    assert index.recall(queries, 5, **at(kind, 3000)) == 1


def test_exact_recall_is_one():
    codes, _ = some_codes(50)
    assert Index(codes).recall(codes, 5) == 1.0


def test_an_approximate_search_never_leaves_holes():
    codes, _ = some_codes(200)
    found = Index(codes, "ivf", nlist=20).search(codes[:30], 60, nprobe=1)
    assert (found.rows >= 0).all()
    assert all(len(set(row)) == 60 for row in found.rows.tolist())
    assert (np.diff(found.distances, axis=1) >= 0).all()


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_the_same_seed_makes_the_same_index(kind):
    codes, _ = some_codes(1000)
    queries, _ = some_codes(100, seed=1)
    a, b = (Index(codes, kind, seed=5).search(queries, 5, **at(kind, 1)) for _ in range(2))
    assert np.array_equal(a.rows, b.rows)


def test_weighted_layers_are_ranked_again():
    codes, bits = some_codes(500)
    queries, asked = some_codes(40, seed=1)
    weights = np.repeat([0.5, 3.0, 1.0], WIDTHS)
    distances, order = nearest_of(distances_of(asked, bits, weights), 8)
    given_weights = {"layer0": 0.5, "layer1": 3}
    everything = Index(codes).search(queries, 8, weights=given_weights, candidates=500)
    assert np.allclose(everything.distances, distances)
    assert np.array_equal(everything.rows, order)
    assert everything.proven.all()
    some = Index(codes).search(queries, 8, weights=given_weights, candidates=20)
    assert 0 < some.proven.sum() < 40
    assert np.allclose(some.distances[some.proven], distances[some.proven])
    assert "20 candidates (exact)" in some.method
    assert Index(codes, "ivf").search(queries, 8, weights=given_weights).proven is None


def test_equal_weights_change_nothing():
    codes, _ = some_codes(300)
    index = Index(codes)
    plain, weighted = index.search(codes, 4), index.search(codes, 4, weights={})
    assert np.array_equal(plain.rows, weighted.rows)
    assert np.array_equal(plain.distances, weighted.distances)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("radius", [0, 20, 60, 10_000])
def test_range_search_finds_all_within_the_radius_on_any_kind(kind, radius):
    codes, bits = some_codes(150)
    queries, asked = some_codes(20, seed=1)
    queries = Codes(np.concatenate([queries.packed, codes.packed[:3]]), codes.layers, provenance=codes.provenance)
    distances = distances_of(np.concatenate([asked, bits[:3]]), bits)
    index = Index(codes[:100], kind)
    index.add(codes[100:])
    found = index.range_search(queries, radius)
    assert np.array_equal(found.counts, (distances <= radius).sum(axis=1))
    for query in range(23):
        near, order = nearest_of(distances[query : query + 1], 150)
        within = near[0] <= radius
        ids, at = found[query]
        assert np.array_equal(ids, codes.ids[order[0][within]])
        assert np.array_equal(at, near[0][within])


def test_range_search_that_finds_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(exact, "MAX_PAIRS", 100)
    codes, _ = some_codes(50)
    with pytest.raises(IndexFault, match="more than 100 pairs lie within a radius of 205 bits: give a smaller"):
        Index(codes).range_search(codes, 500)


def test_ids_may_be_words():
    codes, _ = some_codes(5, ids=list("abcde"))
    index = Index(codes)
    index.add(some_codes(2, seed=1, ids=["f", "gh"])[0])
    assert index.search(codes, 1).ids[:, 0].tolist() == list("abcde")
    assert index.ids.tolist() == ["a", "b", "c", "d", "e", "f", "gh"]


def test_results_are_written_as_tables(tmp_path):
    import pandas as pd

    codes, _ = some_codes(60, ids=[f"img/{i},png" for i in range(60)])
    index = Index(codes)
    found = index.search(codes[:3], 4)
    table = pd.read_csv(found.to_csv(tmp_path / "found.csv"))
    assert table["id"].tolist() == found.ids.ravel().tolist()
    assert table["rank"].tolist() == [1, 2, 3, 4] * 3
    assert table["query"].tolist() == np.repeat(codes.ids[:3], 4).tolist()
    within = index.range_search(codes[:3], 30)
    table = pd.read_csv(within.to_csv(tmp_path / "within.csv"))
    assert table["distance"].tolist() == within.distances.tolist()
    assert table.groupby("query", sort=False)["rank"].max().tolist() == within.counts.tolist()
    assert "img/0,png (0)" in str(found)
    assert "img/0,png (0)" in str(within)
    assert found.to_dict()["rows"] == found.rows.tolist()


def test_no_queries_find_nothing():
    codes, _ = some_codes(20)
    for kind in KINDS:
        index = Index(codes, kind)
        assert index.search(codes[:0], 3).ids.shape == (0, 3)
        assert len(index.range_search(codes[:0], 3)) == 0


def test_what_an_index_says_of_itself():
    from rich.console import Console

    codes, _ = some_codes(120)
    index = Index(codes, "ivf", layers=["layer0"], nlist=7)
    assert repr(index) == "Index(ivf, 120 rows of 70 bits, 1 layer, net)"
    console = Console(width=80)
    with console.capture() as capture:
        console.print(index)
    assert "layer0" in capture.get()
    assert len(index) == 120
    assert index.kind == "ivf"


CODES, OTHER = some_codes(40)[0], some_codes(4, seed=2)[0]
FOREIGN = some_codes(4, seed=3, model="another")[0]
NARROW = some_codes(4, seed=3, widths=(70, 5))[0]
EMPTY = CODES[:0]
MISTAKES = {
    "no codes": (lambda: Index(CODES.packed), "an index is made of Codes"),
    "unknown kind": (lambda: Index(CODES, "hsnw"), "did you mean 'hnsw'"),
    "unknown option": (lambda: Index(CODES, "ivf", nlists=3), "did you mean 'nlist'"),
    "option of exact": (lambda: Index(CODES, nlist=3), "'exact' has no option 'nlist': it takes none"),
    "lists of text": (lambda: Index(CODES, "ivf", nlist="3"), "nlist must be a whole number"),
    "more lists than rows": (lambda: Index(CODES, "ivf", nlist=41), "at most the 40 rows"),
    "ivf of nothing": (lambda: Index(EMPTY, "ivf"), "finds its centres among its rows, received none"),
    "unknown layer": (lambda: Index(CODES, layers=["layr1"]), "did you mean 'layer1'"),
    "layer as a word": (lambda: Index(CODES, layers="layer1"), "a list of names or globs"),
    "no layer at all": (lambda: Index(CODES, layers=["!layer*"]), "no layer of the index matches"),
    "no bits": (lambda: Index(Codes(np.zeros((3, 0), np.uint8), ())), "at least one bit"),
    "repeated ids": (lambda: Index(CODES, ids=[*range(39), 7]), "7 is in the codes more than once (1 such ids)"),
    "ids too few": (lambda: Index(CODES, ids=[1, 2]), "one for each of the 40 rows"),
    "ids of floats": (lambda: Index(CODES, ids=np.zeros(40)), "whole numbers or strings, received float64"),
    "ids of several lengths": (lambda: Index(CODES, ids=[[1], [2, 3]]), "one for each of the 40 rows"),
    "ids beyond int64": (lambda: Index(CODES, ids=np.arange(40, dtype=np.uint64) + 2**63), "numbers below 2**63"),
    "layers as a number": (lambda: Index(CODES, layers=5), "a list of names or globs, received 5"),
    "M for nothing": (lambda: Index(CODES, "hnsw", M=10_000), "M must be at most 1,024, received 10,000"),
    "weight beyond float": (lambda: Index(CODES).search(OTHER, 1, weights={"layer0": 10**400}), "a finite number"),
    "empty index": (lambda: Index(EMPTY).search(OTHER, 1), "the index is empty: add codes"),
    "empty index, radius": (lambda: Index(EMPTY).range_search(OTHER, 1), "the index is empty: add codes"),
    "k above n": (lambda: Index(CODES).search(OTHER, 41), "k must be at most the 40 rows of the index, received 41"),
    "k of nothing": (lambda: Index(CODES).search(OTHER, 0), "k must be a whole number, 1 or more, received 0"),
    "k of text": (lambda: Index(CODES).search(OTHER, "3"), "k must be a whole number"),
    "queries as an array": (lambda: Index(CODES).search(OTHER.packed, 1), "must be Codes"),
    "nprobe for exact": (lambda: Index(CODES).search(OTHER, 1, nprobe=3), "takes no nprobe=: leave it out"),
    "nprobe for layers": (
        lambda: Index(CODES, "ivf").search(OTHER, 1, nprobe=3, layers=["layer0"]),
        "takes no nprobe=: leave it out",
    ),
    "nprobe for a graph": (
        lambda: Index(CODES, "hnsw").search(OTHER, 1, nprobe=3),
        "an index of kind 'hnsw' takes no nprobe=: give efSearch=",
    ),
    "efSearch for lists": (
        lambda: Index(CODES, "ivf").recall(OTHER, 1, efSearch=3),
        "an index of kind 'ivf' takes no efSearch=: give nprobe=",
    ),
    "no list": (lambda: Index(CODES, "ivf").search(OTHER, 1, nprobe=0), "nprobe must be a whole number, 1 or more"),
    "negative radius": (lambda: Index(CODES).range_search(OTHER, -1), "radius must be a whole number, 0 or more"),
    "weights of text": (lambda: Index(CODES).search(OTHER, 1, weights="x"), "weights must be a dict"),
    "weight of no layer": (lambda: Index(CODES).search(OTHER, 1, weights={"layer9": 1}), "'layer9' that is not"),
    "negative weight": (lambda: Index(CODES).search(OTHER, 1, weights={"layer0": -1}), "0 or more, received -1"),
    "few candidates": (
        lambda: Index(CODES).search(OTHER, 9, weights={}, candidates=3),
        "candidates must be a whole number, 9 or more",
    ),
    "candidates alone": (lambda: Index(CODES).search(OTHER, 1, candidates=3), "give weights= too"),
    "added twice": (
        lambda: Index(CODES).add(CODES),
        "0 is in the index and the added rows more than once (40 such",
    ),
    "words among numbers": (
        lambda: Index(CODES).add(OTHER, ids=list("abcd")),
        "those of the added rows are strings",
    ),
    "recall on nothing": (lambda: Index(CODES).recall(EMPTY, 1), "one query or more"),
    "exact tuned": (lambda: Index(CODES).tune(OTHER, 1), "nothing to tune"),
    "recall above one": (lambda: Index(CODES, "ivf").tune(OTHER, 1, recall=2), "above 0 and up to 1, received 2"),
}


def test_more_candidates_than_rows_are_all_rows():
    index = Index(CODES, "hnsw")
    found = index.search(OTHER, 3, efSearch=10**9)  # memory for so many would not be there
    assert found.distances.tolist() == index.search(OTHER, 3, efSearch=40).distances.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_whole_numbers_of_numpy_are_taken(kind):
    options = {"exact": {}, "ivf": {"nlist": np.int64(4)}, "hnsw": {"M": np.int64(8), "seed": np.int64(3)}}[kind]
    index = Index(CODES, kind, **options)
    found = index.search(OTHER, np.int64(3), **at(kind, np.int64(4)))
    assert found.ids.tolist() == index.search(OTHER, 3, **at(kind, 4)).ids.tolist()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(name):
    mistake, message = MISTAKES[name]
    with pytest.raises(IndexFault) as error:
        mistake()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("what", ["search", "range_search", "add", "recall"])
@pytest.mark.parametrize(
    ("codes", "message"), [(FOREIGN, "codes of two networks"), (NARROW, "codes of different bits cannot be mixed")]
)
def test_codes_of_another_model_or_length_are_refused(what, codes, message):
    index = Index(CODES)
    arguments = () if what == "add" else (1,)
    with pytest.raises(CodesError, match=message):
        getattr(index, what)(codes, *arguments)
    assert len(index) == 40


def test_queries_may_have_more_layers_than_the_index():
    index = Index(some_codes(40, widths=WIDTHS)[0], layers=["layer0", "layer1"])
    assert index.search(CODES, 1).distances.max() == 0
    with pytest.raises(CodesError, match="cannot be mixed"):
        index.search(some_codes(4, widths=(70,))[0], 1)


def test_rows_that_are_added_are_numbered_by_name(tmp_path):
    bits = np.eye(3, dtype=np.int64)
    index = Index(Codes.from_bits(bits, ["ant", "bee", "cat"]))
    index.add(Codes.from_bits(bits, ["bee", "cat", None], ids=[3, 4, 5]))
    index.add(Codes.from_bits(bits, ["dog", "ant", "ant"], ids=[6, 7, 8]))
    index.save(tmp_path / "index")
    for one in (index, Index.load(tmp_path / "index")):
        assert one.class_names == ("ant", "bee", "cat", "dog")
        assert one.labels.tolist() == [0, 1, 2, 1, 2, -1, 3, 0, 0]


def test_rows_added_batch_by_batch_without_names_are_told_once(caplog):
    bits = np.random.default_rng(0).random((30, 64)) < 0.5
    index = Index(Codes.from_bits(bits[:10], labels=[0, 1] * 5, class_names=("ant", "bee")))
    for start in (10, 15, 20):
        index.add(Codes.from_bits(bits[start : start + 5], labels=[0, 1, 0, 1, 0], ids=range(start, start + 5)))
    assert caplog.text.count("are compared by number") == 1
