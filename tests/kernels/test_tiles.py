import os

import numpy as np
import pytest

from hashlens.errors import KernelError, OutputError
from hashlens.kernels import Conv, Dense, Flatten, Predictor, ReLU, compute, kernel_on_disk, serial, solve, tiles

generator = np.random.default_rng(0)
X, OTHERS = generator.standard_normal((23, 4)), generator.standard_normal((9, 4))
NETWORK = serial(Dense(None, 2.0, 0.1), ReLU(), Dense(None, 2.0, 0.1))


@pytest.mark.parametrize("second", [None, OTHERS])
@pytest.mark.parametrize("tile", [5, 100])
def test_the_file_holds_the_kernel_and_nothing_else_is_left(tmp_path, second, tile):
    found = kernel_on_disk(NETWORK, X, tmp_path / "k.npy", second, tile=tile)
    assert np.allclose(found, compute(NETWORK, X, second).ntk, rtol=1e-13, atol=0)
    assert isinstance(found, np.memmap)
    assert os.listdir(tmp_path) == ["k.npy"]


def stopping_after(tiles_done, monkeypatch):
    """Stop the work after so many tiles; return the list of tiles that are begun."""
    begun, compute_one = [], tiles._compute

    def stopping(*arguments):
        if len(begun) == tiles_done:
            raise KeyboardInterrupt
        begun.append(arguments[5:7])
        compute_one(*arguments)

    monkeypatch.setattr(tiles, "_compute", stopping)
    return begun


def test_a_stopped_kernel_goes_on_where_it_was(tmp_path, monkeypatch):
    out = tmp_path / "k.npy"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        first = stopping_after(4, patch)
        kernel_on_disk(NETWORK, X, out, tile=6)
    assert not out.exists()
    second = stopping_after(100, monkeypatch)
    found = kernel_on_disk(NETWORK, X, out, tile=6)
    assert len(first) == 4
    assert len(second) == 6
    assert not set(first) & set(second)
    assert np.allclose(found, compute(NETWORK, X).ntk, rtol=1e-13, atol=0)


@pytest.mark.parametrize("other", [{"x1": X + 1}, {"dtype": "float32"}, {"kernel": "nngp"}, {"tile": 7}])
def test_the_unfinished_kernel_of_another_call_is_kept_unless_overwritten(tmp_path, monkeypatch, other):
    out = tmp_path / "k.npy"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stopping_after(4, patch)
        kernel_on_disk(NETWORK, X, out, tile=6)
    call = {"network": NETWORK, "x1": X, "tile": 6, "kernel": "ntk", "dtype": "float64", **other}
    with pytest.raises(
        OutputError, match=r"k\.npy: an unfinished kernel .*\(4 finished tiles\): repeat .*overwrite=True"
    ):
        kernel_on_disk(**call, out=out)
    with monkeypatch.context() as patch:
        begun = stopping_after(100, patch)
        assert np.allclose(kernel_on_disk(NETWORK, X, out, tile=6), compute(NETWORK, X).ntk, rtol=1e-13, atol=0)
    assert len(begun) == 6
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stopping_after(1, patch)
        kernel_on_disk(NETWORK, X, out, tile=6, overwrite=True)
    found = kernel_on_disk(**call, out=out, overwrite=True)
    expected = getattr(compute(NETWORK, call["x1"], dtype=call["dtype"]), call["kernel"])
    assert np.allclose(found, expected, rtol=1e-13, atol=1e-4 if "dtype" in other else 0)
    assert os.listdir(tmp_path) == ["k.npy"]


def test_a_network_that_does_not_take_the_inputs_leaves_no_file(tmp_path):
    with pytest.raises(KernelError, match="takes images"):
        kernel_on_disk(serial(Conv(), ReLU(), Flatten(), Dense()), X, tmp_path / "k.npy")
    with pytest.raises(KernelError, match=r"layer 0 \(Dense\) takes 5 features, and the inputs give it 4"):
        kernel_on_disk(serial(Dense(in_features=5), ReLU(), Dense()), X, tmp_path / "k.npy")
    assert os.listdir(tmp_path) == []


def test_a_disk_without_room_is_found_out_before_the_work(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(
        OutputError, match=r"k.npy cannot be written: No space left.*needs 4.23e-06 GB: free some space"
    ):
        kernel_on_disk(NETWORK, X, tmp_path / "k.npy")
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_there_is_left_alone(tmp_path):
    out = tmp_path / "k.npy"
    out.write_text("mine")
    with pytest.raises(OutputError, match="overwrite=True"):
        kernel_on_disk(NETWORK, X, out)
    assert out.read_text() == "mine"
    assert kernel_on_disk(NETWORK, X, out, overwrite=True).shape == (23, 23)
    with pytest.raises(OutputError, match=r"written as \.npy"):
        kernel_on_disk(NETWORK, X, tmp_path / "k.csv")


ROWS = generator.standard_normal((300, 4))
KERNEL = compute(NETWORK, ROWS).ntk
TARGETS = generator.standard_normal((300, 2))


@pytest.mark.parametrize("method", ["cholesky", "conjugate gradients"])
def test_both_ways_solve_the_kernel_and_leave_it_as_it_is(method):
    before = KERNEL.copy()
    found = solve(KERNEL, TARGETS, 1e-2, method=method, tolerance=1e-9)
    expected = Predictor(TARGETS, KERNEL, diag_reg=1e-2).predict(np.eye(300)).mean
    assert np.allclose(found.coefficients, expected, rtol=0, atol=1e-7 * np.abs(expected).max())
    assert found.residual < 1e-8
    assert found.method == method
    assert np.array_equal(KERNEL, before)


def test_what_cannot_be_solved_is_refused():
    with pytest.raises(KernelError, match=r"singular in float64.*give diag_reg=1e-6 or more"):
        solve(np.ones((4, 4)), np.ones(4))
    with pytest.raises(KernelError, match=r"left .* of the targets after 2 passes .* give a larger diag_reg"):
        solve(KERNEL, TARGETS, 1e-9, method="conjugate gradients", steps=2, tolerance=1e-12)
    with pytest.raises(KernelError, match="did you mean 'cholesky'"):
        solve(KERNEL, TARGETS, method="cholesk")
    with pytest.raises(KernelError, match=r"targets must be \(300,\)"):
        solve(KERNEL, TARGETS[:5])
