"""Error message for a network that raises on its inputs."""

from typing import Any

import torch

from hashlens.errors import ModelError

Tensor = torch.Tensor
FORWARD = "check the shape and dtype it takes, or give forward=fn(model, batch)"


def model_error(error: Exception, inputs: Any, way_out: str = FORWARD) -> ModelError:
    """Return the one-line error for a network that raised on its inputs."""
    text = str(error).strip().splitlines() or [type(error).__name__]
    marked = [i for i, line in enumerate(text) if "<--- HERE" in line]
    if marked:  # an error of a script, whose first line is not informative
        text = [f"`{text[marked[-1] - 1].strip()}` fails"]
    if isinstance(error, torch.OutOfMemoryError):
        return ModelError(f"out of memory: {text[0]}; use a smaller batch_size")
    shape = f"{tuple(inputs.shape)} {inputs.dtype}" if isinstance(inputs, Tensor) else type(inputs).__name__
    return ModelError(f"the model rejects inputs of {shape}: {text[0]}; {way_out}")
