"""Signals over time and spectrograms, explained as what they are."""

import numpy as np
import pytest
import torch
from torch import nn

from hashlens.errors import ExplainError
from hashlens.explanations import compare_explanations, explain

from .networks import drawn, seeded

SIGNALS, SPECTROGRAMS = drawn(4, 2, 40), drawn(4, 12, 30)


class OfSignals(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.last = nn.Conv1d(2, 5, 3, stride=2), nn.Conv1d(5, 6, 3), nn.Linear(6, 3)

    def forward(self, x):
        return self.last(torch.relu(self.two(torch.relu(self.one(x)))).mean(dim=2))


class OfSpectrograms(nn.Module):
    """Takes ``(n, h, w)``, as networks of sound do."""

    def __init__(self):
        super().__init__()
        self.one, self.relu, self.last = nn.Conv2d(1, 5, 3), nn.ReLU(), nn.Linear(5, 3)

    def forward(self, x):
        return self.last(self.relu(self.one(x[:, None])).mean(dim=(2, 3)))


class Planted(nn.Module):
    """Class 1 is what channel 1 holds from time 10 to 19, less 3 each."""

    def forward(self, x):
        score = (x[:, 1, 10:20] - 3).sum(dim=1)
        return torch.stack([torch.zeros_like(score), score], dim=1)


def of_signals():
    return seeded(OfSignals).double()


def of_spectrograms():
    return seeded(OfSpectrograms).double()


@pytest.mark.parametrize(("build", "x"), [(of_signals, SIGNALS), (of_spectrograms, SPECTROGRAMS)])
def test_what_looks_like_an_image_and_is_none_is_refused_with_the_kinds(build, x):
    with pytest.raises(ExplainError, match=r"reads it as 4 examples: give kind='signal' .* kind='spectrogram'"):
        explain(build(), x, "gradient")


@pytest.mark.parametrize("batch", [SIGNALS[0], SIGNALS[:1], SIGNALS])
def test_gradients_of_signals_are_autograds(batch):
    network = of_signals()
    found = explain(network, batch, "gradient", kind="signal", target=2)
    leaf = batch.reshape(-1, 2, 40).clone().requires_grad_()
    (wanted,) = torch.autograd.grad(network(leaf)[:, 2].sum(), leaf)
    assert np.abs(found.values - wanted.numpy()).max() <= 1e-12


def test_the_cam_of_a_signal_is_a_line_over_time():
    network, x = of_signals(), SIGNALS
    found = explain(network, x, "grad_cam", kind="signal", target=1, relu=False, upsample=False)
    maps = torch.relu(network.two(torch.relu(network.one(x))))
    weights = network.last.weight[1] / maps.shape[2]
    assert np.abs(found.values - (maps * weights[:, None]).sum(dim=1).detach().numpy()).max() <= 1e-12
    assert explain(network, x, "grad_cam", kind="signal").values.shape == (4, 40)


def test_the_cam_of_a_spectrogram_is_a_map_over_it():
    found = explain(of_spectrograms(), SPECTROGRAMS, "grad_cam", kind="spectrogram")
    assert found.diagnostics["layer"] == "relu"
    assert found.values.shape == (4, 12, 30)


def test_shapley_values_of_a_signal_fall_on_its_stretches():
    x = torch.zeros(1, 2, 40, dtype=torch.float64)
    x[0, 1, 10:20] = torch.linspace(1, 2, 10)
    asked = {"kind": "signal", "target": 1, "output": "score", "background": torch.full_like(x, 3.0)}
    found = explain(Planted(), x, "kernel_shap", segments=8, **asked)
    assert found.features[5] == "channel 1, time 10 to 19"
    share = float((x[0, 1, 10:20] - 3).sum())
    assert found.values == pytest.approx(np.array([[0, 0, 0, 0, 0, share, 0, 0]]), abs=1e-9)
    together = explain(Planted(), x, "kernel_shap", features=np.arange(40) // 10, **asked)
    assert together.features == ("time 0 to 9", "time 10 to 19", "time 20 to 29", "time 30 to 39")
    assert together.values == pytest.approx(np.array([[0, share, 0, 0]]), abs=1e-9)


def test_the_parts_of_a_signal_are_replaced_by_their_mean():
    found = explain(Planted(), SIGNALS[:1], "kernel_shap", kind="signal", target=1, output="score", segments=8)
    assert np.abs(found.values).max() <= 1e-5  # in float32: the sum of a stretch is that of its mean


def test_signals_without_channels_are_explained():
    network = seeded(
        lambda: nn.Sequential(nn.Unflatten(1, (1, -1)), nn.Conv1d(1, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(184, 2))
    ).double()
    x = drawn(3, 50)
    assert explain(network, x, "grad_cam", kind="signal").values.shape == (3, 50)
    assert explain(network, x[0], "lime", kind="signal", segments=10).features[0] == "time 0 to 4"


def test_pictures_of_signals_are_lines_over_time_and_of_spectrograms_heat_maps(tmp_path):
    lines = explain(of_signals(), SIGNALS[:1], "gradient", kind="signal")
    given, values = lines.figures()
    assert [series.name for series in given.series] == ["channel 0", "channel 1"]
    assert given.series[1].y == tuple(SIGNALS[0, 1].tolist())
    assert values.series[1].y == tuple(lines.values[0, 1].tolist())
    assert values.series[1].x == tuple(map(float, range(40)))
    whole = explain(of_signals(), SIGNALS[:1], "grad_cam", kind="signal").figures()[1]
    assert [series.name for series in whole.series] == ["all channels"]
    (heat,) = explain(of_spectrograms(), SPECTROGRAMS[:1], "gradient", kind="spectrogram").figures()
    assert [panel.shape[:2] for panel in heat.panels] == [(12, 30)] * 3
    assert "time (positions)" in lines.to_html(tmp_path / "why.html").read_text()
    assert lines.plot().axes[0].get_ylim()[0] < SIGNALS[0].min()


def test_of_a_long_signal_the_picture_keeps_the_extremes():
    x = torch.zeros(1, 1, 5_000, dtype=torch.float64)
    x[0, 0, 1_234] = -7.0
    network = seeded(lambda: nn.Sequential(nn.AdaptiveAvgPool1d(10), nn.Flatten(), nn.Linear(10, 2))).double()
    given = explain(network, x, "gradient", kind="signal").figures()[0].series[0]
    assert len(given.y) == 1000
    assert given.y[given.x.index(1_234.0)] == -7.0


def test_contrast_of_a_signal_shows_it_after_the_change():
    network = of_signals()
    x = 3 * drawn(30, 2, 40, seed=3)
    with torch.no_grad():
        network.last.bias -= network(x).mean(dim=0)  # so that no class wins everywhere
    own = network(x).argmax(dim=1)
    one = int((own != own[0]).nonzero()[0])
    found = explain(network, x[:1], "contrast", kind="signal", background=x[one : one + 1])
    assert network(torch.as_tensor(found.image)).argmax(dim=1) != own[0]
    assert [figure.y_label for figure in found.figures()] == ["input", "after the change", "change"]


@pytest.mark.parametrize("method", ["deep_dream", "activation_maximization", "inversion"])
def test_what_makes_images_says_so(method):
    with pytest.raises(ExplainError, match="does not explain a signal, only: image"):
        explain(of_signals(), SIGNALS, method, kind="signal")


def test_signals_are_compared():
    found = compare_explanations(of_signals(), SIGNALS[:2], ["gradient", "grad_cam", "lime"], kind="signal",
                                 metrics=["deletion_mean"])  # fmt: skip
    assert np.isfinite(found.values).all()


def test_a_signal_of_a_wrong_shape_is_refused():
    with pytest.raises(
        ExplainError, match=r"signals are \(n, channels, time\) or \(n, time\), received \(2, 1, 2, 40\)"
    ):
        explain(of_signals(), SIGNALS[:2, None], "gradient", kind="signal")


def test_one_signal_that_was_taken_for_a_table_is_told_so():
    with pytest.raises(ExplainError, match=r"x \(2, 40\) has the shape of a table, .* give kind='signal'"):
        explain(of_signals(), SIGNALS[0], "gradient")


def test_without_maps_a_signal_is_refused_by_its_own_shape():
    network = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(80, 3))).double()
    with pytest.raises(ExplainError, match=r"no layer with maps \(n, c, l\) of more than one position"):
        explain(network, SIGNALS, "grad_cam", kind="signal")


def test_memory_that_runs_out_is_not_a_shape_that_the_model_does_not_take():
    class Full(nn.Module):
        def forward(self, x):
            if x.dim() == 4:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return x.flatten(1)

    with pytest.raises((torch.OutOfMemoryError, ExplainError), match="out of memory"):
        explain(Full(), torch.zeros(3, 8, 8), "gradient", kind="image")
