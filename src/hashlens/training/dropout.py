"""The factors that dropout multiplies with, drawn as ``torch.nn.Dropout`` draws them on the CPU."""

from collections.abc import Iterator, Sequence

import torch

from hashlens.seeds import torch_generator


def dropout_factors(
    probability: float, batches: Sequence[int], depth: int, width: int, dtype: torch.dtype, seed: int, epoch: int
) -> Iterator[torch.Tensor]:
    """Yield, for each batch of one epoch, the factors of every hidden layer: 0, or 1 / (1 - probability).

    They are those that :func:`hashlens.training.fit` meets with the same seed.

    Parameters
    ----------
    probability : float
        Of dropping a unit, in (0, 1).
    batches : sequence of int
        Examples of each batch, in order.
    depth, width : int
        Hidden layers, and units in each.
    dtype : torch.dtype
        Of the network.
    seed, epoch : int
        Of the training; the epoch counted from 1.

    Yields
    ------
    torch.Tensor
        ``(depth, batch, width)``.
    """
    generator = torch_generator(seed, "dropout", epoch)
    for count in batches:
        layers = [
            torch.empty(count, width, dtype=dtype).bernoulli_(1 - probability, generator=generator)
            for _ in range(depth)
        ]
        yield torch.stack(layers).div_(1 - probability)
