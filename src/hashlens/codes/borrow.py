"""Borrowing a network: evaluated as it should be for reading codes, and handed back as it came."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from hashlens.codes.gates import bind
from hashlens.errors import CaptureError, ModelError

Module = torch.nn.Module
REWRITTEN = ("prim::mkldnn", "aten::to_mkldnn", "aten::mkldnn", "aten::cudnn_convolution", "aten::miopen_convolution")
"""How operators begin that ``torch.jit.optimize_for_inference`` puts in place of others."""


def unwrap(model: Module) -> Module:
    """Return the network inside DataParallel, DistributedDataParallel and torch.compile wrappers.

    Raises
    ------
    ModelError
        If `model` is no module.
    CaptureError
        If it is sharded (FSDP) or quantised, where units cannot be seen.
    """
    if not isinstance(model, Module):
        raise ModelError(f"a torch.nn.Module is needed, received {type(model).__name__}")
    wrappers = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    while isinstance(model, wrappers) or hasattr(model, "_orig_mod"):
        inner = model.module if isinstance(model, wrappers) else model._orig_mod
        assert isinstance(inner, Module)
        model = inner
    for name, module in model.named_modules():
        where = f"{name or 'the model'} ({type(module).__name__})"
        if any("FullyShardedDataParallel" in kind.__name__ or kind.__name__ == "FSDPModule"
               for kind in type(module).__mro__):  # fmt: skip
            raise CaptureError(
                f"{where} is sharded by FSDP, where no process holds whole layers; gather the full state dict into an "
                "unsharded copy and encode that"
            )
        for what, tensor in module.named_parameters(recurse=False):
            if is_traceable_wrapper_subclass(tensor):
                raise CaptureError(
                    f"{where}: its {what} is a {type(tensor).__name__}, sharded or quantised; encode a network with "
                    "plain weights"
                )
        if _is_quantised(module):
            raise CaptureError(f"{where} is quantised, which hides its activations; encode the float network instead")
        if isinstance(module, torch.fx.GraphModule) and any(map(_trains, module.graph.nodes)):
            raise CaptureError(
                f"{where} was exported in training mode, so its codes would depend on the batch and on chance; call "
                "eval() on the model and export it again"
            )
    for name, graph in scripted_graphs(model):
        if any(node.kind().lower().startswith(REWRITTEN) for node in scripted_nodes(graph)):
            raise CaptureError(
                f"{name or 'the model'} was rewritten for one machine by torch.jit.optimize_for_inference, which hides "
                "its gates and slopes; give the network as it was before"
            )
    return model


def _trains(node: torch.fx.Node) -> bool:
    """Return whether a node of an exported graph is BatchNorm or dropout as they are in training."""
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
            above = {".".join(parents[:at]) for at in range(1, len(parents) + 1)} | ({""} if name else set())
            if not above & inside and hasattr(module, "forward"):
                yield name, module.inlined_graph


def scripted_nodes(block: Any) -> Iterator[Any]:
    """Yield the nodes of a scripted graph, those inside of branches and loops too."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from scripted_nodes(inner)


@contextmanager
def borrowed(model: Module) -> Iterator[None]:
    """Run the body with `model` in eval mode, without gradients, fast paths, compilation or global random numbers.

    Everything is put back at the end, also when the body raises: the mode of every submodule, buffers that it writes on
    in eval mode too (as observers of quantisation do), the switches of torch, and the state of the global generators.
    """
    modes = [(module, module.training) for module in model.modules() if hasattr(module, "training")]
    scripted = any(isinstance(module, torch.jit.ScriptModule) for module in model.modules())
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=_cuda_devices(model)))
        stack.callback(_restore_modes, modes)
        stack.callback(_restore_buffers, _buffers_of(model))
        stack.callback(torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled())
        torch.backends.mha.set_fastpath_enabled(False)
        if any(isinstance(module, torch.nn.RNNBase) for module in model.modules()):
            # The fused recurrent kernel shows no gate; the plain one does.
            stack.callback(torch._C._set_mkldnn_enabled, torch._C._get_mkldnn_enabled())
            torch._C._set_mkldnn_enabled(False)
        if "torch._dynamo" in sys.modules:  # it takes a second to import, and whoever compiled anything has done so
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        if scripted:
            stack.enter_context(_unoptimised(model))
        # The switch of the transformer fast path does not reach scripted code, which leaves it with gradients on.
        stack.enter_context(torch.enable_grad() if scripted else torch.no_grad())
        for module, training in modes:
            if training:
                _set_mode(module, False)
        yield


