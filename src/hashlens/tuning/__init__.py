"""Tuning of hyperparameters, with rules that stop it and measures of its overfitting."""

from hashlens.tuning.cv_error import CVError
from hashlens.tuning.expected_improvement import ExpectedImprovement
from hashlens.tuning.interquartile_range import InterquartileRange
from hashlens.tuning.no_improvement import NoImprovement
from hashlens.tuning.overfitting import Overfitting, overfitting_report
from hashlens.tuning.probability_of_improvement import ProbabilityOfImprovement
from hashlens.tuning.read_traces import read_traces
from hashlens.tuning.recorded import recorded_runs
from hashlens.tuning.regret_bound import RegretBound
from hashlens.tuning.replay import Replay, replay
from hashlens.tuning.report_folds import report_folds
from hashlens.tuning.space import Parameter, Space
from hashlens.tuning.stop_callback import StopCallback
from hashlens.tuning.stop_decision import StopDecision
from hashlens.tuning.stop_rule import RuleValues, StopRule
from hashlens.tuning.storage import load_study_trace
from hashlens.tuning.study_trace import study_trace
from hashlens.tuning.sufficient_network import SufficientNetwork
from hashlens.tuning.trace import Trace
from hashlens.tuning.tune import tune
from hashlens.tuning.tuned import Tuned

__all__ = [
    "CVError",
    "ExpectedImprovement",
    "InterquartileRange",
    "NoImprovement",
    "Overfitting",
    "Parameter",
    "ProbabilityOfImprovement",
    "RegretBound",
    "Replay",
    "RuleValues",
    "Space",
    "StopCallback",
    "StopDecision",
    "StopRule",
    "SufficientNetwork",
    "Trace",
    "Tuned",
    "load_study_trace",
    "overfitting_report",
    "read_traces",
    "recorded_runs",
    "replay",
    "report_folds",
    "study_trace",
    "tune",
]
