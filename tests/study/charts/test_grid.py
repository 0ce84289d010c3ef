import numpy as np
import pytest

from hashlens.errors import StudyError
from hashlens.study.charts.grid import lay_out
from hashlens.study.results import Results


def test_values_are_where_their_levels_are(made):
    axes = {"width": [10, 40, 100], "label_noise": [0.0, 0.5], "epochs": [0, 7]}
    results = made(axes, lambda repeat, width, label_noise, epochs, **_: {
        ("knn", "test"): width + label_noise + epochs / 100 + repeat / 1000})  # fmt: skip
    shuffled = np.random.default_rng(0).permutation(len(results))
    results = Results({name: column[shuffled] for name, column in results.columns.items()})
    grid = lay_out(results, ("epochs", "width", "label_noise"))
    expected = np.array([0, 0.07])[:, None, None, None] + np.array([10, 40, 100])[None, :, None, None]
    expected = expected + np.array([0, 0.5])[None, None, :, None] + np.array([0, 0.001, 0.002])
    np.testing.assert_allclose(grid.values("knn", "test"), expected)
    assert grid.cell_name((1, 0, 1)) == "epochs=7, width=10, label_noise=0.5"


def test_a_condition_on_an_axis_restricts_it_and_layers_are_left_out(mnist):
    whole = mnist.columns
    layered = Results({name: np.concatenate([column, column]) for name, column in whole.items()})
    layered.columns["layer"] = np.array([""] * len(mnist) + ["fc1"] * len(mnist))
    grid = lay_out(layered, ("width", "epochs"), {"samples": 48000, "epochs": [1, 100]})
    assert grid.levels == ((10, 20, 27, 40, 53, 100), (1, 100))
    assert grid.values("knn", "test").shape == (6, 2, 3)


@pytest.mark.parametrize(
    ("axes", "where", "message"),
    [
        (("width", "epochs"), None, r"samples takes 3 values \(1000, 10000, 48000\): give where=\{'samples': 48000\}"),
        (("width", "depth"), {"samples": 1000, "epochs": 1}, "depth takes one value, 1"),
        (("width", "epoch"), None, "'epoch' is not an axis of the study: did you mean 'epochs'"),
        (("width", "width"), None, "axes must differ, received width, width"),
        (("width",), {"samples": 7}, "no results where samples is 7: it takes 1000, 10000, 48000"),
        (("width",), {"sample": 7}, "received 'sample': did you mean 'samples'"),
        (("width",), {"measure": "knn"}, "where takes factors, epochs and repeat, received 'measure'"),
    ],
)
def test_bad_axes(mnist, axes, where, message):
    with pytest.raises(StudyError, match=message) as raised:
        lay_out(mnist, axes, where)
    assert "\n" not in str(raised.value)


def test_missing_doubled_and_empty(mnist, made):
    grid = lay_out(mnist, ("width", "epochs"), {"samples": 1000})
    with pytest.raises(StudyError, match="hold no kmeans_purity on test; they hold knn on test, logistic on test"):
        grid.values("kmeans_purity", "test")
    doubled = Results({name: np.concatenate([column, column]) for name, column in mnist.columns.items()})
    with pytest.raises(StudyError, match="knn on test more than once"):
        lay_out(doubled, ("width", "epochs"), {"samples": 1000}).values("knn", "test")
    with pytest.raises(StudyError, match="made has no results yet"):
        lay_out(made({"width": [1, 2]}, lambda repeat, **_: {}), ("width", "epochs"))
