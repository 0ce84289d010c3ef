"""Calls of operators, the rules that allow them, and the affine steps that they become.

A network is traced with one example, so each of its tensors has a shape for one example. *Rows* have a leading axis
before that shape: ``(rows, *shape)``. A rule defines how its operator acts on rows: on values, by the operator itself,
and on tangents, by its linear part, without the constants. No rule mixes rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from hashlens.codes.gates import Bound

Tensor = torch.Tensor
RowFunction = Callable[..., Tensor]
"""Function from the rows of each argument that depends on the input, in order, to the rows of the result."""
RowFunctions = tuple[RowFunction, RowFunction]
"""The action of a call on values, and its action on tangents."""


class NotAffineError(Exception):
    """An operator of the allow-list is used in a way that is not affine in the input; the message says why."""


@dataclass(frozen=True)
class Wire:
    """A tensor that depends on the input: its register in the program, and its shape for one example."""

    register: int
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Call:
    """One call of an operator with at least one argument that depends on the input.

    Attributes
    ----------
    func : torch._ops.OpOverload
        The operator.
    bound : dict
        Its arguments by name; those that depend on the input are :class:`Wire`.
    shape : tuple of int
        Shape of the result for one example; of result number `part` if there are several.
    part : int or None
        Index of the result, if there are several.
    """

    func: Any
    bound: Bound
    shape: tuple[int, ...]
    part: int | None = None

    @property
    def dependent(self) -> dict[str, list[Wire]]:
        """Arguments that depend on the input, with the wires in each."""
        result = {name: list(_wires(value)) for name, value in self.bound.items()}
        return {name: wires for name, wires in result.items() if wires}

    def run(self, bound: Bound) -> Any:
        """Run the operator on other arguments."""
        schema = self.func._schema.arguments
        positional = [bound[argument.name] for argument in schema if not argument.kwarg_only and argument.name in bound]
        named = {
            argument.name: bound[argument.name] for argument in schema if argument.kwarg_only and argument.name in bound
        }
        result = self.func(*positional, **named)
        return result if self.part is None else result[self.part]


@dataclass(frozen=True, eq=False)
class Affine:
    """A step of a program: an operator that is affine in the arguments that depend on the input.

    Attributes
    ----------
    inputs : tuple of int
        Registers of its arguments.
    output : int
        Register of its result.
    apply : callable
        Function from rows of values to rows of values.
    map_tangents : callable
        Function from rows of tangents to rows of tangents: the linear part of `apply`.
    """

    inputs: tuple[int, ...]
    output: int
    apply: RowFunction = field(repr=False)
    map_tangents: RowFunction = field(repr=False)


@dataclass(frozen=True)
class Rule:
    """Conditions under which an operator is allowed.

    Attributes
    ----------
    build : callable
        Function from a call to the functions `apply` and `map_tangents` of its step.
    factors : tuple of str
        Arguments that the result is linear in; at most one of them may depend on the input.
    addends : tuple of str
        Arguments that are added; any of them may depend on the input.
    """

    build: Callable[[Call], RowFunctions]
    factors: tuple[str, ...] = ("self",)
    addends: tuple[str, ...] = ()


def affine_step(rule: Rule, call: Call, output: int) -> Affine:
    """Return the step of a program for a call.

    Raises
    ------
    NotAffineError
        If the call is not affine in the arguments that depend on the input.
    """
    dependent = call.dependent
    if sum(name in rule.factors for name in dependent) > 1:
        raise NotAffineError("multiplies two tensors that both depend on the input")
    for name in dependent:
        if name not in rule.factors and name not in rule.addends:
            raise NotAffineError(f"is not affine in its argument {name!r}, which depends on the input")
    apply, map_tangents = rule.build(call)
    registers = tuple(wire.register for wires in dependent.values() for wire in wires)
    return Affine(registers, output, apply, map_tangents)


def _wires(value: Any) -> Iterator[Wire]:
    if isinstance(value, Wire):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _wires(item)


def aligned(rows: Tensor, rank: int) -> Tensor:
    """Return rows with axes of size one after the first, so that constants of `rank` axes broadcast as they did."""
    missing = rank + 1 - rows.dim()
    return rows.reshape(rows.shape[0], *(1,) * missing, *rows.shape[1:]) if missing > 0 else rows


def filled(bound: Bound, fill: Callable[[Tensor, Wire], Tensor], rows: tuple[Tensor, ...]) -> Bound:
    """Return the arguments with each wire replaced by its rows, in order."""
    remaining = iter(rows)

    def replace(value: Any) -> Any:
        if isinstance(value, Wire):
            return fill(next(remaining), value)
        if isinstance(value, (list, tuple)) and any(isinstance(argument, Wire) for argument in value):
            return [replace(argument) for argument in value]
        return value

    return {name: replace(value) for name, value in bound.items()}
