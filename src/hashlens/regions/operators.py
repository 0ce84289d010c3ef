"""Operators: the allow-list of affine ATen operators, and how each acts on rows (see ``hashlens.regions.calls``)."""

from collections.abc import Callable
from typing import Any

import torch

from hashlens.codes.gates import Bound
from hashlens.regions.calls import Call, NotAffineError, RowFunction, RowFunctions, Rule, Wire, aligned, filled
from hashlens.regions.products import multiply

Tensor = torch.Tensor
NEEDS_RUNNING_STATISTICS = "normalises by statistics of the input: it needs running statistics, and eval mode"


def _zero(value: Any) -> Any:
    """Return zero for a constant addend: a scalar tensor for a tensor, 0 for a number.

    An argument that depends on the input (a `Wire`) is returned unchanged.
    """
    if isinstance(value, Wire):
        return value
    return value.new_zeros(()) if isinstance(value, Tensor) else 0


def _axis(axis: int, rank: int) -> int:
    """Return the axis of rows that corresponds to `axis` of one example."""
    return axis % rank + 1 if rank else 1


def _identity(call: Call) -> RowFunctions:
    def same(rows: Tensor) -> Tensor:
        return rows

    return same, same


def _reshape(call: Call) -> RowFunctions:
    def reshape(rows: Tensor) -> Tensor:
        return rows.reshape(rows.shape[0], *call.shape)

    return reshape, reshape


def _expand(call: Call) -> RowFunctions:
    def expand(rows: Tensor) -> Tensor:
        return aligned(rows, len(call.shape)).expand(rows.shape[0], *call.shape)

    return expand, expand


def _repeat(call: Call) -> RowFunctions:
    repeats = list(call.bound["repeats"])

    def repeat(rows: Tensor) -> Tensor:
        return aligned(rows, len(repeats)).repeat(1, *repeats)

    return repeat, repeat


def _copy(call: Call) -> RowFunctions:
    """``copy(self, src)`` returns src, expanded to the shape of self."""
    if "src" not in call.dependent:
        raise NotAffineError("overwrites a tensor that depends on the input by a constant, which is not supported")
    source_position = len(call.dependent.get("self", []))

    def copy(*rows: Tensor) -> Tensor:
        source = rows[source_position]
        return aligned(source, len(call.shape)).expand(source.shape[0], *call.shape)

    return copy, copy


def _pointwise(*addends: str) -> Callable[[Call], RowFunctions]:
    """Return the function from a call of an elementwise operator to its two row functions.

    `addends` names the arguments that are added. Where they are constant, they are zero for tangents.
    """

    def build(call: Call) -> RowFunctions:
        homogeneous = {name: _zero(value) if name in addends else value for name, value in call.bound.items()}

        def row_function(bound: Bound) -> RowFunction:
            def act(*rows: Tensor) -> Tensor:
                lifted = filled(bound, lambda argument_rows, _: aligned(argument_rows, len(call.shape)), rows)
                result: Tensor = call.run(lifted)
                return result.expand(rows[0].shape[0], *call.shape)

            return act

        return row_function(call.bound), row_function(homogeneous)

    return build


def _divide(call: Call) -> RowFunctions:
    if call.bound.get("rounding_mode") is not None:
        raise NotAffineError("rounds")
    return _pointwise()(call)


def _along_axes(
    *names: str, tensors: tuple[str, ...] = ("self",), adds_axis: bool = False
) -> Callable[[Call], RowFunctions]:
    """Return the function from a call of an operator along axes of one example to its two row functions.

    Rows have a leading axis, so these axes are shifted by one.

    Parameters
    ----------
    *names : str
        Arguments that are axes.
    tensors : tuple of str
        Arguments that are tensors, or lists of tensors, of one example. They may depend on the input; constants among
        them are repeated for each row, and are zero for tangents.
    adds_axis : bool
        Whether the result has one axis more than the tensors, so that axes are counted with it.
    """

    def build(call: Call) -> RowFunctions:
        first = call.bound[tensors[0]]
        rank = len((first[0] if isinstance(first, (list, tuple)) else first).shape) + adds_axis
        shifted = dict(call.bound)
        for name in names:
            value = call.bound[name]
            if isinstance(value, (list, tuple)):
                shifted[name] = [_axis(item, rank) for item in value]
            else:
                shifted[name] = _axis(value, rank)

        def row_function(with_constants: bool) -> RowFunction:
            def act(*rows: Tensor) -> Tensor:
                def constant(value: Any) -> Any:
                    if isinstance(value, (list, tuple)):
                        return [constant(item) for item in value]
                    if not isinstance(value, Tensor):
                        return value
                    kept = value if with_constants else torch.zeros_like(value)
                    return kept.expand(rows[0].shape[0], *value.shape)

                spread = {name: constant(value) if name in tensors else value for name, value in shifted.items()}
                result: Tensor = call.run(filled(spread, lambda argument_rows, _: argument_rows, rows))
                return result

            return act

        return row_function(True), row_function(False)

    return build


