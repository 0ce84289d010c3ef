"""Products of matrices and vectors in which one factor depends on the input."""

from collections.abc import Callable

import torch

from hashlens.codes.gates import Bound
from hashlens.regions.calls import Call, RowFunctions, Wire, aligned, filled

Tensor = torch.Tensor


def multiply(left: str, right: str, addend: str | None = None) -> Callable[[Call], RowFunctions]:
    """Return the function from a call of a product, with an optional addend, to its two row functions."""

    def build(call: Call) -> RowFunctions:
        alpha, beta = call.bound.get("alpha", 1), call.bound.get("beta", 1)
        bound = {name: value for name, value in call.bound.items() if name in (left, right, addend)}
        vectors = [len(bound[name].shape) == 1 for name in (left, right)]
        product_depends = left in call.dependent or right in call.dependent

        def product(operands: Bound, rows: int) -> Tensor:
            a = operands[left].unsqueeze(-2) if vectors[0] else operands[left]
            b = operands[right].unsqueeze(-1) if vectors[1] else operands[right]
            result = torch.matmul(a, b)
            return result.reshape(rows, *call.shape) if any(vectors) else result

        def apply(*rows: Tensor) -> Tensor:
            operands = filled(bound, lambda argument_rows, _: argument_rows, rows)
            if _is_linear_layer(call, left, right, addend):
                return torch.nn.functional.linear(operands[left], operands[right].t(), operands[addend or ""])
            result = alpha * product(operands, len(rows[0])) if alpha != 1 else product(operands, len(rows[0]))
            return result if addend is None else result + beta * _addend(operands[addend], call, addend)

        def map_tangents(*rows: Tensor) -> Tensor:
            operands = filled(bound, lambda argument_rows, _: argument_rows, rows)
            parts = []
            if product_depends:
                result = product(operands, len(rows[0]))
                parts.append(result if alpha == 1 else alpha * result)
            if addend in call.dependent:
                assert addend is not None
                part = beta * _addend(operands[addend], call, addend)
                parts.append(part.expand(len(part), *call.shape))
            return parts[0] if len(parts) == 1 else parts[0] + parts[1]

        return apply, map_tangents

    return build


def _is_linear_layer(call: Call, left: str, right: str, addend: str | None) -> bool:
    """Return whether a product is rows times a constant matrix plus a constant vector, which torch does in one step."""
    bound = call.bound
    return (
        addend is not None
        and isinstance(bound[left], Wire)
        and isinstance(bound[right], Tensor)
        and bound[right].dim() == 2
        and isinstance(bound[addend], Tensor)
        and bound[addend].dim() == 1
        and bound.get("alpha", 1) == bound.get("beta", 1) == 1
    )


def _addend(operands: Tensor, call: Call, name: str) -> Tensor:
    return aligned(operands, len(call.shape)) if isinstance(call.bound[name], Wire) else operands
