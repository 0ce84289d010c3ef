"""Evaluation mode: run a network with the settings that reading codes needs, and restore its state afterwards."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

Module = torch.nn.Module


@contextmanager
def evaluation_mode(model: Module) -> Iterator[None]:
    """Run the body with `model` in evaluation mode, without gradients, fast paths or compilation.

    At the end everything is restored, even if the body raises: the mode of every submodule, buffers that change in
    evaluation mode too (such as those of quantisation observers), the global settings of torch and its global random
    generators.
    """
    modules = list(model.modules())
    modes = [(module, module.training) for module in modules if hasattr(module, "training")]
    scripted = any(isinstance(module, torch.jit.ScriptModule) for module in modules)
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=_cuda_devices(model)))
        stack.callback(_restore_modes, modes)
        stack.callback(_restore_buffers, _buffers_of(modules))
        stack.callback(torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled())
        torch.backends.mha.set_fastpath_enabled(False)
        if any(isinstance(module, torch.nn.RNNBase) for module in modules):
            # The fused recurrent kernel hides its gates; the plain one does not.
            stack.callback(torch._C._set_mkldnn_enabled, torch._C._get_mkldnn_enabled())
            torch._C._set_mkldnn_enabled(False)
        if "torch._dynamo" in sys.modules:  # the import takes a second; it is already done if anything was compiled
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        if scripted:
            stack.enter_context(_unoptimised(model))
        # Scripted code ignores the setting of the transformer fast path, but avoids the fast path with gradients on.
        stack.enter_context(torch.enable_grad() if scripted else torch.no_grad())
        for module, training in modes:
            if training:
                module.training = False
        yield


@contextmanager
def _unoptimised(model: Module) -> Iterator[None]:
    """Run scripted code operator by operator, without TorchScript's optimisations.

    After a few passes TorchScript fuses operators into blocks with their own gradient, so that other gates become
    visible than before. The execution plans are dropped before and after; TorchScript makes new ones when needed.
    """
    _drop_plans(model)
    with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        try:
            yield
        finally:
            _drop_plans(model)


def _drop_plans(model: Module) -> None:
    for module in model.modules():
        if isinstance(module, torch.jit.ScriptModule):
            flush = getattr(getattr(module, "forward", None), "_debug_flush_compilation_cache", None)
            if flush is not None:
                flush()


def _restore_modes(modes: list[tuple[Module, bool]]) -> None:
    for module, training in modes:
        if module.training != training:
            module.training = training


def _buffers_of(modules: list[Module]) -> list[tuple[Module, str, torch.Tensor, torch.Tensor]]:
    """Return each buffer with its module, its name and a copy."""
    return [
        (module, name, buffer, buffer.detach().clone())
        for module in modules
        for name, buffer in module.named_buffers(recurse=False)
        if not torch.nn.parameter.is_lazy(buffer) and not buffer.is_meta
    ]


def _restore_buffers(buffers: list[tuple[Module, str, torch.Tensor, torch.Tensor]]) -> None:
    for module, name, buffer, saved in buffers:
        if getattr(module, name, None) is not buffer and not isinstance(module, torch.jit.ScriptModule):
            setattr(module, name, buffer)
        if buffer.grad_fn is not None:  # values written into it may carry a gradient
            buffer.detach_()
        if buffer.shape != saved.shape or not torch.equal(buffer, saved):
            buffer.data = saved


def _cuda_devices(model: Module) -> list[int]:
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return []
    devices = {tensor.device for tensor in model.parameters()} | {tensor.device for tensor in model.buffers()}
    return sorted({device.index or 0 for device in devices if device.type == "cuda"})
