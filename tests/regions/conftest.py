"""Piecewise linear networks, written in every way that the regions must see through."""

from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn


def stack(seed, sizes):
    """The networks of the known answers: default-initialised Linear/ReLU stacks, in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [part for sizes in pairwise(sizes) for part in (nn.Linear(*sizes), nn.ReLU())]
    return nn.Sequential(*layers[:-1]).double()


class Block(nn.Module):
    """A residual block whose convolutions are normalised, in place and reusing one ReLU."""

    def __init__(self, channels):
        super().__init__()
        self.one, self.two = (nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2))
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.two(self.relu(self.norm(self.one(x)))) + x)


class Functional(nn.Module):
    """Functional style, with views written to, a reused map, scalars and a concatenation."""

    def __init__(self):
        super().__init__()
        self.first, self.again, self.last = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(24, 3)

    def forward(self, x):
        x = 2 * x - 0.1
        y = F.relu(self.first(x))
        z = torch.zeros(len(x), 8, dtype=x.dtype)
        z[:, :4] = y[:, 4:]
        z[:, 4:].add_(y[:, :4]).relu_()
        y = self.again(y).clamp(min=-0.2, max=0.3) - 0.5 * z
        y = F.leaky_relu(self.again(y), 0.1, inplace=True)
        return self.last(torch.cat([y, z, torch.stack([z, y], 2).mean(2)], 1)) / 3


class Extremes(nn.Module):
    """abs, maximum, minimum and maxout."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x):
        a, b = self.first(x).chunk(2, dim=1)
        y = torch.cat([torch.maximum(a, b), torch.minimum(a, 0.1 * b).abs()], 1)
        return self.last(torch.maximum(self.second(y), torch.full((), -0.1, dtype=x.dtype)))


class BatchSecond(nn.Module):
    """The batch goes along behind the positions, as in recurrent networks."""

    def __init__(self):
        super().__init__()
        self.map = nn.Linear(3, 5)
        self.last = nn.Linear(10, 3)

    def forward(self, x):
        y = self.map(x.view(x.shape[0], 2, 3).transpose(0, 1)).relu()
        return self.last(torch.cat(list(y), dim=1))


def _residual():
    return nn.Sequential(nn.Conv2d(2, 3, 3), Block(3), nn.AvgPool2d(2), Block(3), nn.Flatten(), nn.Linear(12, 3))


def _normalised():
    return nn.Sequential(
        nn.Linear(6, 9), nn.BatchNorm1d(9), nn.PReLU(9), nn.Dropout(), nn.Linear(9, 7), nn.ReLU6(), nn.Linear(7, 2)
    )


def _pooled():
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3, padding=1), nn.LeakyReLU(0.2),
        nn.MaxPool2d(3, stride=2, padding=1), nn.Flatten(), nn.Linear(20, 3),
    )  # fmt: skip


def _maxout():
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.AdaptiveMaxPool2d(3), nn.Flatten(), nn.Linear(36, 6),
                         nn.Hardtanh(-0.3, 0.2), nn.Unflatten(1, (1, 6)), nn.MaxPool1d(2), nn.Flatten(),
                         nn.Linear(3, 2))  # fmt: skip


def _shrunk():
    return nn.Sequential(nn.Linear(6, 9), nn.Softshrink(0.1), nn.Linear(9, 6), nn.Hardsigmoid(), nn.Linear(6, 2))


NETWORKS = {
    "stack": (lambda: stack(0, [6, 10, 10, 3]), (6,)),
    "normalised": (_normalised, (6,)),
    "functional": (Functional, (6,)),
    "extremes": (Extremes, (6,)),
    "shrunk": (_shrunk, (6,)),
    "batch second": (BatchSecond, (6,)),
    "residual": (_residual, (2, 6, 6)),
    "pooled": (_pooled, (2, 6, 6)),
    "maxout": (_maxout, (2, 6, 6)),
}


def ready(build, seed=0):
    """A network in float64 and eval mode, with normalisations that do something."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build().double().eval()
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats:
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
                for parameter in module.parameters():
                    parameter.data.normal_()
    return network


def normal(*shape, seed=1, scale=1.0):
    return scale * torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def sampled_pieces(network, a, b, count):
    """How many codes in a row differ on a fine grid over a segment, by reading them one by one."""
    import hashlens as hl

    t = torch.linspace(0, 1, count, dtype=torch.float64).reshape(-1, *[1] * (a.dim() - 1))
    bits = hl.encode(network, a + t * (b - a), gates="all", batch_size=4096).unpack()
    return 1 + int(np.any(bits[1:] != bits[:-1], axis=1).sum())


@pytest.fixture(params=list(NETWORKS))
def network(request):
    build, shape = NETWORKS[request.param]
    made = ready(build)
    made.input_shape = shape
    return made


@pytest.fixture(scope="session")
def known():
    """Functions that tests share: the networks of known answers, normal numbers, sampling."""

    class Known:
        pass

    Known.stack, Known.ready, Known.normal, Known.sampled_pieces = map(
        staticmethod, (stack, ready, normal, sampled_pieces)
    )
    return Known
