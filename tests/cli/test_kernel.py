"""``hashlens kernel`` from end to end."""

import json

import numpy as np
import pytest

import hashlens as hl
from hashlens.cli.app import run
from hashlens.errors import KernelError
from hashlens.kernels import compute, from_module
from hashlens.kernels.named import parse_network
from hashlens.kernels.summary import summarise
from hashlens.saved import load_result
from hashlens.testing.result_contract import check_result


def test_compute_writes_what_the_library_computes(tmp_path, capsys):
    out, page, digits = (
        tmp_path / "k.npy",
        tmp_path / "k.html",
        hl.load_data("digits#test").narrow(0, 40).load().tensor().double(),
    )
    command = ["kernel", "compute", "fc:2", "digits#test", "--out", str(out), "--limit", "40", "--bias-variance", "0.1"]
    assert run([*command, "--html", str(page)]) == 0
    network = parse_network("fc:2", 2.0, 0.1)
    assert np.allclose(np.load(out), compute(network, digits, None, ("ntk",)).ntk, rtol=1e-13)
    assert "40 x 40, float64" in " ".join(capsys.readouterr().out.split())
    assert "Eigenvalues of 40 examples" in page.read_text()
    assert run(command) == 2
    assert "exists already" in capsys.readouterr().err
    several = [*command, "--force", "--kernel", "nngp", "--others", "digits#train", "--dtype", "float32"]
    assert run(several) == 0
    assert np.load(out).shape == (40, 40)
    assert np.load(out).dtype == np.float32


def test_predict_says_how_many_are_right_and_writes_a_page(tmp_path, capsys):
    page, numbers = tmp_path / "p.html", tmp_path / "p.json"
    command = ["kernel", "predict", "fc:2", "--train", "digits#train", "--test", "digits#test", "--limit", "300",
               "--diag-reg", "0.001", "--diag-reg", "100", "--html", str(page), "--json", str(numbers)]  # fmt: skip
    assert run(command) == 0
    found = load_result(numbers)
    assert (found.kernel, found.train, found.test) == ("ntk", 300, 360)
    assert found.accuracy[0] > 0.85
    assert found.loss[0] < found.loss[1]
    assert found.intervals[0][0] < found.accuracy[0] < found.intervals[0][1]
    assert "Test accuracy, NTK" in page.read_text()
    assert f"{found.accuracy[0]:.4f}" in capsys.readouterr().out


def test_compare_shows_how_far_codes_are_from_their_limit(tmp_path, capsys):
    folder, page = tmp_path / "net", tmp_path / "c.html"
    hl.train("mlp", "digits#train", epochs=1, depth=2, width=40, out=folder)
    command = ["kernel", "compare", str(folder), "digits#test", "--examples", "50", "--html", str(page), "--json", "-"]
    assert run(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["layers"] == ["hidden.0.relu", "hidden.1.relu"]
    assert found["examples"] == 50
    assert "Distance of the code kernel to its limit" in page.read_text()


def test_a_model_names_its_structure(tmp_path):
    folder, out = tmp_path / "net", tmp_path / "k.npy"
    trained = hl.train("mlp", "digits#train", epochs=1, width=20, out=folder)
    command = ["kernel", "compute", str(folder), "digits#test", "--limit", "9", "--out", str(out), "--init", "he"]
    assert run(command) == 0
    x = hl.load_data("digits#test").narrow(0, 9).load().tensor().double()
    assert np.allclose(np.load(out), compute(from_module(trained.network, init="he"), x, None, ("ntk",)).ntk)


def test_the_summary_of_a_kernel_is_of_its_values(tmp_path):
    x = np.random.default_rng(0).standard_normal((50, 6))
    network = parse_network("fc:1")
    kernel = compute(network, x).ntk
    found = summarise(kernel, network, "ntk", "k.npy", True)
    assert found.diagonal == pytest.approx(np.trace(kernel) / 50)
    assert sum(found.eigenvalues) == pytest.approx(np.trace(kernel))
    assert found.bfloat16_size < found.float32_size
    assert sum(found.counts) == 50 * 49
    check_result(found, tmp_path)
    across = summarise(kernel[:, :20], network, "ntk", "k.npy", False)
    assert (across.eigenvalues, across.diagonal, sum(across.counts)) == ((), None, 1000)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fcc:3", "did you mean 'fc:3'"),
        ("vc:2:erf", "did you mean 'vec:2:erf'"),
        ("fc:three", "unknown network 'fc:three': write fc:DEPTH"),
        ("fc:2:rely", "did you mean 'relu'"),
        ("gap", "or"),
    ],
)
def test_unknown_networks_are_refused(name, said):
    with pytest.raises(KernelError, match=said):
        parse_network(name)


def test_a_misspelt_network_is_no_module(tmp_path, capsys):
    assert run(["kernel", "compute", "fcc:3", "digits#test", "--out", str(tmp_path / "k.npy")]) != 0
    assert "did you mean 'fc:3'" in capsys.readouterr().err


