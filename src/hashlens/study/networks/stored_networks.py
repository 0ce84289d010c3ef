"""Networks that are stored beside the store of a study, and measured again when the study is extended."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from safetensors.torch import load, save

from hashlens.nets import build
from hashlens.study.cells import Run
from hashlens.study.experiment import Outcome, Reporter
from hashlens.study.networks.evaluate import evaluate
from hashlens.study.networks.resources import NetworkResources
from hashlens.study.networks.train_pack import TrainedRun
from hashlens.study.row import Row


def keep_network(outcome: Outcome, trained: TrainedRun, resources: NetworkResources, reporter: Reporter) -> Outcome:
    """Store the weights of a network at its checkpoints, and return its outcome with the losses there."""
    if outcome.failure is not None:
        return outcome
    losses: dict[str, float | None] = {}
    for epoch in resources.spec.checkpoints:
        last = trained.last_epoch(epoch)
        with trained.at_epoch(epoch) as network:
            weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
            reporter.keep(trained.run, _file(last), save(weights))
        losses[str(last)] = trained.loss(epoch)
    return replace(outcome, metadata={**outcome.metadata, "losses": losses})


def remeasure_network(
    run: Run, metadata: Mapping[str, Any], resources: NetworkResources, read: Callable[[str], bytes]
) -> Outcome:
    """Return the rows of a stored network; see :meth:`Experiment.remeasure`."""
    network = build(
        run.cell.architecture, input_shape=tuple(resources.data.train.inputs.shape[1:]), classes=resources.classes,
        seed=run.seed, **run.cell.arguments(),
    )  # fmt: skip
    if resources.device is not None:
        network = network.to(resources.device)
    evaluation, rows = resources.evaluation(run.cell.samples), list[Row]()
    for epoch in resources.spec.checkpoints:
        reached = min(epoch, int(metadata["epochs_trained"]))
        network.load_state_dict(load(read(metadata["kept"][_file(reached)])))
        checkpoint_rows = evaluate(network, reached, evaluation, metadata["losses"][str(reached)])
        rows += [replace(row, step=epoch) for row in checkpoint_rows]
    return Outcome(run, rows)


def _file(epoch: int) -> str:
    return f"epoch-{epoch:04}.safetensors"
