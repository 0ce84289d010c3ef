"""``hashlens kernel`` from end to end."""

import json

import numpy as np
import pytest

import hashlens as hl
from hashlens.cli.app import run
from hashlens.errors import KernelError
from hashlens.kernels import compute, from_module
from hashlens.kernels.computed import summarise
from hashlens.kernels.named import network_named
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
    network = network_named("fc:2", 2.0, 0.1)
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
    network = network_named("fc:1")
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
        network_named(name)


def test_a_misspelt_network_is_no_module(tmp_path, capsys):
    assert run(["kernel", "compute", "fcc:3", "digits#test", "--out", str(tmp_path / "k.npy")]) != 0
    assert "did you mean 'fc:3'" in capsys.readouterr().err
