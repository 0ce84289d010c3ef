"""The order of examples in training: a pure function of seed and epoch."""

import torch

from hashlens.seeds import torch_generator


def batch_order(n: int, seed: int, epoch: int) -> torch.Tensor:
    """Return the order of `n` examples in one epoch.

    Parameters
    ----------
    n : int
        Number of examples.
    seed : int
        Seed of the whole training.
    epoch : int
        Number of the epoch, from 1.

    Returns
    -------
    torch.Tensor
        int64 ``(n,)``, a permutation, on the CPU.
    """
    return torch.randperm(n, generator=torch_generator(seed, "order", epoch))


def split_batches(order: torch.Tensor, batch_size: int) -> list[torch.Tensor]:
    """Return `order` in batches of `batch_size`; the last batch may be smaller.

    If a single example is left over, it joins the batch before it, since batch normalisation needs more than one.

    Parameters
    ----------
    order : torch.Tensor
        int64 ``(n,)``: row numbers.
    batch_size : int
        Number of examples per batch.

    Returns
    -------
    list of torch.Tensor
        int64 ``(b,)`` each: row numbers of each batch.

    Examples
    --------
    >>> [len(batch) for batch in split_batches(torch.arange(7), 3)]
    [3, 4]
    """
    batches = list(torch.split(order, batch_size))
    if len(batches) > 1 and batch_size > 1 and len(batches[-1]) == 1:
        batches[-2:] = [order[-batch_size - 1 :]]
    return batches
