"""What commands print and write: JSON alone on standard output, names as text, nothing over what is read."""

import io
import json
import os
import shutil
import sys

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

import hashlens as hl
from hashlens.audit import Audit
from hashlens.cli import main
from hashlens.cli.app import run

TEXT = """\
name: {name}
data: {{train: "digits[:200]", test: "digits[200:300]"}}
axes: {{width: [3]}}
training: {{epochs: 1}}
repeats: 1
measures: [redundancy_ratio]
"""
NAMES = ("[/bold]", "[red]x", "{x}", "<b>", "[link=a]b[/link]", "a:b:c", ":warning:")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    network = str(folder / "net")
    assert run(["train", "mlp", "--data", "digits#train", "--width", "8", "--epochs", "1", "--out", network]) == 0
    assert run(["encode", network, "--data", "digits#test", "--out", str(folder / "codes")]) == 0
    assert run(["index", "build", str(folder / "codes"), "--out", str(folder / "index")]) == 0
    (folder / "study.yaml").write_text(TEXT.format(name="small"))
    assert run(["study", "run", str(folder / "study.yaml")]) == 0
    return folder


def commands(made):
    network, data = str(made / "net"), ["--data", "digits#test"]
    return {
        "measure": ["measure", network, "--train", "digits#train", "--test", "digits#test"],
        "explain": ["explain", network, *data, "--id", "1500", "--method", "gradient"],
        "regions at": ["regions", "at", network, *data, "--id", "1500"],
        "index search": ["index", "search", str(made / "index"), str(made / "codes")],
        "study status": ["study", "status", str(made / "study.yaml")],
        "train": ["train", "mlp", "--data", "digits#train", "--width", "3", "--epochs", "0", "--out", "OUT"],
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["measure", "explain", "regions at", "index search", "study status", "train"])
def test_json_goes_to_standard_output_alone(name, made, tmp_path, capsys):
    arguments = [str(tmp_path / "out") if word == "OUT" else word for word in commands(made)[name]]
    assert run([*arguments, "--json", "-"]) == 0
    printed = capsys.readouterr()
    assert "kind" in json.loads(printed.out)
    assert printed.err
    assert not (tmp_path / "-").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_study_is_text(name, tmp_path, capsys):
    path = tmp_path / "study.yaml"
    path.write_text(TEXT.format(name=json.dumps(name)))
    assert run(["study", "run", str(path)]) == 0
    assert f"{name}: results are stored in" in capsys.readouterr().out
    for more in (["study", "status", str(path)], ["report", str(path), "-o", str(tmp_path / "page.html")]):
        assert run(more) == 0
        assert name in capsys.readouterr().out


@pytest.mark.parametrize(
    ("reads", "writes"),
    [
        ("study.db", "study.db"),
        ("study.yaml", "study.db"),
        ("study.yaml", "study.yaml"),
        ("codes", "codes/bits.npy"),
        ("codes", "codes/../codes/manifest.json"),
        ("net", "net/model.safetensors"),
        ("index", "index/manifest.json"),
    ],
)
def test_a_page_is_not_written_over_what_it_is_of(reads, writes, made, tmp_path, capsys):
    folder = tmp_path / "made"
    shutil.copytree(made, folder)
    before = (folder / writes).read_bytes()
    assert run(["report", str(folder / reads), "-o", str(folder / writes), "--force"]) == 2
    assert "is read as input" in capsys.readouterr().err
    assert (folder / writes).read_bytes() == before


def test_a_page_beside_what_it_is_of_is_written_again(made, tmp_path):
    folder = tmp_path / "made"
    shutil.copytree(made, folder)
    for _ in range(2):
        assert run(["report", str(folder / "net"), "-o", str(folder / "net/report.html"), "--force"]) == 0


def test_a_result_is_not_written_over_the_network_or_the_data(made, tmp_path, capsys):
    folder = tmp_path / "made"
    shutil.copytree(made, folder)
    info = folder / "net/network.json"
    before = info.read_bytes()
    arguments = ["measure", str(folder / "net"), "--train", "digits#train", "--test", "digits#test"]
    assert run([*arguments, "--json", str(info), "--force"]) == 2
    assert "is read as input" in capsys.readouterr().err
    assert info.read_bytes() == before


def test_arrays_beside_the_json_are_written_over_as_it_is(made, tmp_path, capsys):
    beside = tmp_path / "a.arrays.npz"
    np.savez(beside, x=np.zeros((2, 64), np.float32), y=np.array([0, 1]))
    before = beside.read_bytes()
    measure = ["measure", str(made / "net"), "--train", "digits#train", "--test"]
    assert run([*measure, "digits#test", "--json", str(tmp_path / "a.json")]) == 2
    assert f"{beside} exists already" in "".join(capsys.readouterr().err.splitlines())
    assert run([*measure, f"npz:{beside}", "--json", str(tmp_path / "a.json"), "--force"]) == 2
    assert f"{beside} is read as input" in capsys.readouterr().err
    assert beside.read_bytes() == before
    assert not (tmp_path / "a.json").exists()


