"""The page of an index: its content and its options."""

import numpy as np

from hashlens.codes.page_parts import layer_table, origin_section, subtitle
from hashlens.data.labels import class_name
from hashlens.index.index import Index
from hashlens.report.blocks import blocks
from hashlens.report.page import Block, Page, Section
from hashlens.tables import number, table


def index_page(index: Index) -> Page:
    """Return the page of an index: its content and its options."""
    kinds = {
        "exact": "compares every row",
        "ivf": "compares the rows of the nearest lists",
        "hnsw": "follows the edges of a graph",
    }
    labels = index.labels
    contents: list[Block] = list(blocks(index.__rich__()))
    if labels is not None:
        classes, counts = np.unique(labels, return_counts=True)
        rows = [
            (class_name(index.class_names, label), number(count))
            for label, count in zip(classes.tolist(), counts.tolist(), strict=True)
        ]
        contents.append(table("Labels of the rows", ("label", "rows"), rows))
    title = f"An index of {len(index):,} codes"
    layers = layer_table(index.layers)
    return Page(
        title, subtitle(index.provenance), f"A search {kinds[index.kind]}", "",
        (Section("The index", tuple(contents)), Section("Layers", (layers,)),
         origin_section(index.provenance)),
    )  # fmt: skip
