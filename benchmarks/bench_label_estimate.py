"""The accuracy if all labels were right: how often its interval contains the true accuracy.

The true accuracy is that on the same examples, by the labels before noise.

    python benchmarks/bench_label_estimate.py --draws 100             # simulated tables of probabilities
    python benchmarks/bench_label_estimate.py --networks --draws 20   # trained networks
"""

import argparse

import numpy as np
import torch

import hashlens as hl
from hashlens.audit.audited_accuracy import audited_accuracy

RATES = (0.0, 0.05, 0.2)
TABLES = {"exact": 1.0, "too sharp": 2.0, "too flat": 0.5}
"""Power to which the exact posteriors are raised."""
CLASSES, INPUTS, SPREAD = 10, 8, 0.72
"""Ten Gaussians of unit variance, with means so far apart that the best possible accuracy is 60 %."""


def gaussians(generator, rows, spread=SPREAD):
    """Return inputs, labels and exact posteriors of overlapping classes."""
    means = generator.normal(size=(CLASSES, INPUTS)) * spread
    labels = generator.integers(CLASSES, size=rows)
    inputs = means[labels] + generator.normal(size=(rows, INPUTS))
    logs = -0.5 * ((inputs[:, None] - means) ** 2).sum(axis=2)
    return inputs, labels, powered(logs, 1.0)


def powered(logs, power):
    """Return probabilities from their logarithms, raised to a power."""
    powers = np.exp(power * (logs - logs.max(axis=1, keepdims=True)))
    return powers / powers.sum(axis=1, keepdims=True)


def noisy(generator, labels, rate, classes=CLASSES):
    """Return labels of which a share is one of the other classes, each alike."""
    wrong = generator.random(len(labels)) < rate
    return np.where(wrong, (labels + generator.integers(1, classes, len(labels))) % classes, labels)


def swapped(generator, labels, rate, classes=CLASSES):
    """Return labels of which a share of each even class is the class behind it."""
    wrong = (generator.random(len(labels)) < 2 * rate) & (labels % 2 == 0)
    return np.where(wrong, (labels + 1) % classes, labels)


def nearest_swapped(generator, labels, rate, probabilities):
    """Return labels of which a share is the likeliest other class."""
    others = probabilities.copy()
    others[np.arange(len(labels)), labels] = -1
    return np.where(generator.random(len(labels)) < rate, others.argmax(axis=1), labels)


def judged(probabilities, given, true, seed):
    """Return whether the interval covers the truth, the true and reported accuracy, the estimate and its interval.

    If there is no estimate, these values are NaN.
    """
    predicted = probabilities.argmax(axis=1)
    found = audited_accuracy(predicted == given, None, probabilities, given, seed)
    truth = (predicted == true).mean()
    if found.estimate is None:
        return np.nan, truth, found.reported.accuracy, np.nan, np.nan, np.nan
    low, high = found.estimate.interval
    return low <= truth <= high, truth, found.reported.accuracy, found.estimate.accuracy, low, high


def smoothed(probabilities):
    """Return probabilities of which three tenths are spread evenly."""
    return 0.7 * probabilities + 0.3 / probabilities.shape[1]


def half_sharper(probabilities):
    """Return probabilities of which every second row is raised to the sixth power."""
    powers = probabilities ** np.where(np.arange(len(probabilities)) % 2, 6.0, 1.0)[:, None]
    return powers / powers.sum(axis=1, keepdims=True)


def table_draw(seed, power, rate, noise="even", rows=3000, changed=None):
    """Judge one simulated table."""
    generator = np.random.default_rng(seed)
    _, true, exact = gaussians(generator, rows)
    probabilities = powered(np.log(np.maximum(exact, 1e-300)), power)
    if changed is not None:
        probabilities = changed(probabilities)
    if noise == "even":
        given = noisy(generator, true, rate)
    elif noise == "swapped":
        given = swapped(generator, true, rate)
    else:
        given = nearest_swapped(generator, true, rate, exact)
    return judged(probabilities, given, true, seed)


def network_data(kind, generator):
    """Return inputs and labels of train and of test."""
    if kind == "digits":
        whole = hl.load_data("digits").load()
        inputs, labels, train = whole.tensor().flatten(1).numpy(), whole.labels, 1000
    else:
        inputs, labels, _ = gaussians(generator, 5000, SPREAD if kind == "Gaussians, overlapping" else 1.3)
        train = 3000
    order = generator.permutation(len(labels))
    known, new = order[:train], order[train:]
    return inputs[known], labels[known], inputs[new], labels[new]


def network_draw(seed, kind, epochs, rate):
    """Train on labels with noise, and judge test labels with as much."""
    generator = np.random.default_rng(seed)
    inputs, labels, new, true = network_data(kind, generator)
    data = torch.tensor(inputs, dtype=torch.float32), noisy(generator, labels, rate)
    trained = hl.train("mlp", data, width=100, depth=2, epochs=epochs, seed=seed).network
    with torch.no_grad():
        probabilities = trained(torch.tensor(new, dtype=torch.float32)).softmax(1).double().numpy()
    return judged(probabilities / probabilities.sum(axis=1, keepdims=True), noisy(generator, true, rate), true, seed)


def told(name, draws):
    """Print one line of the table, and return the share of intervals that contain the truth."""
    draws = np.array(draws, dtype=float)
    truth, reported = draws[:, 1:3].mean(axis=0)
    made = draws[~np.isnan(draws[:, 0])]
    shown = " | | |"
    if len(made):
        held, _, _, estimate, low, high = made.mean(axis=0)
        shown = f" {estimate:.3f} | {low:.3f} to {high:.3f} | {held:.2f} |"
    print(f"| {name} | {truth:.3f} | {reported:.3f} | {len(made) / len(draws):.2f} |{shown}", flush=True)
    return made[:, 0].mean() if len(made) else np.nan


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--networks", action="store_true")
    asked = parser.parse_args()
    columns = ("labels", "truth", "reported", "estimated", "estimate", "mean interval", "holds the truth")
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    if asked.networks:
        for kind in ("Gaussians, overlapping", "Gaussians, apart", "digits"):
            for epochs in (4, 40):
                for rate in RATES:
                    draws = [network_draw(seed, kind, epochs, rate) for seed in range(asked.draws)]
                    told(f"{kind}, {epochs} epochs, {rate:.0%} wrong", draws)
        return
    held = [
        told(f"{name}, {rate:.0%} wrong", [table_draw(seed, power, rate) for seed in range(asked.draws)])
        for name, power in TABLES.items()
        for rate in RATES
    ]
    print(f"least {np.nanmin(held):.2f}, overall {np.nanmean(held):.3f}; beyond what is promised:")
    for noise in ("swapped", "nearest"):
        for rate in RATES[1:]:
            told(f"exact, {rate:.0%} {noise}", [table_draw(seed, 1.0, rate, noise) for seed in range(asked.draws)])
    for changed in (smoothed, half_sharper):
        for rate in RATES:
            draws = [table_draw(seed, 1.0, rate, changed=changed) for seed in range(asked.draws)]
            told(f"{changed.__name__.replace('_', ' ')}, {rate:.0%} wrong", draws)


if __name__ == "__main__":
    main()
