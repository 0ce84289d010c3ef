"""Tuning that knows when to stop, and shows how far it overfitted."""

from hashlens.tuning.cv_error import CVError
from hashlens.tuning.expected_improvement import ExpectedImprovement
from hashlens.tuning.interquartile_range import InterquartileRange
from hashlens.tuning.no_improvement import NoImprovement
from hashlens.tuning.probability_of_improvement import ProbabilityOfImprovement
from hashlens.tuning.read_traces import read_traces
from hashlens.tuning.recorded import recorded_runs
from hashlens.tuning.regret_bound import RegretBound
from hashlens.tuning.replay import Replay, replay
from hashlens.tuning.space import Parameter, Space
from hashlens.tuning.stop_decision import StopDecision
from hashlens.tuning.stop_rule import Readings, StopRule
from hashlens.tuning.trace import Trace

__all__ = [
    "CVError",
    "ExpectedImprovement",
    "InterquartileRange",
    "NoImprovement",
    "Parameter",
    "ProbabilityOfImprovement",
    "Readings",
    "RegretBound",
    "Replay",
    "Space",
    "StopDecision",
    "StopRule",
    "Trace",
    "read_traces",
    "recorded_runs",
    "replay",
]