def test_a_password_is_shown_nowhere(made, capsys):
    store = "postgresql://ada:hush@127.0.0.1:1/runs"
    for command in (["study", "run", str(made / "study.yaml"), "--store", store], ["study", "status", store],
                    ["report", store], ["study", "export", store, "a.csv"]):  # fmt: skip
        assert run(command) in (1, 2)
        printed = capsys.readouterr()
        assert "hush" not in printed.out + printed.err


def test_training_on_test_rows_is_not_silent(tmp_path, capsys):
    assert run(["train", "mlp", "--data", "digits", "--epochs", "0", "--out", str(tmp_path / "net")]) == 2
    assert "digits also contains the test examples: train on digits#train" in capsys.readouterr().err
    assert not (tmp_path / "net").exists()


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """Images in folders, and under names, that a terminal, a browser, a spreadsheet or matplotlib would act on."""
    folder = tmp_path_factory.mktemp("named")
    drawn = np.random.default_rng(0)
    for place, kind in enumerate(("\x1b[31mred\x1b[0m", "\u202egnp", "$\\x$", "_low", "=1+1")):
        (folder / "images" / kind).mkdir(parents=True)
        for one in range(5):
            pixels = drawn.integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(pixels).save(folder / "images" / kind / f"=\x1b]0;{place}{one}\x07.png")
    arguments = ["--data", f"folder:{folder}/images"]
    assert run(["train", "mlp", *arguments, "--width", "8", "--epochs", "1", "--out", str(folder / "net")]) == 0
    assert run(["encode", str(folder / "net"), *arguments, "--out", str(folder / "codes")]) == 0
    assert run(["index", "build", str(folder / "codes"), "--out", str(folder / "index")]) == 0
    return folder


ACTED_ON = ("\x1b", "\x07", "\u202e")


@pytest.mark.slow
def test_no_terminal_acts_on_a_name(named, tmp_path, capsys):
    net, data = str(named / "net"), f"folder:{named}/images"
    first, *_, last = hl.load_data(data).ids
    for command in (
        ["measure", net, "--train", data, "--test", data, "--no-controls", "--html", str(tmp_path / "m.html")],
        ["index", "search", str(named / "index"), str(named / "codes")],
        ["regions", "at", net, "--data", data],
        ["regions", "along", net, "--data", data, "--from", first, "--to", last, "--out", str(tmp_path / "a.svg")],
        ["explain", net, "--data", data, "--id", first, "-m", "gradient", "-o", str(tmp_path / "e.png")],
        ["explain", net, "--data", data, "--id", "\x1b[31m"],
        ["report", str(named / "codes"), "-o", str(tmp_path / "c.html")],
        ["measure", "\x1b[31m\u202e", "--train", data, "--test", data],
    ):
        assert run(command) == (2 if "\x1b[31m" in command[-1] or command[1][0] == "\x1b" else 0)
        printed = capsys.readouterr()
        assert not [sign for sign in ACTED_ON if sign in printed.out + printed.err]
    for page in tmp_path.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not [sign for sign in ACTED_ON if sign in text]


def test_codes_of_files_are_exported_with_their_names(named, tmp_path):
    net, data = str(named / "net"), f"folder:{named}/images"
    table = tmp_path / "codes.parquet"
    assert run(["encode", net, "--data", data, "--out", str(tmp_path / "codes"), "--export", str(table)]) == 0
    assert pyarrow.parquet.read_table(table)["id"].to_pylist() == hl.load_data(data).ids.tolist()


