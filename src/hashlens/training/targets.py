"""Targets of training: classes, or values of a regression."""

from typing import Any

import numpy as np
import torch
from torch import nn

from hashlens.data.examples import ArrayExamples
from hashlens.errors import DataError
from hashlens.training.evaluate import check_examples, count_outputs, network_dtype
from hashlens.training.losses import class_targets
from hashlens.training.recipe import Recipe


def training_targets(network: nn.Module, examples: ArrayExamples, recipe: Recipe, targets: Any = None) -> torch.Tensor:
    """Return the training targets of `network`, on the CPU: classes, int64 ``(n,)``, or values ``(n, outputs)``.

    Parameters
    ----------
    network : torch.nn.Module
        Network that returns ``(b, outputs)``.
    examples : ArrayExamples
        Examples, with labels unless there are targets.
    recipe : Recipe
        Recipe whose loss decides whether labels become classes or target values.
    targets : array_like or torch.Tensor, optional
        Targets of a regression, ``(n, outputs)``, or ``(n,)`` for one output.

    Raises
    ------
    DataError
        If there are no examples, or labels or targets do not fit the network or the loss.
    ModelError
        If the network rejects an example, or does not return ``(b, outputs)``.
    """
    if targets is not None:
        return _regression_targets(network, examples, recipe, targets)
    check_examples(network, examples)
    labels = torch.from_numpy(examples.labels)
    if recipe.loss == "mse":
        return class_targets(labels, count_outputs(network, examples), network_dtype(network))
    return labels


def _regression_targets(network: nn.Module, examples: ArrayExamples, recipe: Recipe, targets: Any) -> torch.Tensor:
    if not len(examples):
        raise DataError(f"{examples.name} is empty: training needs at least one example")
    if recipe.loss != "mse":
        raise DataError(f"targets are for a recipe with loss='mse', that of {recipe.name!r} is {recipe.loss!r}")
    try:
        values = torch.as_tensor(targets if isinstance(targets, torch.Tensor) else np.asarray(targets, np.float64))
    except (ValueError, TypeError) as error:
        raise DataError(f"targets must be numbers (n, outputs), received a {type(targets).__name__}") from error
    outputs = count_outputs(network, examples)
    if values.ndim == 1 and outputs == 1:
        values = values[:, None]
    if tuple(values.shape) != (len(examples), outputs):
        raise DataError(
            f"targets must be {(len(examples), outputs)}: one row for each example, one number for each output of the "
            f"network; received {tuple(values.shape)}"
        )
    values = values.detach().cpu().to(network_dtype(network))
    if not_finite := int((~values.isfinite()).any(1).sum()):
        raise DataError(f"targets of {not_finite:,} of {len(examples):,} examples are not finite: leave them out")
    return values