def _permute(call: Call) -> RowFunctions:
    rank = len(call.shape)
    axes = [0, *(_axis(axis, rank) for axis in call.bound["dims"])]

    def permute(rows: Tensor) -> Tensor:
        return rows.permute(axes)

    return permute, permute


def _transpose(call: Call) -> RowFunctions:
    """``t`` swaps the two axes of a matrix and leaves a vector as it is."""

    def transpose(rows: Tensor) -> Tensor:
        return rows.mT if len(call.shape) == 2 else rows

    return transpose, transpose


def _reduce(call: Call) -> RowFunctions:
    """Take the mean or the sum over some axes of an example, or over all of them."""
    wire = call.bound["self"]
    axes = call.bound.get("dim")
    axes = [axes] if isinstance(axes, int) else axes
    over = [_axis(axis, len(wire.shape)) for axis in (axes or range(len(wire.shape)))]
    mean = call.func.overloadpacket.__name__ == "mean"

    def reduce(rows: Tensor) -> Tensor:
        if not over:
            return rows
        return (rows.mean(over) if mean else rows.sum(over)).reshape(rows.shape[0], *call.shape)

    return reduce, reduce


def _roll(call: Call) -> RowFunctions:
    if not call.bound["dims"]:
        raise NotAffineError("rolls over all axes, so it mixes the examples of a batch: give dims")
    return _along_axes("dims")(call)


def _pick(call: Call) -> RowFunctions:
    """Allow ``index`` with one constant index tensor; two or more may reorder axes, so they are refused."""
    indices = list(call.bound["indices"])
    if sum(index is not None for index in indices) != 1:
        raise NotAffineError("indexes several axes at once")

    def pick(rows: Tensor) -> Tensor:
        result: Tensor = call.run({"self": rows, "indices": [None, *indices]})
        return result

    return pick, pick


def _pad(call: Call) -> RowFunctions:
    def pad(value: Any) -> RowFunction:
        return lambda rows: torch.constant_pad_nd(rows, call.bound["pad"], value)

    return pad(call.bound["value"]), pad(0)


def _spatial(axes: int, channels: bool = True) -> Callable[[Call], RowFunctions]:
    """Return the function from a call of an operator on the last axes of an example to its two row functions.

    The operator acts on the last `axes` axes, and on the channel axis before them if `channels`. All axes before these
    are batch axes.
    """

    def build(call: Call) -> RowFunctions:
        item_shape = call.bound["self"].shape[-axes - channels :]

        def act(rows: Tensor) -> Tensor:
            result: Tensor = call.run({**call.bound, "self": rows.reshape(-1, *item_shape)})
            return result.reshape(rows.shape[0], *call.shape)

        return act, act

    return build


def _convolve(call: Call) -> RowFunctions:
    item_shape = call.bound["input"].shape[1:]

    def row_function(bias: Any) -> RowFunction:
        def act(rows: Tensor) -> Tensor:
            result: Tensor = call.run({**call.bound, "input": rows.reshape(-1, *item_shape), "bias": bias})
            return result.reshape(rows.shape[0], *call.shape)

        return act

    return row_function(call.bound["bias"]), row_function(None)


def _normalise(call: Call) -> RowFunctions:
    """BatchNorm in eval mode is a scale and a shift for each channel."""
    bound = call.bound
    if bound.get("training") or bound.get("running_mean") is None:
        raise NotAffineError(NEEDS_RUNNING_STATISTICS)
    deviation = (bound["running_var"] + bound.get("eps", bound.get("epsilon"))).sqrt()
    scale = deviation.reciprocal() if bound.get("weight") is None else bound["weight"] / deviation
    shift = -bound["running_mean"] * scale
    if bound.get("bias") is not None:
        shift = shift + bound["bias"]
    channels = (-1, *(1,) * (len(call.shape) - 2))
    scale, shift = scale.reshape(channels), shift.reshape(channels)
    return (lambda rows: torch.addcmul(shift, rows, scale)), (lambda rows: rows * scale)


