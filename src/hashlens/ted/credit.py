"""Credit: synthetic HELOC-like applicants, approved by one of two rules, or rejected for a known reason."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.arguments import require_whole
from hashlens.errors import TEDError
from hashlens.seeds import numpy_generator
from hashlens.ted.taught import TaughtTable

Floats = npt.NDArray[np.float64]
TRADES, SCORE, BURDEN = "NumSatisfactoryTrades", "ExternalRiskEstimate", "NetFractionRevolvingBurden"
TARGET = "RiskPerformance"
DENIED, APPROVED = 0, 1


@dataclass(frozen=True)
class Branch:
    """Rule of approval for applicants with many or few satisfactory trades.

    Attributes
    ----------
    trades : str
        Range of the number of satisfactory trades, in words.
    least_score, most_burden : int
        Smallest external risk estimate, and largest revolving burden in %, of approved applicants.
    """

    trades: str
    least_score: int
    most_burden: int


MANY = 23
"""Smallest number of satisfactory trades of the first branch."""
BRANCHES = (Branch("23 satisfactory trades or more", 70, 63), Branch("22 satisfactory trades or fewer", 76, 78))
REASONS = (
    *(
        f"{branch.trades}, score {branch.least_score} or more, burden {branch.most_burden} % or less"
        for branch in BRANCHES
    ),
    *(f"{branch.trades}: {what}" for branch in BRANCHES for what in ("score too low", "burden too high", "both")),
)


@dataclass(frozen=True)
class Feature:
    """Model of a column, from three hidden factors: creditworthiness, size of the history, debt.

    A standard normal number z is their sum with weights `loads`, plus noise. The column is ``middle + spread * z``, or
    ``middle * exp(spread * z)`` if it is `skewed`, rounded and clipped to `low` and `high`.
    """

    name: str
    loads: tuple[float, float, float]
    middle: float
    spread: float
    low: float
    high: float
    skewed: bool = False


FEATURES = (
    Feature(SCORE, (0.90, 0.10, -0.30), 72, 10, 30, 100),
    Feature("MSinceOldestTradeOpen", (0.40, 0.50, 0.00), 200, 95, 2, 800),
    Feature("AverageMInFile", (0.50, 0.20, -0.10), 78, 33, 4, 380),
    Feature(TRADES, (0.30, 0.85, 0.10), 21, 11, 0, 80),
    Feature("PercentTradesNeverDelq", (0.75, 0.05, 0.00), 93, 9, 0, 100),
    Feature("NumTotalTrades", (0.05, 0.95, 0.15), 23, 12, 0, 100),
    Feature("NumInqLast6M", (-0.30, 0.20, 0.30), 1, 0.9, 0, 60, skewed=True),
    Feature(BURDEN, (-0.35, 0.00, 0.75), 32, 0.9, 0, 230, skewed=True),
    Feature("NumRevolvingTradesWBalance", (-0.10, 0.55, 0.60), 4, 3, 0, 32),
    Feature("PercentTradesWBalance", (-0.35, 0.05, 0.70), 66, 22, 0, 100),
)


def features(n: int, seed: int) -> Floats:
    """Return the columns of `n` synthetic applicants, float64 ``(n, 10)``, integers."""
    rng = numpy_generator(seed, "credit")
    factors = rng.standard_normal((n, 3))
    columns = []
    for feature in FEATURES:
        loads = np.array(feature.loads)
        z = factors @ loads + np.sqrt(1 - loads @ loads) * rng.standard_normal(n)
        spread = feature.spread * z
        column = feature.middle * np.exp(spread) if feature.skewed else feature.middle + spread
        columns.append(np.clip(np.round(column), feature.low, feature.high))
    return np.stack(columns, axis=1)


def find_explanations(trades: Floats, score: Floats, burden: Floats) -> npt.NDArray[np.int64]:
    """Return the explanation of each row, an index into ``REASONS``; the first two are those of approved applicants."""
    few = (trades < MANY).astype(np.int64)
    low = score < np.array([branch.least_score for branch in BRANCHES])[few]
    high = burden > np.array([branch.most_burden for branch in BRANCHES])[few]
    lacking = np.where(low & high, 2, np.where(high, 1, 0))
    return np.where(low | high, 2 + 3 * few + lacking, few)


def credit(n: int | None = None, seed: int = 0, *, csv: str | Path | None = None, **options: Any) -> TaughtTable:
    """Return a table of applicants for credit, with known decisions and explanations.

    Two rules approve: 23 or more satisfactory trades with a score of 70 or more and a burden of 63 % or less; or 22 or
    fewer trades with a score of 76 or more and a burden of 78 % or less. There are 8 explanations. Two are for
    approvals, one for each rule. Six are for rejections: in each range of trades, the score, the burden or both.

    The synthetic applicants have ten columns with the names and ranges of the HELOC data set. The columns are
    correlated, but nothing was fitted to HELOC. ``FEATURES`` has the details.

    Parameters
    ----------
    n : int, optional
        Number of rows; by default 10,000, or all rows of a file.
    seed : int
        Seed; the same seed gives the same table.
    csv : str or Path, optional
        Your own file of the HELOC data, whose columns replace the synthetic ones. Its labels (``RiskPerformance``) are
        not used. Rows with a negative score, number of trades or burden, which means a missing value there, are
        dropped; `dropped` is their number.
    **options
        Noise and missing explanations, as in :func:`retention`.

    Returns
    -------
    TaughtTable
        The table; label 1 means approved.

    Raises
    ------
    TEDError
        If an argument is invalid, or the file lacks a column that the rules need.
    """
    require_whole(TEDError, "seed", seed, least=0)
    if n is not None:
        require_whole(TEDError, "n", n)
    if csv is None:
        names, rows, dropped = tuple(feature.name for feature in FEATURES), features(n or 10_000, seed), 0
    else:
        names, rows, dropped = _read_heloc(Path(csv), n)
    decisions = find_explanations(*(rows[:, names.index(name)] for name in (TRADES, SCORE, BURDEN)))
    table = TaughtTable(
        names, rows.astype(np.float32), (decisions < 2).astype(np.int64), decisions, REASONS, dropped=dropped
    )
    return table.corrupt_explanations(seed, **options)


def _read_heloc(path: Path, n: int | None) -> tuple[tuple[str, ...], Floats, int]:
    """Return names and rows of a HELOC file, and the number of dropped rows."""
    from pyarrow import ArrowInvalid
    from pyarrow import csv as arrow_csv

    try:
        table = arrow_csv.read_csv(path)
        columns = {name: table[name].to_numpy().astype(np.float64) for name in table.column_names if name != TARGET}
    except (OSError, ArrowInvalid, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise TEDError(f"{path}: cannot be read as a CSV of numbers with the columns of HELOC: {reason}") from error
    lacks = [name for name in (TRADES, SCORE, BURDEN) if name not in columns]
    if lacks:
        raise TEDError(f"{path}: expected the columns of HELOC, and there is no {', '.join(lacks)}")
    rows = np.stack(list(columns.values()), axis=1)
    names = tuple(columns)
    known = (rows[:, [names.index(name) for name in (TRADES, SCORE, BURDEN)]] >= 0).all(axis=1)
    if not known.any():
        raise TEDError(f"{path}: every row lacks its {TRADES}, {SCORE} or {BURDEN}")
    return names, rows[known][:n], int((~known).sum())
