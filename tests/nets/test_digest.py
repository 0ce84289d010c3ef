import pytest
import torch
from torch import nn

from hashlens.errors import ModelError
from hashlens.nets import build, parameters_digest


def make() -> nn.Module:
    return build("mlp", input_shape=(4,), classes=2, batch_norm=True).eval()


def test_equal_networks_have_equal_digests():
    assert parameters_digest(make()) == parameters_digest(make())
    assert len(parameters_digest(make())) == 32


def test_a_scripted_network_has_the_digest_of_its_original():
    network = make()
    assert parameters_digest(torch.jit.script(network)) == parameters_digest(network)


def test_an_exported_network_has_the_digest_of_its_original():
    network = make()
    exported = torch.export.export(network, (torch.zeros(2, 4),)).module()
    assert parameters_digest(exported) == parameters_digest(network)


@pytest.mark.parametrize(
    "change",
    [
        lambda network: network.head.weight.data[0, 0].add_(1e-6),
        lambda network: network.hidden[0].norm.running_mean.add_(1e-6),
        lambda network: network.hidden[0].norm.num_batches_tracked.add_(1),
        lambda network: network.double(),
        lambda network: setattr(network, "tail", network.head),
    ],
)
def test_every_change_changes_the_digest(change):
    network = make()
    change(network)
    assert parameters_digest(network) != parameters_digest(make())


def test_bytes_alone_do_not_decide():
    flat, square = nn.Module(), nn.Module()
    flat.register_buffer("values", torch.zeros(4))
    square.register_buffer("values", torch.zeros(2, 2))
    assert parameters_digest(flat) != parameters_digest(square)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int8, torch.bool, torch.complex64])
def test_every_dtype_has_a_digest(dtype):
    module = nn.Module()
    module.register_buffer("values", torch.ones(3, 2, dtype=dtype).T)
    module.register_buffer("nothing", torch.ones(0, dtype=dtype))
    module.register_buffer("scalar", torch.ones((), dtype=dtype))
    assert len(parameters_digest(module)) == 32


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
@pytest.mark.parametrize("make_empty", [lambda: nn.LazyLinear(3), lambda: nn.Linear(2, 3, device="meta")])
def test_parameters_without_values_are_refused(make_empty):
    with pytest.raises(ModelError, match=r"'weight' has no values yet|'bias' has no values yet"):
        parameters_digest(make_empty())
