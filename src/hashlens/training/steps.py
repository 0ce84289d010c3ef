"""The supervised training step of one network, with labels or targets."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from hashlens.data.examples import ArrayExamples
from hashlens.training.evaluate import as_inputs
from hashlens.training.recipe import Recipe


def recipe_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the optimizer of `recipe` for the parameters of `network`."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    rate, decay = recipe.learning_rate, recipe.weight_decay
    # The optimizers are fused: separate updates of the tensors of a small network cost as much as its gradients.
    if recipe.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=rate, weight_decay=decay, fused=True)
    return torch.optim.SGD(parameters, lr=rate, weight_decay=decay, momentum=0.9, nesterov=True, fused=True)


@dataclass(frozen=True, eq=False)
class SupervisedStep:
    """Training step of one network: the loss of a batch, and a step of the optimizer.

    Attributes
    ----------
    network : torch.nn.Module
        Network that returns ``(b, outputs)``.
    optimizer : torch.optim.Optimizer
        Optimizer of its parameters.
    examples : ArrayExamples
        Examples on the network's device or on the CPU.
    targets : torch.Tensor
        Classes, int64 ``(n,)``, or target values, ``(n, outputs)``; on the device of the examples.
    loss : callable
        Function from outputs and targets of a batch to their mean loss.
    classes : bool
        Whether outputs are class scores. An example is then correct if its largest output is that of its class. With
        target values, its class is that of its largest target.
    device, dtype : torch.device, torch.dtype
        Device and dtype of the network.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    examples: ArrayExamples
    targets: torch.Tensor
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    classes: bool
    device: torch.device
    dtype: torch.dtype

    def __call__(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """Take one step; return the mean ``loss`` and, for classes, ``accuracy``: which examples were correct, bool."""
        inputs = as_inputs(self.examples.tensor(rows).to(self.device), self.dtype)  # type: ignore[arg-type]
        targets = self.targets[rows].to(self.device)
        outputs = self.network(inputs)
        loss = self.loss(outputs, targets)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        values = {"loss": loss.detach()}
        if self.classes:
            true_classes = targets if targets.ndim == 1 else targets.argmax(1)
            values["accuracy"] = outputs.detach().argmax(1) == true_classes
        return values
