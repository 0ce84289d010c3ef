"""Dispatch: observe every ATen operator that a network runs, and report those that matter for codes to a watcher."""

import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Protocol

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hashlens.codes.gates import FUSED, GATES, MAX_POOLS, Bound, Gate, bind
from hashlens.codes.positions import CHANGES
from hashlens.errors import CaptureError

Tensor = torch.Tensor
POOL = "pool"
COMPOSITE = "composite"
RESIZE = "resize"
AFFINE = {"addmm": 1, "mm": 0, "bmm": 0, "convolution": 0, "linear": 0, "_convolution": 0, "mkldnn_linear": 0}
"""Affine maps by operator name, with the position of their input among the arguments."""


class Watcher(Protocol):
    """Interface of an object that a dispatch reports operators to."""

    channel: bool
    masked: bool

    @property
    def running_path(self) -> str:
        """Path of the module that is running."""

    def on_gate(self, gate: Gate, bound: Bound, output: Tensor | None = None) -> None:
        """Record an elementwise gate before it runs, or after it ran if `output` is passed."""

    def on_pool(self, operator: str, bound: Bound, indices: Tensor) -> None:
        """Record a max-pool that ran."""

    def on_resize(self, operator: str, bound: Bound, result: Any) -> None:
        """Record an operator that ran and may change the number of positions; called only if `masked`."""

    def on_affine(self, operator: str, inputs: Tensor, outputs: int) -> None:
        """Record an affine map that ran, and its number of output channels."""


class Observer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A dispatch mode that torch.compile does not trace.

    torch applies a decorator to dispatch modes for this. The decorator imports the compiler, which takes a second:
    longer than all the rest. So torch is told not to apply it, and it is applied here once something else has imported
    the compiler; before, nothing can be compiled.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()  # type: ignore[no-untyped-call]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        run = self._uncompiled_run if "torch._dynamo" in sys.modules else type(self).run_operator
        return run(self, func, args, kwargs or {})

    @cached_property
    def _uncompiled_run(self) -> Callable[..., Any]:
        disabled: Callable[..., Any] = torch.compiler.disable(type(self).run_operator)  # type: ignore[no-untyped-call]
        return disabled

    @abstractmethod
    def run_operator(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run an operator and return its result."""


class Dispatch(Observer):
    """Report every gate, pool and affine map that runs to a watcher, and refuse operators that hide a gate.

    Parameters
    ----------
    watcher : Watcher
        Object that the operators are reported to.
    on_operator : callable, optional
        Called after every operator with the operator, its arguments, its keyword arguments and its result.

    Attributes
    ----------
    error : Exception or None
        Exception that the watcher raised. A network may replace it by another one, as scripted networks do.
    """

    def __init__(self, watcher: Watcher, on_operator: Callable[[Any, Any, Any, Any], None] | None = None) -> None:
        super().__init__()
        self.watcher, self._on_operator = watcher, on_operator
        self.error: Exception | None = None
        self.roles: dict[Any, Any] = {}

    def run_operator(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run an operator and report it to the watcher."""
        if func not in self.roles:
            self.roles[func] = _role(func)
        role = self.roles[func]
        if role is COMPOSITE:
            with self:
                result = func.decompose(*args, **kwargs)
            return func(*args, **kwargs) if result is NotImplemented else result
        result = self._run(role, func, args, kwargs)
        if self._on_operator is not None:
            self._on_operator(func, args, kwargs, result)
        return result

    def _run(self, role: Any, func: Any, args: Any, kwargs: Any) -> Any:
        if role is None:
            return func(*args, **kwargs)
        if isinstance(role, Gate):
            return self._gate(role, func, args, kwargs)
        operator, meaning = role
        if isinstance(meaning, str) and meaning not in (POOL, RESIZE):
            where = self.watcher.running_path or "the model"
            self.error = CaptureError(f"{where}: the fused operator {operator!r} hides its gates; {meaning}")
            raise self.error
        result = func(*args, **kwargs)
        if meaning is RESIZE and not self.watcher.masked:
            return result
        with self._recording_errors():
            if self.watcher.masked and operator in CHANGES:
                self.watcher.on_resize(operator, bind(func, args, kwargs), result)
            if meaning is POOL:
                self.watcher.on_pool(operator, bind(func, args, kwargs), result[1])
            elif meaning is not RESIZE:
                channels = result.shape[1 if "convolution" in operator else -1]
                self.watcher.on_affine(operator, args[meaning], channels)
        return result

    def _gate(self, gate: Gate, func: Any, args: Any, kwargs: Any) -> Any:
        bound = bind(func, args, kwargs)
        if not self.watcher.channel:
            with self._recording_errors():
                self.watcher.on_gate(gate, bound)
            return func(*args, **kwargs)
        if func._schema.is_mutable and isinstance(bound.get("self"), Tensor):
            bound["self"] = bound["self"].clone()  # the bit is the input's, and the operator is about to overwrite it
        result = func(*args, **kwargs)
        with self._recording_errors():
            self.watcher.on_gate(gate, bound, result[0] if isinstance(result, tuple) else result)
        return result

    @contextmanager
    def _recording_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.error = error
            raise


def _role(func: Any) -> Any:
    """Return the role of an operator in a capture; None for an operator that does not matter for codes.

    The role of a gate is the `Gate`, and that of an operator to be decomposed is `COMPOSITE`. All others are pairs of
    the operator's name and its meaning: `POOL`, `RESIZE`, the position of the input of an affine map, or, for an
    operator that is refused, the way out.
    """
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
        if name in CHANGES:
            return name, RESIZE
    if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
        return COMPOSITE
    return None
