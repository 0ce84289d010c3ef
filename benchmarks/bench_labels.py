"""Wrong labels found by codes, confidence, both, feature K-NN and cleanlab, for published and planted mistakes.

    pip install cleanlab==2.9.0   # optional
    python benchmarks/bench_labels.py --data ../shared/data [--seeds 0 1 2] [--folds 5] [--cifar MODEL ...]

Planted mistakes: of 48,000 MNIST training labels, 5 % are replaced by random ones, or 5 % of 4, 9, 3 and 5 are swapped
(4<->9, 3<->5). Labels are judged by cross-validated perceptrons; every method gets the same networks, and so the same
probabilities, codes and features. Reviewed mistakes: the 10,000 test labels of MNIST (15 wrong) and, if trained models
are passed, of CIFAR-10 (54 wrong).

Lines marked *plain* rank by disagreement alone: 1 - p(label), or the share of 20 neighbours with another label. The
others rank by `hashlens.audit.label_issues`, which also estimates how often one class is labelled as another.
*Features* uses the same method with penultimate features instead of codes. Average precision is the median over seeds,
with the standard error of 200 bootstrap samples of the first seed. cleanlab is used if it is installed.
"""

import argparse
import csv
import statistics
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

import hashlens as hl
from hashlens.audit.label_issues import label_issues
from hashlens.audit.label_noise import joint_probability, label_noise, probability_wrong
from hashlens.audit.out_of_sample import out_of_sample
from hashlens.audit.predictions import predict
from hashlens.audit.temperature import fitted_temperature, geometric_mean, with_temperature
from hashlens.codes.reader import Reader
from hashlens.codes.reading import Reading
from hashlens.data import split, swap_labels, uniform_labels
from hashlens.measures.knn import nearest_features
from hashlens.seeds import numpy_generator
from hashlens.tables import table

K = 20
SHOWN_RANKS = 20
OURS = "codes + confidence"


