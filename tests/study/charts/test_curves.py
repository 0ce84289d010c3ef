import numpy as np
import pytest

from hashlens.errors import StudyError
from hashlens.study.charts.curves import curve


def test_means_are_those_of_the_rows(mnist):
    found = curve(mnist, "knn", "width", by="epochs", where={"samples": 1000})
    assert [series.name for series in found.series] == ["epochs 0", "epochs 1", "epochs 10", "epochs 100"]
    for series in found.series:
        for width, estimate in zip(found.levels, series.estimates, strict=True):
            rows = mnist.where(measure="knn", split="test", width=width, epochs=series.level, samples=1000)
            assert estimate.mean == pytest.approx(np.mean(rows.columns["value"]))
            assert estimate.low < estimate.mean < estimate.high


def test_lines_for_measures_and_splits(mnist):
    where = {"samples": 1000, "epochs": 100}
    ratio = curve(mnist, "redundancy_ratio", "width", split=("train", "test"), where=where)
    assert [series.name for series in ratio.series] == ["train", "test"]
    both = curve(mnist, ("knn", "logistic"), "width", where=where)
    assert [series.name for series in both.series] == ["K-NN", "logistic"]
    assert curve(mnist, "knn", "width", where=where).series[0].name == ""
    assert "K-NN on test at samples 1,000; epochs 100" in str(curve(mnist, "knn", "width", where=where))


def test_levels_without_rows_are_none(made):
    results = made({"width": [1, 2], "epochs": [0, 1]}, lambda repeat, epochs, **_: (
        {("loss", "train"): 3.0 + repeat} if epochs else {("redundancy_ratio", "train"): 0.5}))  # fmt: skip
    found = curve(results, "loss", "epochs", split="train", where={"width": 1})
    assert found.series[0].estimates[0] is None
    assert found.series[0].estimates[1].mean == 4.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("knn", "width"), "samples takes 3 values"),
        (("kmeans_purity", "samples"), "width takes 6 values"),
        (((), "width"), r"measure must be a name or a list of names, received \(\)"),
        ((None, "width"), "measure must be a name or a list of names, received None"),
        ((3, "width"), "measure must be a name or a list of names, received 3"),
        (("knn", "weight"), "is not an axis of the study"),
    ],
)
def test_bad_requests(mnist, arguments, message):
    with pytest.raises(StudyError, match=message):
        curve(mnist, *arguments, where={"epochs": 1})
