"""Places: a call of a layer or operator, by name, and the last one with spatial maps that every path passes through."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch.autograd.graph import Node

from hashlens.codes.dispatch import Observer
from hashlens.codes.gates import GATES
from hashlens.codes.naming import ACTIVATION_NAMES
from hashlens.codes.running_module import RunningModule
from hashlens.errors import ExplainError, nearest
from hashlens.explanations.dominators import Dominators, dominators
from hashlens.explanations.gradients import row_scores
from hashlens.explanations.request import Request

Tensor = torch.Tensor
ModuleOutput = tuple[str, Tensor, int]
"""Output of a module: the path of the module, the tensor, and the version of the tensor when it was returned."""
OnOutput = Callable[[str, Tensor], None]
SPECIAL_TOKENS = 2
"""Largest number of tokens that are no positions of the image: a class token and a distillation token."""
OPERATORS_NAMED = 4
MAPS = {3: "(n, c, l)", 4: "(n, c, h, w)"}
NO_MAPS = (
    "no layer with maps {maps} of more than one position lies on every path: name one with layer=, and for a "
    "transformer give reshape= too"
)


@dataclass(frozen=True)
class Place:
    """Output of one call of a layer or operator.

    Attributes
    ----------
    name : str
        Path of the module, or of the module and the operator in it, named like the layers of codes; it ends in ``#1``
        for the second call. It can be passed as ``layer=``.
    operator : str or None
        Full name of the operator; None for the output of the module itself.
    channel_axis : int
        Channel axis.
    """

    name: str
    operator: str | None = None
    channel_axis: int = 1


@dataclass(frozen=True, eq=False)
class PlaceOutputs:
    """Outputs of a place in one run.

    Attributes
    ----------
    outputs : list of torch.Tensor
        Output of each call, or of the named call, with gradients, before any in-place change.
    versions : list of int
        Versions of outputs of operators, to detect in-place changes that cannot be prevented.
    """

    outputs: list[Tensor]
    versions: list[int]


def place_of(request: Request, example: Tensor | None = None) -> Place:
    """Return the place that `layer` names; by default the last one with spatial maps that every path passes through.

    Raises
    ------
    ExplainError
        If there is no such place, or the layers after it turn maps into tokens.
    """
    if request.layer is None:
        return last_maps(request)
    modules = dict(request.module.named_modules(remove_duplicate=False))
    name = request.layer if request.layer in modules else _split(request.layer)[0]
    scripted = isinstance(modules.get(name), torch.jit.ScriptModule)
    if name in modules and name and not scripted:
        return Place(request.layer)
    operators: list[str] = []
    inputs = request.inputs[: request.subject.trial_rows] if example is None else example
    with _operators(request.module, lambda name, _: operators.append(name)), torch.no_grad():
        request.subject.run(inputs)
    if request.layer not in operators and scripted:  # an operator may have the name of a scripted module
        raise ExplainError(
            f"layer {request.layer!r} is scripted, and scripted layers have no hooks: leave layer= out for "
            f"the last maps, name an operator ({', '.join(_latest(operators))}), or explain the network as it was "
            "before torch.jit.script"
        )
    if request.layer not in operators:
        raise ExplainError(
            f"no layer {request.layer!r}: {nearest(request.layer, [path for path in modules if path] or operators)}"
        )
    return Place(request.layer, request.layer)


@contextmanager
def record_outputs(request: Request, place: Place) -> Iterator[PlaceOutputs]:
    """Record the outputs of a place while the body runs."""
    recorded = PlaceOutputs([], [])
    if place.operator is not None:

        def met(name: str, output: Tensor) -> None:
            if name == place.operator:
                recorded.outputs.append(output)
                recorded.versions.append(output._version)

        with _operators(request.module, met):
            yield recorded
        return
    modules = dict(request.module.named_modules(remove_duplicate=False))
    path, call = (place.name, None) if place.name in modules else _split(place.name)
    calls = Counter[str]()

    def keep(module: torch.nn.Module, inputs: object, output: object) -> object:
        calls[path] += 1
        if call is not None and calls[path] != call + 1:
            return None
        # The layers of transformers return a tuple, whose first entry is the activation.
        first, *others = output if isinstance(output, tuple) and output else (output,)
        if not isinstance(first, Tensor):
            raise ExplainError(f"the layer gives {type(first).__name__}, no tensor: name another")
        recorded.outputs.append(first)
        return (first.clone(), *others) if isinstance(output, tuple) else first.clone()

    hook = modules[path].register_forward_hook(keep)
    try:
        yield recorded
    finally:
        hook.remove()


def last_maps(request: Request) -> Place:
    """Return the last place with maps ``(n, c, h, w)`` that every path from input to output passes through.

    Its maps have the resolution of the last convolution. Pools after it are ignored, because a map of four positions is
    too coarse. If there are branches, the place is where they join. Several calls of a module are separate places.
    """
    made: list[tuple[str, Tensor]] = []
    modules: list[ModuleOutput] = []
    with torch.enable_grad():
        leaf = request.inputs[: request.subject.trial_rows].detach().clone().requires_grad_()
        x = leaf * 1
        with (
            _module_outputs(request.module, modules),
            _operators(request.module, lambda *operator_call: made.append(operator_call)),
        ):
            scores = request.subject.run(x)
        score = row_scores(scores, request.target[: len(leaf)])
        result = dominators(scores, leaf)
        by_node = {output.grad_fn: (name, output) for name, output in made if output.grad_fn is not None}
        # Views are separate tensors, which are seen only as outputs of modules.
        by_node |= {
            output.grad_fn: ("", output) for _, output, _ in modules
            if output.grad_fn is not None and output.grad_fn not in by_node
        }  # fmt: skip
        candidates = [
            (node, *by_node[node]) for node in result.nodes
            if node in by_node and node in result.axes and result.parts[node] <= {by_node[node][1].output_nr}
        ]  # fmt: skip
        return _last_with_resolution(request, result, candidates, modules, score)


def _last_with_resolution(
    request: Request,
    dominators: Dominators,
    candidates: list[tuple[Node, str, Tensor]],
    modules: list[ModuleOutput],
    score: Tensor,
) -> Place:
    """Return the last place with the resolution of the last convolution; raise ExplainError if tokens follow it."""
    n, axes = (
        len(request.inputs[: request.subject.trial_rows]),
        4 if request.kind == "image" or dominators.last_resolution(4) else 3,
    )
    finest, tokens = dominators.last_resolution(axes), list[tuple[Node, str, Tensor]]()
    for node, name, output in candidates:
        channel_axis = dominators.axes[node]
        if output.numel() == 0 or len(request.subject.own_rows(output, n)) != n:
            continue
        if output.dim() == axes and "Pool" not in node.name() and finest <= _position_count(output, channel_axis) > 1:
            if tokens and dominators.has_gate_between(tokens[0][0], node):
                raise ExplainError(_advice_for_tokens(request, tokens, output, channel_axis, modules, score))
            return Place(_name(name, output, modules), name or None, channel_axis)
        if output.dim() == 3 and channel_axis == 2 and output.shape[1] > 1:
            tokens.append((node, name, output))
    raise ExplainError(
        _advice_for_tokens(request, tokens, None, 1, modules, score) if tokens else NO_MAPS.format(maps=MAPS[axes])
    )


def _advice_for_tokens(
    request: Request,
    tokens: list[tuple[Node, str, Tensor]],
    maps: Tensor | None,
    channel_axis: int,
    modules: list[ModuleOutput],
    score: Tensor,
) -> str:
    """Return advice on explaining by tokens: the last layer whose score depends on more than the first token."""
    named = [(_name(name, output, modules), output) for _, name, output in tokens]
    last = next(((name, output) for name, output in named if _all_matter(score, output)), named[0])
    count, reshape = last[1].shape[1], "lambda a: a[:, 1:].transpose(1, 2).unflatten(2, (h, w))"
    shape = (
        request.inputs.shape[2:]
        if maps is None
        else [size for i, size in enumerate(maps.shape) if i not in (0, channel_axis)]
    )
    if (layout := _token_layout(count, tuple(shape))) is not None:
        first, grid = layout
        grid_tokens = f"a[:, {first}:]" if first else "a"
        reshape = f"lambda a: {grid_tokens}.transpose(1, 2).unflatten(2, {grid})"
    return (
        f"after its first maps the model works on {count} tokens, so no later layer has maps: give "
        f"layer={last[0]!r}, the last layer in which all tokens matter, and reshape={reshape}"
    )


def _token_layout(count: int, shape: tuple[int, ...]) -> tuple[int, tuple[int, ...]] | None:
    """Return the number of special tokens and the grid shape of the others, from the shape of earlier maps."""
    first = count - prod(shape)
    if 0 <= first < prod(shape):
        return first, shape
    for first in range(SPECIAL_TOKENS + 1):
        scale = (prod(shape) / max(count - first, 1)) ** (1 / len(shape)) if shape else 0.0
        grid = tuple(round(side / scale) for side in shape) if scale > 1 else ()
        if (
            grid
            and prod(grid) == count - first
            and all(abs(side / scale - size) < 1e-6 for side, size in zip(shape, grid, strict=True))
        ):
            return first, grid
    return None


def _all_matter(score: Tensor, tokens: Tensor) -> bool:
    """Return whether the score depends on more than the first token."""
    (gradient,) = torch.autograd.grad(score, tokens, retain_graph=True)
    return bool(gradient[:, 1:].any())


def _position_count(maps: Tensor, channel_axis: int) -> int:
    return prod(size for i, size in enumerate(maps.shape) if i not in (0, channel_axis))


def _name(operator: str, output: Tensor, modules: list[ModuleOutput]) -> str:
    """Return the name of the outermost module that returns this output unchanged, or of its operator."""
    same = [name for name, module_output, version in modules if module_output is output and version == output._version]
    return min(same, key=lambda name: name.count("."), default=operator)


@contextmanager
def _module_outputs(model: torch.nn.Module, into: list[ModuleOutput]) -> Iterator[None]:
    """Record the outputs of modules, by path and number of the call."""
    calls = Counter[str]()

    def hooked(path: str) -> Callable[..., None]:
        def hook(module: torch.nn.Module, inputs: object, output: object) -> None:
            first = output[0] if isinstance(output, tuple) and output else output
            if isinstance(first, Tensor):
                into.append((_number(path, calls), first, first._version))

        return hook

    with ExitStack() as stack:
        for path, module in model.named_modules():
            if path and not isinstance(module, torch.jit.ScriptModule):
                stack.callback(module.register_forward_hook(hooked(path)).remove)
        yield


@contextmanager
def _operators(model: torch.nn.Module, met: OnOutput) -> Iterator[None]:
    """Report the outputs of operators, by the path of the running module, the operator and the number of the call."""
    running = RunningModule(model, lambda module: None, lambda path, module, raised: None)
    with running, _Operators(running, met):
        yield


class _Operators(Observer):
    def __init__(self, running: RunningModule, met: OnOutput) -> None:
        super().__init__()
        self.running, self.met, self.calls = running, met, Counter[str]()

    def run_operator(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run an operator and report its output."""
        result = func(*args, **kwargs)
        operator = func.overloadpacket.__name__
        operator = operator if operator.endswith("__") else operator.rstrip("_")
        first = result[0] if isinstance(result, (tuple, list)) and result else result
        if isinstance(first, Tensor) and operator not in ("detach", "alias"):
            path, kind = self.running.current
            gate = path and kind in ACTIVATION_NAMES and operator in GATES
            self.met(_number(path if gate else f"{path}.{operator}".lstrip("."), self.calls), first)
        return result


def _number(name: str, calls: Counter[str]) -> str:
    """Return a name followed by the number of its call, from the second call on."""
    calls[name] += 1
    return name if calls[name] == 1 else f"{name}#{calls[name] - 1}"


def _latest(met: list[str]) -> list[str]:
    """Return the names of a few of the last operators; gates and convolutions come before others."""
    telling = [name for name in met if "conv" in name or name.rpartition(".")[2].split("#")[0] in GATES]
    return (telling or met)[-OPERATORS_NAMED:]


def _split(name: str) -> tuple[str, int | None]:
    path, _, call = name.rpartition("#")
    return (path, int(call)) if path and call.isdigit() else (name, None)
