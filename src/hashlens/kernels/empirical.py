"""The neural tangent kernel of a finite network, by torch.func, and the linearisation of a network in its weights."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.func import functional_call, jvp, vjp, vmap

from hashlens.arguments import excerpt, require_whole
from hashlens.errors import KernelError, nearest
from hashlens.progress import track

Array = npt.NDArray[Any]
Tensor = torch.Tensor
Outputs = Literal["mean", "pseudo", "full"]
OUTPUTS: tuple[Outputs, ...] = ("mean", "pseudo", "full")
Weights = dict[str, Tensor]


def empirical_ntk(
    module: nn.Module, x1: Tensor, x2: Tensor | None = None, outputs: Outputs = "mean", *, batch_size: int = 64
) -> Array:
    """Return the neural tangent kernel of a module at its current weights.

    Parameters
    ----------
    module : torch.nn.Module
        Any module from inputs ``(n, ...)`` to outputs ``(n, outputs)``. It is run in evaluation mode; weights with
        ``requires_grad=False`` count as constants.
    x1, x2 : torch.Tensor
        Inputs ``(n, ...)`` and ``(m, ...)``; without `x2` the kernel of `x1` with itself is computed.
    outputs : {"mean", "pseudo", "full"}
        ``full`` gives the kernel of each pair of outputs. ``mean`` gives the mean over the kernels of each output with
        itself, which corresponds to the infinite-width limit. ``pseudo`` gives the kernel of the sum of outputs divided
        by the root of their number, which needs only one gradient per example.
    batch_size : int
        Number of examples whose gradients are in memory at the same time.

    Returns
    -------
    numpy.ndarray
        Kernel ``(n, m)``, or ``(n, m, outputs, outputs)`` if `outputs` is ``full``; in the dtype of the module.

    References
    ----------
    Novak, Sohl-Dickstein, Schoenholz (2022): Fast finite width neural tangent kernel. ICML. The sum of outputs:
    Mohamadi, Bae, Sutherland (2023): A fast, well-founded approximation to the empirical neural tangent kernel. ICML.

    Raises
    ------
    KernelError
        If the module has no weights that require gradients, or its output is not ``(n, outputs)``.
    """
    if outputs not in OUTPUTS:
        raise KernelError(f"unknown outputs {excerpt(outputs)}; {nearest(outputs, OUTPUTS)}")
    require_whole(KernelError, "batch_size", batch_size)
    gradients = _gradient_function(module, outputs)
    starts = range(0, len(x1), batch_size)
    rows = []
    for start in track(starts, "gradients", len(starts)):
        first = gradients(x1[start : start + batch_size])
        row = []
        others = x1[start:] if x2 is None else x2
        for begin in range(0, len(others), batch_size):
            second = first if x2 is None and begin == 0 else gradients(others[begin : begin + batch_size])
            row.append(_products(first, second, outputs))
        rows.append(torch.cat(row, 1).cpu().numpy())
    return np.concatenate(rows) if x2 is not None else _mirror(rows, len(x1))


def _mirror(rows: list[Array], n: int) -> Array:
    """Return a symmetric kernel from its rows, each of which begins at the diagonal."""
    whole = np.empty((n, n, *rows[0].shape[2:]), rows[0].dtype)
    start = 0
    for row in rows:
        stop = start + len(row)
        whole[start:stop, start:] = row
        whole[start:, start:stop] = row.swapaxes(0, 1).swapaxes(-1, -2) if row.ndim == 4 else row.T
        start = stop
    return whole


def _products(first: Weights, second: Weights, outputs: Outputs) -> Tensor:
    """Return inner products over weights of gradients ``(n, outputs, *weights)``."""
    total: Tensor | float = 0.0
    for name, values in first.items():
        a, b = values.flatten(2), second[name].flatten(2)
        if outputs == "full":
            total = total + torch.einsum("npk,mqk->nmpq", a, b)
        else:
            total = total + a.flatten(1) @ b.flatten(1).T / a.shape[1]
    assert isinstance(total, Tensor)
    return total


def _gradient_function(module: nn.Module, outputs: Outputs) -> Callable[[Tensor], Weights]:
    """Return a function from examples to gradients ``(n, outputs, *weights)`` by name of the weights."""
    weights, fixed = _weights(module)

    def one(values: Weights, x: Tensor) -> Tensor:
        found: Tensor = _outputs_of(module, values, fixed, x[None])[0]
        return found.sum()[None] / found.numel() ** 0.5 if outputs == "pseudo" else found

    def of_example(x: Tensor) -> Weights:
        out, pull = vjp(lambda values: one(values, x), weights)[:2]
        found: Weights = vmap(lambda row: pull(row)[0])(torch.eye(len(out), dtype=out.dtype, device=out.device))
        return found

    def of_examples(x: Tensor) -> Weights:
        with _in_evaluation_mode(module):
            found: Weights = vmap(of_example)(x)
        return found

    return of_examples


def linearize(module: nn.Module) -> Callable[[Weights, Tensor], Tensor]:
    """Return the linearisation of a network in its weights, around the current weights of a module.

    Parameters
    ----------
    module : torch.nn.Module
        The module; its weights are copied.

    Returns
    -------
    callable
        Function of weights by name (as in ``dict(module.named_parameters())``) and examples ``(n, ...)`` that returns
        the first-order Taylor expansion of the outputs, ``(n, outputs)``.

    Raises
    ------
    KernelError
        If the module has no weights that require gradients, or (when called) its output is not ``(n, outputs)``.
    """
    weights, fixed = _weights(module)

    def outputs(values: Weights, x: Tensor) -> Tensor:
        change = {name: values[name] - start for name, start in weights.items()}
        with _in_evaluation_mode(module):
            start_outputs, output_change = jvp(lambda now: _outputs_of(module, now, fixed, x), (weights,), (change,))[
                :2
            ]
        found: Tensor = start_outputs + output_change
        return found

    return outputs


def _weights(module: nn.Module) -> tuple[Weights, Weights]:
    """Return copies of the weights that require gradients, and of all other weights and buffers."""
    named = dict(module.named_parameters())
    weights = {name: value.detach().clone() for name, value in named.items() if value.requires_grad}
    if not weights:
        raise KernelError("the module has no weights that need a gradient: there is no tangent kernel")
    fixed = {name: value.detach() for name, value in (*named.items(), *module.named_buffers()) if name not in weights}
    return weights, fixed


def _outputs_of(module: nn.Module, weights: Weights, fixed: Weights, x: Tensor) -> Tensor:
    """Return the outputs ``(n, outputs)`` of a module with other weights; raise KernelError for another shape."""
    out = functional_call(module, {**weights, **fixed}, (x,))
    if not isinstance(out, Tensor) or out.dim() != 2:
        shape = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise KernelError(f"the module must give (n, outputs), received {shape}")
    return out


@contextmanager
def _in_evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Run the body with a module in evaluation mode; unlike ``hashlens.training``'s, gradients stay enabled."""
    modes = [(part, part.training) for part in module.modules()]
    try:
        for part, _ in modes:
            part.training = False
        yield
    finally:
        for part, mode in modes:
            part.training = mode
