import numpy as np
import pytest

from hashlens.errors import TEDError
from hashlens.ted import credit
from hashlens.ted.credit import BURDEN, FEATURES, SCORE, TRADES

TABLE = credit(20_000, seed=1)


def column(name, table=TABLE):
    return table.rows[:, table.columns.index(name)]


def expected(trades, score, burden):
    """Return label and explanation as the rules say it, one row at a time."""
    first, (score_from, burden_to) = trades >= 23, ((70, 63) if trades >= 23 else (76, 78))
    low, high = score < score_from, burden > burden_to
    if not low and not high:
        return 1, 0 if first else 1
    return 0, (2 if first else 5) + (2 if low and high else 1 if high else 0)


def test_labels_and_explanations_follow_the_rules():
    rows = zip(column(TRADES)[:3000], column(SCORE), column(BURDEN), strict=False)
    for row, label, why in zip(rows, TABLE.labels, TABLE.explanations, strict=False):
        assert (label, why) == expected(*row)


def test_every_explanation_is_reached_and_has_words():
    assert set(TABLE.explanations.tolist()) == set(range(8)) == set(range(len(TABLE.reasons)))
    assert np.bincount(TABLE.explanations).min() > 50
    assert 0.2 < TABLE.labels.mean() < 0.6


def test_columns_are_whole_numbers_in_their_ranges_and_correlated():
    for feature in FEATURES:
        values = column(feature.name)
        assert (values == np.round(values)).all()
        assert feature.low <= values.min()
        assert values.max() <= feature.high
    assert np.corrcoef(column(SCORE), column(BURDEN))[0, 1] < -0.4
    assert np.corrcoef(column(TRADES), column("NumTotalTrades"))[0, 1] > 0.7


def test_a_file_of_ones_own(tmp_path):
    file = tmp_path / "heloc.csv"
    file.write_text(
        f"RiskPerformance,{SCORE},{TRADES},{BURDEN},Other\n"
        "Bad,80,30,10,1\nGood,-9,30,10,2\nGood,60,10,90,3\nBad,80,10,20,-8\n"
    )
    table = credit(csv=file)
    assert table.columns == (SCORE, TRADES, BURDEN, "Other")
    assert (table.labels.tolist(), table.explanations.tolist(), table.dropped) == ([1, 0, 1], [0, 7, 1], 1)
    assert len(credit(2, csv=file)) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "there is no NumSatisfactoryTrades, ExternalRiskEstimate, NetFractionRevolvingBurden"),
        (f"{SCORE},{TRADES},{BURDEN}\nx,1,2\n", "cannot be read as a CSV of numbers"),
        (f"{SCORE},{TRADES},{BURDEN}\n-9,1,2\n", "every row lacks"),
    ],
)
def test_a_file_that_does_not_fit(tmp_path, text, says):
    (tmp_path / "heloc.csv").write_text(text)
    with pytest.raises(TEDError, match=says):
        credit(csv=tmp_path / "heloc.csv")


def test_no_such_file(tmp_path):
    with pytest.raises(TEDError, match="cannot be read"):
        credit(csv=tmp_path / "none.csv")
