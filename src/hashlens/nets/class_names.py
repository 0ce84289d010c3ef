"""The names of the classes that a network's outputs stand for, kept with a network that was trained or loaded."""

from typing import Any

import torch


def declare_classes(model: torch.nn.Module, class_names: tuple[str, ...] | None) -> None:
    """Let a network say what its outputs are called: output i is ``class_names[i]``."""
    if class_names is not None:
        model.hashlens_classes = tuple(class_names)  # type: ignore[assignment]


def declared_classes(model: Any) -> tuple[str, ...] | None:
    """Return what the outputs of a network are called, if it was trained or saved with names of classes."""
    names = getattr(model, "hashlens_classes", None)
    return names if isinstance(names, tuple) else None
