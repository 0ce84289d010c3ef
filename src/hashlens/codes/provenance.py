"""Where codes come from: what must be known to get the same bits again."""

from dataclasses import dataclass

from hashlens.version import __version__


@dataclass(frozen=True)
class Provenance:
    """The network, data and machine that codes were read from.

    Floating point is not the same in every batch, dtype and device, so all of them are part of a code's origin.
    `images` says whether inputs came as images: ``(channels, height, width)`` with 1, 3 or 4 channels.
    ``output`` says how the network's output was read and from what that was decided; ``unsteady`` what makes its codes
    depend on chance or on the batch, where something does.
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
    ignored: tuple[str, ...] = ()
    output: str = ""
    unsteady: str = ""
    torch_version: str = ""
    hashlens_version: str = __version__

    def same_network(self, other: "Provenance") -> bool:
        """Return whether bits of the two mean the same units of the same network."""
        return (self.parameters_digest, self.granularity, self.gates) == (
            other.parameters_digest,
            other.granularity,
            other.gates,
        )
