"""Random reinitialisation of the parameters of a module, by its own method."""

from collections.abc import Callable, Iterator

import torch
from torch import nn

POWER_ITERATIONS = 30
"""Number of passes after which the estimate of a spectral norm has converged for a new matrix."""


def reset_method(module: nn.Module) -> Callable[[], object] | None:
    """Return the method that initialises the parameters of a module, if it has one."""
    for name in ("reset_parameters", "_reset_parameters"):
        method: Callable[[], object] | None = getattr(module, name, None)
        if method is not None:
            return method
    return None


def modules_to_reset(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the submodules of a model, with their names, without those that another module reinitialises.

    These are the modules inside the parametrization of a weight: their parameters are set through this weight, by the
    method of the module that has it. Modules without parameters or without a method are yielded too.
    """
    inside = {id(part) for module in model.modules() if reset_method(module) is not None
              for parametrizations in _parametrizations(module) for part in parametrizations.modules()}  # fmt: skip
    for name, module in model.named_modules():
        if id(module) not in inside:
            yield name, module


def own_parameters(module: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of one module, including those that a parametrized weight is computed from."""
    return [
        *module.parameters(recurse=False),
        *(parameter for parametrizations in _parametrizations(module) for parameter in parametrizations.parameters()),
    ]


def _parametrizations(module: nn.Module) -> list[nn.Module]:
    """Return a list with the parametrizations of a module, by name of the weight; an empty list if it has none."""
    parametrizations = getattr(module, "parametrizations", None)
    return [parametrizations] if isinstance(parametrizations, nn.ModuleDict) else []


def reinitialise(module: nn.Module, reset: Callable[[], object]) -> None:
    """Reinitialise the parameters of one module by its own method, including those that a weight is computed from.

    Weights under pruning, ``weight_norm`` or ``spectral_norm``, old or parametrized, are computed from other
    parameters. Values drawn for the weight alone would be overwritten in the next pass, and the trained parameters
    would remain.

    Raises
    ------
    Exception
        Any error of the method, or of a parametrization that cannot be inverted.
    """
    # These modules are imported by name, because torch.nn.utils.weight_norm and spectral_norm are functions.
    from torch.nn.utils.prune import BasePruningMethod
    from torch.nn.utils.spectral_norm import SpectralNorm
    from torch.nn.utils.weight_norm import WeightNorm

    if _parametrizations(module):
        _draw_parametrized(module, reset)
    else:
        reset()
    for hook in module._forward_pre_hooks.values():
        name = getattr(hook, "name", "")
        with torch.no_grad():
            if isinstance(hook, WeightNorm):
                drawn = getattr(module, name)
                getattr(module, f"{name}_g").copy_(torch.norm_except_dim(drawn, 2, hook.dim))
                getattr(module, f"{name}_v").copy_(drawn)
            elif isinstance(hook, BasePruningMethod):
                name = hook._tensor_name
                getattr(module, f"{name}_orig").copy_(getattr(module, name))
                setattr(module, name, hook.apply_mask(module))  # type: ignore[no-untyped-call]
            elif isinstance(hook, SpectralNorm):
                getattr(module, f"{name}_orig").copy_(getattr(module, name))
                for _ in range(POWER_ITERATIONS):
                    setattr(module, name, hook.compute_weight(module, do_power_iteration=True))


def _draw_parametrized(module: nn.Module, reset: Callable[[], object]) -> None:
    """Reinitialise a module with parametrized weights: draw the weights, then set the parameters behind them."""
    from torch.nn.utils import parametrize

    (parametrizations,) = _parametrizations(module)
    weights = [name for name, _ in parametrizations.named_children()]
    with parametrize.cached():
        # Without the cache, each access would compute a new tensor, and the values that the method draws would be lost.
        for name in weights:
            getattr(module, name)
        reset()
        drawn = {name: getattr(module, name).detach().clone() for name in weights}
    parts = [(part, part.training) for part in parametrizations.modules()]
    for name, value in drawn.items():
        setattr(module, name, value)
        # In training mode, spectral_norm improves its estimate at each access to the weight.
        for part, _ in parts:
            part.training = True
        for _ in range(POWER_ITERATIONS):
            getattr(module, name)
    for part, training in parts:
        part.training = training
