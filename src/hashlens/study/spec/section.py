"""A section of a study file."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping in a study file; unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Self:
        """Return a section from the output of `to_plain`."""
        return cls(**plain)

    def to_plain(self) -> dict[str, Any]:
        """Return all fields as dicts, lists, text and numbers."""
        return self.model_dump(mode="json")
