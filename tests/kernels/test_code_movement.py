"""How far training moves codes from their limit, as a measure of studies of networks."""

import numpy as np
import pytest

import hashlens as hl
from hashlens.errors import StudyError
from hashlens.kernels import compare_codes
from hashlens.kernels.code_movement import EXAMPLES
from hashlens.nets import build
from hashlens.result import Split
from hashlens.study.networks.evaluate import Evaluation, evaluate
from hashlens.study.spec import StudySpec
from hashlens.study.study import Study

MEASURES = ("code_movement",)
NAMES = ("code_movement", "code_movement_random")


def test_it_is_what_the_comparison_with_the_limit_finds():
    data = Split(hl.load_data("digits[:60]").load(), hl.load_data("digits[60:120]").load())
    network = build("mlp", input_shape=(1, 8, 8), classes=10, width=16, depth=2, init="he", seed=1)
    rows = evaluate(network, 3, Evaluation(data, {}, MEASURES, init="he"))
    compared = compare_codes(network, data.test, init="he", examples=EXAMPLES, draws=1)
    found = {(row.measure, row.layer): row.value for row in rows}
    assert {(row.step, row.split) for row in rows} == {(3, "test")}
    for name, values in zip(NAMES, (compared.moved, compared.random), strict=True):
        assert [found[name, layer] for layer in compared.layers] == values.tolist()
        assert found[name, ""] == pytest.approx(np.sqrt(np.mean(values**2)))


def test_training_moves_codes_in_a_study(tmp_path):
    fields = {"data": {"train": "digits[:200]", "test": "digits[200:260]"}, "measures": ["code_movement"],
              "axes": {"width": [64], "epochs": [0, 60]}, "training": {"recipe": "figures", "init": "he"}}  # fmt: skip
    study = Study(StudySpec(**fields), tmp_path / "codes.db").run()
    assert study.status().finished, study.status().failures
    start, end = (study.results.where(epochs=epochs, layer="", measure="code_movement").columns["value"]
                  for epochs in (0, 60))  # fmt: skip
    assert end > start
    assert len(study.results.where(layer="hidden.0.relu")) == 4


def test_a_network_without_a_limit_is_refused_before_the_study(tmp_path):
    fields = {"data": {"train": "digits[:200]", "test": "digits[200:260]"}, "measures": ["code_movement"],
              "axes": {"batch_norm": [True]}, "training": {"epochs": 1}}  # fmt: skip
    with pytest.raises(StudyError, match=r"measures\[0\].*'code_movement' cannot be measured.*BatchNorm"):
        Study(StudySpec(**fields), tmp_path / "codes.db").run()
