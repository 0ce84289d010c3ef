"""Monitor a training run: redundancy and K-NN accuracy of a fixed probe, every 45 steps, with any logger."""

import torch
from torch import nn

import hashlens as hl
from hashlens.integrations import CodeMonitor


def log(metrics, step):
    """Print metrics, in place of ``mlflow.log_metrics``, ``wandb.log`` or a TensorBoard SummaryWriter."""
    shown = "  ".join(f"{name.removeprefix('hashlens/')} {value:.3f}" for name, value in metrics.items())
    print(f"step {step:4}  {shown}")


def main():
    """Train a network with one additional line per step."""
    torch.manual_seed(0)
    digits = hl.load_data("digits#train").load()
    images, labels = digits.tensor(), torch.from_numpy(digits.labels)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Dropout(0.2), nn.Linear(24, 10))
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)

    # With time_budget=None, every multiple of 45 is measured; the default budget of 2 % would skip most of them.
    monitor = CodeMonitor("digits#train", "digits#test", every=45, log=log, time_budget=None)
    monitor(network, step=0)
    for _ in range(6):
        for rows in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images[rows]), labels[rows]).backward()
            optimizer.step()
            monitor.step(network)

    print(f"the monitor took {monitor.cost:.0%} of the time")
    result = hl.measure(network, monitor.probe.train, monitor.probe.test, controls=False)
    last = monitor(network)
    print(monitor.history)
    same = (last.redundancy_ratio, last.knn) == (result.redundancy_ratio, result.categorization.knn)
    print("what hl.measure says of the same probe:", "the same" if same else "something else")


if __name__ == "__main__":
    main()
