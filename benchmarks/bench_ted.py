"""Accuracy of TED on the retention and credit tables, by noise, missing explanations and number of explanations.

The protocol is our own. For each seed, a table of 10,000 rows is generated, and the first 8,000 rows are used for
training. Only training explanations are noisy or missing; accuracy is measured against the clean explanations of the
other 2,000 rows. Numbers are means over seeds, with standard deviations.

    python benchmarks/bench_ted.py [--seeds 5] [--tables retention credit] [--parts full missing noise number]
"""

import argparse
import sys
from collections.abc import Callable

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from hashlens.errors import TEDError
from hashlens.ted import TaughtTable, TEDClassifier, credit, retention
from hashlens.ted.missing import MISSING_KINDS
from hashlens.ted.noise import NOISE_KINDS

TRAIN = 8000
TABLES: dict[str, Callable[..., TaughtTable]] = {"retention": retention, "credit": credit}


def forest(seed, **settings):
    return RandomForestClassifier(100, n_jobs=1, random_state=seed, **settings)


def logistic(seed):
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


CLASSIFIERS = {
    "random forest": forest,
    "random forest, leaf 5": lambda seed: forest(seed, min_samples_leaf=5),
    "decision tree": lambda seed: DecisionTreeClassifier(random_state=seed),
    "K-NN, 5 neighbours": lambda seed: make_pipeline(StandardScaler(), KNeighborsClassifier(5)),
    "logistic regression": logistic,
    "MLP, 50 units": lambda seed: make_pipeline(
        StandardScaler(), MLPClassifier((50,), max_iter=60, early_stopping=True, random_state=seed)
    ),
}


def accuracies(estimator, table, missing="impute"):
    """Return the accuracy of Y and of YE of a model trained on the first rows, by clean explanations of the others."""
    train, test = table[:TRAIN], table[TRAIN:]
    model = TEDClassifier(estimator, missing=missing).fit(train.rows, train.labels, train.E)
    labels, reasons = model.predict_explain(test.rows)
    right = labels == test.labels
    return right.mean(), (right & (reasons == test.explanations)).mean()


def bare(estimator, table):
    fitted = estimator.fit(table.rows[:TRAIN], table.labels[:TRAIN])
    return (fitted.predict(table.rows[TRAIN:]) == table.labels[TRAIN:]).mean()


def said(values):
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else f"{values[0]:.3f}"


def line(*cells):
    print("|", " | ".join(cells), "|", flush=True)


def heading(title, *columns):
    print(f"\n{title}\n")
    line(*columns)
    line(*(["---"] * len(columns)))


def full(name, seeds):
    heading(f"{name}: all explanations, right", "classifier", "Y alone", "Y", "YE")
    for called, make in CLASSIFIERS.items():
        alone, found = [], []
        for seed in seeds:
            table = TABLES[name](10_000, seed)
            alone.append(bare(make(seed), table))
            found.append(accuracies(make(seed), table))
        line(called, said(alone), *map(said, np.transpose(found)))


def missing(name, seeds):
    heading(f"{name}: random forest, missing explanations, Y / YE", "missing", "kind", "drop", "impute", "unknown")
    for share, kind in [(0.5, "random"), *((0.9, kind) for kind in MISSING_KINDS), (0.99, "random")]:
        cells = []
        for algorithm in ("drop", "impute", "unknown"):
            tables = [TABLES[name](10_000, seed, missing=share, missing_kind=kind) for seed in seeds]
            try:
                found = [accuracies(forest(seed), table, algorithm) for seed, table in zip(seeds, tables, strict=True)]
                cells.append(" / ".join(map(said, np.transpose(found))))
            except TEDError:
                cells.append("a label is gone")
        line(f"{share:.0%}", kind, *cells)


def noise(name, seeds):
    heading(f"{name}: YE at 40 % noise", "classifier", "none", *NOISE_KINDS)
    for called, make in CLASSIFIERS.items():
        cells = []
        for share, kind in [(0.0, NOISE_KINDS[0]), *((0.4, kind) for kind in NOISE_KINDS)]:
            tables = [TABLES[name](10_000, seed, noise=share, noise_kind=kind) for seed in seeds]
            cells.append(said([accuracies(make(seed), table)[1] for seed, table in zip(seeds, tables, strict=True)]))
        line(called, *cells)


def number(name, seeds):
    if name != "retention":
        return
    heading("retention: random forest, by the number of explanations", "explanations", "Y", "YE")
    for count in (7, 17, 26):
        found = [accuracies(forest(seed), retention(10_000, seed, explanations=count)) for seed in seeds]
        line(str(count), *map(said, np.transpose(found)))


PARTS = {"full": full, "missing": missing, "number": number, "noise": noise}


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    asked = parser.parse_args(arguments)
    for name in asked.tables:
        for part in asked.parts:
            PARTS[part](name, range(asked.seeds))


if __name__ == "__main__":
    main(sys.argv[1:])
