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


def with_other_example(value: Any, own: int, others: int) -> Any:
    """Return a batch of an example, `own` times, and of another one that is made from it, `others` times.

    `value` is a batch of one example. In the other example, a row of floating-point numbers has the opposite sign, and
    any other tensor repeats its first entry along axis 1, such as the first token. An item of a list is reversed along
    its last axis.
    """
    if isinstance(value, Mapping):
        return _same_container(value, {key: with_other_example(item, own, others) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        if _one_item_per_example(value, 1):
            items = [value[0]] * own + [each_tensor(value[0], _mirror)] * others
            return each_tensor(_same_container(value, items), torch.clone)
        return _same_container(value, [with_other_example(item, own, others) for item in value])
    if not isinstance(value, Tensor) or value.dim() == 0 or len(value) != 1:
        return value
    other = value
    if value.dim() > 1:
        other = -value if value.dim() == 2 and value.is_floating_point() else value[:, :1].expand_as(value)
    return torch.cat([value] * own + [other] * others)


def _mirror(part: Tensor) -> Tensor:
    return part.flip(-1) if part.dim() else part


def pad_batch(value: Any, size: int, padding: int) -> Any:
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
