"""Trace: run a network once on one example and record the operators as a program, or raise an error.

Functionalization replaces in-place operators, and writes into views, by operators that return new tensors. A dispatch
mode below it sees each ATen operator. An operator that depends on the input must be on the allow-list. Tensors that do
not depend on the input are constants, computed once.
"""

from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

from hashlens.codes.dispatch import Observer
from hashlens.codes.evaluation_mode import evaluation_mode
from hashlens.codes.gates import GATES, MAX_POOLS, Bound, bind, is_guard
from hashlens.codes.layers import Layer, lay_out
from hashlens.codes.model_error import model_error
from hashlens.codes.naming import layer_name
from hashlens.codes.output_evidence import MIN_ROWS, output_of
from hashlens.codes.running_module import RunningModule, qualified_name
from hashlens.codes.unwrap import scripted_graphs, scripted_nodes, unwrap
from hashlens.errors import DataError, HashlensError, ModelError
from hashlens.nets.copying import copied
from hashlens.nets.output import Output, OutputLike, check_output
from hashlens.regions.calls import Affine, Call, NotAffineError, Wire, affine_step
from hashlens.regions.choices import Choice
from hashlens.regions.operators import NEEDS_RUNNING_STATISTICS, RULES, SHAPE_ONLY
from hashlens.regions.piecewise_linear import BENDS, DIFFERENCE, PiecewiseLinear
from hashlens.regions.program import Program, Step, states
from hashlens.regions.windows import WindowMax, pool_windows
from hashlens.seeds import torch_generator

Tensor = torch.Tensor
EXTREMES = ("maximum", "minimum")


@torch.inference_mode(False)  # in inference mode, composite operators are not decomposed
def trace(
    model: torch.nn.Module | Program, x: Tensor, dtype: torch.dtype = torch.float64, *, output: OutputLike = None
) -> Program:
    """Return the program of a network; a program is returned unchanged.

    Parameters
    ----------
    model : torch.nn.Module
        A piecewise linear network. It is evaluated in eval mode, as a copy in `dtype`, and not changed.
    x : torch.Tensor
        Examples ``(n, *shape)``; the program is that of the first. At most 64 show how the output is read.
    dtype : torch.dtype
        Dtype of the computation: float64 or float32. If `model` is a program, it keeps its own dtype.
    output : str or callable, optional
        How the network's output is read, as in :class:`hashlens.Reading`: whether a single output is a logit, a
        probability or a value. By default this is decided from the last operator, or from the examples. A program keeps
        its own.

    Raises
    ------
    DataError
        If `dtype` is neither float64 nor float32.
    ModelError
        If an operator that depends on the input is neither affine nor a hard gate, if the network raises an error on
        the example, or if its output for one example depends on the others of the batch.
    """
    if dtype not in (torch.float64, torch.float32):
        raise DataError(
            f"dtype must be torch.float64 or torch.float32, which regions are computed in, received {dtype!r}"
        )
    if isinstance(model, Program):
        return model
    network = _in_dtype(unwrap(model), dtype)
    device = next((tensor.device for tensor in [*network.parameters(), *network.buffers()]), x.device)
    example = x[:1].to(device=device, dtype=dtype).clone()
    check_output(output)
    with evaluation_mode(network):
        read_as = output_of(network, x[:MIN_ROWS].to(device=device, dtype=dtype), output)
    program = _record(network, example, dtype, device, read_as)
    _check_that_examples_stay_apart(network, program, example)
    return program


def _record(
    network: torch.nn.Module, example: Tensor, dtype: torch.dtype, device: torch.device, read_as: Output
) -> Program:
    """Run a network on one example, and return the program of its operators."""
    recorder = _Recorder(example)
    with evaluation_mode(network), RunningModule(network, recorder.enter, recorder.leave) as running:
        runner = running.runner()
        recorder.running = running

        def called(inputs: Tensor) -> Tensor:
            scores = read_as.tensor(runner(inputs))
            if scores is None:
                raise ModelError("the model returns no tensor, so there is nothing that is linear in the input")
            return scores

        try:
            with recorder:
                traced = torch.func.functionalize(called)(example)
        except HashlensError:
            raise
        except Exception as error:  # any exception that a user's network raises
            if recorder.fault is not None:
                raise recorder.fault from None
            if "more than 1 value per channel" in str(error):  # torch checks this before it runs an operator
                raise recorder.refusal("batch_norm", NEEDS_RUNNING_STATISTICS, recorder.failed) from error
            kind = str(dtype).removeprefix("torch.")
            way_out = f"it runs on one example, as a copy in {kind}: check the shape it takes"
            raise model_error(error, example, way_out) from error
    wire = recorder.wire(traced)
    if isinstance(wire, _Refused):
        raise wire.error
    if not isinstance(wire, Wire):
        raise ModelError("the output of the model does not depend on its input")
    return recorder.program(type(network).__name__, wire, dtype, device, read_as)


