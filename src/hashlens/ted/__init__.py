"""TED: models that are taught an explanation beside each label, and predict both."""

from hashlens.ted.credit import credit
from hashlens.ted.missing import left_out
from hashlens.ted.noise import noisy
from hashlens.ted.retention import retention
from hashlens.ted.taught import TaughtTable

__all__ = [
    "TaughtTable",
    "credit",
    "left_out",
    "noisy",
    "retention",
]
