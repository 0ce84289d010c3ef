"""The command line from end to end, in a process of its own where exit statuses matter."""

import html
import json
import re
import shlex

import pytest

from hashlens.cli.app import run


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    out = tmp_path_factory.mktemp("train") / "net"
    arguments = ["train", "mlp", "--data", "digits#train", "--test", "digits#test", "--width", "24"]
    assert run([*arguments, "--epochs", "15", "--out", str(out), "--seed", "1"]) == 0
    return out


@pytest.mark.slow
def test_measure_writes_json_and_a_page(network, tmp_path, capsys):
    target, page = tmp_path / "measure.json", tmp_path / "report.html"
    arguments = ["measure", str(network), "--train", "digits#train", "--test", "digits#test"]
    assert run([*arguments, "--json", str(target), "--html", str(page), "--logistic", "one-vs-one"]) == 0
    assert "redundancy ratio R" in capsys.readouterr().out
    found = json.loads(target.read_text())
    assert found["code_bits"] == 24
    assert 0 < found["informative_bits"] <= 24
    assert set(found["redundancy_ratio"]) == {"train", "test"}
    own = found["categorization"]
    assert {"knn", "logistic", "kmeans_purity", "kmeans_hungarian"} <= set(own)
    assert set(own["kmeans_purity"]) == set(own["kmeans_hungarian"]) == {"train", "test"}
    assert own["logistic_method"] == "one-vs-one"
    assert set(found["network_accuracy"]) == {"train", "test"}
    assert set(found["controls"]) == {"untrained", "random_hyperplanes", "raw_inputs", "penultimate"}
    assert all(control["available"] for control in found["controls"].values())
    assert set(found["conflicts"]) == {"train", "test"}
    assert found["regime"]["name"] in ("under-expressive", "critically-expressive", "sufficiently-expressive")
    assert found["provenance"]["train"]["data"] == "digits#train"
    text = page.read_text()
    assert found["regime"]["name"] in text.lower()
    markup = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"""(src|href)=["']?(https?:)?//|@import|url\(["']?http""", markup)
    typed = ["hashlens", *arguments, "--json", str(target), "--html", str(page), "--logistic", "one-vs-one"]
    assert shlex.split(found["command"]) == typed
    assert html.escape(found["command"]).replace("&#x27;", "&#39;") in text


def test_encode_writes_codes_and_parquet(network, tmp_path, capsys):
    import pandas as pd

    import hashlens as hl

    out, table = tmp_path / "codes", tmp_path / "codes.parquet"
    assert run(["encode", str(network), "--data", "digits#test", "--out", str(out), "--export", str(table)]) == 0
    assert "360 codes of 24 bits" in capsys.readouterr().out
    codes = hl.Codes.load(out)
    assert len(codes) == len(pd.read_parquet(table)) == 360


def test_the_same_seed_gives_the_same_network(network, tmp_path):
    arguments = ["train", "mlp", "--data", "digits#train", "--test", "digits#test", "--width", "24"]
    assert run([*arguments, "--epochs", "15", "--out", str(tmp_path / "net"), "--seed", "1"]) == 0
    assert (tmp_path / "net/model.safetensors").read_bytes() == (network / "model.safetensors").read_bytes()


def test_the_loss_is_named_wherever_the_network_is(tmp_path, capsys):
    arguments = ["train", "mlp", "--data", "digits#train[:100]", "--width", "6", "--epochs", "2", "--checkpoint", "1"]
    assert run([*arguments, "--loss", "mse", "--out", str(tmp_path / "net")]) == 0
    assert json.loads((tmp_path / "net/network.json").read_text())["recipe"]["loss"] == "mse"
    assert run(["report", str(tmp_path / "net"), "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "train loss (mse)" in page
    assert "mean squared error" in page
    assert "nats" not in page


MISTAKES = {
    "unknown source": (["measure", "NET", "--train", "digit", "--test", "digits#test"], "did you mean 'digits'"),
    "missing parquet": (["measure", "NET", "--train", "parquet:/nowhere#train", "--test", "digits"], "/nowhere"),
    "unknown layer": (
        ["encode", "NET", "--data", "digits#train", "--out", "OUT", "--layers", "hiden*"],
        "no layer matches",
    ),
    "unknown architecture": (
        ["train", "resnet19", "--data", "digits#train", "--out", "OUT"],
        "did you mean 'resnet18'",
    ),
    "unknown recipe": (["train", "mlp", "--data", "digits#train", "--out", "OUT", "--recipe", "figure"], "'figures'"),
    "unknown loss": (["train", "mlp", "--data", "digits#train", "--out", "OUT", "--loss", "mes"], "did you mean 'mse'"),
    "no model": (["encode", "nowhere/net", "--data", "digits#train", "--out", "OUT"], "nowhere/net"),
    "existing output": (["encode", "NET", "--data", "digits#train", "--out", "NET"], "is read as input"),
    "no cuda": (["encode", "NET", "--data", "digits#train", "--out", "OUT", "--device", "cuda:9"], "CUDA"),
    "k too large": (["measure", "NET", "--train", "digits[:20]", "--test", "digits#test", "-k", "40"], "k=40"),
    "missing option": (["encode", "NET", "--data", "digits#train"], "--out"),
    "unknown option": (["encode", "NET", "--dta", "digits"], "--dta"),
    "unknown command": (["mesure"], "mesure"),
    "wrong type": (["encode", "NET", "--data", "digits#train", "--out", "OUT", "--bits", "many"], "--bits"),
    "bad granularity": (
        ["encode", "NET", "--data", "digits#train", "--out", "OUT", "--granularity", "x"],
        "granularity",
    ),
    "bad logistic": (
        ["measure", "NET", "--train", "digits#train", "--test", "digits", "--logistic", "ovo"],
        "one-vs-one",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_exit_2(name, network, tmp_path, capsys):
    arguments, message = MISTAKES[name]
    places = {"NET": str(network), "OUT": str(tmp_path / "out")}
    assert run([places.get(argument, argument) for argument in arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert message in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback():
    from hashlens.errors import HashlensError

    with pytest.raises(HashlensError):
        run(["encode", "nowhere/net", "--data", "digits#train", "--out", "out", "--debug"])


def test_no_command_prints_the_help_alone(capsys):
    assert run([]) == 2
    printed = capsys.readouterr()
    assert "measure" in printed.out
    assert printed.err == ""


def test_help_lists_the_commands(capsys):
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(command in text for command in ("demo", "train", "measure", "encode"))


def test_an_interrupted_encoding_says_so_and_leaves_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [
        "import torch",
        "class Net(torch.nn.Module):",
        "    def forward(self, x):",
        "        raise KeyboardInterrupt",
    ]
    (tmp_path / "stops.py").write_text("\n".join(lines))
    assert run(["encode", "stops.py:Net", "--data", "digits#train", "--out", "codes"]) == 130
    assert capsys.readouterr().err.strip() == "hashlens: stopped"
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["stops.py"]


def test_a_result_that_cannot_be_written_is_said_before_the_training(network, tmp_path, capsys):
    arguments = ["train", "mlp", "--data", "digits#train", "--epochs", "1", "--out", str(tmp_path / "net")]
    assert run([*arguments, "--json", str(network / "network.json")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
