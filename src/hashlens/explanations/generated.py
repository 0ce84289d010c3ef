"""A generator of inputs: to search for such an input is to search for a latent code."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hashlens.arguments import excerpt, is_whole
from hashlens.errors import ExplainError
from hashlens.explanations.request import Request
from hashlens.seeds import torch_generator
from hashlens.training.evaluate import evaluation_mode, network_device, network_dtype

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class Generator:
    """A generator and the length of its latent codes.

    Attributes
    ----------
    module : torch.nn.Module
        Network from latent codes ``(n, latent)`` to inputs ``(n, ...)``.
    latent : int
        Length of a latent code.
    """

    module: nn.Module
    latent: int

    @classmethod
    def of(cls, generator: Any, latent: int | None) -> "Generator":
        """Return the generator of a module, or of a model of :mod:`hashlens.generative`.

        Raises
        ------
        ExplainError
            If `generator` is neither, or the length of its latent codes is not known.
        """
        module = generator if isinstance(generator, nn.Module) else getattr(generator, "generator", None)
        if not isinstance(module, nn.Module):
            raise ExplainError(
                "generator must be a torch.nn.Module or a model of hashlens.generative, received a "
                f"{type(generator).__name__}"
            )
        size: Any = latent if latent is not None else getattr(generator, "latent", None)
        if not is_whole(size) or size < 1:
            raise ExplainError(f"give latent=, the length of the generator's latent codes, received {excerpt(size)}")
        return cls(module, int(size))

    def start(self, request: Request, rows: int) -> Tensor:
        """Return latent codes drawn from N(0, 1), ``(rows, latent)``; a row does not depend on the number of rows."""
        drawn = [torch.randn(self.latent, generator=torch_generator(request.seed, "codes", row)) for row in range(rows)]
        return torch.stack(drawn).to(network_device(self.module), network_dtype(self.module))

    def inputs(self, codes: Tensor, like: Tensor) -> Tensor:
        """Return the inputs generated from latent codes, with the dtype and device of `like`.

        Raises
        ------
        ExplainError
            If the generator rejects the codes.
        """
        try:
            with evaluation_mode(self.module):
                generated: Tensor = self.module(codes).to(like)
        except (RuntimeError, ValueError) as error:
            reason = str(error).split("\n")[0]
            raise ExplainError(f"the generator rejects codes {tuple(codes.shape)}: {reason}; see latent=") from error
        return generated

    def code_gradient(self, codes: Tensor, input_gradient: Tensor) -> Tensor:
        """Return the gradient of a function with respect to the latent vectors, from that with respect to the inputs.

        Parameters
        ----------
        codes : torch.Tensor
            ``(n, latent)``: the latent vectors.
        input_gradient : torch.Tensor
            ``(n, *shape)``: gradient of the function with respect to the inputs that are generated from `codes`.
        """
        with evaluation_mode(self.module), torch.enable_grad():
            leaf = codes.detach().clone().requires_grad_()
            generated = self.module(leaf)
            (gradient,) = torch.autograd.grad(generated, leaf, input_gradient.to(generated))
        return gradient
