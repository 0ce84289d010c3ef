"""Time of a whole measurement of the width-100 MNIST network, against NumPy and scikit-learn.

    python benchmarks/bench_measure.py --data ../shared/data/mnist

The alternative uses int8 matrices of the codes: ``np.unique(axis=0)``,
``KNeighborsClassifier(9, metric="hamming")``, ``OneVsOneClassifier(LogisticRegression())`` and
``KMeans(10, n_init=10)``. Both get decoded arrays, and the same codes without the constant bits. Times of hashlens are
medians of three runs, after a first run on a few rows. Those of the alternative are from one run, about two minutes in
total.
"""

import argparse
import os
import statistics
import time
import warnings

import numpy as np

from hashlens.tables import table


def timed(work, repeats=1):
    """Return what `work` returns and the median of its seconds."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - started)
    return result, statistics.median(seconds)


def plain_parts(train, test, queries):
    """Return name -> (result, seconds), computed with NumPy and scikit-learn."""
    from sklearn.cluster import KMeans
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsOneClassifier
    from sklearn.neighbors import KNeighborsClassifier

    x, y = train.unpack().astype(np.int8), train.labels
    x_test, y_test = test.unpack().astype(np.int8), test.labels

    def redundancy():
        return [1 - len(np.unique(part, axis=0)) / len(part) for part in (x, x_test)]

    def neighbours():
        return KNeighborsClassifier(9, metric="hamming").fit(x, y).score(x_test[:queries], y_test[:queries])

    found = {"determinism": timed(redundancy)}
    accuracy, seconds = timed(neighbours)
    found["K-NN"] = accuracy, seconds * len(x_test) / queries
    found["logistic, one-vs-one"] = timed(
        lambda: OneVsOneClassifier(LogisticRegression()).fit(x, y).score(x_test, y_test)
    )
    for name, part in (("K-Means, train", x), ("K-Means, test", x_test)):
        found[name] = timed(lambda part=part: KMeans(10, n_init=10, random_state=0).fit(part).inertia_)
    return found


def our_parts(train, test):
    """Return name -> (result, seconds), computed by hashlens."""
    from hashlens.measures import determinism, kmeans, knn_accuracy, logistic_regression
    from hashlens.measures.logistic import accuracy_tolerance

    return {
        "determinism": timed(lambda: [determinism(part).redundancy_ratio for part in (train, test)], 3),
        "K-NN": timed(lambda: knn_accuracy(train, test), 3),
        "logistic, one-vs-one": timed(
            lambda: logistic_regression(train, method="one-vs-one", tolerance=accuracy_tolerance(len(train))).accuracy(
                test, test.labels
            ),
            3,
        ),
        "K-Means, train": timed(lambda: kmeans(train, 10).inertia, 3),
        "K-Means, test": timed(lambda: kmeans(test, 10).inertia, 3),
    }


def searches(train, test):
    """Return the median seconds of `nearest_codes` and of bare `faiss.knn_hamming`, interleaved."""
    import faiss

    from hashlens.measures import nearest_codes

    ours, bare = [], []
    for _ in range(7):
        ours.append(timed(lambda: nearest_codes(test, train, 9))[1])
        bare.append(timed(lambda: faiss.knn_hamming(test.packed, train.packed, 9))[1])
    return statistics.median(ours), statistics.median(bare)


def written(value):
    parts = value if isinstance(value, list) else [value]
    return " / ".join(f"{part:,.1f}" if part > 1 else f"{part:.4f}" for part in parts)


def compare(plain, ours):
    """Return the rows of the table and the total seconds of both."""
    rows = []
    for name, (theirs, seconds) in plain.items():
        mine, taken = ours[name]
        note = f"x {mine / theirs:.6f}" if name.startswith("K-Means") else ""
        rows.append(
            (name, f"{seconds:.3f}", f"{taken:.3f}", f"{seconds / taken:.1f}", written(theirs), written(mine), note)
        )
    totals = [sum(seconds for _, seconds in parts.values()) for parts in (plain, ours)]
    rows.append(("all parts", f"{totals[0]:.2f}", f"{totals[1]:.2f}", f"{totals[0] / totals[1]:.1f}", "", "", ""))
    return rows, totals[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with MNIST as Parquet")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--width", type=int, default=100)
    parser.add_argument("--queries", type=int, default=10_000, help="test rows for the plain K-NN, its time scaled up")
    options = parser.parse_args()

    import torch
    from rich.console import Console

    import hashlens as hl

    train = hl.load_data(f"parquet:{options.data}#train[:48000]").load()
    test = hl.load_data(f"parquet:{options.data}#test").load()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # A network this small trains faster so.
    network = hl.train("mlp", train, width=options.width, recipe="figures", epochs=options.epochs, seed=0).network
    torch.set_num_threads(threads)
    full = [hl.encode(network, part) for part in (train, test)]
    codes = full[0].informative(full[1]), full[1].informative(full[0])

    our_parts(codes[0][:500], codes[1][:500])
    ours = our_parts(*codes)
    measured, whole = timed(lambda: hl.measure(network, train, test, controls=False, logistic="one-vs-one"), 3)
    search, bare = searches(*codes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The plain logistic regression stops at 100 iterations and says so.
        plain = plain_parts(*codes, min(options.queries, len(test)))
    rows, total = compare(plain, ours)
    rows.append(
        ("hl.measure, all of it", f"{total:.2f}", f"{whole:.2f}", f"{total / whole:.1f}", "",
         written(measured.categorization.knn), "")
    )  # fmt: skip
    rows.append(("search", f"{bare:.3f}", f"{search:.3f}", f"{bare / search:.2f}", "", "", "bare faiss.knn_hamming"))
    columns = ("part", "plain s", "hashlens s", "ratio", "plain found", "hashlens found", "")
    note = (
        f"{os.cpu_count()} CPUs, {threads} threads for torch; "
        f"{len(train):,} and {len(test):,} rows of {codes[0].code_bits} informative bits."
    )
    Console(width=140).print(table(f"Measure, MLP of width {options.width} on MNIST", columns, rows, note))


if __name__ == "__main__":
    main()
