"""What at, along and chord refuse: one line each, that names the argument, or the operator and its module."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hashlens import regions
from hashlens.errors import DataError, ModelError

ASKED = {
    "at": regions.at,
    "along": lambda model, x, **how: regions.along(model, x, torch.ones(x.shape), **how),
    "chord": lambda model, x, **how: regions.chord(model, x, torch.ones(x.shape), **how),
}


class Inner(nn.Module):
    """A function as a module of its own, so that errors have a place to name."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def around(layer):
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), layer, nn.Linear(4, 2))


def statistics(x):
    return F.batch_norm(x, torch.zeros(4).to(x), torch.ones(4).to(x), training=True)


def image_statistics(x):
    shape = x.shape
    return statistics(x.reshape(-1, 4, 1, 1).expand(-1, 4, 2, 2))[..., 0, 0].reshape(shape)


def one_nan():
    layer = nn.Linear(4, 4)
    layer.weight.data[1, 2] = float("nan")
    return layer


UNFIT = {
    "soft gate": (lambda: nn.GELU(), "2 (GELU): the operator 'gelu' is a soft gate"),
    "soft function": (lambda: Inner(torch.tanh), "2 (Inner): the operator 'tanh' is a soft gate"),
    "norm of layers": (lambda: nn.LayerNorm(4), "2 (LayerNorm): the operator 'native_layer_norm' is neither affine"),
    "softmax": (lambda: nn.Softmax(1), "2 (Softmax): the operator '_softmax' is neither affine"),
    "product": (lambda: Inner(lambda x: x * x.roll(1, 1)), "2 (Inner): the operator 'mul' multiplies two tensors"),
    "batch statistics": (lambda: Inner(statistics), "2 (Inner): the operator 'batch_norm' normalises by statistics"),
    "image statistics": (lambda: Inner(image_statistics), "2 (Inner): the operator 'native_batch_norm' normalises by"),
    "no statistics": (lambda: nn.BatchNorm1d(4, track_running_stats=False), "2 (BatchNorm1d): the operator"),
    "dropout": (lambda: Inner(lambda x: F.dropout(x, training=True)), "2 (Inner): the operator"),
    "weights": (one_nan, "the output of the model is NaN or infinite"),
    "shape": (lambda: nn.Linear(5, 4), "the model rejects inputs of (1, 4) torch.float64"),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("name", UNFIT)
def test_unfit_networks_are_refused_by_operator_and_module(known, asked, name):
    layer, message = UNFIT[name]
    network = known.ready(lambda: around(layer()))
    with pytest.raises(ModelError) as error:
        ASKED[asked](network, known.normal(3, 4))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert "forward=" not in str(error.value)


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.ones(2, 5), "the model rejects inputs of (1, 5)"),
        (torch.ones(4), "must be examples (n, *shape), at least one, received (4,); for a single one give"),
        (torch.ones(2, 4, dtype=torch.int64), "must be floating point, received int64"),
        (torch.ones(2, 4, dtype=torch.complex64), "must be floating point, received complex64"),
        (torch.tensor([[1.0, float("nan"), 0, 0]]), "1 of 4 numbers are NaN or infinite"),
        (torch.eye(4).to_sparse(), "must be dense, received sparse_coo"),
    ],
)
def test_unfit_examples(known, asked, x, message):
    with pytest.raises((DataError, ModelError)) as error:
        ASKED[asked](known.stack(0, [4, 3, 2]), x)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("dtype", [torch.int64, torch.complex128, "float64"])
def test_a_dtype_of_no_real_numbers(known, asked, dtype):
    with pytest.raises(
        DataError, match=r"dtype must be torch\.float64 or torch\.float32, which regions are computed in, received"
    ):
        ASKED[asked](known.stack(0, [4, 3, 2]), torch.ones(2, 4), dtype=dtype)


@pytest.mark.parametrize("asked", ASKED)
def test_no_network(asked):
    with pytest.raises(ModelError, match=r"a torch\.nn\.Module is needed, received function"):
        ASKED[asked](lambda x: x, torch.ones(2, 4))


@pytest.mark.parametrize(
    ("directions", "message"),
    [
        (torch.ones(4), "directions must be examples (n, *shape), at least one, received (4,)"),
        ([[1.0, 0.0]] * 2, "directions must be (2, 4) or (2, k, 4), received (2, 2)"),
        (torch.ones(2, 4, dtype=torch.int64), "directions must be floating point, received int64"),
        (torch.full((2, 4), float("nan")), "directions: 8 of 8 numbers are NaN or infinite"),
        ("random", "directions must be a tensor or array (n, *shape), received str"),
    ],
)
def test_unfit_directions(known, directions, message):
    with pytest.raises(DataError) as error:
        regions.chord(known.stack(0, [4, 3, 2]), torch.ones(2, 4), directions)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda region: region.radius([2]), "norm must be 2 or inf, received [2]"),
        (lambda region: region.contains(torch.ones(2, 4).int()), "y must be floating point, received int32"),
        (lambda region: region.contains(torch.full((2, 4), float("nan"))), "y: 8 of 8 numbers are NaN or infinite"),
        (lambda region: region.affine(torch.ones(2, 3)), "y must be (2, 4), received (2, 3)"),
        (lambda region: region.affine.matvec("v"), "v must be a tensor or array (n, *shape), received str"),
        (lambda region: region.affine.rmatvec(torch.ones(3, 2)), "u must be (2, 2) or (k, 2, 2), received (3, 2)"),
    ],
)
def test_unfit_questions_to_a_region(known, ask, message):
    with pytest.raises(DataError) as error:
        ask(regions.at(known.stack(0, [4, 3, 2]), torch.ones(2, 4)))
    assert message in str(error.value)


def test_a_network_in_training_is_read_as_in_evaluation(known):
    """BatchNorm by its running statistics, dropout off; its mode and statistics stay as they were."""
    network = known.ready(lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(), nn.ReLU()))
    x = known.normal(5, 4)
    expected = regions.at(network, x)
    network.train()
    before = network[1].running_mean.clone()
    region = regions.at(network, x)
    assert torch.equal(region.output, expected.output)
    assert torch.equal(region.affine.dense(), expected.affine.dense())
    assert network[1].training
    assert torch.equal(network[1].running_mean, before)
    assert int(network[1].num_batches_tracked) == 0
