"""The contract of a gate: the bits that it must give in every dtype and batch size."""

from collections.abc import Callable

import numpy as np
import torch

from hashlens.codes.encode import encode


def check_gate(
    module: torch.nn.Module,
    oracle: Callable[[torch.Tensor], torch.Tensor],
    shape: tuple[int, ...] = (4, 6),
    gates: str = "activations",
    soft: bool = False,
) -> None:
    """Assert that the code of `module` equals the bits that `oracle` computes from the input.

    Parameters
    ----------
    module : torch.nn.Module
        A network with a single gate, the one under test, applied to its input.
    oracle : callable
        Function from inputs ``(n, *shape)`` to the expected bits, bool ``(n, bits)``, by a plain formula.
    shape : tuple of int
        Shape of one example.
    gates : {"activations", "all"}
        Kinds of gates to read, as in :class:`hashlens.Reading`.
    soft : bool
        Whether the gate is smooth.

    Raises
    ------
    AssertionError
        If a bit differs in float64, float32 or bfloat16, at a breakpoint, or in a partial batch, or if the input is
        changed.
    """
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(11, *shape, generator=generator, dtype=torch.float64) * 4
    edges = torch.tensor([-6.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 6.0], dtype=torch.float64)
    at_edges = edges[torch.randint(len(edges), (11, *shape), generator=generator)]
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        for inputs in (drawn.to(dtype), at_edges.to(dtype)):
            before = inputs.clone()
            codes = encode(module, inputs, gates=gates, batch_size=4)  # type: ignore[arg-type]
            expected = oracle(before).reshape(len(before), -1).numpy()
            assert np.array_equal(codes.unpack(), expected), f"{module}: other bits than the formula's in {dtype}"
            assert torch.equal(inputs, before), f"{module}: the input was changed"
            assert len(codes.layers) == 1, f"{module}: {len(codes.layers)} gates seen, expected one"
            assert codes.soft == soft, f"{module}: soft is {codes.soft}"