IMAGES = np.random.default_rng(0).standard_normal((12, 1, 8, 8)).astype(np.float32)
LABELS = np.arange(12) % 3
HOLED = IMAGES.copy()
HOLED[7, 0, 2, 2] = np.nan
MODELS = """
from torch import nn
def narrow(): return nn.Sequential(nn.Flatten(), nn.Linear(10, 6), nn.ReLU(), nn.Linear(6, 3))
def coloured(): return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 3))
def cropped(): return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 3))
def batched(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))
def headless(): return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
"""


@pytest.fixture
def wrong_inputs(tmp_path, monkeypatch):
    """Files of examples and of models, in the folder in which commands run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.py").write_text(MODELS)
    sets = {
        "right": (IMAGES, LABELS),
        "holed": (HOLED, LABELS),
        "coloured": (np.repeat(IMAGES, 3, 1), LABELS),
        "table": (IMAGES.reshape(12, 64), LABELS),
        "alike": (IMAGES, LABELS * 0),
        "partly": (IMAGES, LABELS - 1),
    }
    for name, (x, y) in sets.items():
        np.savez(tmp_path / f"{name}.npz", x=x, y=y)
    np.savez(tmp_path / "unlabelled.npz", x=IMAGES)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("compute models.py:narrow npz:right.npz --out k.npy", "takes 10 features, and the inputs give it 64"),
        ("compute models.py:coloured npz:right.npz --out k.npy", "takes 3 channels, and the inputs give it 1"),
        ("compute models.py:cropped npz:right.npz --out k.npy", "takes 256 features, and the inputs give it 144"),
        ("compute models.py:batched npz:right.npz --out k.npy", "(BatchNorm1d) has no limit"),
        ("compute models.py:headless npz:right.npz --out k.npy", "put Flatten() or GlobalAvgPool()"),
        ("compute vec:1 npz:table.npz --out k.npy", "takes images (n, channels, height, width), received vectors"),
        ("compute fc:1 npz:holed.npz --out k.npy", "npz:holed.npz has a value that is not finite, in row 7"),
        ("compute fc:1 npz:right.npz --others npz:holed.npz --out k.npy", "npz:holed.npz has a value that is not"),
        ("compute fc:1 npz:right.npz --others npz:coloured.npz --out k.npy", "npz:coloured.npz has examples of shape"),
        ("compute fc:1 npz:right.npz --init he --out k.npy", "--init is of a model; the variances of fc:1 are"),
        ("compute fc:1 npz:right.npz --dtype float16 --out k.npy", "did you mean 'float64'"),
        ("predict fc:1 --train npz:right.npz --test npz:coloured.npz", "npz:coloured.npz has examples of shape (3, 8"),
        ("predict fc:1 --train npz:right.npz --test npz:holed.npz", "npz:holed.npz has a value that is not finite"),
        ("predict fc:1 --train npz:alike.npz --test npz:right.npz", "npz:alike.npz: 12 training examples of one class"),
        ("predict fc:1 --train npz:right.npz --limit 1 --test npz:right.npz", "1 training examples of one class"),
        ("predict fc:1 --train npz:partly.npz --test npz:right.npz", "4 of 12 examples have no label (-1): leave them"),
        ("predict fc:1 --train npz:right.npz --test npz:unlabelled.npz", "npz:unlabelled.npz has no labels"),
        ("predict fc:1 --train npz:right.npz --test npz:right.npz --kernel code", "unknown kernel 'code'"),
        ("predict fc:1 --train npz:right.npz --test npz:right.npz --diag-reg -1", "0 or more, received -1.0"),
        ("predict fc:1 --train npz:right.npz --test npz:right.npz --time nan", "time must be a number, 0 or more"),
        ("compare fc:1 npz:right.npz", "fc:1 is a structure, and its weights are needed to read codes"),
        ("compare models.py:batched npz:right.npz", "(BatchNorm1d) has no limit"),
        ("compare models.py:coloured npz:right.npz", "3 channels"),
    ],
)
def test_a_wrong_input_is_one_line_and_leaves_no_file(wrong_inputs, capsys, command, message):
    before = {path.name for path in wrong_inputs.iterdir()}
    assert run(["kernel", *command.split()]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert {path.name for path in wrong_inputs.iterdir()} - {"__pycache__"} == before


def test_classes_are_matched_by_name(wrong_inputs, capsys):
    """Class b has number 1 in training, and number 0 where there is no class a."""
    names = np.array(["a", "b", "c"])[LABELS]
    np.savez(wrong_inputs / "named.npz", x=IMAGES, y=names)
    np.savez(wrong_inputs / "without_a.npz", x=IMAGES[LABELS > 0], y=names[LABELS > 0])
    command = ["kernel", "predict", "fc:1", "--train", "npz:named.npz", "--test", "npz:without_a.npz", "--json", "-"]
    assert run(command) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == [1.0]
