"""How the output of a network is read decides its classes, on planes, segments and balls."""

import numpy as np
import pytest
import torch
from torch import nn

import hashlens as hl
from hashlens import regions
from hashlens.errors import DataError, ModelError
from hashlens.regions.figures import plane_figure
from hashlens.regions.tables import piece_table, radius_rows
from hashlens.saved.json_files import save_result
from hashlens.saved.results import load_result


def line(*head):
    """Return a network of two inputs: their difference, behind some head."""
    first = nn.utils.skip_init(nn.Linear, 2, 1, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, -1.0]]))
    return nn.Sequential(first, *head).double().eval()


class Clamped(nn.Module):
    def forward(self, x):
        return (0.25 * x + 0.5).clamp(0, 1)


@pytest.mark.parametrize("head", [nn.Hardsigmoid(), Clamped()])
def test_one_probability_is_cut_at_a_half(head):
    plane = regions.plane(line(head), (-4, 4, -4, 4))
    assert plane.read_as.kind == "binary_probability"
    s, t = plane.centers.T
    assert np.array_equal(plane.classes, s - t > 1e-9)
    assert plane.boundary_length == pytest.approx(8 * 2**0.5)
    figure = plane_figure(plane, "class")
    assert figure.classes == ("output ≤ 0.5", "output > 0.5")
    assert figure.boundary_name == "decision boundary: output = 0.5"


def test_one_logit_is_cut_at_zero_and_has_a_class_in_tables():
    network, x = line(), torch.tensor([[0.3, 0.0], [-0.3, 0.0]]).double()
    rows = radius_rows(regions.at(network, x), 2, ["a", "b"], None)
    assert [row.predicted for row in rows] == [1, 0]
    pieces = piece_table(regions.along(network, x[:1], x[1:]), "d", "a", "b").pieces
    assert [piece.predicted for piece in pieces] == [0]


def test_probabilities_have_classes_in_tables_as_explanations_have():
    network, x = line(nn.Hardsigmoid()), torch.tensor([[0.3, 0.0], [-0.3, 0.0]]).double()
    rows = radius_rows(regions.at(network, x), 2, ["a", "b"], None)
    assert [row.predicted for row in rows] == [1, 0]
    assert hl.explain(network, x, "gradient").target.tolist() == [1, 0]


def test_a_regression_has_no_classes(tmp_path):
    network = line(nn.ReLU())
    plane = regions.plane(network, (-1, 1, -1, 1))
    assert plane.read_as.regression
    assert plane.boundary_length is None
    with pytest.raises(DataError, match="regression"):
        _ = plane.classes
    with pytest.raises(DataError, match="not coloured by class"):
        plane.figures("class")
    assert {region["predicted"] for region in plane.to_dict()["regions"]} == {None}
    assert "regression" in str(plane)
    plane.to_html(tmp_path / "plane.html")
    assert len(plane_figure(plane).boundary) == 0
    assert radius_rows(regions.at(network, torch.ones(1, 2).double()), 2, ["a"], None)[0].predicted is None


def test_how_the_output_is_read_can_be_declared_and_is_kept_in_files(tmp_path):
    program = regions.trace(line(), torch.ones(1, 2), output="regression")
    plane = regions.plane(program, (-1, 1, -1, 1))
    assert not plane.has_classes
    assert not regions.plane(line(), (-1, 1, -1, 1), output="regression").has_classes
    save_result(plane, tmp_path / "plane.json")
    assert load_result(tmp_path / "plane.json").read_as.regression
    with pytest.raises(ModelError, match="no output 'logit'"):
        regions.trace(line(), torch.ones(1, 2), output="logit")


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.hidden, self.last = nn.Linear(2, 5), nn.Linear(5, 3)

    def forward(self, x):
        features = self.hidden(x).relu()
        return features, self.last(features)


def test_of_several_tensors_the_scores_are_read():
    region = regions.at(Two().double(), torch.linspace(0, 1, 8).double().reshape(4, 2))
    assert region.output.shape == (4, 3)
    assert region.program.read_as.part == (1,)


class Names(nn.Module):
    """Gates of a weight and of a branch that is not used, a guard, and gates of the same operators after them."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first, self.last = nn.Linear(2, 4), nn.Linear(4, 2)

    def forward(self, x):
        torch.relu(torch.sigmoid(self.first(x)) - 0.5)
        hidden = torch.relu(x @ torch.relu(self.first.weight.T)).clamp(min=1e-9).clamp(max=0.5)
        return self.last(hidden)


def test_gates_have_the_names_that_they_have_in_codes():
    network, x = Names().double(), torch.linspace(-1, 1, 10).double().reshape(5, 2)
    own = {layer.name: layer.gate for layer in regions.at(network, x).code.layers}
    coded = {layer.name: layer.gate for layer in hl.encode(network, x).layers}
    assert list(own) == ["relu#2", "guard", "clamp"]
    assert {name: coded.get(name) for name in ("relu#2", "clamp")} == {"relu#2": "relu", "clamp": "clamp"}
