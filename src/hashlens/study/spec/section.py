"""A section of a study file."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping of a study file, of known fields only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Self:
        """Return the section that `to_plain` wrote."""
        return cls(**plain)

    def to_plain(self) -> dict[str, Any]:
        """Return all fields as dicts, lists, text and numbers."""
        return self.model_dump(mode="json")
