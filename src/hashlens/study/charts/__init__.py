"""Charts: what the results of a study say, over any of its axes; pure functions of the long table."""

from hashlens.study.charts.curves import Curve, curve
from hashlens.study.charts.effects import EffectTable, effect_table
from hashlens.study.charts.phase import PhaseChart, PhaseSlices, phase_chart, phase_slices
from hashlens.study.charts.sensitivity import PhaseSensitivity, phase_sensitivity
from hashlens.study.charts.summary import Summary, summarize

__all__ = [
    "Curve",
    "EffectTable",
    "PhaseChart",
    "PhaseSensitivity",
    "PhaseSlices",
    "Summary",
    "curve",
    "effect_table",
    "phase_chart",
    "phase_sensitivity",
    "phase_slices",
    "summarize",
]
