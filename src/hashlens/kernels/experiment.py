"""The study of finite and infinite networks: each claim of Lee et al. (2020) as a design.

The protocol is that of hashlens, at sizes that two cores can compute. All cells of a repeat share its images: a cell
with more examples has those of a cell with fewer, and others. Networks of a repeat start from the same random numbers.
Their learning rate is a share of the largest one at which the limit is stable. They are compared with the limit after
the same training time.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hashlens.errors import HashlensError, StudyError
from hashlens.kernels.experiment_data import IMAGES, FiniteInfiniteResources, open_all
from hashlens.kernels.experiment_kernels import measure_kernel
from hashlens.kernels.experiment_networks import measure_networks
from hashlens.kernels.experiment_spec import DESIGN, FiniteInfiniteSpec
from hashlens.kernels.layer import PARAMETERIZATIONS
from hashlens.kernels.rounding import DTYPES
from hashlens.study.cells import CellLike, Run
from hashlens.study.experiment import Experiment, Outcome, Reporter, Resources
from hashlens.study.row import Row
from hashlens.study.variables import Factor, MeasureInfo, Variables

PREDICTORS = ("nngp", "ntk", "finite", "locally connected")


class FiniteInfinite(Experiment):
    """Kernels of infinite width and finite networks predict the same test images."""

    variables = Variables(
        "finite-vs-infinite",
        (
            Factor(DESIGN, default="axes"),
            Factor("images", default="digits", allowed=IMAGES),
            Factor("network", default="fc:3"),
            Factor("predictor", default="ntk", allowed=PREDICTORS, fixed_at="first"),
            Factor("examples", "training examples", type="int", default=256),
            Factor("width", "width", type="int", default=256),
            Factor("parameterization", "parameterisation", default="ntk", allowed=PARAMETERIZATIONS, fixed_at="first"),
            Factor("centred", type="bool", default=True),
            Factor("members", "networks of an ensemble", type="int", default=1, fixed_at="first"),
            Factor("learning_rate", "learning rate, share of the largest stable", type="float", default=0.5,
                   fixed_at="first"),
            Factor("weight_decay", "weight decay: by what exponent weights shrink", type="float", default=0.0,
                   fixed_at="first"),
            Factor("layerwise", "weight decay in proportion to fan-in", type="bool", default=False, fixed_at="first"),
            Factor("diag_reg", "diagonal regularisation", type="float", default=0.0, fixed_at="first"),
            Factor("precision", default="float64", allowed=tuple(DTYPES), fixed_at="first"),
            Factor("zca", "regularisation of ZCA (0: none)", type="float", default=0.0, fixed_at="first"),
            Factor("augmentations", "predictors of an ensemble, each of other mirrored images", type="int", default=1,
                   fixed_at="first"),
        ),
        None,
        {
            "accuracy": MeasureInfo("test accuracy", "accuracy", low=0.0, high=1.0, better="higher"),
            "mse": MeasureInfo("MSE", "MSE", low=0.0, better="lower", group="MSE"),
            "stopped_mse": MeasureInfo("MSE, stopped early", "MSE, stopped",
                                       low=0.0, better="lower", group="MSE"),
            "train_mse": MeasureInfo("training error (MSE)", "training MSE", low=0.0, better="lower"),
            "distance": MeasureInfo("distance to the limit", "distance", low=0.0),
            "seed_variance": MeasureInfo("variance over random starts", "variance", low=0.0),
            "failed_size": MeasureInfo("fails at", "fails at",
                                       group="log2 of examples"),
            "predicted_size": MeasureInfo("predicted", "predicted",
                                          group="log2 of examples"),
        },
        responses=("accuracy", "distance"),
    )  # fmt: skip
    Spec = FiniteInfiniteSpec

    def open(self, spec: Any, device: Any = None, **inputs: Any) -> Resources:
        """Load the images that the cells name."""
        if inputs:
            raise StudyError(f"experiment {self.variables.experiment!r} takes no {next(iter(inputs))}=")
        names = dict.fromkeys(cell["images"] for cell in spec.cells())
        return FiniteInfiniteResources(spec, device, images=open_all(names, spec.folder, spec.pool))

    def cells(self, resources: Resources) -> Sequence[CellLike]:
        """Return the cells of all designs."""
        found: tuple[CellLike, ...] = resources.spec.cells()
        return found

    def packs(self, repeated: Sequence[tuple[Any, int]], resources: Resources) -> Iterable[Sequence[tuple[Any, int]]]:
        """Return the cells of one design and repeat together: they share kernels and trained networks."""
        packs: dict[Any, list[tuple[Any, int]]] = {}
        for cell, repeat in repeated:
            packs.setdefault((cell[DESIGN], repeat), []).append((cell, repeat))
        return list(packs.values())

    def run(self, pack: Sequence[Run], resources: Any, reporter: Reporter) -> Iterator[Outcome]:
        """Predict the test images of a repeat by kernels or finite networks."""
        for run in pack:
            measure = measure_kernel if run.cell["predictor"] in ("nngp", "ntk") else measure_networks
            try:
                found = measure(run.cell, run.repeat, resources)
            except HashlensError as error:
                yield Outcome(run, failure=str(error))
                continue
            finally:
                reporter.advance(run)
            measures = [name for name in resources.spec.measures if name in found]
            yield Outcome(run, [Row(measure=name, split="test", value=found[name]) for name in measures])


EXPERIMENT = FiniteInfinite()
