"""Your own network: train it as usual, then read, select, save and export its codes."""

import tempfile
from pathlib import Path

import torch
from torch import nn

import hashlens as hl


class Net(nn.Module):
    """A small convolutional network for 8 x 8 images; any module works, and nothing has to be registered."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, kernel_size=3, padding=1)
        self.hidden = nn.Linear(16 * 4 * 4, 32)
        self.act = nn.ReLU()
        self.head = nn.Linear(32, 10)

    def forward(self, images):
        """Return the logits ``(b, 10)`` of `images` ``(b, 1, 8, 8)``."""
        maps = torch.relu(self.conv1(images))
        maps = nn.functional.max_pool2d(torch.relu(self.conv2(maps)), 2)
        return self.head(self.act(self.hidden(maps.flatten(1))))


def train(net, images, labels, steps=150):
    """Train the network in an ordinary loop, without hashlens."""
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(steps):
        rows = torch.randint(len(images), (64,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images[rows]), labels[rows]).backward()
        optimizer.step()


def main():
    """Train, encode, select layers and bits, save, load and export."""
    torch.manual_seed(0)
    digits = hl.load_data("digits#train").load()
    net = Net()
    train(net, digits.tensor(), torch.from_numpy(digits.labels))

    codes = hl.encode(net, "digits#test")
    print(codes)
    for layer in codes.layers:
        print(f"  {layer.name:12} {layer.gate}, shape {layer.shape}, {layer.bits} bits")

    # The name of a functional call is the module that runs and the operator; the second call ends in #1.
    hidden = hl.encode(net, "digits#test", layers="act")
    without_relu = hl.encode(net, "digits#test", layers=["*", "!relu"])
    sampled = hl.encode(net, "digits#test", bits=64, seed=0)
    for name, selected in (("act only", hidden), ("all but relu", without_relu), ("64 random bits", sampled)):
        print(f"{name:15} {selected.code_bits:5} bits, redundancy ratio {hl.redundancy_ratio(selected):.3f}")

    with tempfile.TemporaryDirectory() as folder:
        codes.save(Path(folder) / "codes")
        loaded = hl.Codes.load(Path(folder) / "codes")  # the bits stay on disk and are memory-mapped
        print("saved and loaded:", loaded, "- the same bits:", bool((loaded.packed == codes.packed).all()))
        table = loaded.export(Path(folder) / "codes.parquet")
        print(f"for DuckDB, Polars and pandas: {table.name}, {table.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
