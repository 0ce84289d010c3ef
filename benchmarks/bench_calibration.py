"""False alarms of the search for leaks: suspected rows in clean data, and the number that is expected by chance.

    python benchmarks/bench_calibration.py --data ../shared/data --out runs.jsonl [--kind digits] [--network deep]
    python benchmarks/bench_calibration.py --out runs.jsonl --table

There are six kinds of clean data, with three networks and ten splits each. In each split, the rows are drawn again and
split at random into train and test, a network is trained, and `hl.leaks` searches with `expected_false` 1 and 10 and
its defaults. Summed over ten splits, about 10 and 100 rows should be suspected. Each run is appended to a file as a
line of JSON. Runs that the file already has are skipped, so the benchmark can be stopped and continued. `--table`
prints the results in the file.

Gaussians, uniform numbers with a rule for the class, and binary columns of a mixture are clean by construction. From
digits and MNIST, the 5 % of rows that are nearest to another row **in the inputs** are removed. Nearness is the ratio
of the Euclidean distances to the nearest and to the tenth row; codes are not used. Review sentences are counts of the
1,000 most frequent words of train. None are removed: `leaks` recognises equal rows by their digests.
"""

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np

import hashlens as hl
from hashlens.seeds import numpy_generator
from hashlens.tables import table

SPLITS = 10
EXPECTED = (1, 10)
WORDS = 1000
NEAREST = 0.05
NETWORKS = {
    "narrow": ("mlp", {"width": 64, "depth": 2}, 64_000),
    "deep": ("mlp", {"width": 64, "depth": 6}, 64_000),
    "wide": ("mlp", {"width": 512, "depth": 2}, 36_000),
    "convolutional": ("cnn", {"width": 8}, 16_000),
}
"""Architecture, its arguments, and the approximate number of training rows over all epochs."""


def digits(generator, data):
    return separate(*whole("digits"), generator, 1200, 500)


def mnist(generator, data):
    inputs, labels = whole(f"parquet:{data}/mnist#train")
    few = generator.choice(len(inputs), 4300, replace=False)
    return separate(inputs[few], labels[few], generator, 3000, 1000)


def gaussians(generator, data):
    """Five classes of 32 normal numbers around centres drawn likewise."""
    centres = generator.normal(size=(5, 32))
    labels = generator.integers(5, size=4000)
    return split(centres[labels] + generator.normal(size=(4000, 32)), labels, generator, 3000, 1000)


def uniform(generator, data):
    """Sixteen uniform numbers; five of them decide between three classes."""
    x = generator.random((4000, 16))
    labels = (np.sin(6 * x[:, 0]) + 2 * x[:, 1] * x[:, 2] + x[:, 3] > 1.4).astype(int) + (x[:, 4] > 0.5)
    return split(x, labels, generator, 3000, 1000)


def binary(generator, data):
    """Sixty binary columns, with probabilities that depend on which of four classes a row has."""
    chances = 0.1 + 0.8 * generator.random((4, 60))
    labels = generator.integers(4, size=4000)
    return split(generator.random((4000, 60)) < chances[labels], labels, generator, 3000, 1000)


def reviews(generator, data):
    import pyarrow.parquet as pq
    from sklearn.feature_extraction.text import CountVectorizer

    columns = pq.read_table(f"{data}/text/movie-review-sentences.parquet").to_pydict()
    rows = generator.permutation(len(columns["text"]))[:6000]
    texts, labels = ([columns[name][row] for row in rows] for name in ("text", "label"))
    counter = CountVectorizer(max_features=WORDS).fit(texts[:5000])
    counts = counter.transform(texts).toarray()
    return tuple((counts[at].astype(np.float32), np.array(labels)[at]) for at in (slice(5000), slice(5000, None)))


KINDS = {of.__name__: of for of in (digits, mnist, gaussians, uniform, binary, reviews)}


def of_kind(kind):
    """Return the names of the three networks for a kind of data."""
    return ("narrow", "deep", "convolutional" if kind in ("digits", "mnist") else "wide")


def whole(name):
    examples = hl.load_data(name).load()
    return examples.tensor().float().numpy(), np.asarray(examples.labels)


def separate(inputs, labels, generator, train, test):
    """Split the rows without those whose inputs are nearest to those of another row."""
    import faiss

    flat = np.ascontiguousarray(inputs.reshape(len(inputs), -1))
    distances = np.sqrt(np.maximum(faiss.knn(flat, flat, 11)[0], 0))
    ratios = distances[:, 1] / distances[:, 10]
    kept = ratios > np.quantile(ratios, NEAREST)
    return split(inputs[kept], labels[kept], generator, train, test)


def split(inputs, labels, generator, train, test):
    order = generator.permutation(len(inputs))
    inputs = inputs.astype(np.float32)
    return tuple((inputs[at], labels[at]) for at in (order[:train], order[train : train + test]))


