"""Regimes of networks: the activation hash phase chart, its slices, its sensitivity to thresholds, and its page."""

from hashlens.study.networks.regimes.phase import PhaseChart, PhaseSlices, phase_chart, phase_slices
from hashlens.study.networks.regimes.sensitivity import PhaseSensitivity, phase_sensitivity

__all__ = [
    "PhaseChart",
    "PhaseSensitivity",
    "PhaseSlices",
    "phase_chart",
    "phase_sensitivity",
    "phase_slices",
]
