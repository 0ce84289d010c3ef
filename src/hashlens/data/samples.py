"""A list of samples: tensors or arrays, pairs (input, label), or dicts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from hashlens.data.arrays import from_arrays
from hashlens.data.examples import Examples
from hashlens.data.loader import DatasetExamples
from hashlens.errors import DataError

_KINDS = "tensors or arrays, pairs (input, label), or dicts of tensors"


def from_samples(samples: Sequence[Any]) -> Examples:
    """Return the examples of a list; ids are indices of the list.

    Inputs of equal shape become one array, with labels that are numbers or names. Other samples, such as dicts and
    tuples of several inputs, are collated batch by batch by torch's default.

    Parameters
    ----------
    samples : sequence
        Tensors or arrays ``(...)``, tuples ``(input, label, ...)``, or dicts with ``label`` or ``labels``.

    Raises
    ------
    DataError
        If the list is empty, mixes kinds of samples, or holds other objects.
    """
    kinds = {_kind(sample) for sample in samples}
    description = f"a {type(samples).__name__} of {len(samples)}"
    if not samples or len(kinds) > 1 or None in kinds:
        content = (
            "nothing"
            if not samples
            else "samples of several kinds"
            if None not in kinds
            else _unsupported_content(samples)
        )
        raise DataError(
            f"{description} is not a source: it holds {content}; expected a pair (inputs, labels) of arrays, or "
            f"samples, which are {_KINDS}"
        )
    paired = kinds == {"pair"}
    inputs = [sample[0] for sample in samples] if paired else list(samples)
    shapes = {tuple(np.shape(item)) if is_array(item) else None for item in inputs}
    if None in shapes or len(shapes) > 1:
        return DatasetExamples(samples)
    return from_arrays(_stack(inputs), [_label(item[1]) for item in samples] if paired else None, name="samples")


def is_array(source: Any) -> bool:
    """Return whether `source` is a tensor, an array, or an object that NumPy treats as an array."""
    return isinstance(source, torch.Tensor | np.ndarray) or hasattr(source, "__array__")


def _kind(sample: Any) -> str | None:
    if isinstance(sample, Mapping):
        return "dict"
    if isinstance(sample, tuple | list):
        # A row of plain numbers is not an input with its label.
        first = sample[0] if sample else None
        starts_with_input = is_array(first) or isinstance(first, Mapping)
        return None if not starts_with_input else "pair" if len(sample) > 1 else "single"
    return "array" if is_array(sample) and not isinstance(sample, np.generic) else None


def _unsupported_content(samples: Sequence[Any]) -> str:
    odd = next(sample for sample in samples if _kind(sample) is None)
    if isinstance(odd, tuple | list):
        if odd and not isinstance(odd[0], int | float | str | bytes | complex | list | tuple):
            return f"a {type(odd).__name__} that begins with {type(odd[0]).__name__}: make it a tensor or an array"
        return "rows of plain numbers or text, which may be inputs or labels: make them an array"
    return f"{type(odd).__name__}"


def _stack(inputs: Sequence[Any]) -> Any:
    if all(isinstance(item, torch.Tensor) for item in inputs):
        return torch.stack([item.detach().cpu() for item in inputs])
    return np.stack([np.asarray(item) for item in inputs])


def _label(label: Any) -> Any:
    return label.item() if is_array(label) and np.size(label) == 1 else label
