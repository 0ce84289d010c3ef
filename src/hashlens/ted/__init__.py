"""TED (Teaching Explanations for Decisions): models that learn and predict a label together with its explanation."""

from hashlens.ted.classifier import TEDClassifier
from hashlens.ted.credit import credit
from hashlens.ted.explanations import MultiLabel
from hashlens.ted.missing import draw_missing
from hashlens.ted.noise import add_noise
from hashlens.ted.predictions import TEDPredictions
from hashlens.ted.retention import retention
from hashlens.ted.score import TEDScore
from hashlens.ted.taught import TaughtTable
from hashlens.ted.top import TopExplanations
from hashlens.ted.trunk import Trunk

__all__ = [
    "MultiLabel",
    "TEDClassifier",
    "TEDPredictions",
    "TEDScore",
    "TaughtTable",
    "TopExplanations",
    "Trunk",
    "add_noise",
    "credit",
    "draw_missing",
    "retention",
]
