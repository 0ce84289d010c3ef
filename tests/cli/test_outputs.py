"""What commands print and write: JSON alone on standard output, names as text, nothing over what is read."""

import json
import shutil

import pytest

from hashlens.cli.app import run

TEXT = """\
name: {name}
data: {{train: "digits[:200]", test: "digits[200:300]"}}
axes: {{width: [3]}}
training: {{epochs: 1}}
repeats: 1
measures: [redundancy_ratio]
"""
NAMES = ("[/bold]", "[red]x", "{x}", "<b>", "[link=a]b[/link]")


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
        "measure": ["measure", network, "--data", "digits#train", "--test", "digits#test"],
        "explain": ["explain", network, *data, "--id", "1500", "--method", "gradient"],
        "regions at": ["regions", "at", network, *data, "--id", "1500"],
        "index search": ["index", "search", str(made / "index"), str(made / "codes")],
        "study status": ["study", "status", str(made / "study.yaml")],
        "train": ["train", "mlp", "--data", "digits#train", "--width", "3", "--epochs", "0", "--out", "OUT"],
    }


@pytest.mark.parametrize("name", ["measure", "explain", "regions at", "index search", "study status", "train"])
def test_json_goes_to_standard_output_alone(name, made, tmp_path, capsys):
    arguments = [str(tmp_path / "out") if word == "OUT" else word for word in commands(made)[name]]
    assert run([*arguments, "--json", "-"]) == 0
    printed = capsys.readouterr()
    assert "kind" in json.loads(printed.out)
    assert printed.err
    assert not (tmp_path / "-").exists()


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_study_is_text(name, tmp_path, capsys):
    path = tmp_path / "study.yaml"
    path.write_text(TEXT.format(name=json.dumps(name)))
    assert run(["study", "run", str(path)]) == 0
    assert f"{name}: results are kept in" in capsys.readouterr().out
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
    assert "is what is read" in capsys.readouterr().err
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
    arguments = ["measure", str(folder / "net"), "--data", "digits#train", "--test", "digits#test"]
    assert run([*arguments, "--json", str(info), "--force"]) == 2
    assert "is what is read" in capsys.readouterr().err
    assert info.read_bytes() == before


def test_a_password_is_shown_nowhere(made, capsys):
    store = "postgresql://ada:hush@127.0.0.1:1/runs"
    for command in (["study", "run", str(made / "study.yaml"), "--store", store], ["study", "status", store],
                    ["report", store], ["study", "export", store, "a.csv"]):  # fmt: skip
        assert run(command) in (1, 2)
        printed = capsys.readouterr()
        assert "hush" not in printed.out + printed.err


def test_training_on_test_rows_is_not_silent(tmp_path, capsys):
    assert run(["train", "mlp", "--data", "digits", "--epochs", "0", "--out", str(tmp_path / "net")]) == 2
    assert "digits holds its test examples too: train on digits#train" in capsys.readouterr().err
    assert not (tmp_path / "net").exists()
