"""Novelty on CIFAR-10: how well each score separates test images of six known and of four held-out classes.

    python benchmarks/bench_novelty.py --data ../shared/data

For each split, the `cnn` is trained on the training images of six classes, which are drawn with the number of the split
as seed. The scores then separate the test images of the four other classes from those of the six. The table has AUROC
and FPR95, the share of novel images that are accepted as known if 95 % of the known ones are. All scores use the same
network, and none is fitted on novel images. hashlens has `weighted_energy`, which uses codes and scores, and `Novelty`,
which uses codes alone, both with their defaults on the codes of all layers. The rows below are the parts of the latter.
``--out`` keeps the networks, so that a second run trains nothing.

Scores and the sources of their formulas:

- maximum softmax probability: Hendrycks, Gimpel (2017), ICLR;
- energy, -log sum exp(logits): Liu, Wang, Owens, Li (2020), NeurIPS;
- Mahalanobis, the nearest class mean under one covariance, of penultimate features: Lee, Lee, Lee, Shin (2018), NeurIPS
  (without its input perturbation and layer ensemble, which are tuned on novel examples);
- deep K-NN, the k-th nearest normalised penultimate feature: Sun, Ming, Zhu, Li (2022), ICML, k = 50;
- ViM, the residual of features outside their principal space, of half their dimensions, as one more logit: Wang, Li,
  Feng, Zhang (2022), CVPR.

With pytorch-ood installed, ``--check`` compares the energy and ViM with its own.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from scipy.special import logsumexp, softmax
from sklearn.metrics import roc_auc_score

import hashlens as hl
from hashlens.audit.novelty import Novelty
from hashlens.audit.weighted_energy import weighted_energy
from hashlens.codes.observe import observe
from hashlens.codes.reading import Reading
from hashlens.seeds import numpy_generator
from hashlens.tables import table

KNOWN = 6
FEATURE_NEIGHBOURS = 50


def maximum_softmax(train, test):
    return -softmax(test["logits"], axis=1).max(axis=1)


def energy(train, test):
    return -logsumexp(test["logits"], axis=1)


def mahalanobis(train, test):
    features, labels = train["features"].astype(np.float64), train["labels"]
    means = np.stack([features[labels == name].mean(axis=0) for name in np.unique(labels)])
    centred = features - means[labels]
    precision = np.linalg.pinv(centred.T @ centred / len(features))
    apart = test["features"].astype(np.float64)[:, None] - means
    return np.einsum("ncd,de,nce->nc", apart, precision, apart).min(axis=1)


def deep_knn(train, test):
    import faiss

    known, asked = (part["features"] / (np.linalg.norm(part["features"], axis=1, keepdims=True) + 1e-10)
                    for part in (train, test))  # fmt: skip
    k = min(FEATURE_NEIGHBOURS, len(known))
    return faiss.knn(np.ascontiguousarray(asked), np.ascontiguousarray(known), k)[0][:, -1]


def principal_dimensions(train):
    """Return half of the dimensions that features have: many units of a penultimate layer may be off for good."""
    return int(np.linalg.matrix_rank(train["features"])) // 2


def vim(train, test):
    # The origin that makes the logits a linear map without bias.
    origin = -np.linalg.pinv(train["weight"].astype(np.float64)) @ train["bias"]
    known, asked = (part["features"].astype(np.float64) - origin for part in (train, test))
    _, vectors = np.linalg.eigh(known.T @ known / len(known))
    outside = vectors[:, : known.shape[1] - principal_dimensions(train)]
    alpha = train["logits"].max(axis=1).mean() / np.linalg.norm(known @ outside, axis=1).mean()
    return alpha * np.linalg.norm(asked @ outside, axis=1) - logsumexp(test["logits"], axis=1)


def our_scores(train, test, k, bits):
    """Return name -> (function that scores, bits) of ours: the default first, then its parts."""
    codes, predicted = train["codes"], test["predicted"]
    whole = Novelty(codes, k, bits=bits)
    taken = sum(min(bits, layer.bits) for layer in codes.layers)
    found = {
        "hashlens, weighted energy": (lambda: weighted_energy(codes, test["codes"], test["logits"], bits=bits), taken),
        "hashlens, codes alone": (lambda: whole.score(test["codes"], predicted), taken),
        "  without predictions": (lambda: whole.score(test["codes"]), taken),
    }
    for layer in codes.layers:
        alone = Novelty(codes.layer(layer.name), k, bits=bits)
        new = test["codes"].layer(layer.name)
        found[f"  {layer.name}"] = (
            lambda alone=alone, new=new: alone.score(new, predicted),
            min(bits, layer.bits),
        )
    return found


def false_positives(novel, scores):
    """Return the share of novel examples below the threshold that 95 % of the known examples are below."""
    return float((scores[novel] <= np.quantile(scores[~novel], 0.95)).mean())


def some_of_each(examples, classes, most, seed):
    """Return at most `most` examples of each of some classes, renumbered from 0, in a random order."""
    numbers = np.full(int(examples.labels.max()) + 1, -1)
    numbers[classes] = np.arange(len(classes))
    rows = np.concatenate([np.flatnonzero(examples.labels == name)[:most] for name in classes])
    chosen = examples.select(numpy_generator(seed, "order").permutation(rows))
    names = examples.class_names
    return replace(
        chosen,
        labels=numbers[chosen.labels],
        class_names=None if names is None else tuple(names[name] for name in classes),
    )


def trained(split, examples, epochs, out):
    """Return the network of a split: from its folder if it is there, else trained."""
    folder = None if out is None else Path(out) / f"split{split}"
    if folder is not None and (folder / "model.safetensors").exists():
        return hl.load_model(folder)
    return hl.train("cnn", examples, recipe="cifar", epochs=epochs, seed=split, out=folder).network


def seen(network, examples):
    """Return codes, predictions, labels, features, logits and the weights of the head, from one pass."""
    found = observe(network, examples, Reading(batch_size=256), row_budget=1 << 20, penultimate=True)
    weight, bias = (part.detach().numpy() for part in (network.head.weight, network.head.bias))
    return {
        "codes": found.codes,
        "predicted": found.predictions,
        "labels": found.codes.labels,
        "features": found.penultimate,
        "logits": found.penultimate @ weight.T + bias,
        "weight": weight,
        "bias": bias,
    }


def check(train, test):
    """Print how far energy and ViM are from those of pytorch-ood."""
    from pytorch_ood.detector import EnergyBased, ViM

    theirs = EnergyBased.score(torch.from_numpy(test["logits"]))
    print("energy, largest difference:", float(np.abs(theirs.numpy() - energy(train, test)).max()))
    detector = ViM(
        None, principal_dimensions(train), torch.from_numpy(train["weight"]), torch.from_numpy(train["bias"])
    )
    detector.fit_features(torch.from_numpy(train["features"]), torch.from_numpy(train["labels"]))
    scores = detector.predict_features(torch.from_numpy(test["features"])).numpy()
    print("ViM, correlation:", float(np.corrcoef(scores, vim(train, test))[0, 1]))


def one_split(split, train, test, options):
    """Return name -> (AUROC, FPR95, seconds, bytes) of a split, and the network's accuracy on its classes."""
    classes = np.sort(numpy_generator(split, "novelty").permutation(10)[:KNOWN])
    known = some_of_each(train, classes, options.per_class, split)
    network = trained(split, known, options.epochs, options.out)
    rows = np.arange(len(test)) if options.test is None else np.arange(min(options.test, len(test)))
    asked = test.select(rows)
    novel = ~np.isin(asked.labels, classes)
    of_train, of_test = seen(network, known), seen(network, replace(asked, labels=None))
    if options.check:
        check(of_train, of_test)
    floats = 4 * of_train["features"].shape[1]
    scores = {
        "maximum softmax": (lambda: maximum_softmax(of_train, of_test), 0),
        "energy": (lambda: energy(of_train, of_test), 0),
        "Mahalanobis": (lambda: mahalanobis(of_train, of_test), 0),
        "deep K-NN": (lambda: deep_knn(of_train, of_test), floats),
        "ViM": (lambda: vim(of_train, of_test), 0),
    }
    ours = our_scores(of_train, of_test, options.k, options.bits)
    scores |= {name: (score, bits / 8) for name, (score, bits) in ours.items()}
    found = {}
    for name, (score, size) in scores.items():
        started = time.perf_counter()
        values = np.asarray(score(), np.float64)
        seconds = time.perf_counter() - started
        found[name] = (roc_auc_score(novel, values), false_positives(novel, values), seconds, size)
    accuracy = (classes[of_test["predicted"]] == asked.labels)[~novel].mean()
    return found, float(accuracy)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with cifar10/ as Parquet")
    parser.add_argument("--name", default="cifar10", help="another data set of ten classes in that folder")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--per-class", type=int, default=None, help="training images of a class at most")
    parser.add_argument("--test", type=int, default=None, help="test images at most")
    parser.add_argument("--k", type=int, default=5)
    parser.add_argument("--bits", type=int, default=1024, help="of a layer")
    parser.add_argument("--out", help="folder for the networks")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--check", action="store_true", help="against pytorch-ood")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    source = f"parquet:{options.data}/{options.name}"
    train, test = (hl.load_data(f"{source}#{part}").load() for part in ("train", "test"))
    results, accuracies = [], []
    for split in range(options.splits):
        found, accuracy = one_split(split, train, test, options)
        results.append(found)
        accuracies.append(accuracy)
    rows = []
    for name in results[0]:
        auroc, fpr, seconds, size = np.array([found[name] for found in results]).T
        numbers = (np.median(auroc), auroc.min(), auroc.max(), np.median(fpr))
        row = [f"{value:.3f}" for value in numbers]
        rows.append((name, *row, f"{np.median(seconds):.2f}", f"{size[0]:,.0f}" if size[0] else "–"))
    title = f"{options.name}, {options.splits} splits, {options.epochs} epochs; accuracy on the known classes "
    columns = ("score", "AUROC", "lowest", "highest", "FPR95", "seconds", "bytes a row")
    Console().print(
        table(
            title + f"{np.median(accuracies):.3f}",
            columns,
            rows,
            "Medians over splits; bytes of a training image that are kept.",
        )
    )


if __name__ == "__main__":
    main()
