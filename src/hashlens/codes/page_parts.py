"""Parts of pages about codes: their layers and their provenance."""

from collections.abc import Mapping
from dataclasses import asdict

from hashlens.codes.layers import Layer
from hashlens.codes.provenance import Provenance
from hashlens.report.page import Section
from hashlens.tables import Table, number, table

ORIGIN = {
    "model": "network",
    "parameters_digest": "digest of the parameters",
    "masked": "padding is left out",
    "threads": "threads of torch",
    "images": "inputs are images",
    "sampled_from": "bits are sampled from",
    "left_out": "gates left out",
    "output": "output read as",
    "unsteady": "depends on",
    "torch_version": "torch",
    "hashlens_version": "hashlens",
}
"""Headings of some fields of a provenance; the other fields are shown by name."""
NOTHING = (None, "", (), False)


def subtitle(origin: Provenance) -> str:
    """Return the name of the data and, where it is known, the digest of the parameters."""
    return f"of {origin.data}; parameters {origin.parameters_digest[:12]}" if origin.parameters_digest else origin.data


def layer_table(layers: tuple[Layer, ...]) -> Table:
    """Return a row for each layer: its gate, shape and bits."""
    rows = [
        (
            layer.name,
            layer.gate + (" (soft)" if layer.soft else ""),
            " x ".join(map(str, layer.shape)),
            number(layer.bits),
            number(layer.all_bits),
        )
        for layer in layers
    ]
    return table("Layers", ("layer", "gate", "shape", "bits kept", "bits in total"), rows, names=3)


def origin_section(origin: Provenance) -> Section:
    """Return the section about network, data and machine."""
    return Section("Origin", (origin_table({"": origin}),))


def origin_table(origins: Mapping[str, Provenance]) -> Table:
    """Return a table of network, data and machine, with a column for each origin under its heading."""
    records = [asdict(origin) for origin in origins.values()]
    rows = [
        (ORIGIN.get(name, name.replace("_", " ")), *(_text(record[name]) for record in records))
        for name in records[0]
        if any(record[name] not in NOTHING for record in records)
    ]
    return table("Network, data and machine", ("", *origins), rows, names=1 + len(records))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value) or "–"
    return number(value) if isinstance(value, int) else str(value or "–")
