"""Error rates of claims: how often a false claim is called reproduced.

    python benchmarks/bench_claims.py [--draws 20000]

Each claim is false, but at the boundary: two means are equal, a slope is 0, a difference equals the margin, or a
correlation equals the named value. Many studies with 3, 5 and 10 repeats are simulated, on several kinds of data, and
decided as `hashlens.study.claims` does at 95 %. At most 5 in 100 may be called reproduced, on either side. The last
rows are for claims with several lines, and for data so skewed that no interval of a few repeats keeps its level.
"""

import argparse

import numpy as np
from rich.console import Console

from hashlens.study.charts.intervals import LIMITS
from hashlens.study.charts.variance import variance_shares
from hashlens.study.claims.contrast import contrast_intervals
from hashlens.study.claims.correlation import fisher_interval
from hashlens.study.claims.jackknife import jackknife_interval
from hashlens.study.claims.trend import slope_weights
from hashlens.tables import table

REPEATS = (3, 5, 10)
SHARE, PLAIN, RATIO = (LIMITS[name] for name in ("share", "plain", "ratio"))


def normal(rng, size):
    return rng.normal(size=size)


def skewed(rng, size):
    """Return shares with mean .9, most of them larger, like accuracies or one minus the redundancy ratio."""
    return rng.beta(7.2, 0.8, size)


def tight(rng, size):
    """Return shares with the same mean and little variation."""
    return rng.beta(72, 8, size)


def counts(rng, size):
    """Return shares of 360 examples, close to 1."""
    return rng.binomial(360, 0.98, size) / 360


def strongly_skewed(rng, size):
    """Return shares with mean .98, two thirds of them above .99."""
    return rng.beta(9.8, 0.2, size)


def losses(rng, size):
    """Return lognormal numbers with mean 1."""
    return rng.lognormal(-0.5, 1.0, size)


MEANS = {normal: 0.0, skewed: 0.9, tight: 0.9, counts: 0.98, strongly_skewed: 0.98, losses: 1.0}
LIMITS_OF_KIND = {normal: PLAIN, losses: RATIO}
STEP = {counts: 1 / 360}


def paired(one, other, rng, size):
    """Return two measures in the same repeats; if both are normal, they share half of their variance."""
    draws, n = size
    both = np.stack([one(rng, size), other(rng, size)], axis=1)
    if one is other is normal:
        both += rng.normal(size=(draws, 1, n))
    return both


def wrong(found, low=None, high=None):
    """Return how often an interval lies wholly above `low`, and wholly below `high`."""
    return [
        np.mean(found.low > low) if low is not None else None,
        np.mean(found.high < high) if high is not None else None,
    ]


def difference(one, other):
    def rates(rng, size):
        limits, steps = (
            [of.get(kind, default) for kind in (one, other)] for of, default in ((LIMITS_OF_KIND, SHARE), (STEP, 0.0))
        )
        return wrong(contrast_intervals(paired(one, other, rng, size), (1, -1), limits, 0.95, steps), 0, 0)

    return rates


def threshold(kind):
    def rates(rng, size):
        values = kind(rng, size)[:, None]
        found = contrast_intervals(values, (1,), [LIMITS_OF_KIND.get(kind, SHARE)], 0.95, [STEP.get(kind, 0.0)])
        return wrong(found, MEANS[kind], MEANS[kind])

    return rates


def equivalence(kind, margin):
    """Two means that differ by the whole margin."""

    def rates(rng, size):
        values = paired(kind, kind, rng, size)
        values[:, 0] -= margin
        limits = LIMITS_OF_KIND.get(kind, (-margin, 1.0)), LIMITS_OF_KIND.get(kind, SHARE)
        found = contrast_intervals(values, (1, -1), limits, 0.95)
        inside = (found.low > -margin) & (found.high < margin)
        return [np.mean(inside), None]

    return rates


def trend(kinds):
    def rates(rng, size):
        values = np.stack([kind(rng, size) for kind in kinds], axis=1)
        if set(kinds) == {normal}:
            values += rng.normal(size=(size[0], 1, size[1]))
        limits = [LIMITS_OF_KIND.get(kind, SHARE) for kind in kinds]
        return wrong(contrast_intervals(values, slope_weights(len(kinds)), limits, 0.95), 0, 0)

    return rates


