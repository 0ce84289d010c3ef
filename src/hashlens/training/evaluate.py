"""The accuracy of a network."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hashlens.data.examples import ArrayExamples, Examples
from hashlens.data.labels import NO_LABEL
from hashlens.data.numbering import match_class_numbers
from hashlens.errors import DataError, ModelError
from hashlens.nets.class_names import declared_classes
from hashlens.nets.output import declared_output


def network_device(network: nn.Module) -> torch.device:
    """Return the device of the first parameter of `network`, or the CPU if it has none."""
    first = next(network.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def network_dtype(network: nn.Module) -> torch.dtype:
    """Return the dtype of the first floating-point parameter of `network`, or float32 if it has none."""
    return next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.float32)


def as_inputs(inputs: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return floating-point `inputs` in the dtype of a network; other inputs, such as token numbers, unchanged."""
    return inputs.to(dtype) if inputs.is_floating_point() else inputs


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Run the body with `network` in evaluation mode and without gradients; restore the mode of every module."""
    modes = {module: module.training for module in network.modules()}
    try:
        # The mode of an exported program is fixed, and setting it raises.
        with suppress(NotImplementedError):
            network.eval()
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training


def accuracy(network: nn.Module, examples: Examples, *, batch_size: int = 1024) -> float:
    """Return the accuracy on labelled examples in evaluation mode: the share whose label has the highest logit.

    If the network and the examples both have class names, classes are matched by name.

    Parameters
    ----------
    network : torch.nn.Module
        The network; its mode is restored.
    examples : Examples
        Labelled examples.
    batch_size : int
        Number of examples per forward pass.

    Raises
    ------
    DataError
        If there are no examples, or no labels.
    ModelError
        If the network gives anything but logits ``(b, classes)`` of two classes or more.
    """
    device, dtype = network_device(network), network_dtype(network)
    examples = match_class_numbers(examples, declared_classes(network))
    labelled = 0
    hits = torch.zeros((), dtype=torch.int64, device=device)
    with evaluation_mode(network):
        for batch in examples.batches(batch_size):
            if batch.labels is None:
                raise DataError(f"{examples.name} has no labels: accuracy needs them")
            logits = network(as_inputs(batch.inputs.to(device), dtype))
            _require_logits(network, logits)
            hits += (logits.argmax(1) == batch.labels.to(device)).sum()
            labelled += int((batch.labels != NO_LABEL).sum())
    if not len(examples):
        raise DataError(f"{examples.name} is empty: accuracy needs at least one example")
    if not labelled:
        raise DataError(f"{examples.name}: no example has a label (-1 means none): accuracy needs them")
    return int(hits) / labelled


def check_examples(network: nn.Module, examples: ArrayExamples) -> None:
    """Raise a one-line error if `network` cannot be trained on the labels of `examples`.

    Raises
    ------
    DataError
        If there are no examples, no labels, or a label that the network has no output for.
    ModelError
        If the network rejects an example, or does not return logits ``(b, classes)``.
    """
    if not len(examples):
        raise DataError(f"{examples.name} is empty: training needs at least one example")
    if examples.labels is None:
        raise DataError(f"{examples.name} has no labels: training needs them")
    outputs = count_outputs(network, examples)
    if missing := int((examples.labels == NO_LABEL).sum()):
        raise DataError(
            f"{examples.name}: {missing:,} of {len(examples):,} examples have no label (-1), and training needs one "
            "for each: leave them out"
        )
    _check_labels(examples.name, examples.labels, outputs)


def count_outputs(network: nn.Module, examples: ArrayExamples) -> int:
    """Return the number of outputs of `network` for an example.

    Raises
    ------
    ModelError
        If the network rejects an example, or does not return logits ``(b, classes)``.
    """
    logits = _logits(network, examples, examples.tensor(slice(0, 1)))
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2:
        received = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ModelError(f"{type(network).__name__} must return logits (batch, classes), received {received}")
    return int(logits.shape[1])


def _require_logits(network: nn.Module, logits: Any) -> None:
    """Raise ModelError unless the index of the highest output is the class, as it is not for a single score."""
    declared = declared_output(network)
    least = 1 if declared is not None and declared.kind == "logits" else 2
    if isinstance(logits, torch.Tensor) and logits.ndim == 2 and logits.shape[1] >= least:
        return
    received = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    raise ModelError(
        f"{type(network).__name__} must return logits (batch, classes) of at least 2 classes, received {received}: "
        "hashlens.measure reads other outputs"
    )


def check_test_examples(network: nn.Module, examples: Examples) -> None:
    """Raise a one-line error if the accuracy of `network` cannot be measured on `examples`.

    Raises
    ------
    DataError
        If there are no labels, or a label that the network has no output for. The second is checked only if `examples`
        have their labels in memory.
    ModelError
        If the network rejects an example.
    """
    first = next(examples.batches(1))
    if first.labels is None:
        raise DataError(f"{examples.name} has no labels: accuracy needs them")
    logits = _logits(network, examples, first.inputs)
    if examples.labels is not None:
        labels = examples.labels[examples.labels != NO_LABEL]
        if not len(labels):
            raise DataError(f"{examples.name} (test): no example has a label (-1 means none): accuracy needs them")
        _check_labels(f"{examples.name} (test)", labels, logits.shape[1])


def _check_labels(name: str, labels: npt.NDArray[np.int64], outputs: int) -> None:
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= outputs:
        raise DataError(
            f"{name}: labels must be 0 to {outputs - 1} for a network with {outputs} outputs, received {low} to {high}"
        )


def _logits(network: nn.Module, examples: Examples, inputs: torch.Tensor) -> Any:
    """Return the output of `network` for some inputs of `examples`; raise a one-line error if it rejects them."""
    sample = as_inputs(inputs.to(network_device(network)), network_dtype(network))
    try:
        with evaluation_mode(network):
            return network(sample)
    except Exception as error:
        reason = str(error).split("\n")[0]
        raise ModelError(
            f"{type(network).__name__} rejects examples of shape {tuple(sample.shape[1:])} "
            f"from {examples.name}: {reason}"
        ) from error
