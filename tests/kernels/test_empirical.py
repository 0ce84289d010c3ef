import numpy as np
import pytest
import torch
from torch import nn

from hashlens.errors import KernelError
from hashlens.kernels import Dense, ReLU, empirical_ntk, finite_network, linearize, serial

NETWORK = serial(Dense(None, 2.0, 0.1), ReLU(), Dense(None, 2.0, 0.1))


@pytest.fixture(scope="module")
def module():
    return finite_network(NETWORK, (5,), 3, width=7, seed=1).double()


X = torch.from_numpy(np.random.default_rng(0).standard_normal((6, 5)))


def jacobian(module, x):
    """Return gradients of all outputs, ``(n, outputs, weights)``, one by one."""
    rows = []
    for example in x:
        for output in module(example[None])[0]:
            gradients = torch.autograd.grad(output, list(module.parameters()), retain_graph=True)
            rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    return torch.stack(rows).reshape(len(x), 3, -1)


def test_kernels_are_products_of_gradients(module):
    first = jacobian(module, X)
    full = torch.einsum("npk,mqk->nmpq", first, first)
    for batch_size in (2, 64):
        assert np.allclose(empirical_ntk(module, X, outputs="full", batch_size=batch_size), full)
        assert np.allclose(empirical_ntk(module, X, batch_size=batch_size), full.diagonal(0, 2, 3).mean(-1))
        assert np.allclose(empirical_ntk(module, X, outputs="pseudo", batch_size=batch_size), full.sum((2, 3)) / 3)
    across = empirical_ntk(module, X[:2], X[2:], "full", batch_size=3)
    assert np.allclose(across, full[:2, 2:])


def test_the_module_is_left_as_it_was(module):
    held = nn.Sequential(module, nn.Dropout(0.5))
    held[1].train()
    before = [parameter.clone() for parameter in held.parameters()]
    empirical_ntk(held, X)
    assert held[1].training
    assert all(torch.equal(a, b) for a, b in zip(before, held.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in held.parameters())


def test_weights_that_are_not_trained_do_not_count(module):
    whole, alone = empirical_ntk(module, X), finite_network(NETWORK, (5,), 3, width=7, seed=1).double()
    for parameter in alone[0].parameters():
        parameter.requires_grad_(False)
    last = empirical_ntk(alone, X)
    hidden = torch.relu(alone[0](X)).detach()
    assert np.allclose(last, 2 * (hidden @ hidden.T) / 7 + 0.1)
    assert (np.diagonal(whole) > np.diagonal(last)).all()


def test_the_linear_network_is_the_first_order_of_its_series(module):
    start = {name: value.detach().clone() for name, value in module.named_parameters()}
    linear = linearize(module)
    assert torch.allclose(linear(start, X), module(X))
    step = {name: torch.ones_like(value) for name, value in start.items()}
    moved = lambda size: {name: value + size * step[name] for name, value in start.items()}  # noqa: E731
    assert torch.allclose(linear(moved(1.0), X) - linear(start, X), 10 * (linear(moved(0.1), X) - linear(start, X)))
    small = 1e-6
    slope = (torch.func.functional_call(module, moved(small), (X,)) - module(X)) / small
    assert torch.allclose(slope, linear(moved(1.0), X) - linear(start, X), atol=1e-4)


def test_what_has_no_tangent_kernel_is_refused(module):
    with pytest.raises(KernelError, match="no weights that need a gradient"):
        empirical_ntk(nn.ReLU(), X)
    with pytest.raises(KernelError, match=r"must give \(n, outputs\)"):
        empirical_ntk(nn.Sequential(module, nn.Unflatten(1, (3, 1))), X)
    with pytest.raises(KernelError, match="did you mean 'full'"):
        empirical_ntk(module, X, outputs="ful")
