"""Charts, tables, claims and pages of an experiment that knows no network: no split, text factors, other ranges."""

from itertools import product

import numpy as np
import pytest

from hashlens.plain import from_plain
from hashlens.report.page import page_html
from hashlens.saved.results import load_result
from hashlens.study.charts import curve, effect_table, summarize
from hashlens.study.claims import Difference, Trend, decide
from hashlens.study.page.page import study_page
from hashlens.study.results import Results
from hashlens.study.variables import Axis, Factor, MeasureInfo, Variables
from hashlens.testing.result_contract import check_result

FACTORS = (
    Factor("coin", "which coin", "text", "fair"),
    Factor("tosses", type="int", default=10),
    Factor("bias", type="float", default=0.0, fixed_at="first"),
    Factor("gloves", type="bool", default=False),
)
MEASURES = {
    "heads": MeasureInfo("share of heads", low=0.0, high=1.0),
    "temperature": MeasureInfo(low=-273.15),
    "luck": MeasureInfo(low=-1.0, high=1.0, better="higher", group="feelings"),
    "mood": MeasureInfo(better="higher", group="feelings"),
}


def results(step=None, varied=("coin", "tosses"), repeats=4):
    """Coins that are tossed: `mood` falls with tosses, and a bent coin is luckier."""
    variables = Variables("coins", FACTORS, step, MEASURES)
    levels = {"coin": ["bent", "fair"], "tosses": [10, 20, 40], "bias": [0.0, 0.5], "gloves": [False, True]}
    axes = [levels[name] if name in varied else [factor.default] for factor in FACTORS for name in [factor.name]]
    rows = []
    for cell in product(*axes):
        for repeat, at in product(range(repeats), (0, 1, 5) if step else (0,)):
            rng = np.random.default_rng((repeat, at, cell[1], len(cell[0]), int(2 * cell[2]), int(cell[3])))
            noise = 0.001 * rng.standard_normal(4)
            values = (0.5, 20.0 + at, (cell[0] == "bent") - 0.5, 100.0 - cell[1])
            for name, value in zip(MEASURES, values + noise, strict=True):
                steps = (at,) if step else ()
                rows.append((str(cell), *cell, repeat, *steps, name, "", "", value))
    kinds = dict.fromkeys(variables.text, object)
    columns = zip(variables.columns, zip(*rows, strict=True), strict=True)
    return Results({name: np.array(column, kinds.get(name)) for name, column in columns}, "coins", variables)


STEPS = pytest.mark.parametrize("step", [None, Axis("trial", "trials of the day")])


@pytest.mark.slow
@STEPS
@pytest.mark.parametrize("over", ["coin", "tosses", "bias", "gloves"])
def test_curves_over_factors_of_any_type(step, over, tmp_path):
    by = "coin" if over != "coin" else "tosses"
    where = {"trial": 5} if step else {}
    found = curve(results(step, (over, by)), ("heads", "luck"), over, by=by, where=where)
    assert [series.split for series in found.series] == [""] * len(found.series)
    assert found.title.startswith("share of heads, luck")
    assert " on " not in found.title
    ends = [end for series in found.series for at in series.estimates for end in (at.low, at.high)]
    assert np.isfinite(ends).all()
    check_result(found, tmp_path)


def test_the_step_is_an_axis():
    found = curve(results(Axis("trial", "trials of the day")), "temperature", "trial", by="coin", where={"tosses": 10})
    assert found.levels == (0, 1, 5)
    assert found.figures()[0].x_label == "trials of the day"


def test_intervals_stay_in_the_range_of_their_measure():
    """Four repeats of a mean near the end of [-1, 1], which would reach beyond it."""
    made = results()
    values = made.columns["value"].copy()
    at = made.columns["measure"] == "luck"
    values[at] = np.where(np.arange(at.sum()) % 4 == 0, 0.7, 0.99)
    moved = Results({**made.columns, "value": values}, "coins", made.variables)
    for estimate in curve(moved, "luck", "tosses", by="coin").series[0].estimates:
        assert estimate.mean - 1.96 * 0.07 < 1 < estimate.mean + 0.2
        assert estimate.high < 1


