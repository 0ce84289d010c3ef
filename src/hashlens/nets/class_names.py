"""Class names of a network's outputs, stored with a trained or loaded network."""

from typing import Any

import torch


def declare_classes(model: torch.nn.Module, class_names: tuple[str, ...] | None) -> None:
    """Store the class names of a network's outputs: output i is ``class_names[i]``."""
    if class_names is not None:
        model.hashlens_classes = tuple(class_names)  # type: ignore[assignment]


def declared_classes(model: Any) -> tuple[str, ...] | None:
    """Return the class names of a network's outputs; None if it was not trained or saved with any."""
    names = getattr(model, "hashlens_classes", None)
    return names if isinstance(names, tuple) else None
