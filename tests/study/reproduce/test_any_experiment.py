"""A reproduction of an experiment that is no one's but the test's: a YAML file with a study, claims and pictures."""

import json

import pytest

from hashlens.errors import StudyError
from hashlens.report.page import page_html
from hashlens.saved.results import load_result
from hashlens.study.reproduce.preset import find_preset
from hashlens.study.reproduce.reproduce import reproduce

COINS = """
title: Coins
shows: Bent coins fall on heads more often.
note: None of them is trained.
reference:
  source: what every child knows
  bands: {heads: 0.1}
  points:
    - {measure: heads, split: "", over: coin, at: {hands: 1}, values: [[fair, 0.5], ["two heads", 1.0]]}
claims:
  - {says: two heads are always heads, kind: threshold, measures: [heads], over: hands, above: 0.99,
     where: {coin: two heads, flips: 1000}}
  - {says: bent coins fall on heads more often, kind: difference, measures: [heads], over: coin, level: bent,
     above: fair, by: hands, where: {flips: 1000}}
  - {says: a second hand helps, kind: difference, measures: [heads], over: hands, level: 2, above: 1,
     where: {coin: fair, flips: 10}}
bars:
  - {says: bent coins fall on heads, measure: heads, at: {coin: [bent, two heads], hands: 1, flips: 1000},
     at_least: 0.7}
  - {says: a fair coin does so half as often as two heads, measure: heads, at: {coin: fair, hands: 1, flips: 1000},
     divided_by: {coin: two heads, hands: 1, flips: 1000}, at_most: 0.4}
pictures:
  heads:
    - {x: coin, by: hands, measures: [heads], where: {flips: 1000}}
study:
  experiment: "COINS_FILE:COINS"
  axes: {coin: [fair, bent, two heads], hands: [1, 2]}
quick: {repeats: 4}
paper: {repeats: 8}
"""


@pytest.fixture
def coins(tmp_path, request):
    file = request.path.parents[1] / "coins.py"
    path = tmp_path / "coins.yaml"
    path.write_text(COINS.replace("COINS_FILE", str(file)))
    return path


@pytest.mark.slow
def test_any_experiment_has_reproductions(coins, tmp_path):
    done = reproduce(str(coins), out=tmp_path / "out")
    assert [finding.verdict for finding in done.findings] == ["reproduced", "reproduced", "inconclusive"]
    assert "more repeats are needed" in " ".join(str(done.findings[2]).split())
    assert done.inside
    assert [check.met for check in done.bars] == [True, False]
    assert "1 of 2 bars are met by medians; not met: a fair coin" in " ".join(done.conclusion())
    assert {"heads.png", "report.html", "table.md", "study.yaml"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert "bent coins fall on heads more often" in page_html(done.page())
    again = reproduce(str(coins), out=tmp_path / "out")
    assert again.provenance.trained_now == 0
    assert again.findings == done.findings
    (tmp_path / "done.json").write_text(json.dumps(done.to_dict()))
    assert load_result(tmp_path / "done.json").findings == done.findings
    assert load_result(tmp_path / "done.json").bars == done.bars


BAD = {
    "title: Coins\n": ("", "title: is missing"),
    "kind: threshold": ("kind: treshold", "line 11: claims[0].kind: a claim has a kind: received 'treshold'"),
    "over: coin, at": ("ovre: coin, at", "line 9: reference.points[0].over: is missing"),
    "quick: {repeats: 4}": ("quick: {repeats: 4}\nquikc: 3", "unknown field; did you mean 'quick'?"),
}


@pytest.mark.parametrize("right", BAD)
def test_a_file_that_cannot_be_read_names_field_and_line(coins, right):
    wrong, message = BAD[right]
    coins.write_text(coins.read_text().replace(right, wrong))
    with pytest.raises(StudyError) as raised:
        find_preset(str(coins))
    assert str(raised.value).startswith(str(coins))
    assert message in str(raised.value)


@pytest.mark.parametrize("key", ["durations", "took"])
def test_durations_have_the_key_of_earlier_files_too(coins, key):
    coins.write_text(f"{coins.read_text()}{key}: {{quick: 1 s}}\n")
    assert find_preset(str(coins)).durations == {"quick": "1 s"}


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(StudyError, match="there is no such file; expected the YAML file of a reproduction"):
        find_preset(str(tmp_path / "none.yaml"))
