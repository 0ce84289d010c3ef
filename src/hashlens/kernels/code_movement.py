"""How far training has moved the codes of each layer from their limit of infinite width, as a measure of studies."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from hashlens.data.examples import ArrayExamples
from hashlens.kernels.compare import compare_codes
from hashlens.kernels.from_module import Init

EXAMPLES = 200
"""Test examples, the first ones, all pairs of which are compared."""
INITS: dict[str, Init] = {"default": "pytorch", "glorot": "glorot", "he": "he"}
"""Initialisations of studies, and what they are called here."""


class CodeMovement:
    """Distance of the codes of each layer from their limit, as :class:`CodeKernelComparison` measures it.

    ``code_movement`` is `moved`: the root mean square, over pairs of test examples, of the difference between the share
    of bits that agree and its limit. ``code_movement_random`` is `random`: the same for a random network of the same
    widths, which is the part that finite width explains.
    """

    def require(self, network: torch.nn.Module, examples: ArrayExamples) -> None:
        """Raise KernelError if a layer of the network has no limit."""
        compare_codes(network, examples, examples=2, draws=1)

    def rows(self, network: torch.nn.Module, evaluation: Any) -> Iterator[tuple[str, str, float, str]]:
        """Yield measure, split, value and layer, for the root mean square over layers and for each layer."""
        found = compare_codes(
            network, evaluation.data.test, init=INITS[evaluation.init], examples=EXAMPLES, draws=1,
            reading=evaluation.reading,
        )  # fmt: skip
        for measure, values in (("code_movement", found.moved), ("code_movement_random", found.random)):
            yield measure, "test", float(np.sqrt(np.mean(values**2))), ""
            for layer, value in zip(found.layers, values.tolist(), strict=True):
                yield measure, "test", value, layer


CODE_MOVEMENT = CodeMovement()
