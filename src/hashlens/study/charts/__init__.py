"""Charts of a study's results over any of its axes, from the long table."""

from hashlens.study.charts.curves import Curve, curve
from hashlens.study.charts.effects import EffectTable, effect_table
from hashlens.study.charts.summary import Summary, summarize

__all__ = [
    "Curve",
    "EffectTable",
    "Summary",
    "curve",
    "effect_table",
    "summarize",
]
