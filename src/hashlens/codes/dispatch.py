"""Dispatch: see every ATen operator of a network as it runs, and tell who watches of those that matter for codes."""

from typing import Any, Protocol

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hashlens.codes.gates import FUSED, GATES, MAX_POOLS, Bound, Gate, bind
from hashlens.errors import CaptureError

Tensor = torch.Tensor
POOL = "pool"
COMPOSITE = "composite"
AFFINE = {"addmm": 1, "mm": 0, "bmm": 0, "convolution": 0, "linear": 0, "_convolution": 0, "mkldnn_linear": 0}
"""Affine maps by operator name, with the position of their input among the arguments."""


class Watcher(Protocol):
    """What a dispatch tells, and to whom."""

    channel: bool

    @property
    def running_path(self) -> str:
        """The path of the module that is running."""

    def on_gate(self, gate: Gate, bound: Bound, output: Tensor | None = None) -> None:
        """Take note of an elementwise gate about to run (with its output: that ran)."""

    def on_pool(self, operator: str, bound: Bound, indices: Tensor) -> None:
        """Take note of a max-pool that ran."""

    def on_affine(self, operator: str, inputs: Tensor) -> None:
        """Take note of an affine map about to run."""

    def refuse(self, reason: str) -> CaptureError:
        """Return the error for what cannot be read."""


class Dispatch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Tell a watcher of every gate, pool and affine map that runs, and refuse operators that hide one."""

    def __init__(self, watcher: Watcher) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.watcher = watcher
        self.roles: dict[Any, Any] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func not in self.roles:
            self.roles[func] = _role(func)
        role = self.roles[func]
        if role is None:
            return func(*args, **kwargs)
        if role is COMPOSITE:
            with self:
                result = func.decompose(*args, **kwargs)
            return func(*args, **kwargs) if result is NotImplemented else result
        if isinstance(role, Gate) and not self.watcher.channel:
            self.watcher.on_gate(role, bind(func, args, kwargs))
            return func(*args, **kwargs)
        if isinstance(role, Gate):
            return self._with_output(role, func, args, kwargs)
        operator, meaning = role
        if meaning is POOL:
            result = func(*args, **kwargs)
            self.watcher.on_pool(operator, bind(func, args, kwargs), result[1])
            return result
        if isinstance(meaning, int):
            self.watcher.on_affine(operator, args[meaning])
            return func(*args, **kwargs)
        raise self.watcher.refuse(
            f"{self.watcher.running_path or 'the model'}: the fused operator {operator!r} hides its gates; {meaning}"
        )

    def _with_output(self, gate: Gate, func: Any, args: Any, kwargs: Any) -> Any:
        bound = bind(func, args, kwargs)
        if func._schema.is_mutable and isinstance(bound.get("self"), Tensor):
            bound["self"] = bound["self"].clone()  # the bit is the input's, and the operator is about to overwrite it
        result = func(*args, **kwargs)
        output = result[0] if isinstance(result, tuple) else result
        self.watcher.on_gate(gate, bound, output)
        return result


def _role(func: Any) -> Any:
    """Return what an operator means to a capture: a gate, (name, meaning), composite, or None."""
    name = func.overloadpacket.__name__
    if func.namespace == "quantized":
        return name, "the model is quantised; encode the float network instead"
    base = name[:-1] if name.endswith("_") and not name.endswith("__") else name
    if func.namespace == "aten":
        if base in GATES:
            return GATES[base]
        if name in MAX_POOLS:
            return name, POOL
        if name in FUSED:
            return name, FUSED[name]
        if name in AFFINE:
            return name, AFFINE[name]
    if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
        return COMPOSITE
    return None
