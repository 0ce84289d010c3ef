"""The study of recorded tuning runs: rules are replayed on them.

A repeat is one data set, or one seed; its values are means over the runs of this data set, or of this seed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from hashlens.errors import StudyError
from hashlens.study.cells import Run
from hashlens.study.experiment import Experiment, Outcome, Reporter, Resources
from hashlens.study.row import Row
from hashlens.study.spec import StudySpec
from hashlens.study.spec.fields import Text, known_name
from hashlens.study.variables import Factor, MeasureInfo, Variables
from hashlens.tuning.experiment import MEASURES, NEVER
from hashlens.tuning.named_rules import parse_rule
from hashlens.tuning.overfitting import overfitting_report
from hashlens.tuning.recorded import recorded_runs
from hashlens.tuning.replay import WORSE, replay
from hashlens.tuning.stop_rule import StopRule
from hashlens.tuning.trace import Trace

GROUPS = ("data set", "seed")
FIRST = 20
"""Smallest number of trials after which an incumbent counts as a choice; rules do not stop earlier either."""


class RecordedSpec(StudySpec):
    """The fields of a study of recorded runs.

    Attributes
    ----------
    runs : str
        Folder with ``rf_trials.parquet`` and ``rf_recorded_bounds.parquet``.
    repeat : {"data set", "seed"}
        Unit of a repeat. With data sets, intervals hold for other data sets too; with seeds, only for these.
    """

    runs: Text = ""
    repeat: Annotated[str, known_name("repeat", GROUPS)] = "data set"


@dataclass(frozen=True, eq=False)
class RecordedResources(Resources):
    """Recorded runs, in groups.

    Attributes
    ----------
    groups : tuple of tuple of Trace
        The runs of each data set, or of each seed.
    """

    groups: tuple[tuple[Trace, ...], ...] = ()


class RecordedTuning(Experiment):
    """Experiment: replay rules on recorded runs, with the recorded bounds."""

    variables = Variables(
        "recorded-tuning",
        (Factor("rule", default=NEVER),),
        None,
        {
            **MEASURES,
            "spread": MeasureInfo("spread of RYC: root mean square", "spread", low=0.0, better="lower"),
            "oracle": MeasureInfo("RYC of an oracle's stop", "oracle", low=-1.0, high=1.0, better="higher"),
        },
    )
    Spec = RecordedSpec

    def open(self, spec: Any, device: Any = None, **inputs: Any) -> Resources:
        """Read the runs.

        Raises
        ------
        StudyError
            If there are fewer data sets, or seeds, than repeats.
        TuningError
            If the folder or a rule is wrong.
        """
        if inputs:
            raise StudyError(f"experiment {self.variables.experiment!r} takes no {next(iter(inputs))}=")
        for rule in spec.levels("rule") or (NEVER,):
            parse_rule(rule)
        groups: dict[str, list[Trace]] = {}
        for trace in recorded_runs(spec.runs):
            data, _, seed = trace.name.rpartition(" ")
            groups.setdefault(data if spec.repeat == "data set" else seed, []).append(trace)
        if spec.repeats > len(groups):
            raise spec.error(
                ("repeats",), f"must be at most {len(groups)}, the {spec.repeat}s, received {spec.repeats}"
            )
        return RecordedResources(spec, device, groups=tuple(map(tuple, groups.values())))

    def run(self, pack: Sequence[Run], resources: Any, reporter: Reporter) -> Iterator[Outcome]:
        """Replay a rule on all runs of a data set, or of a seed."""
        for run in pack:
            found = measure_group(resources.groups[run.repeat], parse_rule(run.cell["rule"], recorded=True))
            reporter.advance(run)
            yield Outcome(run, [Row(measure=name, split="test", value=found[name]) for name in resources.spec.measures])


def measure_group(traces: Sequence[Trace], rule: StopRule) -> dict[str, float]:
    """Return the means of the measures over some runs."""
    replayed, over = replay(traces, [rule]), overfitting_report(traces, first=FIRST)
    ryc = replayed.ryc[0]
    return {
        "rtc": float(replayed.rtc[0].mean()),
        "ryc": float(ryc.mean()),
        "lost": float((ryc < WORSE).mean()),
        "spread": float(np.sqrt((ryc**2).mean())),
        "gap": float(over.gap.mean()),
        "overfitted": float(over.overfitted.mean()),
        "oracle": float(over.oracle.mean()),
    }


EXPERIMENT = RecordedTuning()