def coded(kind, name, seed, data, kept):
    """Return the codes of train and test in one split, from a folder if it has them, and a line that describes them."""
    folder = kept and kept / f"{kind}-{name}-{seed}"
    if folder and (folder / "line.json").exists():
        codes = [hl.Codes.load(folder / part) for part in ("train", "test")]
        return codes, json.loads((folder / "line.json").read_text())
    train, test = KINDS[kind](numpy_generator(seed, f"calibration {kind}"), data)
    started = time.perf_counter()
    architecture, arguments, seen = NETWORKS[name]
    trained = hl.train(architecture, train, test=test, seed=seed, epochs=round(seen / len(train[0])), **arguments)
    taken = time.perf_counter() - started
    codes = [hl.encode(trained.network, part, bits=1024, per_layer=True) for part in (train, test)]
    line = {
        "kind": kind,
        "network": name,
        "split": seed,
        "rows": [len(part[0]) for part in (train, test)],
        "accuracy": trained.info.metrics["test_accuracy"],
        "training_seconds": round(taken, 1),
    }
    if folder:
        for part, of in zip(("train", "test"), codes, strict=True):
            of.save(folder / part)
        (folder / "line.json").write_text(json.dumps(line))
    return codes, line


def run(kind, name, seed, data, kept=None):
    """Return the suspected rows of one split with one network, as a dictionary."""
    codes, line = coded(kind, name, seed, data, kept)
    started = time.perf_counter()
    for number in EXPECTED:
        found = hl.leaks(*codes, expected_false=number)
        line[f"at_{number}"] = {
            "suspected": found.suspected,
            "exact": int(found.exact[: found.suspected].sum()),
            "layer": found.layer,
            "usable": found.score is not None,
            "expected": None if found.score is None else round(found.score.expected, 2),
            "layers": [
                [at.name, at.suspected, at.threshold, at.expected, at.copies] if not at.reason else [at.name, at.reason]
                for at in found.layers
            ],
        }
    return line | {"leaks_seconds": round(time.perf_counter() - started, 1)}


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def summed(lines):
    """Return means and sums over the runs of one cell, as a dictionary."""
    total = {number: sum(line[f"at_{number}"]["suspected"] for line in lines) for number in EXPECTED}
    usable = {number: sum(line[f"at_{number}"]["usable"] for line in lines) for number in EXPECTED}
    layers = Counter(line["at_1"]["layer"] for line in lines if line["at_1"]["usable"])
    return {
        "splits": len(lines),
        "accuracy": float(np.mean([line["accuracy"] for line in lines])),
        "seconds": float(np.mean([line["training_seconds"] for line in lines])),
        "refused": not any(usable.values()),
        "usable": usable,
        "total": total,
        "layers": ", ".join(f"{layer} {count}" for layer, count in layers.most_common(2)),
    }


def shown(lines):
    """Return the table of all cells in the lines. Its note counts the cells outside the bars."""
    cells = {}
    for line in lines:
        cells.setdefault((line["kind"], line["network"]), []).append(line)
    order = [(kind, name) for kind in KINDS for name in of_kind(kind) if (kind, name) in cells]
    found = {cell: summed(cells[cell]) for cell in order}
    rows = [
        (
            *cell,
            f"{at['accuracy']:.3f}",
            f"{at['seconds']:.0f}",
            *("refused" if not at["usable"][number] else str(at["total"][number]) for number in EXPECTED),
            "; ".join(str(at["usable"][number]) for number in EXPECTED) + f" of {at['splits']}",
            at["layers"],
        )
        for cell, at in found.items()
    ]
    one, ten = ([at["total"][number] for at in found.values() if at["usable"][number]] for number in EXPECTED)
    note = (
        f"Cells above 30 at 1: {sum(total > 30 for total in one)}; outside 50 to 200 at 10: "
        f"{sum(not 50 <= total <= 200 for total in ten)}; all together at 1: {sum(one)}; refused: "
        f"{sum(at['refused'] for at in found.values())} of {len(found)}. Bars are for {SPLITS} splits a cell."
    )
    columns = ("data", "network", "accuracy", "seconds", "at 1", "at 10", "splits usable", "layers chosen at 1")
    return table("Suspected in clean data, summed over the splits", columns, rows, note)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--out", type=Path, required=True, help="file of JSON lines, appended to")
    parser.add_argument("--codes", type=Path, help="folder to keep codes in, from which leaks can be searched again")
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--network", choices=NETWORKS, action="append")
    parser.add_argument("--splits", type=int, nargs="+", default=list(range(SPLITS)), help="seeds of the splits")
    parser.add_argument("--table", action="store_true", help="run nothing, print what the file holds")
    options = parser.parse_args()
    done = {(line["kind"], line["network"], line["split"]) for line in read(options.out)}
    for seed in [] if options.table else options.splits:
        for kind in options.kind or KINDS:
            for name in of_kind(kind):
                if (options.network and name not in options.network) or (kind, name, seed) in done:
                    continue
                line = run(kind, name, seed, options.data, options.codes)
                with options.out.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                found = ", ".join(f"{line[f'at_{number}']['suspected']} at {number}" for number in EXPECTED)
                print(f"{kind}, {name}, split {seed}: {found}", flush=True)

    from rich.console import Console

    Console(width=140).print(shown(read(options.out)))


if __name__ == "__main__":
    main()
