"""Findings are shown, drawn, written and read back; those of earlier versions open."""

import json

import numpy as np
import pytest

from hashlens.saved.results import load_result
from hashlens.study.claims import Trend, decide
from hashlens.study.claims.finding import EarlierFinding
from hashlens.testing.result_contract import check_result

EARLIER = {
    "kind": "Finding", "schema_version": 1, "says": "R falls with width", "holding": 1, "tested": 2,
    "evidence": ["R test: 0.9 at 10, 0.1 at 100, rises by 0.020 from 20 to 27"],
}  # fmt: skip


@pytest.fixture(params=[1, 4])
def finding(made, request):
    def measure(repeat, width, **_):
        return {("a", "test"): 1 / width + 0.001 * np.random.default_rng((repeat, width)).standard_normal()}

    results = made({"width": [10, 20, 40]}, measure, repeats=request.param)
    return decide(results, Trend(says="a falls", kind="trend", measures=("a",), over="width", direction="falls",
                                 step=0.001))  # fmt: skip


def test_a_finding_is_a_result(finding, tmp_path):
    check_result(finding, tmp_path)
    body = json.loads(json.dumps(finding.to_dict()))
    assert body["verdict"] == finding.verdict
    assert [line["verdict"] for line in body["lines"]] == [line.verdict for line in finding.lines]


def test_an_earlier_finding_opens_as_what_it_was(tmp_path):
    path = tmp_path / "finding.json"
    path.write_text(json.dumps(EARLIER))
    found = load_result(path)
    assert isinstance(found, EarlierFinding)
    assert (found.true_count, found.tested_count) == (1, 2)
    said = (
        "R falls with width: held on means for 1 of 2, not for the others, which is not a verdict – R test: 0.9 at 10"
    )
    assert said in " ".join(str(found).split())
    (tmp_path / "again").mkdir()
    check_result(found, tmp_path / "again")
