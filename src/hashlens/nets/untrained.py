"""The same network before training: the control that every measure of a trained one needs beside it."""

import torch
from torch import nn

from hashlens.errors import ModelError
from hashlens.nets.copying import copied
from hashlens.nets.drawing import draw_anew, drawn_modules, reset_of
from hashlens.seeds import torch_seed


def untrained_copy(model: nn.Module, seed: int = 0) -> nn.Module:
    """Return a copy of `model` with parameters and buffers drawn anew, as its layers draw them when they are made.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed. Every submodule that has parameters of its own must have ``reset_parameters``, as PyTorch's do.
    seed : int
        What the parameters are drawn from; the global generators are left as they are.

    Raises
    ------
    ModelError
        If some parameters cannot be drawn anew; the message names the module.
    """
    for name, module in drawn_modules(model):
        has_parameters = any(True for _ in module.parameters(recurse=False))
        if isinstance(module, (torch.jit.ScriptModule, torch.fx.GraphModule)) or (
            has_parameters and reset_of(module) is None
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
        # Children first: a container that draws its children's parameters in its own way has the last word.
        for _, module in reversed(list(drawn_modules(copy_))):
            reset = reset_of(module)
            if reset is not None:
                try:
                    draw_anew(module, reset)
                except Exception as error:  # whatever a user's own method raises
                    reason = str(error).split("\n")[0]
                    raise ModelError(
                        f"reset_parameters() of {type(module).__name__} raised {type(error).__name__} ({reason}); "
                        "give the untrained network itself"
                    ) from error
    return copy_
