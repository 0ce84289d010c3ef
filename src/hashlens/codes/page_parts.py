"""What pages show of codes: their layers, and where they come from."""

from dataclasses import asdict

from hashlens.codes.layers import Layer
from hashlens.codes.provenance import Provenance
from hashlens.report.page import Section
from hashlens.tables import Table, number, table


def subtitle(origin: Provenance) -> str:
    """Return the data, and the digest of the parameters where it is known."""
    return f"of {origin.data}; parameters {origin.parameters_digest[:12]}" if origin.parameters_digest else origin.data


def layer_table(layers: tuple[Layer, ...]) -> Table:
    """Return a row for each layer: its gate, shape and bits."""
    rows = [
        (at.name, at.gate + (" (soft)" if at.soft else ""), " x ".join(map(str, at.shape)), number(at.bits),
         number(at.all_bits))
        for at in layers
    ]  # fmt: skip
    return table("Layers", ("layer", "gate", "shape", "bits kept", "bits in all"), rows, names=3)


def origin_section(origin: Provenance) -> Section:
    """Return what is known of network, data and machine."""
    rows = [
        (name.replace("_", " "), ", ".join(value) if isinstance(value, tuple) else str(value))
        for name, value in asdict(origin).items()
        if value not in (None, "", (), 0, False)
    ]
    return Section("Where they come from", (table("Network, data and machine", ("", ""), rows, names=2),))
