"""Results of studies that nobody ran: numbers that fall and rise as those of real networks do."""

from itertools import product

import numpy as np

from hashlens.study.networks.variables import FACTORS, VARIABLES
from hashlens.study.results import Results

HELD = {"architecture": "mlp", "width": 40, "depth": 1, "samples": 1000, "label_noise": 0.0, "weight_decay": 0.0,
        "batch_norm": False, "dropout": 0.0, "epochs": 100}  # fmt: skip
MEASURES = (
    ("redundancy_ratio", "train"), ("redundancy_ratio", "test"), ("redundancy_ratio", "uniform"), ("knn", "test"),
    ("logistic", "test"), ("kmeans_purity", "test"), ("kmeans_hungarian", "test"), ("network_accuracy", "test"),
    ("network_accuracy", "train"), ("loss", "train"),
)  # fmt: skip


def planted_results(axes, repeats=3, study="planted"):
    """Return results over `axes`, every one of the measures in every cell, with `repeats` that differ a little."""
    levels = HELD | dict.fromkeys(axes, 0)
    grid = np.array(list(product(*axes.values())), dtype=object).reshape(-1, len(axes))
    cells = [levels | dict(zip(axes, row, strict=True)) for row in grid.tolist()]
    rng = np.random.default_rng(0)
    width, epochs = (np.array([float(cell[name]) for cell in cells])[:, None] for name in ("width", "epochs"))
    noise = rng.standard_normal((len(cells), repeats))
    shift = np.log(width) - 3.4 - 1.1 * np.exp(-epochs / 15) + 0.15 * noise
    ratio = 1 / (1 + np.exp(3 * shift))
    own = np.clip(0.97 - 0.5 * np.exp(-width / 8) - 0.5 * np.exp(-epochs / 2) + 0.004 * noise, 0, 1)
    codes = own * (1 - 0.4 * np.exp(-width / 16))
    values = np.stack(
        [ratio, 0.7 * ratio, 0.9 * ratio, codes, codes - 0.01, codes - 0.2, codes - 0.22, own, own, 1 - own], axis=-1
    ).reshape(-1)
    each = repeats * len(MEASURES)
    columns = {"cell": np.repeat([str(at) for at in range(len(cells))], each)}
    for name in (*FACTORS, "epochs"):
        columns[name] = np.repeat(np.array([cell[name] for cell in cells]), each)
    columns["repeat"] = np.tile(np.repeat(np.arange(repeats), len(MEASURES)), len(cells))
    for name, place in (("measure", 0), ("split", 1)):
        columns[name] = np.tile([pair[place] for pair in MEASURES], len(cells) * repeats)
    columns["layer"] = np.full(len(values), "")
    columns["value"] = values
    return Results({name: columns[name] for name in VARIABLES.columns}, study)
