"""The cost of a monitor: the time of its measurements as a share of the time of an epoch without them.

Training uses plain PyTorch, batches of 64 and fused Adam, on the same threads. The networks are an MLP of width 100 on
48,000 MNIST images, with batches by index (the fastest way) and from a DataLoader (the usual way), and a small CNN on
CIFAR-10 images. Each is trained without a monitor, with one that measures at fixed steps, and with one that has a time
budget.
"""

import argparse
import os
import statistics
import time

import torch
from rich.console import Console
from torch.utils.data import DataLoader, TensorDataset

import hashlens as hl
from hashlens.integrations import CodeMonitor
from hashlens.tables import table


def mlp():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 100), torch.nn.ReLU(), torch.nn.Linear(100, 10))


def cnn():
    layers = []
    for inputs, outputs in ((3, 16), (16, 32), (32, 64)):
        layers += [torch.nn.Conv2d(inputs, outputs, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
    return torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(64 * 4 * 4, 10))


def by_index(inputs, labels):
    for rows in torch.randperm(len(inputs)).split(64):
        yield inputs[rows], labels[rows]


def by_loader(inputs, labels):
    return DataLoader(TensorDataset(inputs, labels), 64, shuffle=True)


def epoch(network, optimizer, batches, monitor=None):
    """Train for one epoch and return its seconds."""
    started = time.perf_counter()
    for inputs, labels in batches:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()
        if monitor is not None:
            monitor.step(network)
    return time.perf_counter() - started


def compare(name, network, batches, train, test, repeats, readings, settings):
    """Return the rows of the table for one network."""
    data = train.tensor(), torch.from_numpy(train.labels)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    steps = -(-len(train) // 64)
    epoch(network, optimizer, batches(*data))
    plain = statistics.median(epoch(network, optimizer, batches(*data)) for _ in range(repeats))
    rows = [(name, f"{plain:.2f}", "–", "–", "–", "–")]
    for count, budget in ((1, None), (readings, None), (readings, 0.02)):
        monitor = CodeMonitor(train, test, every=max(1, steps // count), time_budget=budget, **settings)
        first = monitor(network, 0).seconds  # before training, as a callback does; not counted below
        for _ in range(repeats):
            epoch(network, optimizer, batches(*data), monitor)
        taken = [reading.seconds for reading in monitor.history.readings[1:]]
        kind = "at any cost" if budget is None else f"budget {budget:.0%}"
        rows.append(
            (f"  monitor, {kind}", "", f"{monitor.every:,}", f"{len(taken) / repeats:.1f}",
             f"{1000 * statistics.median(taken or [first]):.1f}", f"{sum(taken) / repeats / plain:.1%}")
        )  # fmt: skip
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with mnist/ and cifar10/ as Parquet")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--epochs", type=int, default=5, help="of the MLP; the CNN is trained for one")
    parser.add_argument("--readings", type=int, default=5, help="multiples of every= in an epoch")
    parser.add_argument("--cnn-examples", type=int, default=40_000)
    parser.add_argument("--batch-size", type=int, default=256, help="of the readings")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)

    settings, rows = {"batch_size": options.batch_size}, []
    mnist, cifar = (
        [hl.load_data(f"parquet:{options.data}/{name}#{rows}").load() for rows in (f"train[:{count}]", "test")]
        for name, count in (("mnist", 48_000), ("cifar10", options.cnn_examples))
    )
    for how, batches in (("batches by index", by_index), ("DataLoader", by_loader)):
        name = f"MLP 784-100-10, MNIST, {how}"
        rows += compare(name, mlp(), batches, *mnist, options.epochs, options.readings, settings)
    name = f"CNN 16-32-64, {options.cnn_examples:,} of CIFAR-10"
    rows += compare(name, cnn(), by_loader, *cifar, 1, options.readings, settings)
    columns = ("network", "epoch, s", "every", "readings an epoch", "a reading, ms", "share of an epoch")
    note = (
        f"{os.cpu_count()} CPUs, {options.threads} threads for torch; a probe of 1,000 train and 500 test examples, "
        f"read in batches of {options.batch_size}."
    )
    Console(width=140).print(table("Cost of a monitor", columns, rows, note))


if __name__ == "__main__":
    main()
