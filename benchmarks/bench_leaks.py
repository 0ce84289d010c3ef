"""Leaked test images of CIFAR-10: how well each representation finds the 249 published near-duplicates.

    pip install imagehash==4.3.2   # optional: perceptual hashes as a peer
    python benchmarks/bench_leaks.py --data ../shared/data --model MODEL [--model MODEL ...]

Test images are ranked by the distance d1 to the nearest training image, and by the local ratio d1 / d10. hashlens is
`hashlens.audit.leaks` with its defaults; the float activations are those of the layer that it chose. The published list
is incomplete, so average precision and recall are lower bounds for all representations. Seconds include the computation
of the representation for all images and the search. Bytes are per image. With several models (of other seeds), each
number is the median over them.
"""

import argparse
import csv
import statistics
import time

import numpy as np
import torch

import hashlens as hl
from hashlens.audit.leaks import leaks
from hashlens.audit.local_ratio import local_ratio
from hashlens.codes.reader import Reader
from hashlens.codes.reading import Reading
from hashlens.measures.knn import nearest_codes
from hashlens.tables import table

K = 10
FIRST = 500
TRUTH = "truth/cifar10_test_train_duplicates.csv"


def near_duplicates(path, train, test):
    """Return which of `test` rows have a near-duplicate among the first `train` rows, bool ``(test,)``."""
    leaked = np.zeros(test, bool)
    with open(path) as file:
        for row in csv.DictReader(file):
            here = int(row["test_index"]) < test and int(row["train_index"]) < train
            if here and row["judgment"] == "near":
                leaked[int(row["test_index"])] = True
    return leaked


def quality(scores, leaked):
    """Return average precision, and recall among the first 500, of scores that are low for leaks."""
    hits = leaked[np.argsort(scores, kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].mean()), float(hits[:FIRST].sum() / hits.sum())


def by_both(distances, leaked):
    """Return the quality by d1 and by the ratio."""
    return quality(distances[:, 0], leaked), quality(local_ratio(distances), leaked)


def timed(work):
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def searched(train, test, leaked, cosine=False):
    """Return the quality of vectors, and the seconds of the search."""
    import faiss

    def search():
        if cosine:
            for part in (train, test):
                faiss.normalize_L2(part)
        return np.sqrt(np.maximum(faiss.knn(test, train, K)[0], 0))

    distances, seconds = timed(search)
    return by_both(distances, leaked), seconds


def pixels(examples):
    return np.ascontiguousarray(examples.tensor().float().flatten(1).numpy())


def penultimate(network, examples):
    found = []
    with Reader(network, examples, Reading(bits=64, batch_size=256), penultimate=True) as reader:
        for _, captured in reader:
            found.append(captured.penultimate.detach().flatten(1).float().numpy().copy())
    return np.concatenate(found)


def activations(network, examples, name):
    """Return what module `name` gives for each example, float32 ``(n, d)``."""
    caught, filled, inputs = [], 0, examples.tensor()
    handle = network.get_submodule(name).register_forward_hook(lambda *call: caught.append(call[2].flatten(1).clone()))
    try:
        with torch.no_grad():
            found = None
            for batch in inputs.split(256):
                network(batch)
                part = caught.pop().numpy()
                found = np.empty((len(inputs), part.shape[1]), np.float32) if found is None else found
                found[filled : filled + len(part)] = part
                filled += len(part)
    finally:
        handle.remove()
    return found


