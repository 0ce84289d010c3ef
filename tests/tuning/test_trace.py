import numpy as np
import pytest

from hashlens.errors import TuningError
from hashlens.testing.result_contract import check_result
from hashlens.tuning import Parameter, Trace, read_traces

FOLDS = [[1.0, 3.0], [0.5, 1.5], [2.0, 2.0]]


def test_the_incumbent_is_the_first_best_finite_trial():
    trace = Trace([3.0, np.inf, 1.0, np.nan, 1.0, 0.5], test_values=[30, 20, 10, 5, 4, 7])
    assert trace.incumbents.tolist() == [-1, 0, 0, 2, 2, 2, 5]
    assert trace.best.tolist() == [np.inf, 3.0, 3.0, 1.0, 1.0, 1.0, 0.5]
    assert trace.test_curve[1:].tolist() == [30, 30, 10, 10, 10, 7]
    assert Trace([1.0, 3.0, -np.inf], "maximize").incumbents.tolist() == [-1, 0, 1, 1]
    assert Trace([]).incumbents.tolist() == [-1]
    assert Trace([np.nan]).incumbents.tolist() == [-1, -1]


def test_it_is_a_result(tmp_path):
    trace = Trace([2.0, 1.0, np.nan], "minimize", [*FOLDS[:2], None], [1.0, 2.0, 3.0], [1, 1, 1],
                  ({"C": 1.0, "kernel": "rbf"}, {"C": 2.0, "kernel": "poly"}, {"C": 1.5, "kernel": "rbf"}),
                  recorded={"regret_bound": [np.nan, 1.0, 2.0]}, name="made")  # fmt: skip
    check_result(trace, tmp_path)
    assert [one.name for one in trace.first(2).space] == ["C", "kernel"]
    assert len(trace.first(2).recorded["regret_bound"]) == 2