def _check_that_examples_stay_apart(network: torch.nn.Module, program: Program, example: Tensor) -> None:
    """Raise ModelError unless the network's outputs for a batch of two equal the program's output for each alone."""
    away = torch.randn(example.shape, generator=torch_generator(0, "trace"), dtype=torch.float64).to(example)
    size = float(example.abs().max()) or 1.0
    pair = torch.cat([example, 0.8 * example + 0.02 * size * away])
    alone = states(program, program.rows(pair))[0]  # a program keeps its rows apart
    if not bool(torch.isfinite(alone).all()):
        raise ModelError(
            "the output of the model is NaN or infinite: look for weights or examples that are, or overflow"
        )
    try:
        with evaluation_mode(network):
            together = program.read_as.tensor(network(pair.clone()))
    except Exception:  # the network accepts only one example at a time, so it cannot mix examples
        return
    assert together is not None
    one, other = (output.flatten().sort().values for output in (alone, together))  # in any position of the batch axis
    size = float(torch.linalg.vector_norm(one, inf)) if one.numel() else 0.0
    tolerance = torch.finfo(alone.dtype).eps ** 0.5 * max(1.0, size)
    if one.shape != other.shape or not bool(((one - other).abs() <= tolerance).all()):
        raise ModelError(
            "the output for one example depends on the others of its batch (or the network is not the same "
            "at every call), so an example has no region of its own"
        )


def _in_dtype(model: torch.nn.Module, dtype: torch.dtype) -> torch.nn.Module:
    _check_not_frozen(model, dtype)
    floating = [tensor for tensor in [*model.parameters(), *model.buffers()] if tensor.is_floating_point()]
    if all(tensor.dtype == dtype and not tensor.is_inference() for tensor in floating):
        return model
    try:
        copy = copied(model).to(dtype=dtype)
    except Exception as error:
        raise ModelError(f"the model cannot be copied to {dtype}: {error}; give it in {dtype}") from error
    for module in copy.modules():
        if getattr(module, "training", False):  # a frozen module has no mode
            module.training = False
    return copy


def _check_not_frozen(model: torch.nn.Module, dtype: torch.dtype) -> None:
    """Raise ModelError if weights are constants of scripted code in another dtype, which a copy cannot change."""
    for name, graph in scripted_graphs(model):
        for node in scripted_nodes(graph):
            if node.kind() != "prim::Constant" or not node.hasAttribute("value") or node.kindOf("value") != "t":
                continue
            constant = node.t("value")
            if constant.is_floating_point() and constant.dim() > 0 and constant.dtype != dtype:
                raise ModelError(
                    f"{name or 'the model'} is frozen (torch.jit.freeze): its weights are constants in "
                    f"{str(constant.dtype).removeprefix('torch.')}, and regions are computed in "
                    f"{str(dtype).removeprefix('torch.')}; give the network as it was before"
                )


@dataclass(frozen=True)
class _Refused:
    """A tensor that is not made from the input by affine maps and hard gates: the output must not depend on it."""

    error: ModelError


@dataclass
class _Tape:
    """The steps in the order in which they run, and the shapes of the registers."""

    shapes: list[tuple[int, ...]]
    steps: list[Step] = field(default_factory=list)

    def register(self, shape: tuple[int, ...]) -> Wire:
        self.shapes.append(shape)
        return Wire(len(self.shapes) - 1, shape)


