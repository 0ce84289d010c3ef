"""TED on real columns: Adult, with reasons by five simple rules, 90 % of which are then removed.

    python benchmarks/bench_ted_adult.py adult.parquet [--html ted-adult.html]

The labels are those of the census. The reason of a row is the first rule that holds:

1. earns more than 50,000 dollars, capital gains of 5,000 or more: capital gains
2. earns more, 13 years of education or more: higher education
3. earns more: experience
4. earns no more, younger than 28: early in working life
5. earns no more: no advantage on record

There are 30,000 rows, of which 24,000 are used for training. "?" is a missing value; text is categories.
"""

import argparse
import sys

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from hashlens.ted import TEDClassifier, draw_missing

ROWS, TRAIN = 30_000, 24_000
REASONS = (
    "capital gains", "higher education", "experience", "early in working life", "no advantage on record",
)  # fmt: skip


def adult(path):
    """Return columns, labels and the reason of each row by the five rules."""
    frame = pd.read_parquet(path)[:ROWS]
    more = frame.pop("income").str.strip().str.startswith(">50K").to_numpy()
    words = [name for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name])]
    for name in words:
        text = frame[name].str.strip()
        frame[name] = text.where(text != "?").astype("category")
    holds = [
        more & (frame["capital-gain"] >= 5000), more & (frame["education-num"] >= 13), more,
        ~more & (frame["age"] < 28), ~more,
    ]  # fmt: skip
    reasons = np.select(holds, np.arange(5))
    return frame, np.where(more, "more than 50,000", "50,000 or less"), reasons


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("adult")
    parser.add_argument("--html")
    parser.add_argument("--missing", type=float, nargs="+", default=[0.0, 0.9])
    parser.add_argument("--rounds", type=int, default=100)
    asked = parser.parse_args(arguments)
    frame, income, reasons = adult(asked.adult)
    print(f"{len(frame):,} rows, {frame.isna().to_numpy().sum():,} missing values; reasons {np.bincount(reasons)}")
    said = np.array(REASONS, object)[reasons]
    for share in asked.missing:
        E = said[:TRAIN].copy()
        E[draw_missing(reasons[:TRAIN], reasons[:TRAIN] < 3, share)] = None
        estimator = HistGradientBoostingClassifier(
            max_iter=asked.rounds, categorical_features="from_dtype", random_state=0
        )
        model = TEDClassifier(estimator).fit(frame[:TRAIN], income[:TRAIN], E)
        score = model.score_ted(frame[TRAIN:], income[TRAIN:], said[TRAIN:])
        alone = estimator.fit(frame[:TRAIN], income[:TRAIN]).score(frame[TRAIN:], income[TRAIN:])
        print(f"{share:.0%} missing; labels alone {alone:.3f}\n{score}", flush=True)
        if asked.html:
            score.to_html(asked.html, overwrite=True)


if __name__ == "__main__":
    main(sys.argv[1:])
