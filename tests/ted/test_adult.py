import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks/bench_ted_adult.py"


@pytest.mark.slow
@pytest.mark.shared
def test_reasons_by_plain_rules_are_learnt_from_a_tenth_of_the_rows(shared_data, tmp_path, capsys):
    run = runpy.run_path(str(SCRIPT))
    frame, income, reasons = run["adult"](shared_data / "tables/adult.parquet")
    assert (len(frame), frame.isna().to_numpy().sum() > 3000) == (30_000, True)
    assert {frame[name].dtype.name for name in frame.columns} == {"int64", "category"}
    # The five rules once more, one row at a time.
    for row, (of, why) in enumerate(zip(income[:500], reasons, strict=False)):
        cells = frame.iloc[row]
        if of == "more than 50,000":
            assert why == (0 if cells["capital-gain"] >= 5000 else 1 if cells["education-num"] >= 13 else 2)
        else:
            assert why == (3 if cells["age"] < 28 else 4)
    page = tmp_path / "adult.html"
    run["main"]([str(shared_data / "tables/adult.parquet"), "--missing", "0.9", "--rounds", "10", "--html", str(page)])
    said = capsys.readouterr().out.splitlines()
    found = {line.split()[1]: float(line.split()[2]) for line in said if line.split()[1:2] in (["(Y)"], ["(YE)"])}
    assert found["(Y)"] > 0.85
    assert found["(YE)"] > found["(Y)"] - 0.01
    assert "Rows to check" in page.read_text()