def perceptual_hashes(train, test, leaked):
    """Yield a row of each perceptual hash; none where imagehash is not installed."""
    try:
        import imagehash
    except ImportError:
        return
    from PIL import Image

    for name, method, side in (
        ("dHash", imagehash.dhash, 8),
        ("pHash", imagehash.phash, 8),
        ("pHash", imagehash.phash, 16),
    ):

        def coded(examples, method=method, side=side):
            images = (examples.tensor().permute(0, 2, 3, 1) * 255).round().byte().numpy()
            return hl.Codes.from_bits(np.stack([method(Image.fromarray(one), side).hash.ravel() for one in images]))

        codes, making = timed(lambda coded=coded: [coded(part) for part in (train, test)])
        (distances, _), seconds = timed(lambda codes=codes: nearest_codes(codes[1], codes[0], K))
        bits = side * side
        yield f"imagehash {name}, {bits} bits", bits // 8, by_both(distances, leaked), making + seconds


def ours(network, train, test, leaked):
    """Return the row of `leaks` with all defaults, its layer, and how many it suspects."""
    codes, making = timed(lambda: [hl.encode(network, part, bits=1024, per_layer=True) for part in (train, test)])
    found, seconds = timed(lambda: leaks(*codes))
    order = np.argsort(found.rows)
    both = quality(found.distances[order], leaked), quality(found.ratios[order], leaked)
    return ("codes, layer chosen", found.bits // 8, both, making + seconds), found


def of_model(network, train, test, leaked):
    """Return the rows of one network, and what `leaks` found."""
    mine, found = ours(network, train, test, leaked)
    rows = []
    for name, read in (
        ("penultimate features, cosine", penultimate),
        ("float activations, that layer, cosine", lambda *given: activations(*given, found.layer)),
    ):
        parts, making = timed(lambda read=read: [read(network, part) for part in (train, test)])
        both, seconds = searched(*parts, leaked, cosine=True)
        rows.append((name, parts[0].shape[1] * 4, both, making + seconds))
    return [*rows, mine], found


def medians(runs):
    """Return one row of the rows that several networks gave for one representation."""
    names, sizes, qualities, seconds = zip(*runs, strict=True)
    middle = np.median(np.array(qualities), axis=0)
    return names[0], int(statistics.median(sizes)), middle, statistics.median(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of cifar10/ as Parquet and truth/")
    parser.add_argument("--model", required=True, action="append", help="a trained network")
    parser.add_argument("--train", type=int, default=50_000, help="training images to use, the first ones")
    parser.add_argument("--test", type=int, default=10_000, help="test images to use, the first ones")
    options = parser.parse_args()

    from rich.console import Console

    train = hl.load_data(f"parquet:{options.data}/cifar10#train[:{options.train}]").load()
    test = hl.load_data(f"parquet:{options.data}/cifar10#test[:{options.test}]").load()
    leaked = near_duplicates(f"{options.data}/{TRUTH}", options.train, options.test)
    raw = [pixels(part) for part in (train, test)]
    both, seconds = searched(*raw, leaked)
    rows = [("raw pixels, L2", raw[0].shape[1] * 4, both, seconds)]
    rows += perceptual_hashes(train, test, leaked)
    runs, notes = [], []
    for name in options.model:
        found_rows, found = of_model(hl.load_model(name), train, test, leaked)
        runs.append(found_rows)
        on_list = int(leaked[found.suspected_rows].sum())
        precision, recall = found_rows[-1][2][1]
        suspected = f"{found.suspected:,} suspected, {on_list:,} of them published"
        notes.append(f"{found.layer} ({precision:.3f} / {recall:.3f}), {suspected}")
    rows += [medians(same) for same in zip(*runs, strict=True)]
    cells = [
        (name, f"{size:,}", *(f"{value:.3f}" for part in both for value in part), f"{taken:.0f}")
        for name, size, both, taken in rows
    ]
    columns = ("representation", "bytes", "AP by d1", f"recall@{FIRST}", "AP by ratio", f"recall@{FIRST}", "seconds")
    note = f"{len(options.model)} networks; layers chosen: {'; '.join(notes)}. {torch.get_num_threads()} threads."
    title = f"Leaks: {int(leaked.sum())} published near-duplicates among {len(test):,} test images"
    Console(width=140).print(table(title, columns, cells, note))


if __name__ == "__main__":
    main()
