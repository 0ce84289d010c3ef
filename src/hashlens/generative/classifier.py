"""Classes and features of images by a classifier; the features are the inputs of its last linear layer."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hashlens.errors import ModelError
from hashlens.generative.networks import Shape
from hashlens.nets.load import load_model
from hashlens.training.evaluate import evaluation_mode, network_device

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class Classification:
    """Predicted classes and features of n images.

    Attributes
    ----------
    features : torch.Tensor
        float32 ``(n, d)``, on the CPU: features.
    classes : torch.Tensor
        int64 ``(n,)``: predicted classes.
    """

    features: Tensor
    classes: Tensor


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network that returns logits of classes, and its last linear layer.

    Attributes
    ----------
    network : torch.nn.Module
        Network from images to logits ``(n, classes)``.
    last : torch.nn.Linear
        Last linear layer; its inputs are the features.
    """

    network: nn.Module
    last: nn.Linear

    @classmethod
    def of(cls, classifier: Any, shape: Shape) -> "Classifier":
        """Return the classifier of a module, or of a saved network.

        Raises
        ------
        ModelError
            If there is no such network, or it does not accept the images.
        """
        if classifier is None:
            raise ModelError(
                "evaluation needs a classifier of the same images: give classifier=, such as the folder that "
                "`hashlens train mlp --data ... --out classifier` wrote"
            )
        network = load_model(classifier)
        linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
        if not linear:
            raise ModelError(f"classifier {type(network).__name__} has no linear layer, whose inputs would be features")
        found = cls(network, linear[-1])
        try:
            found.classify([torch.zeros(2, *shape)])
        except (RuntimeError, ValueError, IndexError) as error:
            reason = str(error).split("\n")[0]
            raise ModelError(f"classifier {type(network).__name__} rejects images {shape}: {reason}") from error
        return found

    def classify(self, batches: Iterable[Tensor]) -> Classification:
        """Return the classes and features of batches of images ``(b, c, h, w)``."""
        features, device = list[Tensor](), network_device(self.network)
        hook = self.last.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0].flatten(1).cpu()))
        try:
            with evaluation_mode(self.network):
                classes = [self.network(batch.to(device)).argmax(dim=1).cpu() for batch in batches]
        finally:
            hook.remove()
        return Classification(torch.cat(features), torch.cat(classes))
