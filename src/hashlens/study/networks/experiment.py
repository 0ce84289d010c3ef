"""The experiment of the paper: train networks, measure their codes."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from hashlens.errors import StudyError
from hashlens.nets.digest import parameters_digest
from hashlens.study.cells import Run
from hashlens.study.experiment import Experiment, Outcome, Reporter, Resources
from hashlens.study.failure import reason
from hashlens.study.networks.cells import Cell, cells, packs
from hashlens.study.networks.evaluate import evaluate
from hashlens.study.networks.resources import NetworkResources, load_split, require_networks
from hashlens.study.networks.spec import NetworksSpec
from hashlens.study.networks.stored_networks import keep_network, remeasure_network
from hashlens.study.networks.train_pack import TrainedRun, train_pack
from hashlens.study.networks.variables import VARIABLES
from hashlens.study.page.opening import Opening
from hashlens.study.results import Results
from hashlens.study.row import Row
from hashlens.training.fitted import Epoch


class Networks(Experiment):
    """Experiment: train networks, each once, and measure them at checkpoints."""

    variables = VARIABLES
    Spec = NetworksSpec
    runs_noun = "networks"

    def open(
        self, spec: NetworksSpec, device: Any = None, train: Any = None, test: Any = None, **inputs: Any
    ) -> Resources:
        """Load the data, and check that every architecture accepts them; errors are those of :class:`Study.run`.

        Parameters
        ----------
        spec : NetworksSpec
            Spec of the study.
        device : str or torch.device, optional
            Device for training and reading networks; the CPU by default.
        train, test : any form that :func:`hashlens.load_data` takes, optional
            Examples to use instead of the spec's ``data``.
        **inputs
            Unknown arguments; they raise an error.
        """
        if inputs:
            raise StudyError(f"networks take train= and test=, received {next(iter(inputs))}=")
        resources = NetworkResources(spec, device, data=load_split(spec, train, test))
        require_networks(resources)
        return resources

    def cells(self, resources: Any) -> Sequence[Cell]:
        """Return the cells, with all axes crossed."""
        return cells(resources.spec, len(resources.data.train))

    def opening(self, results: Results) -> Opening:
        """Return the interactive phase chart."""
        from hashlens.study.networks.regimes.page import regimes_opening

        return regimes_opening(results)

    def packs(self, pairs: Sequence[tuple[Cell, int]], resources: Any) -> list[list[tuple[Cell, int]]]:
        """Return packs: ensembles of multilayer perceptrons, and other networks alone."""
        return packs(pairs, resources.spec.ensemble)

    def depends_on_pack(self, resources: Any) -> bool:
        """Return whether networks are stacked, since rounding in matrix products then depends on the pack's size."""
        return not resources.on_cpu

    def steps(self, spec: NetworksSpec) -> int:
        """Return the number of epochs plus one step for measuring."""
        return spec.last_epoch + 1

    def extendable_fields(self, spec: NetworksSpec) -> tuple[str, ...]:
        """Return the fields that may get further values if networks are stored."""
        return ("measures", "axes.random_inputs")

    def can_remeasure(self, metadata: Mapping[str, Any]) -> bool:
        """Return whether the network is stored at all its checkpoints."""
        return "losses" in metadata and bool(metadata.get("kept"))

    def remeasure(
        self, run: Run, metadata: Mapping[str, Any], resources: NetworkResources, read: Callable[[str], bytes]
    ) -> Outcome:
        """Measure a stored network at its checkpoints."""
        return remeasure_network(run, metadata, resources, read)

    def run(self, pack: Sequence[Run], resources: NetworkResources, reporter: Reporter) -> Iterator[Outcome]:
        """Train the networks of a pack, and measure each at its checkpoints."""
        spec, started = resources.spec, time.perf_counter()

        def on_epoch(position: int, epoch: Epoch) -> None:
            reporter.advance(pack[position])

        trained = train_pack(
            pack, resources.data.train, resources.classes, spec.recipe(), spec.checkpoints,
            device=resources.device, on_epoch=on_epoch,
        )  # fmt: skip
        share = (time.perf_counter() - started) / len(pack)
        for trained_run in trained:
            start = time.perf_counter()
            outcome = _outcome(trained_run, resources, share - start)
            yield keep_network(outcome, trained_run, resources, reporter) if spec.keep else outcome
            # Early stopping leaves epochs for which the progress bar must be advanced.
            reporter.advance(trained_run.run, spec.last_epoch + 1 - trained_run.fitted.epochs)


def _outcome(trained: TrainedRun, resources: NetworkResources, training_seconds: float) -> Outcome:
    """Return the outcome of a run, or its failure: one network must not end a study of thousands."""
    if trained.failure is not None:
        return Outcome(trained.run, failure=trained.failure)
    try:
        rows = _measure_checkpoints(trained, resources)
    except Exception as error:
        return Outcome(trained.run, failure=reason(error))
    return Outcome(trained.run, rows, metadata=_metadata(trained, resources, training_seconds + time.perf_counter()))


def _measure_checkpoints(trained: TrainedRun, resources: NetworkResources) -> list[Row]:
    """Return the rows of all checkpoints; after an early stop the rows of the last network are repeated."""
    evaluation, by_epoch = resources.evaluation(trained.run.cell.samples), dict[int, tuple[Row, ...]]()
    checkpoints = resources.spec.checkpoints
    for epoch in checkpoints:
        last = trained.last_epoch(epoch)
        if last not in by_epoch:
            with trained.at_epoch(epoch) as network:
                by_epoch[last] = evaluate(network, last, evaluation, trained.loss(epoch))
    return [replace(row, step=epoch) for epoch in checkpoints for row in by_epoch[trained.last_epoch(epoch)]]


def _metadata(trained: TrainedRun, resources: NetworkResources, seconds: float) -> dict[str, object]:
    return {
        "seconds": round(seconds, 3),
        "epochs_trained": trained.fitted.epochs,
        "stopped_early": trained.fitted.stopped_early,
        "last_loss": trained.loss(trained.fitted.epochs),
        "parameters": parameters_digest(trained.network),
        "dtype": str(next(trained.network.parameters()).dtype).removeprefix("torch."),
        "device": "cpu" if resources.device is None else str(resources.device),
        "threads": torch.get_num_threads(),
        **({} if resources.radius is None else {"local_complexity_radius": resources.radius}),
    }


NETWORKS = Networks()
"""Default experiment of a spec."""
