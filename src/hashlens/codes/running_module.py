"""Running module: the path of the module that is running, in plain, scripted and exported networks."""

from collections.abc import Callable
from typing import Any

import torch

Module = torch.nn.Module


def qualified_name(kind: type) -> str:
    """Return a class's name with its module, in the form that an exported program uses."""
    return f"{kind.__module__}.{kind.__qualname__}"


class RunningModule:
    """Path of the module that is running, tracked by forward hooks while the context is open.

    Scripted submodules do not run hooks; they have the path of their scripted root. An exported program is run node by
    node; each node names its original module.

    Attributes
    ----------
    call : str
        In an exported program: key of the module call that the running node belongs to.
    calls : dict
        Path and qualified class name of the module, by key of each module call so far.
    """

    def __init__(
        self, model: Module, on_enter: Callable[[Module], None], on_leave: Callable[[str, Module, bool], None]
    ) -> None:
        self.model = model
        self.stack: list[tuple[str, str]] = []
        self.call = ""
        self.calls: dict[str, tuple[str, str]] = {}
        self._on_enter, self._on_leave = on_enter, on_leave
        self._handles: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> "RunningModule":
        for path, module in self.model.named_modules():
            if isinstance(module, torch.jit.ScriptModule):
                continue
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
                self._on_leave(path, module, output is None)  # there is no output if forward raised

        return leave

    @property
    def current(self) -> tuple[str, str]:
        """Path and qualified class name of the running module; the root has the path ''."""
        return self.stack[-1] if self.stack else ("", "")

    def runner(self) -> Callable[..., Any]:
        """Return a function to call in place of the model, so that the path is tracked."""
        self.stack.clear()
        self.calls.clear()
        model = self.model
        if isinstance(model, torch.fx.GraphModule) and any(
            "nn_module_stack" in node.meta for node in model.graph.nodes
        ):
            return _NodeByNode(model, self).run
        return model


class _NodeByNode(torch.fx.Interpreter):
    """Interpreter of an exported graph that sets the path of each node's original module."""

    def __init__(self, graph: torch.fx.GraphModule, running: RunningModule) -> None:
        super().__init__(graph)
        self._running = running

    def run_node(self, n: torch.fx.Node) -> Any:
        call, (path, kind) = next(reversed(n.meta.get("nn_module_stack", {}).items()), ("", ("", "")))
        name = kind if isinstance(kind, str) else qualified_name(kind)
        self._running.stack = [(str(path).removeprefix("L['self']").lstrip("."), name)]
        self._running.call = str(call)
        self._running.calls[str(call)] = self._running.current
        return super().run_node(n)
