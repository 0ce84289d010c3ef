"""The small frozen base of every result."""

from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from rich.console import Console, RenderableType

T = TypeVar("T")


@dataclass(frozen=True)
class Split(Generic[T]):
    """One thing for the training examples, and the same for the test examples."""

    train: T
    test: T


def plain(value: Any) -> Any:
    """Return `value` as JSON takes it: results and arrays become dicts, lists and Python numbers; NaN becomes None."""
    if isinstance(value, Result):
        return value.to_dict()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value


class Result:
    """Base of the frozen dataclasses that functions return.

    A subclass is a frozen dataclass; it may define ``__rich__`` for people, which also gives ``str()``.
    """

    schema_version: ClassVar[int] = 1

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain dicts, lists, strings and numbers, with its ``schema_version``."""
        body = {field.name: plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]
        return {"schema_version": self.schema_version, **body}

    def __rich__(self) -> RenderableType:
        return repr(self)

    def __str__(self) -> str:
        console = Console(width=100, color_system=None, force_terminal=False)
        with console.capture() as capture:
            console.print(self.__rich__())
        return capture.get().rstrip("\n")

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(str(self))}</pre>"