@pytest.mark.slow
def test_standard_output_takes_json_alone(made, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    net, codes = str(made / "net"), str(made / "codes")
    for command in (
        ["report", codes, "-o", "-"],
        ["encode", net, "--data", "digits#test", "--out", "-"],
        ["index", "search", str(made / "index"), codes, "-o", "-"],
        ["index", "build", codes, "-o", "-"],
        ["measure", net, "--train", "digits#train", "--test", "digits#test", "--html", "-"],
        ["audit", net, "--train", "digits#train", "--test", "digits#test", "--csv", "-"],
        ["train", "mlp", "--data", "digits#train", "--epochs", "0", "--out", "-"],
        ["study", "init", "-"],
        ["study", "export", str(made / "study.yaml"), "-"],
        ["demo", "--out", "-"],
        ["reproduce", "digits-width", "--out", "-"],
    ):
        assert run(command) == 2
        assert "- is standard output, which is for JSON only" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_results_do_not_lie_in_each_other(made, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    net, data = str(made / "net"), ["--data", "digits#test[:9]"]
    assert run(["encode", net, *data, "--out", "codes", "--export", "codes/codes.parquet"]) == 2
    assert "one of codes/codes.parquet and codes lies inside the other" in capsys.readouterr().err
    both = ["--data", "digits#train[:99]", "--test", "digits#test[:99]"]
    (tmp_path / "x").mkdir()
    assert run(["measure", net, *both, "--html", "p.html", "--json", "x/../p.html"]) == 2
    assert "two results have the path" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x"]
    assert run(["audit", net, *both, "--csv", "audit", "--html", "audit/audit.html", "--json", "audit/all.json"]) == 0
    assert {"audit.html", "all.json", "leaks.csv"} <= {path.name for path in (tmp_path / "audit").iterdir()}


def test_code_that_is_named_is_read_too(made, tmp_path, capsys):
    source = tmp_path / "calls.py"
    source.write_text("def forward(network, batch): return network(batch)\n")
    command = ["encode", str(made / "net"), "--data", "digits#test[:9]", "--out", str(tmp_path / "codes")]
    assert run([*command, "--forward", f"{source}:forward", "--export", str(source), "--force"]) == 2
    assert "is read as input" in capsys.readouterr().err
    assert source.read_text().startswith("def forward")


def test_a_page_is_written_as_a_page(made, tmp_path, capsys):
    mine = tmp_path / "mine.npz"
    mine.write_bytes(b"mine")
    assert run(["report", str(made / "codes"), "-o", str(mine), "--force"]) == 2
    assert "mine.npz: pages are written as .html or .htm" in capsys.readouterr().err
    assert mine.read_bytes() == b"mine"


def test_what_else_lies_in_a_folder_of_codes_is_not_lost(made, tmp_path, capsys):
    codes = tmp_path / "codes"
    shutil.copytree(made / "codes", codes)
    assert run(["report", str(codes), "-o", str(codes / "report.html")]) == 0
    again = ["encode", str(made / "net"), "--data", "digits#test[:9]", "--out", str(codes), "--force"]
    assert run(again) == 0
    (codes / "notes.txt").write_text("mine")
    assert run(again) == 2
    assert "holds 'notes.txt' besides the folder of codes, which would be lost" in capsys.readouterr().err
    assert (codes / "notes.txt").read_text() == "mine"


def test_paths_that_are_none_are_told_in_one_line(made, tmp_path, capsys):
    command = ["encode", str(made / "net"), "--data", "digits#test[:9]", "--out"]
    assert run([*command, str(tmp_path / ("x" * 300))]) == 2
    assert "File name too long; choose another path" in capsys.readouterr().err
    for memory in ("nan", "inf", "0"):
        both = ["--data", "digits#train[:99]", "--test", "digits#test[:99]"]
        assert run(["measure", str(made / "net"), *both, "--memory-budget", memory]) == 2
        assert f"--memory-budget is a number of GiB, more than 0, received {memory}" in capsys.readouterr().err


def test_links_to_what_is_read_are_found(made, tmp_path, capsys):
    folder = tmp_path / "made"
    shutil.copytree(made, folder)
    weights = folder / "net/model.safetensors"
    os.symlink(weights, tmp_path / "soft.json")
    both = ["--data", "digits#train[:99]", "--test", "digits#test[:99]"]
    before = weights.read_bytes()
    os.symlink(folder / "net", tmp_path / "net")
    for network, place in ((folder / "net", "soft.json"), (tmp_path / "net", "made/net/network.json")):
        assert run(["measure", str(network), *both, "--json", str(tmp_path / place), "--force"]) == 2
        assert "is read as input" in capsys.readouterr().err
    assert weights.read_bytes() == before


def test_an_audit_is_read_back_with_the_names_that_its_tables_guard(named, tmp_path):
    net, data = str(named / "net"), f"folder:{named}/images"
    both = ["--data", f"{data}[:23]", "--test", f"{data}[1:]"]
    assert run(["audit", net, *both, "--csv", str(tmp_path / "audit")]) == 0
    assert "'=1+1/=" in (tmp_path / "audit/label-issues-test.csv").read_text(encoding="utf-8")
    read = Audit.load(tmp_path / "audit")
    assert set(read.label_issues.test.ids.tolist()) <= set(hl.load_data(data).ids.tolist())
    assert read.class_names == hl.load_data(data).class_names


def test_an_encoding_without_the_letters_of_a_name_gets_escapes(made, tmp_path, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii", write_through=True))
    out = tmp_path / "測試"
    monkeypatch.setattr(
        "sys.argv", ["hashlens", "encode", str(made / "net"), "--data", "digits#test[:5]", "--out", str(out)]
    )
    with pytest.raises(SystemExit) as over:
        main()
    assert over.value.code == 0
    assert b"\\u6e2c\\u8a66: 5 codes of 8 bits" in written.getvalue()
    assert out.is_dir()


def test_ctrl_c_while_modules_are_read_is_one_line(monkeypatch, capsys):
    def pressed(name, *_):
        raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "hashlens.cli.app")
    monkeypatch.setattr("sys.meta_path", [type("Pressed", (), {"find_spec": staticmethod(pressed)}), *sys.meta_path])
    with pytest.raises(SystemExit) as over:
        main()
    assert over.value.code == 130
    assert capsys.readouterr().err == "hashlens: stopped\n"