def test_a_csv_and_parquet_give_the_same(tmp_path):
    import pyarrow as pa
    from pyarrow import csv, parquet

    columns = {"run": ["a", "a", "b"], "number": [1, 0, 0], "value": [1.0, 2.0, 3.0], "test_value": [1.0, 2.0, 3.0]}
    columns |= {"fold_0": [0.5, 1.0, 2.0], "fold_1": [1.5, 3.0, 4.0], "param_C": [0.1, 0.2, 0.3]}
    table = pa.table(columns)
    csv.write_csv(table, tmp_path / "t.csv")
    parquet.write_table(table, tmp_path / "t.parquet")
    for file in ("t.csv", "t.parquet"):
        first, second = read_traces(tmp_path / file)
        assert (first.name, second.name) == ("a", "b")
        assert first.values.tolist() == [2.0, 1.0]
        assert first.fold_values.tolist() == [[1.0, 3.0], [0.5, 1.5]]
        assert first.parameters == ({"C": 0.2}, {"C": 0.1})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Trace([1.0], "min"), "direction must be minimize or maximize; did you mean 'minimize'"),
        (lambda: Trace([[1.0]]), r"values must be one number a trial, received shape \(1, 1\)"),
        (lambda: Trace([1.0, 2.0], test_values=[1.0]), r"test_values must be 2 numbers, .* received shape \(1,\)"),
        (lambda: Trace(["bad"]), "values must be numbers, one a trial: could not convert string to float: 'bad'"),
        (lambda: Trace([2.0, 1.0], fold_values=[[1, 3], [1, 1, 1]]), "trial 1 has 3 fold values, .* before it have 2"),
        (lambda: Trace([2.0], fold_values=[[2.0]]), "fold_values must have 2 folds or more, received 1"),
        (lambda: Trace([-2.0, -1.0], "maximize", FOLDS[:2]), "trial 0: the value -2 is minus the mean .* are mixed up"),
        (lambda: Trace([1.0], parameters=({"C": 1}, {"C": 2})), "2 trials have parameters, and 1 have values"),
        (lambda: Trace([1.0]).test_curve, "the trace has no test values: add a column test_value"),
        (lambda: Trace([2.0], fold_values=[["a", 1]]), r"fold values of trial 0 must be numbers, received \['a', 1\]"),
        (lambda: Trace([2.0], fold_values=[[[1, 2], [3, 4]]]), "fold values of trial 0 must be a list of numbers"),
        (lambda: Trace([1.0], parameters=({"C": np.inf},)), "'C' must be a finite number, text, .* received inf"),
        (lambda: Trace([1.0], parameters=({"C": [1, 2]},)), r"'C' must be a finite number, text, .* received \[1, 2\]"),
        (lambda: Parameter("C", "float", 1, 10, True).place(0.0), "'C' must be a number above 0, received 0.0"),
        (lambda: Trace([]).require_tests(), "no trial with a finite value, of 0"),
        (lambda: Trace([np.nan], test_values=[1]).require_tests(), "no trial with a finite value, of 1"),
        (lambda: Trace([3, 2, 1], test_values=[1, np.nan, np.nan]).require_tests(), "trial 1: the test value is nan"),
        (
            lambda: Trace([3, 2], test_values=[np.inf, 1]).require_tests(),
            "trial 0: the test value is inf, and the trial",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(make, message):
    with pytest.raises(TuningError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trial,valeu\n0,1\n", "t.csv has no column 'value'; did you mean 'valeu'"),
        ("trial,value\n", "t.csv has no trials"),
        ("value,params\n1,{C\n", "row 1, column 'params': expected JSON, received '{C'"),
        ("value\nhigh\nlow\n", "column 'value': expected numbers, could not convert"),
        ("value,value\n1,2\n", "has several columns 'value': keep one"),
        ("trial,value\na,1\n", "row 1, column 'trial': expected a number, received 'a'"),
        ("trial,value\n0,1\n,2\n", "row 2, column 'trial': expected a number, received None"),
        (
            "trial,value\n0,1\n0,2\n",
            "trial 0 several times in one run: tell runs apart by a column dataset, run or seed",
        ),
        (
            'value,fold_values\n2,"[""a"", 3]"\n',
            "row 1, column 'fold_values': expected a number for each fold, received",
        ),
        ('value,fold_values\n2,"[1, null]"\n', "expected a number for each fold, received"),
        ("value,fold_values\n2,7\n", "row 1, column 'fold_values': expected a number for each fold, received 7"),
        (
            "value,fold_0,fold_1\n2,1,3\n2,1,\n",
            r"row 2, column 'fold_0, ...': expected a number for each fold, received",
        ),
        ("value,params\n1,7\n", "row 1, column 'params': expected an object with a value for each name, received 7"),
        ('value,fold_values\n2,"[1, 3]"\n2,"[1, 2, 3]"\n', "trial 1 has 3 fold values, and trials before it have 2"),
    ],
)
def test_a_bad_file_is_named_with_its_place(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(TuningError, match=message) as caught:
        read_traces(tmp_path / "t.csv")
    assert "\n" not in str(caught.value)


def test_text_that_is_not_utf_8_is_named(tmp_path):
    (tmp_path / "t.csv").write_bytes("run,value\nLäufe,1\n".encode("latin-1"))
    with pytest.raises(TuningError, match=r"column 'run': the text is not UTF-8: save the file as UTF-8"):
        read_traces(tmp_path / "t.csv")


def test_a_trial_without_fold_values_is_none(tmp_path):
    (tmp_path / "t.csv").write_text("value,fold_0,fold_1\n2,1,3\n2,,\n")
    assert np.isnan(read_traces(tmp_path / "t.csv")[0].fold_values).tolist() == [[False, False], [True, True]]


def test_a_file_that_is_none_is_named(tmp_path):
    with pytest.raises(TuningError, match=r"traces are read from \.csv or \.parquet"):
        read_traces(tmp_path / "t.json")
    with pytest.raises(TuningError, match=r"t\.csv cannot be read: there is no such file"):
        read_traces(tmp_path / "t.csv")