@contextmanager
def _unoptimised(model: Module) -> Iterator[None]:
    """Run scripted code operator by operator, as it was written.

    After a few passes TorchScript joins operators into blocks with a gradient of their own, so that autograd shows
    other gates than before. Plans made are forgotten on both sides; the code makes them anew when it needs them.
    """
    _forget_plans(model)
    with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        try:
            yield
        finally:
            _forget_plans(model)


def _forget_plans(model: Module) -> None:
    for module in model.modules():
        if isinstance(module, torch.jit.ScriptModule):
            flush = getattr(getattr(module, "forward", None), "_debug_flush_compilation_cache", None)
            if flush is not None:
                flush()


def _set_mode(module: Module, training: bool) -> None:
    module.training = training


def _restore_modes(modes: list[tuple[Module, bool]]) -> None:
    for module, training in modes:
        if module.training != training:
            _set_mode(module, training)


def _buffers_of(model: Module) -> list[tuple[Module, str, torch.Tensor, torch.Tensor]]:
    """Return each buffer with its module, its name and a copy."""
    return [
        (module, name, buffer, buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
        if not torch.nn.parameter.is_lazy(buffer) and not buffer.is_meta
    ]


def _restore_buffers(buffers: list[tuple[Module, str, torch.Tensor, torch.Tensor]]) -> None:
    for module, name, buffer, before in buffers:
        if getattr(module, name, None) is not buffer and not isinstance(module, torch.jit.ScriptModule):
            setattr(module, name, buffer)
        if buffer.grad_fn is not None:  # what was written on it may have a slope
            buffer.detach_()
        if buffer.shape != before.shape or not torch.equal(buffer, before):
            buffer.data = before


def _cuda_devices(model: Module) -> list[int]:
    devices = {tensor.device for tensor in model.parameters()} | {tensor.device for tensor in model.buffers()}
    return sorted({device.index or 0 for device in devices if device.type == "cuda"})


def qualified_name(kind: type) -> str:
    """Return a class's name with its module, as an exported program writes it."""
    return f"{kind.__module__}.{kind.__qualname__}"


class RunningModule:
    """The path of the module that is running, kept by forward hooks while the context is open.

    Scripted submodules run no hooks and count as their scripted root; an exported program is run node by node, and its
    nodes say which module they came from.
    """

    def __init__(
        self, model: Module, on_enter: Callable[[Module], None], on_leave: Callable[[str, Module, bool], None]
    ) -> None:
        self.model = model
        self.stack: list[tuple[str, str]] = []
        self._on_enter, self._on_leave = on_enter, on_leave
        self._handles: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> "RunningModule":
        eager = [at for at in self.model.named_modules() if not isinstance(at[1], torch.jit.ScriptModule)]
        for path, module in eager:
            self._handles.append(module.register_forward_pre_hook(self._enter(path)))
            self._handles.append(module.register_forward_hook(self._leave(path), always_call=True))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _enter(self, path: str) -> Callable[[Module, Any], None]:
        def enter(module: Module, inputs: Any) -> None:
            self.stack.append((path, qualified_name(type(module))))
            self._on_enter(module)

        return enter

    def _leave(self, path: str) -> Callable[[Module, Any, Any], None]:
        def leave(module: Module, inputs: Any, output: Any) -> None:
            if self.stack:
                self.stack.pop()
                self._on_leave(path, module, output is None)  # a forward that raised has no output

        return leave

    @property
    def current(self) -> tuple[str, str]:
        """Path and qualified class name of the module now running; the root has the path ''."""
        return self.stack[-1] if self.stack else ("", "")

    def runner(self) -> Callable[..., Any]:
        """Return what to call in place of the model so that paths are known."""
        self.stack.clear()
        model = self.model
        if isinstance(model, torch.fx.GraphModule) and any("nn_module_stack" in at.meta for at in model.graph.nodes):
            return _NodeByNode(model, self).run
        return model


class _NodeByNode(torch.fx.Interpreter):
    """An exported graph, run node by node under the path of the module that each node came from."""

    def __init__(self, graph: torch.fx.GraphModule, running: RunningModule) -> None:
        super().__init__(graph)
        self._running = running

    def run_node(self, n: torch.fx.Node) -> Any:
        origins = list(n.meta.get("nn_module_stack", {}).values())
        path, kind = origins[-1] if origins else ("", "")
        name = kind if isinstance(kind, str) else qualified_name(kind)
        self._running.stack = [(str(path).removeprefix("L['self']").lstrip("."), name)]
        return super().run_node(n)
