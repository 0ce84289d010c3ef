"""The accuracy if all labels were right: how often small networks allow an estimate, and how often its interval holds.

    python benchmarks/bench_goodness_of_fit.py --draws 10 [--data moons digits classification] [--ways calibrated ...]

Networks have two hidden layers of 64 units and are trained on data of scikit-learn, in five ways. *Calibrated*: 60
steps of training. *Over-confident*: 600 steps. *Smoothed labels*: 200 steps with three tenths of each label spread
evenly. *Half sharper*: the calibrated network, with every second row raised to the sixth power. *Learnt noise*: 60
steps on labels with the same noise as those of test. The true accuracy is that on the same examples, by the labels
before noise. The last column is the size of the test: how often it rejects labels drawn from the fitted probabilities,
5 % by design.
"""

import argparse

import numpy as np
import torch
from sklearn.datasets import load_digits, make_classification, make_moons

from hashlens.audit.audited_accuracy import audited_accuracy
from hashlens.audit.goodness_of_fit import misfit
from hashlens.audit.noise_rate import noise_grid
from hashlens.audit.temperature import with_temperature

WAYS = {
    "calibrated": (60, 0.0),
    "over-confident": (600, 0.0),
    "smoothed labels": (200, 0.3),
    "half sharper": (60, 0.0),
    "learnt noise": (60, 0.0),
}
"""Steps of training, and how much of a label is spread evenly."""
KINDS = ("moons", "digits", "classification")
RATES = (0.0, 0.05, 0.2)
MAX_TEST = 1500


def drawn(kind, generator):
    """Return inputs and labels of train and of test."""
    state, train = int(generator.integers(1 << 30)), 1000
    if kind == "digits":
        inputs, labels = load_digits(return_X_y=True)
        inputs, train = inputs / 16 + 0.3 * generator.normal(size=inputs.shape), 700
    elif kind == "moons":
        inputs, labels = make_moons(3000, noise=0.35, random_state=state)
    else:
        inputs, labels = make_classification(
            4000, 20, n_informative=8, n_redundant=4, n_classes=5, n_clusters_per_class=1, flip_y=0, class_sep=0.9,
            random_state=state,
        )  # fmt: skip
    order = generator.permutation(len(labels))
    inputs, labels = inputs[order].astype(np.float32), labels[order]
    return inputs[:train], labels[:train], inputs[train:][:MAX_TEST], labels[train:][:MAX_TEST]


def noisy(generator, labels, rate, classes):
    """Return labels of which a share is one of the other classes, each alike."""
    wrong = generator.random(len(labels)) < rate
    return np.where(wrong, (labels + generator.integers(1, classes, len(labels))) % classes, labels)


def probabilities_of(way, train, test, classes, seed):
    """Train a network, and return its probabilities for the inputs of test."""
    steps, spread = WAYS[way]
    inputs, labels = (torch.from_numpy(part) for part in train)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        widths = (inputs.shape[1], 64, 64)
        hidden = [part for at in range(2) for part in (torch.nn.Linear(*widths[at : at + 2]), torch.nn.ReLU())]
        network = torch.nn.Sequential(*hidden, torch.nn.Linear(64, classes))
        optimizer = torch.optim.Adam(network.parameters(), 3e-3)
        for _ in range(steps):
            rows = torch.randint(len(inputs), (128,))
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(inputs[rows]), labels[rows], label_smoothing=spread).backward()
            optimizer.step()
    with torch.no_grad():
        found = network(torch.from_numpy(test)).double().softmax(1).numpy()
    if way == "half sharper":
        found = found ** np.where(np.arange(len(found)) % 2, 6.0, 1.0)[:, None]
    return found / found.sum(axis=1, keepdims=True)


def draw(kind, way, rate, seed):
    """Return the true and reported accuracy, the estimate, its interval, and whether the test denies a right fit.

    Where no estimate is made, it and its interval are NaN. The right fit is for labels drawn from the fitted
    probabilities.
    """
    generator = np.random.default_rng(seed)
    inputs, labels, new, true = drawn(kind, generator)
    classes = len(np.unique(labels))
    learnt = noisy(generator, labels, rate, classes) if way == "learnt noise" else labels
    probabilities = probabilities_of(way, (inputs, learnt), new, classes, seed)
    given = noisy(generator, true, rate, classes)
    predicted = probabilities.argmax(axis=1)
    found = audited_accuracy(predicted == given, None, probabilities, given, seed)
    estimate = found.estimate
    shown = (np.nan,) * 3 if estimate is None else (estimate.accuracy, *estimate.interval)
    grid = noise_grid(probabilities, given)
    other = grid.rate / (classes - 1)
    fitted = with_temperature(probabilities, grid.temperature) * (1 - classes * other) + other
    again = (fitted.cumsum(axis=1) < generator.random(len(fitted))[:, None]).sum(axis=1).clip(0, classes - 1)
    denied = bool(misfit(probabilities, again, noise_grid(probabilities, again)))
    return ((predicted == true).mean(), found.reported.accuracy, *shown, denied)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--data", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=tuple(WAYS))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    columns = ("labels", "truth", "reported", "made", "estimate", "mean interval", "held", "right fits denied")
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for way in asked.ways:
        for kind in asked.data:
            for rate in RATES:
                each = np.array([draw(kind, way, rate, seed) for seed in range(asked.draws)], dtype=float)
                made = each[~np.isnan(each[:, 2])]
                shown = "| | "
                if len(made):
                    held = ((made[:, 3] <= made[:, 0]) & (made[:, 0] <= made[:, 4])).sum()
                    estimate, low, high = made[:, 2:5].mean(axis=0)
                    shown = f"{estimate:.3f} | {low:.3f} to {high:.3f} | {held} of {len(made)}"
                truth, reported, denied = each[:, 0].mean(), each[:, 1].mean(), int(each[:, 5].sum())
                name, count = f"{way}, {kind}, {rate:.0%} wrong", f"{len(made)} of {len(each)}"
                print(
                    f"| {name} | {truth:.3f} | {reported:.3f} | {count} | {shown} | {denied} of {len(each)} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
