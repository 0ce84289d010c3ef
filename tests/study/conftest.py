from itertools import product

import numpy as np
import pytest

from hashlens.study.networks.variables import FACTORS, VARIABLES
from hashlens.study.results import Results

HELD = {"architecture": "mlp", "width": 40, "depth": 1, "samples": 48000, "label_noise": 0.0, "weight_decay": 0.0,
        "batch_norm": False, "dropout": 0.0, "epochs": 100}  # fmt: skip
KINDS = {"architecture": str, "width": int, "depth": int, "samples": int, "batch_norm": bool, "epochs": int}


def build(axes, measure, repeats=3, study="made"):
    """Results over `axes`; `measure(repeat, **levels)` gives {(measure, split): value} of a network, or {} for none."""
    rows = []
    for levels in product(*axes.values()):
        cell = HELD | dict(zip(axes, levels, strict=True))
        for repeat in range(repeats):
            for (name, split), value in measure(repeat, **cell).items():
                rows.append((*(cell[factor] for factor in FACTORS), repeat, cell["epochs"], name, split, "", value))
    table = list(zip(*rows, strict=True)) or [()] * (len(VARIABLES.columns) - 1)
    columns = {"cell": np.array(list(map(str, zip(*table[:8], strict=True))))}
    for name, column in zip(VARIABLES.columns[1:], table, strict=True):
        kind = KINDS.get(name, int if name == "repeat" else str if name in ("measure", "split", "layer") else float)
        columns[name] = np.array(column, dtype=kind)
    return Results(columns, study)


def mnist_like(repeat, width, epochs, samples, **_):
    """Numbers that fall and rise as those of MNIST do; repeats differ a little, as other seeds would."""
    rng = np.random.default_rng((repeat, width, epochs, samples))
    late = 3.2 * (1 + 0.35 * np.exp(-epochs / 15)) * (48000 / samples) ** 0.03
    shift = np.log(width) - late + 0.06 * rng.standard_normal()
    train = 1 / (1 + np.exp(4.6 * shift)) if epochs else 0.03 / (1 + np.exp(3 * shift))
    own = 0.98 - 0.5 * np.exp(-width / 8) - 0.6 * (epochs == 0) + 0.004 * rng.standard_normal()
    knn = own * (1 - 0.4 * np.exp(-width / 16)) + 0.004 * rng.standard_normal()
    return {
        ("redundancy_ratio", "train"): train,
        ("redundancy_ratio", "test"): train * 0.6,
        ("knn", "test"): knn,
        ("logistic", "test"): knn - 0.02,
        ("network_accuracy", "test"): own,
    }


@pytest.fixture(scope="session")
def made():
    """Build results of any table."""
    return build


@pytest.fixture(scope="session")
def mnist():
    """Results over widths, epochs and sample sizes, with three repeats."""
    axes = {"width": [10, 20, 27, 40, 53, 100], "epochs": [0, 1, 10, 100], "samples": [1000, 10000, 48000]}
    return build(axes, mnist_like)
