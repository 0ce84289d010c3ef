"""Retrieval on CIFAR-10: mAP against bits of a network's codes, beside controls of equal length.

    python benchmarks/bench_retrieval.py --data ../shared/data/cifar10 --model runs/cnn

Test images search among the training images; what they should find is images of their class. Without --model a small
convolutional network is trained on the data for one epoch. Hyperplanes and ITQ on raw inputs have seen no labels; on
penultimate features they have seen those that the network was trained on, as its codes have. Ties are averaged.
"""

import argparse
import time

from hashlens.tables import table

UNSUPERVISED = ("variance", "decorrelation", "depth", "random")


def average(quality):
    return None if quality is None else quality.mean_average_precision


def written(value):
    return "–" if value is None else f"{value:.3f}"


def verdicts(curve, lengths):
    """Return, for each length, ours beside each control, and who wins."""
    from hashlens.retrieval.curve import HYPERPLANES, INPUTS, ITQ, NETWORK, PENULTIMATE

    depth, supervised = curve.of(NETWORK, "depth"), curve.of(NETWORK, "mutual_information")
    chosen = {method: curve.of(NETWORK, method) for method in UNSUPERVISED}
    controls = [curve.of(source, coding) for source in (INPUTS, PENULTIMATE) for coding in (HYPERPLANES, ITQ)]
    rows = []
    for bits in lengths:
        ours = average(depth.get(bits))
        found = [average(control.get(bits)) for control in controls]
        below = [
            method
            for method, qualities in chosen.items()
            if bits in qualities and any(value is not None and value >= average(qualities[bits]) for value in found[:2])
        ]
        raw = [value for value in found[:2] if value is not None]
        rows.append(
            (
                f"{bits:,}", written(ours), written(average(supervised.get(bits))), *map(written, found),
                "–" if ours is None else "yes" if ours > max(raw) else "no", ", ".join(below) or "none",
            )
        )  # fmt: skip
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with CIFAR-10 as Parquet")
    parser.add_argument("--model", help="folder of a trained network")
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
    from hashlens.retrieval import model_quality_curve
    from hashlens.retrieval.curve import LENGTHS

    torch.set_num_threads(options.threads)
    train = hl.load_data(f"parquet:{options.data}#train[:{options.train}]").load()
    test = hl.load_data(f"parquet:{options.data}#test[:{options.queries}]").load()
    if options.model:
        network = hl.load_model(options.model)
    else:
        network = hl.train("cnn", train, recipe="cifar", epochs=1, seed=options.seed).network
    lengths = [bits for bits in LENGTHS if bits <= options.longest]
    started = time.perf_counter()
    curve = model_quality_curve(network, train, test, lengths, seed=options.seed, memory_budget=4 << 30)
    seconds = time.perf_counter() - started

    console = Console(width=150)
    console.print(curve)
    columns = (
        "bits", "ours (depth)", "ours, bits by MI with labels", "hyperplanes, raw", "ITQ, raw",
        "hyperplanes, penultimate", "ITQ, penultimate", "ours above both raw", "unsupervised choices not above",
    )  # fmt: skip
    note = f"{machine()}, {options.threads} threads, {seconds:.0f} s in all. MI: mutual information of bit and label."
    console.print(table("Codes against controls of equal length, mAP", columns, verdicts(curve, lengths), note))


if __name__ == "__main__":
    main()
