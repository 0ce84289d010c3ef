"""The contract of an explainer: reproducible from the seed, without side effects, with a valid result."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hashlens.explanations.explanation import Explanation
from hashlens.testing.result_contract import check_result


def check_explainer(
    explain: Callable[..., Explanation], network: torch.nn.Module, x: torch.Tensor, folder: str | Path
) -> Explanation:
    """Assert that an explanation method fulfils the contract, and return its explanation.

    Parameters
    ----------
    explain : callable
        Function that is called as ``explain(network, x, seed=0)`` and returns an :class:`hashlens.Explanation`; for a
        built-in method ``functools.partial(hashlens.explain, method="lime")``.
    network : torch.nn.Module
        A classifier that the method can explain, in train or eval mode.
    x : torch.Tensor
        A few examples ``(n, ...)``.
    folder : str or Path
        An empty folder for output.

    Raises
    ------
    AssertionError
        If the network, the examples or the global random state are changed; if the same seed gives another explanation;
        if target, prediction and values do not belong to the examples; or if :func:`~hashlens.testing.result_contract.
        check_result` fails.
    """
    examples_before, state_before, generators_before = x.clone(), _state(network), _generators()
    explanation = explain(network, x, seed=3)
    assert isinstance(explanation, Explanation), f"returns {type(explanation).__name__}, not an Explanation"
    name = explanation.method
    assert torch.equal(x, examples_before), f"{name}: the examples were changed"
    assert _same(_state(network), state_before), f"{name}: the network was changed"
    assert _same(_generators(), generators_before), f"{name}: the global random numbers were used"
    again = explain(network, x, seed=3)
    assert np.array_equal(explanation.values, again.values), f"{name}: the same seed gives other values"
    assert np.isfinite(explanation.values).all(), f"{name}: values are not finite"
    assert len(explanation.target) in (0, len(x)), f"{name}: {len(explanation.target)} targets for {len(x)} examples"
    if len(explanation.target):
        assert np.issubdtype(explanation.target.dtype, np.integer), f"{name}: targets are {explanation.target.dtype}"
        assert explanation.prediction.shape == explanation.target.shape, (
            f"{name}: a prediction for each target is missing"
        )
        assert len(explanation.values) == len(x), f"{name}: values of {len(explanation.values)} examples for {len(x)}"
    check_result(explanation, folder)
    return explanation


def _state(network: torch.nn.Module) -> dict[str, Any]:
    """Return the state of a network that an explainer must not change."""
    result: dict[str, Any] = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    for name, module in network.named_modules():
        hooks = (len(module._forward_hooks), len(module._forward_pre_hooks), len(module._backward_hooks))
        result[f"module {name}"] = (module.training, hooks)
    for name, weight in network.named_parameters():
        gradient = None if weight.grad is None else weight.grad.clone()
        result[f"parameter {name}"] = (weight.requires_grad, gradient is None)
        result[f"gradient {name}"] = torch.zeros(0) if gradient is None else gradient
    return result


def _generators() -> dict[str, Any]:
    shared = np.random.get_state(legacy=False)  # noqa: NPY002 - whether the global state is touched
    return {
        "torch": torch.random.get_rng_state().clone(),
        "numpy": (shared["state"]["key"].tobytes(), shared["state"]["pos"]),
        "random": random.getstate(),
    }


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(value, other[name])
        if isinstance(value, torch.Tensor | np.ndarray)
        else value == other[name]
        for name, value in one.items()
    )  # fmt: skip
