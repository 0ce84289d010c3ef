"""How our regret bound follows the recorded one, on 40 of the 190 recorded runs.

``python benchmarks/bench_recorded_bounds.py FOLDER [--sampled] [--every N] [--first N] [--last N]``, where FOLDER has
``rf_trials.parquet`` and ``rf_recorded_bounds.parquet``. It takes about four minutes on an idle core. With
``--sampled``, fits have more starting points, and the smallest lower bound is searched among the points of the
published code; then it takes 40 minutes, or 12 with ``--every 3``.
"""

import argparse
import time

import numpy as np
from scipy.stats import spearmanr

from hashlens.tuning import CVError, RegretBound, recorded_runs

RUNS, SEED, NEAR = 40, 0, 5
BEGIN, END = 20, 200


def main():
    """Print a line for each run, and the agreement over all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--sampled", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--last", type=int, default=RUNS)
    how = parser.parse_args()
    runs, started, found = recorded_runs(how.folder), time.perf_counter(), []
    for at in np.random.default_rng(SEED).choice(len(runs), RUNS, replace=False)[how.first : how.last]:
        run, counts = runs[at], range(BEGIN, END, how.every)
        sample_seed, fit_starts = (int(run.name.split()[-1]), 13) if how.sampled else (None, 1)
        rule = RegretBound(cv=CVError(ddof=0), sample_seed=sample_seed, fit_starts=fit_starts)
        ours = rule.rule_values(run, counts)
        recorded = RegretBound(cv=CVError(ddof=0), recorded=True).rule_values(run, counts)
        stops = [counts[int(np.argmax(one.fires))] if one.fires.any() else None for one in (ours, recorded)]
        agree = stops == [None, None] or (None not in stops and abs(stops[0] - stops[1]) <= NEAR)
        same = np.mean(np.abs(ours.bound / recorded.bound - 1) < 1e-3)
        found.append((spearmanr(ours.bound, recorded.bound)[0], agree, same))
        print(f"{run.name:<32} correlation {found[-1][0]:.4f}, stops {stops}, within .1 % {same:.2f}", flush=True)
    correlations, agreed, same = map(np.array, zip(*found, strict=True))
    print(f"median correlation {np.median(correlations):.4f}; {agreed.sum()} of {len(agreed)} decisions agree; "
          f"within .1 % {same.mean():.3f}; {time.perf_counter() - started:.0f} seconds")  # fmt: skip


if __name__ == "__main__":
    main()
