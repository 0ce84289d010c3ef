"""Small networks that explanations are tested on."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn


def seeded(make, seed=0):
    """What `make` makes with the global generator at `seed`, which is put back."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def drawn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def stack(*sizes, gate=nn.ReLU, seed=0):
    """Linear layers with gates between, in float64."""
    layers = seeded(lambda: [part for pair in pairwise(sizes) for part in (nn.Linear(*pair), gate())], seed)
    return nn.Sequential(*layers[:-1]).double()


class Convolutional(nn.Module):
    """Two convolutions; the gates are modules, one module reused in place, or functions."""

    def __init__(self, gates="modules", size=12, classes=4):
        super().__init__()
        self.one, self.two = nn.Conv2d(2, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.last = nn.Linear(8 * (size // 4) ** 2, classes)
        if gates == "modules":
            self.first, self.second = nn.ReLU(), nn.ReLU()
        elif gates == "reused in place":
            self.first = self.second = nn.ReLU(inplace=True)
        elif gates == "functions":
            self.first, self.second = F.relu, torch.relu
        else:
            self.first, self.second = torch.relu_, lambda x: x.clamp_(min=0)

    def forward(self, x):
        x = F.max_pool2d(self.first(self.one(x)), 2)
        x = F.max_pool2d(self.second(self.two(x)), 2)
        return self.last(x.flatten(1))


GATES = ("modules", "reused in place", "functions", "in place")


def convolutional(gates="modules", seed=0):
    return seeded(lambda: Convolutional(gates), seed).double()


class Tokens(nn.Module):
    """Patches of an image as tokens, as transformers have them: a class token in front, attention between."""

    def __init__(self, classes=3, width=8):
        super().__init__()
        self.cut = nn.Conv2d(1, width, 4, stride=4)
        self.first = nn.Parameter(torch.randn(1, 1, width))
        self.block = nn.TransformerEncoderLayer(width, 2, 16, batch_first=True, dropout=0.1)
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, classes)

    def forward(self, x):
        tokens = self.cut(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.first.expand(len(x), -1, -1), tokens], dim=1)
        return self.last(self.norm(self.block(tokens)).mean(dim=1))


def grid(tokens, side=3):
    """Tokens without the class token, where they are in the image."""
    return tokens[:, 1:].transpose(1, 2).unflatten(2, (side, side))
