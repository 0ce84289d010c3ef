"""The CPU time of TED, against the plain estimator on the same pairs, and for a million rows.

python benchmarks/bench_ted_cost.py              # ratios, each the median of interleaved repeats
python benchmarks/bench_ted_cost.py --only tree  # of the estimators whose name holds this
python benchmarks/bench_ted_cost.py --million    # HistGradientBoosting on 1,000,000 rows, its minutes and memory

``added`` is the median of the milliseconds by which a fit is longer than that of the bare estimator.
"""

import argparse
import resource
import sys
import time

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from hashlens.ted import TEDClassifier, retention

ESTIMATORS = {
    "random forest, 100 trees": RandomForestClassifier(100, n_jobs=1, random_state=0),
    "HistGradientBoosting, 20 rounds": HistGradientBoostingClassifier(max_iter=20, random_state=0),
    "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)),
    "K-NN": KNeighborsClassifier(5),
    "LinearSVC (no probabilities)": make_pipeline(StandardScaler(), LinearSVC(random_state=0)),
    "decision tree": DecisionTreeClassifier(random_state=0),
    "Gaussian naive Bayes": GaussianNB(),
}


def seconds(work):
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def ratios(repeats, only):
    table = retention(8000, seed=0)
    lacking = table.corrupt_explanations(1, missing=0.9)
    _, codes = np.unique(table.labels * 100 + table.explanations, return_inverse=True)
    print("| estimator | fit | added, ms | predict | impute |\n| --- | --- | --- | --- | --- |")
    for name, estimator in ESTIMATORS.items():
        if only and only not in name:
            continue
        found = []
        for _ in range(repeats):
            bare_fit, bare = seconds(lambda estimator=estimator: clone(estimator).fit(table.rows, codes))
            fit, ted = seconds(lambda estimator=estimator: fitted(estimator, table))
            bare_predict, _ = seconds(lambda bare=bare: bare.predict(table.rows))
            predict, _ = seconds(lambda ted=ted: ted.predict(table.rows))
            parts = sum(parts_of(estimator, lacking))
            imputing, _ = seconds(lambda estimator=estimator: fitted(estimator, lacking))
            found.append((fit / bare_fit, 1000 * (fit - bare_fit), predict / bare_predict, imputing / parts))
        of_fit, added, of_predict, of_impute = np.median(found, axis=0)
        print(f"| {name} | {of_fit:.2f}x | {added:.1f} | {of_predict:.2f}x | {of_impute:.2f}x |", flush=True)


def fitted(estimator, table):
    return TEDClassifier(estimator).fit(table.rows, table.labels, table.E)


def parts_of(estimator, table):
    """Yield the seconds of each label's fit and imputation, and of the last fit, done by hand."""
    known = np.array([value is not None for value in table.E])
    filled = np.where(known, table.E, -1).astype(int)
    for label in (0, 1):
        rows, lost = (table.labels == label) & known, (table.labels == label) & ~known
        if len(set(filled[rows])) == 1:
            filled[lost] = filled[rows][0]
            continue
        took, own = seconds(lambda rows=rows: clone(estimator).fit(table.rows[rows], filled[rows]))
        yield took
        took, filled[lost] = seconds(lambda own=own, lost=lost: own.predict(table.rows[lost]))
        yield took
    _, codes = np.unique(table.labels * 100 + filled, return_inverse=True)
    yield seconds(lambda: clone(estimator).fit(table.rows, codes))[0]


def million(rounds):
    table = retention(1_000_000, seed=0)
    started, work = time.monotonic(), time.process_time()
    model = TEDClassifier(HistGradientBoostingClassifier(max_iter=rounds, random_state=0))
    model.fit(table.rows, table.labels, table.E)
    fit = time.monotonic() - started, time.process_time() - work
    started = time.monotonic()
    labels, reasons = model.predict_explain(table.rows)
    predict = time.monotonic() - started
    right = np.mean((labels == table.labels) & (reasons == table.explanations))
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"1,000,000 rows, {model.estimator_.n_iter_} rounds: fit {fit[0] / 60:.1f} minutes ({fit[1] / 60:.1f} of CPU), "
        f"predict_explain {predict / 60:.1f} minutes; {gib:.1f} GiB at most; YE {right:.4f} on the rows themselves"
    )


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--rounds", type=int, default=100)
    asked = parser.parse_args(arguments)
    million(asked.rounds) if asked.million else ratios(asked.repeats, asked.only)


if __name__ == "__main__":
    main(sys.argv[1:])
