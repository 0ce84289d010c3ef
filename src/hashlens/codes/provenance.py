"""Provenance of codes: everything needed to reproduce the same bits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hashlens.version import __version__

CONSTANT = "no input can cross its breakpoints"
"""Reason for leaving out a gate whose bits never change."""


@dataclass(frozen=True)
class Provenance:
    """Network, data and machine that codes were read from.

    Floating-point results depend on batch size, dtype and device, so all of these are recorded.

    Attributes
    ----------
    model : str
        Class name of the network; ``bits`` for codes that were made from bits.
    parameters_digest : str
        Digest of its parameters and buffers, 32 hexadecimal digits.
    data : str
        Name of the source of the examples.
    granularity, gates : str
        As in :class:`hashlens.Reading`.
    masked : bool
        Whether a mask of padding was given.
    dtype : str
        Dtype of the network.
    autocast : str
        Dtype of automatic mixed precision; empty without it.
    device : str
        Device that the network ran on.
    batch_size : int
        Number of examples in the largest batch, or the fixed batch size of an exported program.
    threads : int
        Number of threads of torch.
    seed : int
        Seed of the sample of bits.
    images : bool
        Whether the inputs are images: ``(channels, height, width)`` with 1, 3 or 4 channels.
    sampled_from : int or None
        Number of bits that the bits were sampled from; None if all bits were kept.
    left_out : tuple of str
        Gates that are not in the codes because their units do not belong to single examples, or because their bits
        never change, as ``name: reason``.
    output : str
        How the network's output was read, and why; empty if it gave no scores.
    unsteady : str
        Reasons why the codes depend on chance or on the batch; empty if there are none.
    torch_version, hashlens_version : str
        Versions of torch and hashlens.
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
        """Return the provenance stored in a manifest, of this version or of an earlier one with fewer fields."""
        # `ignored` is a field of an earlier version.
        values: dict[str, Any] = {name: value for name, value in record.items() if name != "ignored"}
        return cls(**{**values, "left_out": tuple(values.get("left_out", ()))})

    @property
    def left_out_note(self) -> str:
        """Number and names of the gates that are not in the codes, in a line; empty where all are."""
        if not self.left_out:
            return ""
        lines = []
        for constant in (False, True):
            gates = [entry for entry in self.left_out if (entry.rpartition("; ")[2] == CONSTANT) == constant]
            if gates:
                reasons = dict.fromkeys(entry.rpartition("; ")[2] for entry in gates)
                what = consequence(CONSTANT if constant else "", "their")
                lines.append(f"{left_out_gates(gates)}: {' or '.join(reasons)}, {what}")
        return "; ".join(lines)

    def same_network(self, other: "Provenance") -> bool:
        """Return whether bits of both belong to the same units of the same network."""
        return (self.parameters_digest, self.granularity, self.gates) == (
            other.parameters_digest,
            other.granularity,
            other.gates,
        )


def consequence(reason: str, its: str = "its") -> str:
    """Return what follows from the reason for leaving out a gate, in words."""
    return f"so {its} bits never change" if reason == CONSTANT else f"so {its} units belong to no single example"


def left_out_gates(left_out: Sequence[str]) -> str:
    """Return in words the number of gates left out, and the first of their names.

    >>> left_out_gates(["experts.act.silu: silu of (34, 8) for 8 examples"])
    '1 gate left out (experts.act.silu)'
    """
    names = [entry.partition(": ")[0] for entry in left_out]
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{len(names)} gate{'s' * (len(names) > 1)} left out ({', '.join(names[:3])}{rest})"