def correlation(rho, exponent, cells=6):
    """Correlations over six cells; the true value is Fisher's mean over single repeats."""

    def correlations(rng, size):
        one, other = rng.normal(size=(2, *size, cells))
        other = rho * one + np.sqrt(1 - rho**2) * other
        if exponent:
            one, other = np.exp(one), np.exp(other)
        one, other = (part - part.mean(axis=-1, keepdims=True) for part in (one, other))
        return (one * other).sum(axis=-1) / np.sqrt((one**2).sum(axis=-1) * (other**2).sum(axis=-1))

    def rates(rng, size):
        true = np.tanh(np.arctanh(correlations(rng, (100_000, 1))).mean())
        found = [fisher_interval(row, 0, 0.95) for row in correlations(rng, (size[0] // 5, size[1]))]
        return [np.mean([at.low > true for at in found]), np.mean([at.high < true for at in found])]

    return rates


def factors(noise, effect):
    """Two factors, with three and with six levels, that explain the same share."""
    three, six = (np.linspace(-1, 1, levels) for levels in (3, 6))
    means = effect * (three / three.std())[:, None] + effect * six / six.std()

    def apart(values):
        total = variance_shares(np.moveaxis(values, 0, -1)[..., None]).total[:, 0]
        return float(total[0] - total[1])

    def rates(rng, size):
        draws = (noise(rng, (size[1], 3, 6)) for _ in range(size[0] // 20))
        found = [jackknife_interval(means + one, apart) for one in draws]
        return [np.mean([at.low > 0 for at in found]), np.mean([at.high < 0 for at in found])]

    return rates


def several(kind, lines, true):
    """Return how often a claim of many lines is called reproduced, and not reproduced.

    All lines but one are so clearly true that nothing else can come out, or all are at the boundary and the claim
    counts as true.
    """

    def rates(rng, size):
        values = np.stack([paired(kind, kind, rng, size) for _ in range(lines)])
        if not true:
            values[1:, :, 0] += 5.0 if kind is normal else 0.0
        intervals = [
            contrast_intervals(values, (1, -1), [LIMITS_OF_KIND.get(kind, SHARE)] * 2, level)
            for level in (0.95, 1 - 0.05 / lines)
        ]
        alone, together = intervals
        right = alone.low > 0
        if not true and kind is not normal:
            right[1:] = True
        missed = (together.high <= 0).any(axis=0)
        return [None if true else np.mean(right.all(axis=0)), np.mean(missed) if true else None]

    return rates


def exponential(rng, size):
    return rng.exponential(size=size) - 1


WORLDS = {
    "difference, normal, paired": difference(normal, normal),
    "difference, skewed": difference(skewed, skewed),
    "difference, skewed minus tight": difference(skewed, tight),
    "difference, counts": difference(counts, counts),
    "threshold, normal": threshold(normal),
    "threshold, skewed": threshold(skewed),
    "threshold, counts": threshold(counts),
    "equivalence, normal, margin 1": equivalence(normal, 1.0),
    "equivalence, skewed, margin .3": equivalence(skewed, 0.3),
    "trend over 6 levels, normal, paired": trend([normal] * 6),
    "trend over 6 levels, skewed": trend([skewed] * 6),
    "trend over 6 levels, skewed then tight": trend([skewed] * 3 + [tight] * 3),
    "correlation 0, normal": correlation(0.0, False),
    "correlation .9, normal": correlation(0.9, False),
    "correlation 0, lognormal": correlation(0.0, True),
    "correlation .9, lognormal": correlation(0.9, True),
    "factors, large effects, normal": factors(normal, 3.0),
    "factors, large effects, exponential": factors(exponential, 3.0),
    "factors, small effects, normal": factors(normal, 0.3),
    "factors, no effects, exponential": factors(exponential, 0.0),
    "10 lines, one false, normal": several(normal, 10, False),
    "10 lines, one false, skewed": several(skewed, 10, False),
    "10 lines, all at the boundary, normal": several(normal, 10, True),
    "10 lines, all at the boundary, skewed": several(skewed, 10, True),
    "limits: threshold, strongly skewed": threshold(strongly_skewed),
    "limits: threshold, losses": threshold(losses),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20_000)
    parser.add_argument("--only", default="", help="part of the names of the worlds to run")
    claimed = parser.parse_args()
    rows = []
    for name, rates in WORLDS.items():
        if claimed.only in name:
            rng = np.random.default_rng(0)
            found = [rates(rng, (claimed.draws, n)) for n in REPEATS]
            rows.append((name, *(" / ".join("–" if at is None else f"{at:.1%}" for at in one) for one in found)))
    columns = ("false at the boundary", *(f"{n} repeats" for n in REPEATS))
    Console().print(table("Called reproduced, though false: from above / from below", columns, rows))


if __name__ == "__main__":
    main()
