"""hashlens: a lens on the hash code inside a neural network."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hashlens.version import __version__

if TYPE_CHECKING:
    from hashlens import (
        codes,
        data,
        errors,
        generative,
        kernels,
        measures,
        nets,
        regions,
        retrieval,
        ted,
        training,
        tuning,
    )
    from hashlens.audit import Audit, Novelty, audit, compare_models, coverage, duplicates, label_issues, leaks
    from hashlens.codes import Codes, Fingerprints, Reading, concatenate, encode, fingerprint
    from hashlens.data import load_data
    from hashlens.errors import HashlensError
    from hashlens.explanations import Explanation, compare_explanations, explain, explain_methods
    from hashlens.index import Index
    from hashlens.integrations import CodeMonitor
    from hashlens.measurement import Measurement, measure
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
    from hashlens.saved import load_result
    from hashlens.study.charts import curve, effect_table
    from hashlens.study.networks.regimes import phase_chart, phase_sensitivity, phase_slices
    from hashlens.study.reproduce import reproduce
    from hashlens.study.study import Study
    from hashlens.ted import TEDClassifier
    from hashlens.training import train
    from hashlens.tuning import tune

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
    "Reading",
    "Study",
    "TEDClassifier",
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
    "errors",
    "explain",
    "explain_methods",
    "fingerprint",
    "floor",
    "generative",
    "kernels",
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
    "ted",
    "train",
    "training",
    "tune",
    "tuning",
]

_MODULES = {
    "Audit": "hashlens.audit",
    "CodeMonitor": "hashlens.integrations",
    "Codes": "hashlens.codes",
    "Explanation": "hashlens.explanations",
    "Fingerprints": "hashlens.codes",
    "HashlensError": "hashlens.errors",
    "Index": "hashlens.index",
    "Measurement": "hashlens.measurement",
    "Novelty": "hashlens.audit",
    "Reading": "hashlens.codes",
    "Study": "hashlens.study.study",
    "TEDClassifier": "hashlens.ted",
    "audit": "hashlens.audit.audit",
    "bits_to_determinism": "hashlens.measures",
    "categorization": "hashlens.measures",
    "codes": "hashlens.codes",
    "compare_explanations": "hashlens.explanations",
    "compare_models": "hashlens.audit",
    "concatenate": "hashlens.codes",
    "coverage": "hashlens.audit",
    "curve": "hashlens.study.charts",
    "data": "hashlens.data",
    "determinism": "hashlens.measures",
    "duplicates": "hashlens.audit",
    "effect_table": "hashlens.study.charts",
    "encode": "hashlens.codes",
    "errors": "hashlens.errors",
    "explain": "hashlens.explanations",
    "explain_methods": "hashlens.explanations",
    "fingerprint": "hashlens.codes",
    "floor": "hashlens.measures",
    "generative": "hashlens.generative",
    "kernels": "hashlens.kernels",
    "label_issues": "hashlens.audit",
    "leaks": "hashlens.audit",
    "load_data": "hashlens.data",
    "load_model": "hashlens.nets",
    "load_result": "hashlens.saved",
    "measure": "hashlens.measurement",
    "measures": "hashlens.measures",
    "nets": "hashlens.nets",
    "phase_chart": "hashlens.study.networks.regimes",
    "phase_sensitivity": "hashlens.study.networks.regimes",
    "phase_slices": "hashlens.study.networks.regimes",
    "redundancy_ratio": "hashlens.measures",
    "regime": "hashlens.measures",
    "regions": "hashlens.regions",
    "reproduce": "hashlens.study.reproduce",
    "retrieval": "hashlens.retrieval",
    "separation": "hashlens.measures",
    "ted": "hashlens.ted",
    "train": "hashlens.training",
    "training": "hashlens.training",
    "tune": "hashlens.tuning",
    "tuning": "hashlens.tuning",
}
"""The module that defines each public name; a public package is its own module."""


class _Names(ModuleType):
    """Module type of hashlens. Its attributes always come from the table above, whatever was imported before."""

    def __setattr__(self, name: str, value: Any) -> None:
        # `audit` is a function and a package. After importing a package Python sets it as an attribute here, which
        # would hide the function.
        if not (isinstance(value, ModuleType) and _MODULES.get(name, value.__name__) != value.__name__):
            super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    # torch and the dependencies of studies are imported with the first name that needs them.
    if name not in _MODULES:
        raise AttributeError(f"module 'hashlens' has no attribute {name!r}")
    module = import_module(_MODULES[name])
    value = module if module.__name__ == f"hashlens.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


sys.modules[__name__].__class__ = _Names
