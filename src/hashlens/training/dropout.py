"""Factors of dropout, drawn exactly as by ``torch.nn.Dropout`` on the CPU."""

from collections.abc import Iterator, Sequence

import torch

from hashlens.seeds import torch_generator


def dropout_factors(
    probability: float, batches: Sequence[int], depth: int, width: int, dtype: torch.dtype, seed: int, epoch: int
) -> Iterator[torch.Tensor]:
    """Yield, for each batch of one epoch, the factors of every hidden layer: 0, or 1 / (1 - probability).

    They are the factors of :func:`hashlens.training.fit` with the same seed.

    Parameters
    ----------
    probability : float
        Probability of dropping a unit, in (0, 1).
    batches : sequence of int
        Number of examples of each batch, in order.
    depth, width : int
        Number of hidden layers, and number of units in each.
    dtype : torch.dtype
        Dtype of the network.
    seed, epoch : int
        Seed of the training, and epoch, counted from 1.

    Yields
    ------
    torch.Tensor
        ``(depth, batch, width)``: the factors.
    """
    generator = torch_generator(seed, "dropout", epoch)
    for count in batches:
        layers = [
            torch.empty(count, width, dtype=dtype).bernoulli_(1 - probability, generator=generator)
            for _ in range(depth)
        ]
        yield torch.stack(layers).div_(1 - probability)
