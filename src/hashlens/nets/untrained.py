"""A copy of a network with random parameters: the control for measures of a trained network."""

import torch
from torch import nn

from hashlens.errors import ModelError
from hashlens.nets.copying import copied
from hashlens.nets.reinitialise import modules_to_reset, reinitialise, reset_method
from hashlens.seeds import torch_seed


def untrained_copy(model: nn.Module, seed: int = 0) -> nn.Module:
    """Return a copy of `model` with parameters and buffers reinitialised by its layers' own methods.

    Parameters
    ----------
    model : torch.nn.Module
        The network, which does not change. Every submodule with its own parameters must have ``reset_parameters``, as
        PyTorch's layers do.
    seed : int
        Seed of the parameters; the global generators do not change.

    Raises
    ------
    ModelError
        If some parameters cannot be reinitialised; the message names the module.
    """
    for name, module in modules_to_reset(model):
        has_parameters = any(True for _ in module.parameters(recurse=False))
        if isinstance(module, (torch.jit.ScriptModule, torch.fx.GraphModule)) or (
            has_parameters and reset_method(module) is None
        ):
            raise ModelError(
                f"{name or 'the model'} ({type(module).__name__}) has parameters and no reset_parameters(): its "
                "untrained state is not known; give the untrained network itself"
            )
    try:
        copy_ = copied(model)
    except (RuntimeError, TypeError) as error:
        kind = type(model).__name__
        raise ModelError(f"{kind} cannot be copied ({error}); give the untrained network itself") from error
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(torch_seed(seed, "untrained"))
        # Children first, so that a container may overwrite the parameters of its children.
        for _, module in reversed(list(modules_to_reset(copy_))):
            reset = reset_method(module)
            if reset is not None:
                try:
                    reinitialise(module, reset)
                except Exception as error:  # a user's method may raise anything
                    reason = str(error).split("\n")[0]
                    raise ModelError(
                        f"reset_parameters() of {type(module).__name__} raised {type(error).__name__} ({reason}); "
                        "give the untrained network itself"
                    ) from error
    return copy_
