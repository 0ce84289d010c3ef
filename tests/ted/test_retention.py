import numpy as np
import pytest

from hashlens.errors import TEDError
from hashlens.ted import retention
from hashlens.ted.retention import FEATURES, MERGED, RULES, describe_rule

TABLE = retention(20_000, seed=3)


def holding(row):
    """Return the rules that hold, one condition after the other: slower and plainer than the generator."""
    known = dict(zip(FEATURES, row.tolist(), strict=True))
    return [
        number
        for number, rule in enumerate(RULES)
        if all(low <= known[name] <= high for name, (low, high) in rule.items())
    ]


def test_as_many_leave_as_in_the_published_table():
    """33.8 % of 10,000 rows, by the published generator."""
    assert abs(TABLE.labels.mean() - 0.338) < 3 * np.sqrt(0.338 * 0.662 * (1 / 20_000 + 1 / 10_000))
    for seed in range(5):
        assert abs(retention(seed=seed).labels.mean() - 0.338) < 0.015


def test_there_are_26_pairs_and_every_rule_is_reached():
    pairs = set(zip(TABLE.labels.tolist(), TABLE.explanations.tolist(), strict=True))
    assert pairs == {(1, number) for number in range(25)} | {(0, 25)}
    assert len(RULES) == 25


def test_the_reason_is_the_rule_that_holds_and_names_most():
    for row, leaves, reason in zip(TABLE.rows[:2000], TABLE.labels, TABLE.explanations, strict=False):
        holds = holding(row)
        assert leaves == bool(holds)
        assert reason == min(holds, key=lambda number: (-len(RULES[number]), number), default=len(RULES))


def test_shares_of_levels_and_months():
    position, tenure, here = (TABLE.rows[:, FEATURES.index(name)] for name in ("position", "tenure", "position tenure"))
    shares = [(position == level).mean() for level in (4, 3, 2, 1)]
    np.testing.assert_allclose(shares, (0.05, 0.20, 0.30, 0.45), atol=0.015)
    np.testing.assert_allclose([(tenure < 25).mean(), (tenure < 61).mean()], (0.3, 0.6), atol=0.015)
    assert tenure.max() == 360
    assert (here <= tenure).all()


@pytest.mark.parametrize("explanations", [26, 17, 7])
def test_fewer_explanations_are_the_same_rows_with_rules_that_share_one(explanations):
    merged = retention(5000, seed=1, explanations=explanations)
    whole = retention(5000, seed=1)
    assert (merged.rows == whole.rows).all()
    assert sorted(number for group in MERGED[explanations] for number in group) == list(range(26))
    assert len(merged.reasons) == explanations
    for group, number in enumerate(merged.explanations.tolist()):
        assert whole.explanations[group] in MERGED[explanations][number]


def test_rules_that_share_one_of_17_explanations_stand_together_and_differ_in_one_column():
    def apart(one, other):
        return sum(one.get(name) != other.get(name) for name in {*one, *other})

    together = {number: place for place, group in enumerate(MERGED[17]) for number in group}
    for number in range(24):
        same = together[number] == together[number + 1]
        assert same == (apart(RULES[number], RULES[number + 1]) == 1), number


def test_rules_in_words():
    assert describe_rule(3) == "organization 1, position 3, position tenure 15 or more"
    assert describe_rule(25) == "no reason to leave"
    assert retention(10, explanations=17).reasons[2] == f"{describe_rule(4)}; or {describe_rule(5)}"


def test_a_seed_is_a_table():
    np.testing.assert_array_equal(retention(50, seed=1).rows, retention(50, seed=1).rows)
    assert not np.array_equal(retention(50, seed=1).rows, retention(50, seed=2).rows)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"n": 0}, "n must be a whole number, 1 or more"),
        ({"seed": -1}, "seed must be"),
        ({"explanations": 9}, "explanations must be one of 26, 17, 7, received 9"),
        ({"noise": 1.5}, "noise must be a share from 0 to 1, received 1.5"),
        ({"noise": 0.1, "noise_kind": "by anotator"}, "did you mean 'by annotator'"),
        ({"missing": "half"}, "missing must be a share"),
        ({"missing": 0.1, "missing_kind": "by rules"}, "did you mean 'by rule'"),
        ({"annotators": 0}, "annotators must be a whole number"),
    ],
)
def test_bad_arguments(arguments, said):
    with pytest.raises(TEDError, match=said):
        retention(**arguments)
