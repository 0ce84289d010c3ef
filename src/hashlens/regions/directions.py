"""Directions for chords: random ones, and those towards other examples."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from hashlens.arguments import require_whole
from hashlens.errors import DataError
from hashlens.regions.inputs import examples
from hashlens.seeds import numpy_generator

Tensor = torch.Tensor


def random_directions(x: Any, k: int = 1, seed: int = 0) -> Float64[Tensor, "{len(x)} {k} *input"]:
    """Return random directions, uniform on the unit sphere, for :func:`hashlens.regions.chord`.

    Parameters
    ----------
    x : torch.Tensor or numpy.ndarray
        Examples ``(n, *input)``; only the shape is used.
    k : int
        Number of directions for each example.
    seed : int
        Seed; the directions of the first examples do not depend on the number of examples.

    Returns
    -------
    torch.Tensor
        float64 ``(n, k, *input)``, of Euclidean length 1.

    Raises
    ------
    DataError
        If `x` is not valid input, or `k` is not an integer of 1 or more.

    Examples
    --------
    >>> random_directions(torch.zeros(5, 3), k=2).shape
    torch.Size([5, 2, 3])
    """
    rows = examples(x)
    (drawn,) = draw_directions(rows, k, seed, len(rows))
    return drawn


def draw_directions(rows: Tensor, k: int, seed: int, step: int) -> Iterator[Tensor]:
    """Yield the directions of :func:`random_directions` for `step` examples at a time."""
    require_whole(DataError, "k", k)
    generator = numpy_generator(seed, "directions")
    for part in torch.split(rows, step):
        drawn = torch.from_numpy(generator.standard_normal((len(part), k, *rows.shape[1:]))).to(rows.device)
        yield drawn / torch.linalg.vector_norm(drawn, dim=tuple(range(2, drawn.dim())), keepdim=True)


def towards_others(x: Any, k: int = 1, seed: int = 0) -> Float64[Tensor, "{len(x)} {k} *input"]:
    """Return the directions from each example to others of the same batch, for :func:`hashlens.regions.chord`.

    Along a direction, t = 0 is the example and t = 1 is the other one. Equal examples are never chosen, so no direction
    is zero. The k others of an example are different rows.

    Parameters
    ----------
    x : torch.Tensor or numpy.ndarray
        Examples ``(n, *input)``, floating point.
    k : int
        Number of random other examples for each example.
    seed : int
        Seed of the choice.

    Returns
    -------
    torch.Tensor
        float64 ``(n, k, *input)``: the other example minus the example.

    Raises
    ------
    DataError
        If `x` is not valid input, `k` is not an integer of 1 or more, or an example has fewer than `k` others.

    Examples
    --------
    >>> towards_others(torch.tensor([[0.0], [3.0]])).flatten().tolist()
    [3.0, -3.0]
    """
    rows = examples(x).to(torch.float64)
    require_whole(DataError, "k", k)
    _, group, sizes = torch.unique(rows.flatten(1), dim=0, return_inverse=True, return_counts=True)
    group, sizes = group.cpu().numpy(), sizes.cpu().numpy()
    others = len(rows) - sizes[group]
    if (others < k).any():
        row = int(np.argmax(others < k))
        raise DataError(
            f"{k} other examples are needed for each, received {len(rows)} examples, of which {others[row]} differ "
            f"from example {row}: give more, or a smaller k"
        )
    # With equal examples sorted together, the different ones are before and after them.
    order, first = np.argsort(group, kind="stable"), np.cumsum(sizes) - sizes
    generator = numpy_generator(seed, "others")
    places = np.stack([generator.choice(count, k, replace=False) for count in others])
    places += np.where(places >= first[group, None], sizes[group, None], 0)
    chosen = torch.from_numpy(order[places]).to(rows.device)
    return rows[chosen] - rows[:, None]
