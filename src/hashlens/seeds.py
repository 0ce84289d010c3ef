"""Random generators from one integer seed, keyed by what they are for.

Children are keyed by name, never by order of work, so that a cell of a study gets the same numbers whichever worker
takes it and whenever. No function of hashlens touches the global generators.
"""

import zlib

import numpy as np
import torch

from hashlens.errors import HashlensError


def _sequence(seed: int, keys: tuple[str | int, ...]) -> np.random.SeedSequence:
    words = [zlib.crc32(key.encode()) if isinstance(key, str) else int(key) for key in keys]
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise HashlensError(f"a seed is an integer of 0 or more, received {seed!r}")
    return np.random.SeedSequence(int(seed), spawn_key=tuple(words))


def numpy_generator(seed: int, *keys: str | int) -> np.random.Generator:
    """Return the NumPy generator of `seed` for the purpose that `keys` name.

    >>> float(numpy_generator(0, "noise").random()) == float(numpy_generator(0, "noise").random())
    True
    >>> float(numpy_generator(0, "noise").random()) == float(numpy_generator(0, "order").random())
    False
    """
    return np.random.default_rng(_sequence(seed, keys))


def torch_seed(seed: int, *keys: str | int) -> int:
    """Return a 63-bit integer seed for torch, for the purpose that `keys` name."""
    return int(_sequence(seed, keys).generate_state(1, np.uint64)[0] >> np.uint64(1))


def torch_generator(seed: int, *keys: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return the torch generator of `seed` for the purpose that `keys` name, on `device`."""
    return torch.Generator(device=device).manual_seed(torch_seed(seed, *keys))
