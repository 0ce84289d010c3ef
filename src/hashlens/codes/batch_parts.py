"""Parts of a batch: its tensors, and some of its examples, in nested mappings, lists and tuples."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

Tensor = torch.Tensor


def each_tensor(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a batch with every tensor changed; mappings, lists and tuples keep their type."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return _same_container(value, {key: each_tensor(item, change) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return _same_container(value, [each_tensor(item, change) for item in value])
    return value


def some_examples(value: Any, size: int, rows: Sequence[int]) -> tuple[Any, bool]:
    """Return copies of some examples of a batch of `size`, and whether every tensor in it has a batch axis.

    A list of `size` entries holds one entry for each example, unless its entries are tensors with a batch axis.
    """
    if isinstance(value, Tensor):
        batched = value.dim() > 0 and len(value) == size
        return (value[list(rows)] if batched else value), batched or value.dim() == 0
    if isinstance(value, Mapping):
        parts = {key: some_examples(item, size, rows) for key, item in value.items()}
        return _same_container(value, {key: part for key, (part, _) in parts.items()}), all(
            batched for _, batched in parts.values()
        )
    if isinstance(value, (list, tuple)):
        if _one_item_per_example(value, size):
            return each_tensor(_same_container(value, [value[row] for row in rows]), torch.clone), True
        items = [some_examples(item, size, rows) for item in value]
        return _same_container(value, [part for part, _ in items]), all(batched for _, batched in items)
    return value, True


def with_second_example(value: Any) -> Any:
    """Return a batch of one example with another one beside it, made from it: its first token, again and again.

    In a table of numbers, the numbers get the other sign.
    """

    def add(part: Tensor) -> Tensor:
        if part.dim() < 2 or len(part) != 1:
            return torch.cat([part, part]) if part.dim() and len(part) == 1 else part
        numbers = part.dim() == 2 and part.is_floating_point()
        return torch.cat([part, -part if numbers else part[:, :1].expand_as(part)])

    return each_tensor(value, add)


def padded(value: Any, size: int, padding: int) -> Any:
    """Return a batch of `size` examples padded with its last example, for a program with a fixed batch size."""

    def pad(part: Tensor) -> Tensor:
        if part.dim() and len(part) == size:
            return torch.cat([part, part[-1:].expand(padding, *part.shape[1:])])
        return part

    return each_tensor(value, pad)


def _one_item_per_example(value: list[Any] | tuple[Any, ...], size: int) -> bool:
    all_full_batch = all(isinstance(item, Tensor) and item.dim() and len(item) == size for item in value)
    return len(value) == size and not all_full_batch and not hasattr(value, "_fields")


def _same_container(value: Any, parts: Any) -> Any:
    """Return parts in a container of the type of `value`, or in a plain one if that type cannot be built from parts."""
    if type(value) in (dict, list, tuple):
        return type(value)(parts)
    try:
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    except TypeError:
        return parts