def average_precision(scores, wrong):
    """Return the average precision of scores, high for wrong; ties in the order of rows."""
    hits = wrong[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


def penultimate(network, examples):
    """Return the inputs of the last affine map, float32 ``(n, d)``."""
    found = []
    with Reader(network, examples, Reading(bits=64, batch_size=256), penultimate=True) as reader:
        for _, captured in reader:
            found.append(captured.penultimate.detach().flatten(1).float().numpy().copy())
    return np.concatenate(found)


def feature_votes(queries, features, labels, classes):
    """Return the share of the K nearest features that have each label."""
    _, rows = nearest_features(queries, features, K)
    return np.stack([(labels[rows] == one).mean(axis=1) for one in range(classes)], axis=1)


def issue_scores(issues):
    """Return ranks as scores in the order of the rows."""
    scores = np.empty(len(issues))
    scores[issues.rows] = -np.arange(len(issues))
    return scores


def judged(sources, labels):
    """Return scores as `label_issues` makes them, of probabilities from anywhere."""
    classes = geometric_mean(sources)
    noise = label_noise(classes, labels)
    return probability_wrong(joint_probability(classes, labels, noise), labels, noise.rate)[0]


def all_scores(by_evidence, agreement, probabilities, shares, labels):
    """Return method -> scores of one run, in the order of the rows."""
    rows = np.arange(len(labels))
    own = with_temperature(probabilities, fitted_temperature(probabilities, labels))
    smoothed = (K * shares + 1 / shares.shape[1]) / (K + 1)
    scores = {
        "codes, plain": 1 - agreement,
        "confidence, plain": 1 - probabilities[rows, labels],
        "features, plain": 1 - shares[rows, labels],
        "codes": by_evidence["codes"],
        "confidence": by_evidence["confidence"],
        "features": judged([smoothed], labels),
        OURS: by_evidence["both"],
        "features + confidence": judged([own, smoothed], labels),
    }
    with suppress(ImportError):
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores

        for method in ("self_confidence", "normalized_margin"):
            scores[f"cleanlab {method}"] = -get_label_quality_scores(labels, probabilities, method=method)
        # Its default answer is a list: those in it first, each part by self-confidence.
        listed = find_label_issues(labels, probabilities, n_jobs=1)
        scores["cleanlab, those it lists first"] = listed - get_label_quality_scores(labels, probabilities)
    return scores


def planted(train, kind, seed, arguments):
    """Return the scores of one seed, what is wrong, and the number of mistakes that was expected."""
    generator = numpy_generator(seed, "noise")
    pairs = [(4, 9), (3, 5)]
    noisy = uniform_labels(train, 0.05, generator) if kind == "uniform" else swap_labels(train, 0.05, pairs, generator)
    sample = out_of_sample(
        "mlp", noisy, folds=arguments.folds, seed=seed, epochs=arguments.epochs, depth=2, width=arguments.width
    )
    found = {evidence: label_issues(sample, evidence=evidence, k=K) for evidence in ("both", "codes", "confidence")}
    shares = np.empty_like(sample.probabilities)
    for fold in sample.folds:
        features = penultimate(fold.network, noisy)
        shares[fold.rows] = feature_votes(features[fold.rows], features[fold.others], noisy.labels[fold.others], 10)
    scores = scores_of(found, sample.probabilities, shares, noisy.labels)
    return scores, noisy.labels != train.labels, found["both"].expected


def scores_of(found, probabilities, shares, labels):
    """Return method -> scores from what `label_issues` found by each evidence."""
    agreement = np.empty(len(labels))
    agreement[found["codes"].rows] = found["codes"].agreement
    by_evidence = {evidence: issue_scores(issues) for evidence, issues in found.items()}
    return all_scores(by_evidence, agreement, probabilities, shares, labels)


def reviewed(network, train, test, truth, bits, layers=None):
    """Return the scores of one network on test labels, what is wrong, and the number of mistakes that was expected."""
    reading = Reading(layers=layers, bits=bits, batch_size=256)
    known, seen = predict(network, train, reading), predict(network, test, reading)
    ways = {"reference": known.codes, "probabilities": seen.probabilities, "k": K}
    found = {evidence: label_issues(seen.codes, evidence=evidence, **ways) for evidence in ("both", "confidence")}
    found["codes"] = label_issues(seen.codes, evidence="codes", **ways)
    shares = feature_votes(penultimate(network, test), penultimate(network, train), train.labels, 10)
    return scores_of(found, seen.probabilities, shares, test.labels), wrong_labels(truth, len(test)), found["both"]


def wrong_labels(path, rows):
    """Return which test labels fewer than 3 of 5 reviewers agree with."""
    wrong = np.zeros(rows, bool)
    with path.open() as file:
        for line in csv.DictReader(file):
            wrong[int(line["test_index"])] = int(line["votes_given"]) < 3
    return wrong


def resampled(scores, wrong, seed=0, samples=200):
    """Return the average precision of every method on bootstrap samples of the rows, the same ones for all."""
    generator = np.random.default_rng(seed)
    drawn = [generator.integers(len(wrong), size=len(wrong)) for _ in range(samples)]
    drawn = [rows for rows in drawn if wrong[rows].any()]
    return {
        name: np.array([average_precision(own[rows], wrong[rows]) for rows in drawn]) for name, own in scores.items()
    }


def show(title, runs, note=""):
    """Print methods with the median over runs of average precision and recall among the first 500."""
    scores, wrong = runs[0]
    precision = {name: [average_precision(one[name], truth) for one, truth in runs] for name in scores}
    medians = {name: statistics.median(each) for name, each in precision.items()}
    again, rows = resampled(scores, wrong), []
    for name, each in precision.items():
        found = [truth[np.argsort(-one[name], kind="stable")[:500]].sum() / truth.sum() for one, truth in runs]
        middle, error = f"{medians[name]:.4f}", f"{again[name].std():.4f}"
        rows.append((name, middle, error, f"{statistics.median(found):.3f}", " ".join(f"{one:.4f}" for one in each)))
    best = max((name for name in scores if "+" not in name), key=medians.__getitem__)
    ahead = (again[OURS] - again[best]).std()
    note += f" {OURS} - {best} = {medians[OURS] - medians[best]:+.4f} (standard error {ahead:.4f}, paired)."
    print_table(table(title, ("by", "AP", "standard error", "recall@500", "each seed"), rows, note.strip()))


def print_table(what):
    """Print a table at once: runs take minutes."""
    from rich.console import Console

    Console(width=120).print(what)


def ranks(scores, wrong):
    """Return the ranks of the wrong labels, the first of them, as text."""
    order = np.argsort(-scores, kind="stable")
    found = [str(rank + 1) for rank in np.flatnonzero(wrong[order]).tolist()]
    return " ".join(found[:SHOWN_RANKS]) + (" ..." if len(found) > SHOWN_RANKS else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with mnist, cifar10 and truth")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--cifar", nargs="*", default=[], help="folders of CIFAR-10 models: only their test labels")
    parser.add_argument("--reviewed-only", action="store_true", help="leave the planted mistakes out")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    source, truth = arguments.data.resolve(), arguments.data / "truth"
    name = "cifar10" if arguments.cifar else "mnist"
    train, test = (hl.load_data(f"parquet:{source}/{name}#{part}").load() for part in ("train", "test"))
    if not arguments.cifar:
        first, _ = split(train, 0.8)
        for kind in () if arguments.reviewed_only else ("uniform", "pairs"):
            started = time.perf_counter()
            runs = [planted(first, kind, seed, arguments) for seed in arguments.seeds]
            counts = ", ".join(f"{expected:,.0f} expected of {wrong.sum():,}" for _, wrong, expected in runs)
            note = f"Wrong labels: {counts}. {time.perf_counter() - started:.0f} s."
            show(f"48,000 MNIST training labels, {kind} noise", [(scores, wrong) for scores, wrong, _ in runs], note)
        recipe = {"depth": 2, "width": arguments.width, "epochs": 2 * arguments.epochs}
        models = [hl.train("mlp", train, seed=seed, **recipe).network for seed in arguments.seeds]
    else:
        models = [hl.load_model(folder) for folder in arguments.cifar]
    runs = [reviewed(model, train, test, truth / f"{name}_test_label_reviews.csv", 1024) for model in models]
    show(f"{name}: reviewed test labels", [(scores, wrong) for scores, wrong, _ in runs])
    for seed, (scores, wrong, found) in zip(arguments.cifar or arguments.seeds, runs, strict=True):
        print(f"{seed}: {found.likely} likely wrong, {found.expected:.0f} expected, {wrong.sum()} reviewed as wrong")
        for method, own in scores.items():
            print(f"  ranks by {method}: {ranks(own, wrong)}")


if __name__ == "__main__":
    main()
