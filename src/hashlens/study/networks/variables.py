"""The variables of studies of networks: their factors and measures."""

from hashlens.study.variables import Axis, Factor, MeasureInfo, Variables


def _accuracy(label: str = "", heading: str = "") -> MeasureInfo:
    return MeasureInfo(label, heading, 0.0, 1.0, better="higher", group="accuracy", may_be_nan=True)


VARIABLES = Variables(
    "networks",
    (
        Factor("architecture", type="text", default="mlp", fixed_at="first"),
        Factor("width", "width (units per layer)", "int", 0),
        Factor("depth", "depth (hidden layers)", "int", 0),
        Factor("samples", "training examples", "int", 0),
        Factor("label_noise", "label noise (share of labels)", "float", 0.0, fixed_at="first"),
        Factor("weight_decay", "weight decay", "float", 0.0, fixed_at="first"),
        Factor("batch_norm", "batch normalisation", "bool", False, fixed_at="first"),
        Factor("dropout", "dropout", "float", 0.0, fixed_at="first"),
    ),
    Axis("epochs", "training time (epochs)"),
    {
        "redundancy_ratio": MeasureInfo("redundancy ratio R", "R", 0.0, 1.0, every_split=True, scale="logit"),
        "network_accuracy": _accuracy("network"),
        "knn": _accuracy("K-NN"),
        "logistic": _accuracy("logistic"),
        "kmeans_purity": _accuracy("K-Means (purity)", "purity"),
        "kmeans_hungarian": _accuracy("K-Means (Hungarian)", "Hungarian"),
        "collision_probability": MeasureInfo(low=0.0, high=1.0, every_split=True),
        "bits_to_determinism": MeasureInfo(low=0.0, may_be_nan=True),
        "loss": MeasureInfo(low=0.0, better="lower", may_be_nan=True),
        "separation_within": MeasureInfo(low=0.0, high=1.0, may_be_nan=True),
        "separation_between": MeasureInfo(low=0.0, high=1.0, may_be_nan=True),
        "local_complexity": MeasureInfo(low=1.0, every_split=True, may_be_nan=True),
        "chord_length": MeasureInfo(low=0.0, every_split=True, may_be_nan=True),
        "code_movement": MeasureInfo("distance of codes to their limit", "code movement", low=0.0, high=1.0),
        "code_movement_random": MeasureInfo("the same of random networks", "random", low=0.0, high=1.0),
    },
    ("redundancy_ratio", "knn", "logistic", "kmeans_purity", "kmeans_hungarian", "network_accuracy"),
)
"""The variables of all studies of networks."""
FACTORS = tuple(factor.name for factor in VARIABLES.factors)
"""Names of the factors, in order."""
