"""Retrieval on CIFAR-10: mAP of a network's codes by number of bits, and of controls of equal length.

    python benchmarks/bench_retrieval.py --data ../shared/data/cifar10 --model MODEL [--model MODEL ...]

Test images are queries, training images are ranked, and images of the same class are relevant. Without --model, a small
convolutional network is trained on the data for one epoch. Hyperplanes and ITQ on raw inputs do not depend on labels;
on penultimate features they depend on the training labels, as the codes do. Values are expected values over ties. With
several models (of other seeds), the last table has medians over them; raw inputs are encoded once.
"""

import argparse
import statistics
import time

from hashlens.tables import table

UNSUPERVISED = ("variance", "decorrelation", "depth", "random")
CODES_BYTES = 4 << 30


def written(value):
    return "–" if value is None else f"{value:.3f}"


def curve_of(network, train, test, lengths, seed, with_inputs):
    """Return the curve of one network, with the controls on raw inputs where asked."""
    from hashlens.codes.observe import observe
    from hashlens.codes.reading import Reading
    from hashlens.result import Split
    from hashlens.retrieval.curve import quality_curve

    budget = CODES_BYTES // (len(train) + len(test))
    seen = Split(*(observe(network, part, Reading(seed=seed), budget, penultimate=True) for part in (train, test)))
    return quality_curve(
        Split(seen.train.codes, seen.test.codes),
        lengths,
        inputs=Split(*(part.tensor().float().flatten(1) for part in (train, test))) if with_inputs else None,
        penultimate=Split(seen.train.penultimate, seen.test.penultimate),
        seed=seed,
    )


def medians(curves):
    """Return (source, coding, bits) -> median mAP of the networks, or None where there is no such code."""
    found = {}
    for curve in curves:
        for point in curve.points:
            value = None if point.quality is None else point.quality.mean_average_precision
            found.setdefault((point.source, point.coding, point.bits), []).append(value)
    return {name: None if None in each else statistics.median(each) for name, each in found.items()}


def verdicts(middle, lengths):
    """Return, for each length, ours beside each control, and who wins."""
    from hashlens.retrieval.curve import HYPERPLANES, INPUTS, ITQ, NETWORK, PENULTIMATE

    rows = []
    for bits in lengths:
        ours, supervised = (middle.get((NETWORK, way, bits)) for way in ("depth", "mutual_information"))
        controls = [middle[source, way, bits] for source in (INPUTS, PENULTIMATE) for way in (HYPERPLANES, ITQ)]
        raw = max(value for value in controls[:2] if value is not None)
        below = [way for way in UNSUPERVISED if (middle.get((NETWORK, way, bits)) or 1) <= raw]
        cells = (ours, supervised, *controls)
        verdict = "–" if ours is None else "yes" if ours > raw else "no"
        rows.append((f"{bits:,}", *map(written, cells), verdict, ", ".join(below) or "none"))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with CIFAR-10 as Parquet")
    parser.add_argument("--model", action="append", help="folder of a trained network")
    parser.add_argument("--train", type=int, default=50_000, help="training images that are ranked")
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--longest", type=int, default=4096, help="bits")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    import torch
    from rich.console import Console

    import hashlens as hl
    from hashlens.machine import machine
    from hashlens.retrieval.curve import LENGTHS

    torch.set_num_threads(options.threads)
    train = hl.load_data(f"parquet:{options.data}#train[:{options.train}]").load()
    test = hl.load_data(f"parquet:{options.data}#test[:{options.queries}]").load()
    if options.model:
        networks = [hl.load_model(folder) for folder in options.model]
    else:
        networks = [hl.train("cnn", train, recipe="cifar", epochs=1, seed=options.seed).network]
    lengths = [bits for bits in LENGTHS if bits <= options.longest]
    console, curves, started = Console(width=150), [], time.perf_counter()
    for network in networks:
        curves.append(curve_of(network, train, test, lengths, options.seed, with_inputs=not curves))
        console.print(curves[-1])
    seconds = time.perf_counter() - started
    columns = (
        "bits", "ours (depth)", "ours, bits by MI with labels", "hyperplanes, raw", "ITQ, raw",
        "hyperplanes, penultimate", "ITQ, penultimate", "ours above both raw", "unsupervised choices not above",
    )  # fmt: skip
    note = f"{machine()}, {options.threads} threads, {seconds:.0f} s in all. MI: mutual information of bit and label."
    title = f"Codes against controls of equal length, mAP, medians of {len(networks)} networks"
    console.print(table(title, columns, verdicts(medians(curves), lengths), note))


if __name__ == "__main__":
    main()
