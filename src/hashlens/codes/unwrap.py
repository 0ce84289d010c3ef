"""Unwrap: return the network inside its wrappers, and refuse networks that hide their units."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from hashlens.codes.gates import bind
from hashlens.errors import CaptureError, ModelError

Module = torch.nn.Module
REWRITTEN = ("prim::mkldnn", "aten::to_mkldnn", "aten::mkldnn", "aten::cudnn_convolution", "aten::miopen_convolution")
"""Prefixes of the operators that ``torch.jit.optimize_for_inference`` inserts."""


def unwrap(model: Module) -> Module:
    """Return the network inside DataParallel, DistributedDataParallel and torch.compile wrappers.

    Raises
    ------
    ModelError
        If `model` is not a module.
    CaptureError
        If it is sharded (FSDP) or quantised, so that its units cannot be read.
    """
    if not isinstance(model, Module):
        raise ModelError(f"a torch.nn.Module is needed, received {type(model).__name__}")
    wrappers = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    while isinstance(model, wrappers) or hasattr(model, "_orig_mod"):
        inner = model.module if isinstance(model, wrappers) else model._orig_mod
        assert isinstance(inner, Module)
        model = inner
    for name, module in model.named_modules():
        path = f"{name or 'the model'} ({type(module).__name__})"
        if any("FullyShardedDataParallel" in kind.__name__ or kind.__name__ == "FSDPModule"
               for kind in type(module).__mro__):  # fmt: skip
            raise CaptureError(
                f"{path} is sharded by FSDP, where no process holds whole layers; gather the full state dict into an "
                "unsharded copy and encode that"
            )
        for parameter, tensor in module.named_parameters(recurse=False):
            if is_traceable_wrapper_subclass(tensor):
                raise CaptureError(
                    f"{path}: its {parameter} is a {type(tensor).__name__}, sharded or quantised; encode a network "
                    "with plain weights"
                )
        if _is_quantised(module):
            raise CaptureError(f"{path} is quantised, which hides its activations; encode the float network instead")
        if isinstance(module, torch.fx.GraphModule) and any(map(_is_in_training_mode, module.graph.nodes)):
            raise CaptureError(
                f"{path} was exported in training mode, so its codes would depend on the batch and on chance; call "
                "eval() on the model and export it again"
            )
    for name, graph in scripted_graphs(model):
        if any(node.kind().lower().startswith(REWRITTEN) for node in scripted_nodes(graph)):
            raise CaptureError(
                f"{name or 'the model'} was rewritten for one machine by torch.jit.optimize_for_inference, which hides "
                "its gates and slopes; give the network as it was before"
            )
    return model


def _is_in_training_mode(node: torch.fx.Node) -> bool:
    """Return whether a node of an exported graph is batch normalisation or dropout in training mode."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return False
    bound = bind(node.target, node.args, node.kwargs)
    return bound.get("training") is True or bound.get("train") is True


def _is_quantised(module: Module) -> bool:
    origin = type(module).__module__
    if "quantized" in origin.split(".") or getattr(module, "_type", "") == "quantized":
        return True
    return any(tensor.is_quantized for tensor in module.parameters(recurse=False)) or any(
        tensor.is_quantized for tensor in module.buffers(recurse=False)
    )


def scripted_graphs(model: Module) -> Iterator[tuple[str, Any]]:
    """Yield the scripted parts of a network by name, each with the graph of all its operators."""
    inside: set[str] = set()
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            inside.add(name)
            parents = name.split(".")[:-1] if name else []
            ancestors = {".".join(parents[:depth]) for depth in range(1, len(parents) + 1)} | ({""} if name else set())
            if not ancestors & inside and hasattr(module, "forward"):
                yield name, module.inlined_graph


def scripted_nodes(block: Any) -> Iterator[Any]:
    """Yield the nodes of a scripted graph, including those inside branches and loops."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from scripted_nodes(inner)
