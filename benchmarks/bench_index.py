"""Search in packed codes: exact, IVF and HNSW against FAISS, usearch and scikit-learn, and memory from disk.

    python benchmarks/bench_index.py --data ../shared/data/mnist
    python benchmarks/bench_index.py --memory

The first command finds the nearest 10 of 60,000 codes of 1,024 bits for each of 10,000 queries. There are three sets of
codes: independent random bits, which have no near neighbours and are the worst case of every approximate kind; bits
around 1,000 centres; and, with --data, codes of an MLP on MNIST. Times are medians of --repeats runs that take turns.
scikit-learn searches for some queries only; its time is scaled up.

The second command writes 2 million codes to a folder and makes indexes of it on disk. It opens each index in a separate
process and searches for 10,000 queries. It prints the growth of resident memory relative to the packed size; at most
1.5 is allowed.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from hashlens.tables import table

BITS, K, RECALL, ALLOWED = 1024, 10, 0.99, 1.5


def timed(work):
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def random_codes(rows, seed):
    from hashlens.codes import Codes, Layer

    packed = np.random.default_rng(seed).integers(0, 256, (rows, BITS // 8), dtype=np.uint8)
    return Codes(packed, (Layer("code", "relu", (BITS,), bits=BITS),))


def clustered_codes(rows, seed, centres=1000, flipped=0.1):
    """Return codes around centres, each bit flipped with a probability that is the same for all."""
    from hashlens.codes import Codes, pack_bits

    middle = random_codes(centres, 0)
    generator = np.random.default_rng(seed)
    packed = middle.packed[generator.integers(0, centres, rows)]
    for start in range(0, rows, 50_000):
        part = packed[start : start + 50_000]
        part ^= pack_bits(generator.random((len(part), BITS), np.float32) < flipped)
    return Codes(packed, middle.layers)


def network_codes(data, rows, queries):
    """Return codes of 1,024 bits of an MLP, of the training and the test images of MNIST."""
    import hashlens as hl

    train, test = (hl.load_data(f"parquet:{data}#{part}").load() for part in (f"train[:{rows}]", f"test[:{queries}]"))
    network = hl.train("mlp", train, width=BITS // 2, depth=2, recipe="figures", epochs=3, seed=0).network
    return tuple(hl.encode(network, part).sample_bits(BITS) for part in (train, test))


def in_turn(works, repeats):
    """Return name -> median seconds. Every round runs each function of `works` once."""
    seconds = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            seconds[name].append(timed(work)[1])
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def exact_searches(codes, queries, folder):
    """Return name -> function that searches."""
    import faiss

    from hashlens.index import Index

    kept = Index.build(codes, out=folder / "index")
    index = Index(codes)
    works = {
        "faiss.knn_hamming, bare": lambda: faiss.knn_hamming(queries.packed, codes.packed, K),
        "Index, exact": lambda: index.search(queries, K),
        "Index, exact, from disk": lambda: kept.search(queries, K),
    }
    try:
        from usearch.index import MetricKind, search
    except ImportError:
        print("usearch is not installed: left out", file=sys.stderr)
    else:
        works["usearch, b1, exact"] = lambda: search(codes.packed, queries.packed, K, MetricKind.Hamming, exact=True)
    return works


def scikit_learn_seconds(codes, queries, asked):
    """Return the seconds that brute force takes for all queries, measured on some of them."""
    from sklearn.neighbors import NearestNeighbors

    few = queries[:asked].unpack().astype(np.float32)
    search = NearestNeighbors(n_neighbors=K, algorithm="brute", metric="hamming").fit(codes.unpack())
    return timed(lambda: search.kneighbors(few))[1] * len(queries) / len(few)


def search_rows(name, codes, queries, options):
    with tempfile.TemporaryDirectory() as folder:
        taken = in_turn(exact_searches(codes, queries, Path(folder)), options.repeats)
    taken["scikit-learn, brute force"] = scikit_learn_seconds(codes, queries, options.asked)
    bare = taken["faiss.knn_hamming, bare"]
    rows = [(name, what, "1", "", *speed(seconds, queries, bare), "") for what, seconds in taken.items()]
    return rows + [approximate_row(name, kind, codes, queries, bare, options.repeats) for kind in ("ivf", "hnsw")]


def speed(seconds, queries, bare):
    return f"{seconds:.3f}", f"{len(queries) / seconds:,.0f}", f"{bare / seconds:.2f}"


def approximate_row(name, kind, codes, queries, bare, repeats):
    """Tune on half of the queries, measure recall and time on the other half."""
    from hashlens.errors import IndexFault
    from hashlens.index import Index

    half = len(queries) // 2
    tuning, asked = queries[:half], queries[half:]
    index, built = timed(lambda: Index(codes, kind))
    try:
        value = index.tune(tuning, K, recall=RECALL)
    except IndexFault:
        return (name, f"Index, {kind}", f"below {RECALL}", "", "", "", "", f"{built:.1f}")
    seconds = in_turn({kind: lambda: index.search(asked, K)}, repeats)[kind] * len(queries) / len(asked)
    recall = f"{index.recall(asked, K):.4f}"
    return (name, f"Index, {kind}", recall, f"{value}", *speed(seconds, queries, bare), f"{built:.1f}")


def searches(options):
    from rich.console import Console

    found = []
    sets = {"random bits": (random_codes(options.rows, 1), random_codes(options.queries, 2))}
    sets["clusters"] = (clustered_codes(options.rows, 1), clustered_codes(options.queries, 2))
    if options.data:
        sets["MLP, MNIST"] = network_codes(options.data, options.rows, options.queries)
    for name, (codes, queries) in sets.items():
        found += search_rows(name, codes, queries, options)
    columns = ("codes", "search", "recall", "nprobe, efSearch", "seconds", "queries/s", "speed to bare", "build s")
    note = (
        f"{options.rows:,} rows, {options.queries:,} queries, {BITS:,} bits, k = {K}; {os.cpu_count()} CPUs; nprobe "
        f"and efSearch tuned for recall {RECALL} on half of the queries, recall and time measured on the other half; "
        f"scikit-learn scaled up from {options.asked:,} queries."
    )
    Console(width=140).print(table("Search in packed codes", columns, found, note, names=2))


def resident(field="VmRSS"):
    with open("/proc/self/status") as status:
        return 1024 * next(int(line.split()[1]) for line in status if line.startswith(field + ":"))


def open_and_search(folder, kind):
    """Print the growth of resident memory divided by the packed size, and the seconds of opening and of searching."""
    import pyarrow.parquet  # noqa: F401
    from rich.console import Console  # noqa: F401

    from hashlens.codes import Codes
    from hashlens.index import Index

    few = random_codes(100, 3)
    Index.load(Index(few, kind).save(folder / "few", overwrite=True)).search(few, K)
    queries = Codes.load(folder / "queries")
    queries.packed.sum()
    before = resident()
    index, opening = timed(lambda: Index.load(folder / kind))
    _, seconds = timed(lambda: index.search(queries, K))
    size = len(index) * BITS // 8
    print(f"{(resident() - before) / size:.3f} {opening:.2f} {seconds:.2f}")


def build(folder, kind):
    """Print the peak growth of memory that is not a file's, divided by the packed size, and the seconds."""
    import threading

    from hashlens.codes import Codes
    from hashlens.index import Index

    codes = Codes.load(folder / "codes")
    before = peak = resident("RssAnon")
    started = time.perf_counter()
    worker = threading.Thread(target=lambda: Index.build(codes, kind, out=folder / kind))
    worker.start()
    while worker.is_alive():
        peak = max(peak, resident("RssAnon"))
        time.sleep(0.005)
    print(f"{(peak - before) / codes.packed.nbytes:.3f} {time.perf_counter() - started:.2f}")