class _Recorder(Observer):
    """Record the operators that a network runs on one example.

    Attributes
    ----------
    running : RunningModule
        Which module is running.
    fault : Exception or None
        The error that the recorder raised. The network may replace it by another, as scripted networks do.
    failed : (str, str) or None
        Path and class of the first module that raised an exception.
    """

    running: RunningModule

    def __init__(self, example: Tensor) -> None:
        super().__init__()
        self.fault: Exception | None = None
        self.failed: tuple[str, str] | None = None
        self._tape = _Tape([tuple(example.shape)])
        # Keys are ids of tensors. The tensors are kept alive, since the id of a freed tensor can be used again.
        self._known: dict[int, tuple[Wire | _Refused, Tensor]] = {id(example): (Wire(0, tuple(example.shape)), example)}
        self._example = example
        self._names: set[str] = set()
        self._name = ""

    def enter(self, module: torch.nn.Module) -> None:
        """Raise, before torch does, on a BatchNorm without running statistics: it needs more than one example."""
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.running_mean is None:
            raise self.refusal("batch_norm", NEEDS_RUNNING_STATISTICS)

    def leave(self, path: str, module: torch.nn.Module, raised: bool) -> None:
        """Record the module that an exception came from."""
        if raised and self.failed is None:
            self.failed = path, qualified_name(type(module))

    def wire(self, value: Any) -> Any:
        """Return the wire or refusal of a tensor that depends on the input; return anything else unchanged."""
        known = self._known.get(id(value))
        return value if known is None else known[0]

    def program(self, model: str, output: Wire, dtype: torch.dtype, device: torch.device, read_as: Output) -> Program:
        """Return the program, with the position of each layer in the code set."""
        steps, live = list[Step](), {output.register}
        for step in reversed(self._tape.steps):  # keep all gates: the code includes units that the output ignores
            if step.output in live or not isinstance(step, Affine):
                live.update(step.inputs)
                steps.append(step)
        steps.reverse()
        layers = iter(lay_out([step.layer for step in steps if not isinstance(step, Affine)]))
        laid_out = tuple(step if isinstance(step, Affine) else replace(step, layer=next(layers)) for step in steps)
        return Program(model, laid_out, output.register, tuple(self._tape.shapes), dtype, device, read_as)

    def run_operator(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run an operator and record it."""
        wired_args, wired_kwargs = tree_map(self.wire, (args, kwargs))
        operator = func.overloadpacket.__name__
        if operator == "copy_" and args[0] is self._example:
            return func(*args, **kwargs)  # functionalization copies in-place changes back to the input
        if operator in GATES or operator in MAX_POOLS:
            self._name = self._next_name(operator, bind(func, args, kwargs))
        result = func(*args, **kwargs)
        used = [leaf for leaf in tree_leaves((wired_args, wired_kwargs)) if isinstance(leaf, (Wire, _Refused))]
        try:
            if not used:
                if torch.Tag.nondeterministic_seeded in func.tags:
                    raise self.refusal(operator, "draws random numbers, so the network is not a function")
            elif refused := next((leaf for leaf in used if isinstance(leaf, _Refused)), None):
                self._refuse_results(refused, result)
            elif operator not in SHAPE_ONLY or used != [wired_args[0]]:
                self._record_or_refuse(operator, func, bind(func, wired_args, wired_kwargs), result)
        except Exception as error:
            self.fault = error
            raise
        return result

    # --- recording -----------------------------------------------------------------------------------------------

    def _record_or_refuse(self, operator: str, func: Any, bound: Bound, result: Any) -> None:
        """Record an operator. A refused operator is an error only if the output depends on its result."""
        try:
            self._record(operator, func, bound, result)
        except ModelError as error:
            self._refuse_results(_Refused(error), result)

    def _record(self, operator: str, func: Any, bound: Bound, result: Any) -> None:
        bound = {name: value.detach() if isinstance(value, Tensor) else value for name, value in bound.items()}
        if func.namespace != "aten":
            raise self.refusal(f"{func.namespace}::{operator}", "is not one of torch's own")
        if operator in MAX_POOLS:
            self._pool(operator, bound, result)
        elif operator in EXTREMES:
            self._extreme(operator, bound, result)
        elif operator in BENDS:
            self._bend(operator, bound, result)
        elif operator in RULES:
            self._affine(operator, func, bound, result)
        elif operator in GATES and GATES[operator].soft:
            raise self.refusal(operator, "is a soft gate: its pieces are not straight")
        else:
            raise self.refusal(operator, "is neither affine in the input nor a hard gate")

    def _affine(self, operator: str, func: Any, bound: Bound, result: Any) -> None:
        several = isinstance(result, (list, tuple))
        statistics = several and "batch_norm" in operator
        for part, tensor in enumerate(result if several else [result]):
            if statistics and part:
                return
            if tensor.dtype != self._tape_dtype:
                raise self.refusal(operator, f"casts to {str(tensor.dtype).removeprefix('torch.')}")
            call = Call(func, bound, tuple(tensor.shape), part if several else None)
            wire = self._tape.register(call.shape)
            try:
                self._tape.steps.append(affine_step(RULES[operator], call, wire.register))
            except NotAffineError as error:
                raise self.refusal(operator, str(error)) from None
            self._known[id(tensor)] = (wire, tensor)

    def _bend(self, operator: str, bound: Bound, result: Any) -> None:
        wire = bound["self"]
        if not isinstance(wire, Wire) or sum(isinstance(value, Wire) for value in bound.values()) > 1:
            raise self.refusal(operator, "has breakpoints or slopes that depend on the input")
        if operator.startswith("rrelu") and bound.get("training"):
            raise self.refusal(operator, "draws random slopes in training mode")
        pieces = BENDS[operator](bound)
        tensor = result[0] if isinstance(result, tuple) else result
        shape = tuple(tensor.shape)
        if wire.shape != shape:  # the bounds of a clamp broadcast its input to a larger shape
            wire = self._spread_out(wire, shape)
        layer = self._layer(operator, shape, len(pieces.breakpoints))
        output = self._tape.register(shape)
        self._tape.steps.append(PiecewiseLinear(wire.register, output.register, layer, pieces))
        self._known[id(tensor)] = (output, tensor)

    def _extreme(self, operator: str, bound: Bound, result: Tensor) -> None:
        """Record a maximum or minimum: stack both tensors, then choose between them."""
        shape = tuple(result.shape)
        both = [self._spread_out(bound[name], shape) for name in ("self", "other")]
        pairs = self._derive(torch.ops.aten.stack.default, {"tensors": both, "dim": -1}, (*shape, 2))
        output = self._tape.register(shape)
        layer = self._layer(operator, shape, 1)
        self._tape.steps.append(
            Choice(pairs.register, output.register, layer, DIFFERENCE, larger=operator == "maximum")
        )  # fmt: skip
        self._known[id(result)] = (output, result)

    def _spread_out(self, value: Any, shape: tuple[int, ...]) -> Any:
        """Return a wire or a constant, broadcast to a shape."""
        if isinstance(value, Wire):
            wide = {"self": value, "size": shape}
            return value if value.shape == shape else self._derive(torch.ops.aten.expand.default, wide, shape)
        return value.to(self._tape_dtype).expand(shape)

    def _pool(self, operator: str, bound: Bound, result: Any) -> None:
        values, indices = result
        wire = bound["self"]
        axes = 3 if "3d" in operator else 2
        out = tuple(values.shape[-axes:])
        positions, is_inside = pool_windows(operator, bound, wire.shape[-axes:], out)
        layer = self._layer(operator, tuple(values.shape), positions.shape[1])
        output = self._tape.register(tuple(values.shape))
        device = values.device
        step = WindowMax(
            wire.register, output.register, layer, output.shape, axes, positions.to(device), is_inside.to(device)
        )
        self._tape.steps.append(step)
        self._known[id(values)] = (output, values)
        reason = "returns indices, on which the output depends"
        self._refuse_results(_Refused(self.refusal(operator, reason)), indices)

    def _refuse_results(self, refused: _Refused, result: Any) -> None:
        tensors = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if not tensors:  # a Python number, on which the network's control flow may depend
            raise refused.error
        for tensor in tensors:
            self._known[id(tensor)] = (refused, tensor)

    def _derive(self, func: Any, bound: Bound, shape: tuple[int, ...]) -> Wire:
        """Record an affine operator that the network did not run itself, and return its result."""
        wire = self._tape.register(shape)
        call = Call(func, bound, shape)
        self._tape.steps.append(affine_step(RULES[func.overloadpacket.__name__], call, wire.register))
        return wire

    @property
    def _tape_dtype(self) -> torch.dtype:
        return next(iter(self._known.values()))[1].dtype

    # --- names ---------------------------------------------------------------------------------------------------

    def _layer(self, operator: str, shape: tuple[int, ...], planes: int) -> Layer:
        batch = shape.index(1) if 1 in shape else len(shape)  # the batch axis; if none, tokens were merged into it
        units = shape[:batch] + shape[batch + 1 :]
        layer = Layer(self._name, operator, units, planes)
        return replace(layer, bits=layer.all_bits)

    def _next_name(self, operator: str, bound: Bound) -> str:
        """Return the name of a gate, the same as in codes: gates of weights, and of other branches, count as calls."""
        guard = operator.startswith("clamp") and is_guard(bound.get("min"), bound.get("max"))
        return layer_name(self.running, "guard" if guard else operator, self._names)

    def refusal(self, operator: str, reason: str, at: tuple[str, str] | None = None) -> ModelError:
        """Return the error for an operator of the running module, or of the module `at` (path and class)."""
        path, kind = at or self.running.current
        where = f"{path or 'the model'} ({kind.rpartition('.')[2]})" if kind else path or "the model"
        return ModelError(
            f"{where}: the operator {operator!r} {reason}; regions are exact only for affine operators in eval mode "
            "and hard gates (ReLU, LeakyReLU, clamp, abs, maximum, max-pool, ...)"
        )
