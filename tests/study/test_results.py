import json

import numpy as np
import pytest

from hashlens.errors import StudyError
from hashlens.saved import load_result
from hashlens.study.charts.grid import lay_out
from hashlens.study.networks.variables import VARIABLES
from hashlens.study.results import Results
from hashlens.study.variables import Axis, Factor, MeasureInfo, Variables

COINS = Variables("coins", (Factor("coin", type="text", default="fair"), Factor("bias", type="float", default=0.5)),
              Axis("flips", "flips of the coin"), {"heads": MeasureInfo(low=0.0, high=1.0)})  # fmt: skip


def coins(variables=COINS):
    cells = [(coin, repeat, flips) for coin in ("bent", "fair") for repeat in (0, 1) for flips in (1, 10)]
    columns = {
        "cell": np.array([f"coin={coin}" for coin, _, _ in cells], object),
        "coin": np.array([coin for coin, _, _ in cells], object),
        "bias": np.full(8, 0.5),
        "repeat": np.array([repeat for _, repeat, _ in cells]),
        "flips": np.array([flips for *_, flips in cells]),
        **{name: np.full(8, text, object) for name, text in (("measure", "heads"), ("split", ""), ("layer", ""))},
        "value": np.linspace(0, 1, 8),
    }
    return Results({name: columns[name] for name in variables.columns}, "flipped", variables)


def test_columns_are_those_of_the_experiment():
    results = coins()
    assert list(results.columns) == ["cell", "coin", "bias", "repeat", "flips", "measure", "split", "layer", "value"]
    assert (results.factors, results.step, results.axes) == (("coin", "bias"), "flips", ("coin", "bias", "flips"))
    assert results.measures["heads"].is_share
    assert results.where(coin="fair").variables == COINS
    assert lay_out(results, ("coin", "flips")).levels == (("bent", "fair"), (1, 10))


def test_an_experiment_without_steps_has_no_column_of_them():
    still = Variables("coins", COINS.factors, None, COINS.measures)
    assert "flips" not in coins(still).columns
    assert coins(still).step is None
    assert coins(still).axes == ("coin", "bias")


def test_those_of_networks_are_as_ever():
    names = "cell architecture width depth samples label_noise weight_decay batch_norm dropout repeat epochs"
    assert VARIABLES.columns == (*names.split(), "measure", "split", "layer", "value")
    assert Results({name: np.zeros(0) for name in VARIABLES.columns}).variables is VARIABLES


def test_json_and_tables_hold_what_the_numbers_are_of(tmp_path):
    results = coins()
    (tmp_path / "results.json").write_text(json.dumps(results.to_dict()))
    back = load_result(tmp_path / "results.json")
    assert back.variables == COINS
    assert back.to_dict() == results.to_dict()
    assert results.to_arrow().column_names == list(COINS.columns)
    csv = results.export(tmp_path / "results.csv").read_text().splitlines()
    assert csv[0].replace('"', "") == "cell,coin,bias,repeat,flips,measure,split,layer,value"
    assert csv[1].replace('"', "") == "coin=bent,bent,0.5,0,1,heads,,,0"


@pytest.mark.parametrize("name", ["cell", "value", "two words", "coin", "terms"])
def test_names_that_the_table_has_already_are_refused(name):
    with pytest.raises(StudyError, match=f"experiment 'coins': {name!r} cannot be the name of a factor or step"):
        Variables("coins", COINS.factors, Axis(name))