def memory(options):
    from rich.console import Console

    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        clustered_codes(options.many, 1).save(folder / "codes")
        clustered_codes(options.queries, 2).save(folder / "queries")
        for kind in ("exact", "ivf"):
            made, searched = (alone(step, folder, kind) for step in ("build", "open"))
            rows.append((kind, *made, *searched, "yes" if float(searched[0]) <= ALLOWED else "NO"))
    columns = ("kind", "building: memory", "s", "searching: memory", "opening s", "search s", f"within {ALLOWED}")
    note = (
        f"Memory over the packed size, {options.many * BITS // 8:,} bytes, {options.many:,} rows. Building: peak "
        f"of what is no file's. Searching: all resident memory, mapped files too, after {options.queries:,} queries."
    )
    Console(width=140).print(table("An index on disk", columns, rows, note))


def alone(step, folder, kind):
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder), "--kind", kind]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with MNIST as Parquet")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--asked", type=int, default=100, help="queries for scikit-learn")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="the check of memory in place of the searches")
    parser.add_argument("--many", type=int, default=2_000_000, help="rows of the check of memory")
    parser.add_argument("--folder", type=Path, help="where the check of memory writes, about 1.5 GB")
    parser.add_argument("--step", choices=("build", "open"), help=argparse.SUPPRESS)
    parser.add_argument("--kind", choices=("exact", "ivf"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        (build if options.step == "build" else open_and_search)(options.folder, options.kind)
    elif options.memory:
        memory(options)
    else:
        searches(options)


if __name__ == "__main__":
    main()
