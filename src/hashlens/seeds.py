"""Random generators derived from one integer seed and keys that name their purpose.

Generators are keyed by name, never by order of work, so that a cell of a study gets the same random numbers from any
worker at any time. No function of hashlens uses the global generators.
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
    """Return the NumPy generator that belongs to `seed` and the purpose named by `keys`.

    >>> float(numpy_generator(0, "noise").random()) == float(numpy_generator(0, "noise").random())
    True
    >>> float(numpy_generator(0, "noise").random()) == float(numpy_generator(0, "order").random())
    False
    """
    return np.random.default_rng(_sequence(seed, keys))


def torch_seed(seed: int, *keys: str | int) -> int:
    """Return a 63-bit integer seed for torch, for the purpose named by `keys`."""
    return int(_sequence(seed, keys).generate_state(1, np.uint64)[0] >> np.uint64(1))


def torch_generator(seed: int, *keys: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return the torch generator on `device` that belongs to `seed` and the purpose named by `keys`."""
    return torch.Generator(device=device).manual_seed(torch_seed(seed, *keys))