def _rules() -> dict[str, Rule]:
    reshape = Rule(_reshape)
    identity = Rule(_identity)
    rules = dict.fromkeys(
        ("view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "flatten", "unflatten", "_reshape_alias"), reshape
    )
    rules |= dict.fromkeys(
        ("alias", "detach", "clone", "contiguous", "lift_fresh", "lift_fresh_copy", "_to_copy", "dropout"), identity
    )
    for names, axes in (
        (("avg_pool2d", "_adaptive_avg_pool2d", "reflection_pad2d", "replication_pad2d", "upsample_nearest2d",
          "upsample_bilinear2d", "upsample_bicubic2d", "pixel_shuffle", "pixel_unshuffle", "im2col"), 2),
        (("reflection_pad1d", "replication_pad1d", "upsample_nearest1d", "upsample_linear1d"), 1),
        (("avg_pool3d", "_adaptive_avg_pool3d", "reflection_pad3d", "replication_pad3d", "upsample_nearest3d",
          "upsample_trilinear3d"), 3),
    ):  # fmt: skip
        rules |= dict.fromkeys(names, Rule(_spatial(axes)))
    rules |= dict.fromkeys(("tril", "triu"), Rule(_spatial(2, channels=False)))
    rules |= dict.fromkeys(("select", "slice", "unbind", "split", "split_with_sizes", "chunk", "cumsum",
                            "index_select"), Rule(_along_axes("dim")))  # fmt: skip
    rules |= {"flip": Rule(_along_axes("dims")), "roll": Rule(_roll)}
    rules |= dict.fromkeys(("mean", "sum"), Rule(_reduce))
    rules |= dict.fromkeys(
        ("native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm", "_native_batch_norm_legit_no_training",
         "_batch_norm_no_update"), Rule(_normalise, factors=("self", "input"))
    )  # fmt: skip
    scatter = Rule(_along_axes("dim", tensors=("self", "src")), factors=(), addends=("self", "src"))
    return rules | {
        "expand": Rule(_expand),
        "repeat": Rule(_repeat),
        "copy": Rule(_copy, factors=(), addends=("self", "src")),
        "add": Rule(_pointwise("self", "other"), factors=(), addends=("self", "other")),
        "sub": Rule(_pointwise("self", "other"), factors=(), addends=("self", "other")),
        "rsub": Rule(_pointwise("self", "other"), factors=(), addends=("self", "other")),
        "neg": Rule(_pointwise()),
        "mul": Rule(_pointwise(), factors=("self", "other")),
        "div": Rule(_divide),
        "where": Rule(_pointwise("self", "other"), factors=(), addends=("self", "other")),
        "masked_fill": Rule(_pointwise("value"), factors=("self",), addends=("value",)),
        "lerp": Rule(_pointwise("self", "end"), factors=(), addends=("self", "end")),
        "cat": Rule(_along_axes("dim", tensors=("tensors",)), factors=(), addends=("tensors",)),
        "stack": Rule(_along_axes("dim", tensors=("tensors",), adds_axis=True), factors=(), addends=("tensors",)),
        "select_scatter": scatter,
        "slice_scatter": scatter,
        "transpose": Rule(_along_axes("dim0", "dim1")),
        "permute": Rule(_permute),
        "t": Rule(_transpose),
        "index": Rule(_pick),
        "constant_pad_nd": Rule(_pad),
        "convolution": Rule(_convolve, factors=("input",)),
        "_convolution": Rule(_convolve, factors=("input",)),  # its name in the output of torch.jit.trace
        "mm": Rule(multiply("self", "mat2"), factors=("self", "mat2")),
        "bmm": Rule(multiply("self", "mat2"), factors=("self", "mat2")),
        "mv": Rule(multiply("self", "vec"), factors=("self", "vec")),
        "dot": Rule(multiply("self", "tensor"), factors=("self", "tensor")),
        "addmm": Rule(multiply("mat1", "mat2", "self"), factors=("mat1", "mat2"), addends=("self",)),
        "addmv": Rule(multiply("mat", "vec", "self"), factors=("mat", "vec"), addends=("self",)),
        "baddbmm": Rule(multiply("batch1", "batch2", "self"), factors=("batch1", "batch2"), addends=("self",)),
    }


RULES = _rules()
"""The allow-list: the operators accepted as affine, by ATen name.

Composite operators that are not listed, such as ``linear``, are decomposed before they are recorded. Traces contain no
in-place operators, only functional ones.
"""

SHAPE_ONLY = ("empty_like", "zeros_like", "ones_like", "full_like", "new_empty", "new_zeros", "new_ones", "new_full",
              "new_empty_strided", "fill", "zero")  # fmt: skip
"""Operators that use only the shape of a tensor and not its values, so their result is a constant."""
