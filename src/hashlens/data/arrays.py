"""Examples from tensors and arrays."""

from typing import Any

import numpy as np
import torch

from hashlens.data.examples import ArrayExamples
from hashlens.data.frames import array_of, require_unmasked
from hashlens.data.labels import class_labels
from hashlens.errors import DataError


def from_arrays(
    inputs: Any,
    labels: Any = None,
    *,
    name: str = "arrays",
    class_names: tuple[str, ...] | None = None,
    scale: float = 1.0,
) -> ArrayExamples:
    """Return examples from arrays in memory; the inputs keep their dtype if `scale` is 1.

    Parameters
    ----------
    inputs : tensor or array
        ``(n, ...)``: the inputs.
    labels : tensor, array or sequence, optional
        ``(n,)``: class numbers or class names.
    name : str
        Name of the source, for provenance and messages.
    class_names : tuple of str, optional
        Names of classes 0, 1, ...; not used if the labels have names themselves.
    scale : float
        Factor of the inputs, applied in float32 when a batch is made; 1 leaves them unchanged.

    Raises
    ------
    DataError
        If there are no examples, inputs or labels have an unsupported type, or their numbers differ.
    """
    tensor = _as_tensor(inputs, name)
    if tensor.ndim == 0 or len(tensor) == 0:
        raise DataError(f"{name}: there are no examples: inputs have shape {tuple(tensor.shape)}, expected (n, ...)")
    numbers = None
    if labels is not None:
        numbers, names = class_labels(labels, name)
        class_names = names or class_names
    return ArrayExamples(tensor, numbers, np.arange(len(tensor)), name, class_names, scale)


def _as_tensor(inputs: Any, name: str) -> torch.Tensor:
    if isinstance(inputs, torch.Tensor):
        if inputs.layout != torch.strided:
            raise DataError(f"{name}: inputs are a sparse tensor; make them dense with .to_dense()")
        return inputs.detach().cpu()
    is_pandas = hasattr(inputs, "iloc")
    try:
        array = (array_of if is_pandas else require_unmasked)(inputs, f"{name}: inputs")
    except (TypeError, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"{name}: inputs are not an array of numbers: {reason}") from error
    # torch needs native byte order, no negative strides, and writable memory.
    try:
        return torch.from_numpy(np.require(array, array.dtype.newbyteorder("="), ["C", "W"]))
    except TypeError:
        raise DataError(
            f"{name}: inputs of dtype {array.dtype} are not numbers; expected a tensor or array (n, ...)"
        ) from None
