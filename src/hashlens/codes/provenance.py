"""Where codes come from: what must be known to get the same bits again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hashlens.version import __version__


@dataclass(frozen=True)
class Provenance:
    """The network, data and machine that codes were read from.

    Floating point is not the same in every batch, dtype and device, so all of them are part of a code's origin.
    `images` says whether inputs came as images: ``(channels, height, width)`` with 1, 3 or 4 channels.
    ``output`` says how the network's output was read and from what that was decided; ``unsteady`` what makes its codes
    depend on chance or on the batch, where something does. ``left_out`` names the gates that are not in the codes,
    since they belong to no single example: ``name: reason`` each.
    """

    model: str = "bits"
    parameters_digest: str = ""
    data: str = "arrays"
    granularity: str = "unit"
    gates: str = "activations"
    masked: bool = False
    dtype: str = ""
    autocast: str = ""
    device: str = ""
    batch_size: int = 0
    threads: int = 0
    seed: int = 0
    images: bool = False
    sampled_from: int | None = None
    left_out: tuple[str, ...] = ()
    output: str = ""
    unsteady: str = ""
    torch_version: str = ""
    hashlens_version: str = __version__

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Provenance":
        """Return what a manifest keeps, of this version or an earlier one, which may know less."""
        values: dict[str, Any] = {name: value for name, value in record.items() if name != "ignored"}
        return cls(**{**values, "left_out": tuple(values.get("left_out", ()))})

    @property
    def left_out_note(self) -> str:
        """How many gates are not in the codes, and which, in a line; empty where all are."""
        if not self.left_out:
            return ""
        reasons = dict.fromkeys(entry.rpartition("; ")[2] for entry in self.left_out)
        return f"{left_out_gates(self.left_out)}: {' or '.join(reasons)}, so their units belong to no single example"

    def same_network(self, other: "Provenance") -> bool:
        """Return whether bits of the two mean the same units of the same network."""
        return (self.parameters_digest, self.granularity, self.gates) == (
            other.parameters_digest,
            other.granularity,
            other.gates,
        )


def left_out_gates(left_out: Sequence[str]) -> str:
    """Return how many gates were left out, and the first of their names.

    >>> left_out_gates(["experts.act.silu: silu of (34, 8) for 8 examples"])
    '1 gate left out (experts.act.silu)'
    """
    names = [entry.partition(": ")[0] for entry in left_out]
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{len(names)} gate{'s' * (len(names) > 1)} left out ({', '.join(names[:3])}{rest})"
