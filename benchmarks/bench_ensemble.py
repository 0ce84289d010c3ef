"""Time of one epoch of 115 perceptrons on MNIST: an ensemble, against a loop over plain PyTorch modules.

    python benchmarks/bench_ensemble.py --data ../shared/data/mnist

The networks are the paper's 23 widths, 5 repeats each, one hidden layer, batch 64, Adam, on the first 48,000 images.
The plain loop trains one ``nn.Sequential`` after the other, with fused Adam, images as float32 in memory and rows drawn
by ``randperm``. It runs with all threads, and then with one process of one thread per thread. All runs take turns, and
the medians of the rounds are compared. GFLOP/s count the matrix products of the forward and backward pass, of 2 b i o
operations each: two in the first layer, which needs no gradient of the inputs, and three in the others. The table also
has the GFLOP/s of the machine's sgemm for square matrices with the same number of threads.
"""

import argparse
import multiprocessing
import os
import statistics
import time

import torch

from hashlens.tables import table

WIDTHS = (3, 7, 10, 15, 20, 23, 27, 30, 33, 37, 40, 43, 47, 50, 53, 57, 60, 65, 70, 75, 80, 90, 100)
BATCH = 64


def sgemm(threads, size=4096):
    """Return the GFLOP/s of torch's product of square matrices."""
    torch.set_num_threads(threads)
    a, b = torch.randn(size, size), torch.randn(size, size)
    a @ b
    started = time.perf_counter()
    a @ b
    return 2 * size**3 / (time.perf_counter() - started) / 1e9


def products(examples, features, classes, widths):
    """Return the floating-point operations of one epoch of all networks."""
    return sum(2 * examples * (2 * features * width + 3 * width * classes) for width in widths)


def plain_network(features, width, classes, batch_norm):
    """Return one of the networks as plain modules of torch.nn."""
    norm = [torch.nn.BatchNorm1d(width)] if batch_norm else []
    return torch.nn.Sequential(
        torch.nn.Linear(features, width), *norm, torch.nn.ReLU(), torch.nn.Linear(width, classes)
    )


def plain_loop(inputs, labels, widths, batch_norm, threads):
    """Train one plain network after the other, one epoch each, and return the seconds."""
    torch.set_num_threads(threads)
    started = time.perf_counter()
    for seed, width in enumerate(widths):
        generator = torch.Generator().manual_seed(seed)
        network = plain_network(inputs.shape[1], width, 10, batch_norm)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
        for rows in torch.randperm(len(inputs), generator=generator).split(BATCH):
            loss = torch.nn.functional.cross_entropy(network(inputs[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return time.perf_counter() - started


def _one_thread_loop(inputs, labels, widths, batch_norm, ready, go):
    plain_loop(inputs[:640], labels[:640], widths[:1], batch_norm, 1)
    ready.release()
    go.wait()
    plain_loop(inputs, labels, widths, batch_norm, 1)


def plain_processes(inputs, labels, widths, batch_norm, count):
    """Share the plain networks between processes of one thread each, and return the seconds once all have started."""
    context = multiprocessing.get_context("spawn")
    ready, go = context.Semaphore(0), context.Event()
    # Networks are distributed in turn, so that every process gets equally many wide ones.
    workers = [
        context.Process(target=_one_thread_loop, args=(inputs, labels, widths[at::count], batch_norm, ready, go))
        for at in range(count)
    ]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    started = time.perf_counter()
    go.set()
    for worker in workers:
        worker.join()
    return time.perf_counter() - started


def ensemble(examples, widths, batch_norm, threads):
    """Train the same networks as an ensemble, and return the seconds, building included."""
    from hashlens.nets import build
    from hashlens.training import Member, Recipe, fit_ensemble

    torch.set_num_threads(threads)
    recipe = Recipe("bench", epochs=1, batch_size=BATCH, learning_rate=1e-3)
    started = time.perf_counter()
    members = [
        Member(
            build("mlp", input_shape=tuple(examples.inputs.shape[1:]), classes=10, seed=seed, width=width,
                  batch_norm=batch_norm),
            examples, recipe, seed,
        )
        for seed, width in enumerate(widths)
    ]  # fmt: skip
    fit_ensemble(members, threads=threads)
    return time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="folder of MNIST as Parquet")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    from hashlens import load_data

    examples = load_data(f"parquet:{arguments.data}#train[:48000]").load()
    inputs, labels = examples.tensor().flatten(1), torch.from_numpy(examples.labels)
    widths, threads = WIDTHS * arguments.repeats, arguments.threads
    peak, work = sgemm(threads), products(*inputs.shape, 10, widths)
    for batch_norm in (False, True):
        ways = {
            "ensemble": lambda norm=batch_norm: ensemble(examples, widths, norm, threads),
            f"plain loop, {threads} threads": lambda norm=batch_norm: plain_loop(inputs, labels, widths, norm, threads),
            f"{threads} plain loops, 1 thread each": lambda norm=batch_norm: plain_processes(
                inputs, labels, widths, norm, threads
            ),
        }
        # Compiled once, as a user's second call finds it.
        ensemble(examples.narrow(0, 640), widths[:1], batch_norm, threads)
        seconds = {name: [] for name in ways}
        for _ in range(arguments.rounds):
            for name, way in ways.items():
                seconds[name].append(way())
        median = {name: statistics.median(each) for name, each in seconds.items()}
        rows = [
            (name, f"{median[name]:.2f}", f"{median[name] / median['ensemble']:.2f}",
             f"{work / median[name] / 1e9:.0f}", ", ".join(f"{one:.2f}" for one in seconds[name]))
            for name in ways
        ]  # fmt: skip
        title = f"{len(widths)} networks, one epoch of {len(inputs):,}, batch {BATCH}" + ", BatchNorm" * batch_norm
        columns = ("", "seconds", "times the ensemble's", "GFLOP/s", "rounds")
        note = f"sgemm of this machine with {threads} threads: {peak:.0f} GFLOP/s; the ensemble reaches "
        print_table(table(title, columns, rows, f"{note}{work / median['ensemble'] / 1e9 / peak:.0%} of it."))


def print_table(made):
    from rich.console import Console

    Console().print(made)


if __name__ == "__main__":
    main()
