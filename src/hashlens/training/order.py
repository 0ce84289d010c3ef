"""The order in which training sees its examples: a pure function of seed and epoch."""

import torch

from hashlens.seeds import torch_generator


def batch_order(n: int, seed: int, epoch: int) -> torch.Tensor:
    """Return the order of `n` examples in one epoch.

    Parameters
    ----------
    n : int
        Examples.
    seed : int
        Of the whole training.
    epoch : int
        The epoch, counted from 1.

    Returns
    -------
    torch.Tensor
        int64 ``(n,)``, a permutation, on the CPU.
    """
    return torch.randperm(n, generator=torch_generator(seed, "order", epoch))


def split_batches(order: torch.Tensor, batch_size: int) -> list[torch.Tensor]:
    """Return `order` in batches of `batch_size`; the last may be smaller and is kept.

    A single example that is left over joins the batch before it, since BatchNorm has no statistics of one example.

    Parameters
    ----------
    order : torch.Tensor
        int64 ``(n,)``.
    batch_size : int
        Examples per batch.

    Returns
    -------
    list of torch.Tensor
        int64 ``(b,)`` each.

    Examples
    --------
    >>> [len(batch) for batch in split_batches(torch.arange(7), 3)]
    [3, 4]
    """
    batches = list(torch.split(order, batch_size))
    if len(batches) > 1 and batch_size > 1 and len(batches[-1]) == 1:
        batches[-2:] = [order[-batch_size - 1 :]]
    return batches