@STEPS
def test_a_summary_has_every_measure(step, tmp_path):
    found = summarize(results(step))
    assert found.factors == ("coin", "tosses", *(("trial",) if step else ()))
    assert found.measures == tuple((name, "") for name in sorted(MEASURES))
    assert found.__rich__().columns[-4:] == ("share of heads", "luck", "mood", "temperature")
    check_result(found, tmp_path)


@STEPS
def test_one_cell_has_a_summary(step):
    found = summarize(results(step, ()))
    assert [row.repeats for row in found.rows] == [4] * (3 if step else 1)


@pytest.mark.slow
@STEPS
def test_effects_of_any_measure(step, tmp_path):
    where = {"trial": 5} if step else {}
    found = effect_table(results(step), where=where, bootstrap=20)
    assert [response.name for response in found.responses] == ["share of heads", "temperature", "luck", "mood"]
    luck, mood = found.responses[2:]
    assert luck.verdict.startswith("luck: coin 100% dominates")
    assert mood.verdict.startswith("mood: tosses 100% dominates")
    assert "logit" not in str(found)
    check_result(found, tmp_path)
    whole = effect_table(results(step), bootstrap=20)
    assert list(whole.ranges) == ["coin", "tosses", *(["trial"] if step else [])]


@pytest.mark.slow
@STEPS
def test_the_page_speaks_of_the_experiment_and_of_no_network(step):
    page = study_page(results(step))
    html = page_html(page)
    titles = [section.title for section in page.sections]
    over = ["Curves over coin", "Curves over tosses", "Curves over trial"][: 2 + bool(step)]
    assert titles[: len(over)] == over
    assert "Variance explained" in titles
    assert page.subtitle.startswith("24 runs in 6 cells")
    for word in ("network", "epoch", "accuracy", "redundancy", "Regimes"):
        assert word not in " ".join((*titles, page.subtitle, page.verdict, page.reason, *page.notes))
    for word in ("which coin", "share of heads", "Feelings"):
        assert word in html


@STEPS
def test_claims_of_any_experiment(step):
    where = {"trial": 5} if step else {}
    falls = Trend(says="mood falls", kind="trend", measures=("mood",), over="tosses", by="coin", direction="falls",
                  step=0.5, where=where)  # fmt: skip
    luckier = Difference(says="bent coins are luckier", kind="difference", measures=("luck",), over="coin",
                         level="bent", above="fair", by="tosses", where=where)  # fmt: skip
    explains = Difference(says="coins make luck", kind="difference", measures=("luck",), factors=("coin",),
                          above="others", where=where)  # fmt: skip
    open_ = Difference(says="gloves do not", kind="difference", measures=("heads",), over="tosses", level=10, above=20,
                       by="coin", where=where)  # fmt: skip
    made = results(step)
    assert [decide(made, claim).verdict for claim in (falls, luckier, explains, open_)] == [
        "reproduced", "reproduced", "reproduced", "inconclusive",
    ]  # fmt: skip


def test_variables_of_earlier_files_open():
    plain = {
        "experiment": "coins",
        "factors": [{"name": "bias", "type": "float", "default": 0.0, "rests": "first"}],
        "measures": {"heads": {"low": 0.0, "may_lack": True}},
    }
    assert from_plain(Variables, plain) == Variables(
        "coins",
        (Factor("bias", type="float", default=0.0, fixed_at="first"),),
        measures={"heads": MeasureInfo(low=0.0, may_be_nan=True)},
    )


def test_results_come_back_with_their_terms(tmp_path):
    import json

    made = results(Axis("trial"))
    (tmp_path / "results.json").write_text(json.dumps(made.to_dict()))
    found = load_result(tmp_path / "results.json")
    assert found.variables == made.variables
