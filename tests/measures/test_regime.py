import pytest

from hashlens.errors import MeasureError
from hashlens.measures import RegimeThresholds, regime


@pytest.mark.parametrize(
    ("ratio", "retention", "name"),
    [
        (0.51, 1.0, "under-expressive"),
        (0.50, 0.95, "critically-expressive"),
        (0.0, 0.79, "under-expressive"),
        (0.0, 0.80, "critically-expressive"),
        (0.05, 0.95, "sufficiently-expressive"),
        (0.051, 1.2, "critically-expressive"),
        (0.05, 0.949, "critically-expressive"),
        (0.9, 0.1, "under-expressive"),
    ],
)
def test_each_side_of_each_threshold(ratio, retention, name):
    found = regime(ratio, retention)
    assert found.name == name
    assert f"R on train is {ratio:.3f}" in found.reason or f"{retention:.1%}" in found.reason
    assert "would change it" in found.reason
    assert name in str(found)


def test_thresholds_are_parameters_and_are_returned():
    lenient = RegimeThresholds(sufficient_redundancy=0.4, sufficient_retention=0.8)
    found = regime(0.3, 0.85, thresholds=lenient)
    assert (found.name, found.thresholds) == ("sufficiently-expressive", lenient)
    assert found.to_dict()["thresholds"]["sufficient_redundancy"] == 0.4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: regime(1.5, 1), "in \\[0, 1\\], received 1.5"),
        (lambda: regime(0.5, float("nan")), "retention"),
        (
            lambda: regime(0.5, 1, thresholds={"under_redundancy": 0.4}),
            "thresholds must be RegimeThresholds, .* {'under",
        ),
        (
            lambda: RegimeThresholds(under_redundancy="0.4"),
            "threshold under_redundancy must be a number, received '0.4'",
        ),
        (lambda: RegimeThresholds(under_redundancy=0.01), "sufficient_redundancy <= under_redundancy"),
        (lambda: RegimeThresholds(under_retention=0.99), "under_retention <= sufficient_retention"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(MeasureError, match=message):
        call()
