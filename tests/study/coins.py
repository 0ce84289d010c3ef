"""An experiment that trains nothing: coins are thrown, and heads are counted."""

import numpy as np

from hashlens.study.experiment import Experiment, Outcome
from hashlens.study.row import Row
from hashlens.study.spec import StudySpec
from hashlens.study.spec.fields import Count
from hashlens.study.variables import Axis, Factor, MeasureInfo, Variables


class Coins(Experiment):
    """Share of heads after so many flips of a coin."""

    variables = Variables(
        "coins",
        (Factor("coin", default="fair", allowed=("fair", "bent", "two heads")), Factor("hands", type="int", default=1)),
        Axis("flips"),
        {"heads": MeasureInfo("share of heads", low=0.0, high=1.0), "longest": MeasureInfo("longest run", low=0.0)},
    )

    class Spec(StudySpec):
        """How often a coin is flipped at most."""

        most: Count = 1000

    def run(self, pack, resources, reporter):
        for run in pack:
            heads = {"fair": 0.5, "bent": 0.8, "two heads": 1.0}[run.cell["coin"]]
            thrown = np.random.default_rng(run.seed).random(resources.spec.most) < heads
            rows = [Row(step=at, measure="heads", value=thrown[:at].mean()) for at in (10, 100, resources.spec.most)]
            flat = np.flatnonzero(np.diff([0, *thrown, 0]))
            longest = max(np.diff(flat)[::2], default=0)
            rows += [Row(step=resources.spec.most, measure="longest", value=float(longest))]
            reporter.keep(run, "throws.bin", np.packbits(thrown).tobytes())
            reporter.advance(run)
            yield Outcome(run, [row for row in rows if row.measure in resources.spec.measures])


COINS = Coins()
