"""Ours pass the contract of an experiment; what gives other rows when it is packed otherwise does not."""

from pathlib import Path

import pytest

from hashlens.study.experiment import Outcome
from hashlens.study.row import Row
from hashlens.study.spec import StudySpec
from hashlens.study.study import Study
from hashlens.testing.experiment_contract import check_experiment, check_packing

COINS = f"{Path(__file__).parents[1] / 'study' / 'coins.py'}:COINS"
SMALL = {"axes": {"coin": ["fair", "two heads"]}, "repeats": 2, "most": 200}
NETWORKS = {
    "data": {"train": "digits[:60]", "test": "digits[60:100]"}, "axes": {"width": [3, 6], "epochs": [0, 1]},
    "training": {"epochs": 1}, "repeats": 2, "measures": ["redundancy_ratio", "network_accuracy"],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("fields", [{"experiment": COINS, **SMALL}, NETWORKS], ids=["coins", "networks"])
def test_an_experiment_keeps_the_contract(fields, tmp_path):
    assert len(check_experiment(fields, tmp_path)) > 4


def test_numbers_that_hang_on_the_pack_break_it(tmp_path):
    study = Study(StudySpec(experiment=COINS, **SMALL), tmp_path / "coins.db").run()
    check_packing(study)

    class Packed(type(study.experiment)):
        def run(self, pack, resources, reporter):
            for run in pack:
                yield Outcome(run, [Row(step=10, measure="heads", value=1 / len(pack))])

    study.experiment = Packed()
    with pytest.raises(AssertionError, match=r"runs done alone: .* rows differ"):
        check_packing(study)
