"""hashlens: a lens on the hash code inside a neural network."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hashlens import codes, data, measures, nets, regions, retrieval, training
from hashlens.audit import Audit, Novelty, audit, compare_models, coverage, duplicates, label_issues, leaks
from hashlens.codes import Codes, Fingerprints, concatenate, encode, fingerprint
from hashlens.data import load_data
from hashlens.errors import HashlensError
from hashlens.measurement.measure import measure
from hashlens.measurement.measurement import Measurement
from hashlens.measures import (
    bits_to_determinism,
    categorization,
    determinism,
    floor,
    redundancy_ratio,
    regime,
    separation,
)
from hashlens.nets import load_model
from hashlens.training import train
from hashlens.version import __version__

if TYPE_CHECKING:
    from hashlens.explanations import Explanation, compare_explanations, explain, explain_methods
    from hashlens.index import Index
    from hashlens.integrations.monitor import CodeMonitor
    from hashlens.saved import load_result
    from hashlens.study.charts.curves import curve
    from hashlens.study.charts.effects import effect_table
    from hashlens.study.charts.phase import phase_chart, phase_slices
    from hashlens.study.charts.sensitivity import phase_sensitivity
    from hashlens.study.reproduce.reproduce import reproduce
    from hashlens.study.study import Study

__all__ = [
    "Audit",
    "CodeMonitor",
    "Codes",
    "Explanation",
    "Fingerprints",
    "HashlensError",
    "Index",
    "Measurement",
    "Novelty",
    "Study",
    "__version__",
    "audit",
    "bits_to_determinism",
    "categorization",
    "codes",
    "compare_explanations",
    "compare_models",
    "concatenate",
    "coverage",
    "curve",
    "data",
    "determinism",
    "duplicates",
    "effect_table",
    "encode",
    "explain",
    "explain_methods",
    "fingerprint",
    "floor",
    "label_issues",
    "leaks",
    "load_data",
    "load_model",
    "load_result",
    "measure",
    "measures",
    "nets",
    "phase_chart",
    "phase_sensitivity",
    "phase_slices",
    "redundancy_ratio",
    "regime",
    "regions",
    "reproduce",
    "retrieval",
    "separation",
    "train",
    "training",
]

_ON_FIRST_USE = {
    "Index": "hashlens.index",
    "CodeMonitor": "hashlens.integrations.monitor",
    "Explanation": "hashlens.explanations",
    "Study": "hashlens.study.study",
    "compare_explanations": "hashlens.explanations",
    "curve": "hashlens.study.charts.curves",
    "effect_table": "hashlens.study.charts.effects",
    "explain": "hashlens.explanations",
    "explain_methods": "hashlens.explanations",
    "load_result": "hashlens.saved",
    "phase_chart": "hashlens.study.charts.phase",
    "phase_sensitivity": "hashlens.study.charts.sensitivity",
    "phase_slices": "hashlens.study.charts.phase",
    "reproduce": "hashlens.study.reproduce.reproduce",
}


def __getattr__(name: str) -> Any:
    # What studies stand on (pydantic, SQLAlchemy, numba) is not loaded for those who do not make any.
    if name in _ON_FIRST_USE:
        return getattr(import_module(_ON_FIRST_USE[name]), name)
    raise AttributeError(f"module 'hashlens' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
