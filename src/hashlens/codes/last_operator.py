"""The last operators before a network's output, and what makes the output depend on chance or on the batch."""

from dataclasses import dataclass
from typing import Any

import torch

from hashlens.codes.bounds import UNBOUNDED, Interval, bounds_of
from hashlens.codes.dispatch import Observer
from hashlens.codes.gates import bind

Tensor = torch.Tensor
SOFTMAX, SIGMOID, LOG_SOFTMAX, AFFINE = "softmax", "sigmoid", "log-softmax", "an affine map"
SCALED_PROBABILITY = "a scaled or averaged sigmoid or softmax"
SPECIAL = {
    "softmax": SOFTMAX, "_softmax": SOFTMAX, "_safe_softmax": SOFTMAX, "special_softmax": SOFTMAX,
    "log_softmax": LOG_SOFTMAX, "_log_softmax": LOG_SOFTMAX, "special_log_softmax": LOG_SOFTMAX,
    "sigmoid": SIGMOID, "special_expit": SIGMOID, "hardsigmoid": SIGMOID,
    **dict.fromkeys(("addmm", "linear", "addmv", "convolution", "_convolution", "mkldnn_linear", "baddbmm"), AFFINE),
}  # fmt: skip
PRODUCTS = ("mm", "bmm", "mv", "matmul")
"""Affine maps in which one factor is a weight, a tensor that was not computed in this pass."""
SAME = ("clone", "_to_copy", "contiguous", "round", "nan_to_num", "copy_", "lift_fresh", "_reshape_alias")
"""Operators whose output is of the same kind as their input."""
COPIES = ("clone", "_to_copy", "contiguous")
"""Operators whose output has the bounds of their input."""
GUARDS = ("clamp", "clamp_min", "clamp_max")
"""Operators that keep probabilities away from 0 and 1."""
SCALED = ("mul", "div", "add", "sub", "rsub", "neg", "mean", "sum", "avg_pool2d", "adaptive_avg_pool2d",
          "_adaptive_avg_pool2d", "native_batch_norm", "native_layer_norm", "addcmul")  # fmt: skip
"""Operators that turn scores into scores, and probabilities into scaled or averaged probabilities."""
PROBABILITIES = (SOFTMAX, SIGMOID, SCALED_PROBABILITY)
RANDOM = ("bernoulli", "rand", "rand_like", "randn", "randn_like", "normal", "uniform", "randint", "randperm",
          "multinomial", "exponential", "poisson", "alpha_dropout", "feature_dropout")  # fmt: skip
NORMS = ("batch_norm", "native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_functional",
         "cudnn_batch_norm", "miopen_batch_norm", "_batch_norm_with_update")  # fmt: skip
DROPOUT = "dropout is active in eval mode: codes and scores are random and differ in every pass"
CHANCE = "the network uses random numbers: codes and scores are random and differ in every pass"
STATISTICS = (
    "batch normalisation uses the statistics of the batch (no running statistics): codes and scores of an "
    "example depend on its batch"
)
BATCH = (
    "the same examples gave different values in two small batches: codes and scores of an example depend on "
    "its batch, or on chance"
)


@dataclass(frozen=True)
class Source:
    """Origin of a tensor: the operator that computed it.

    Attributes
    ----------
    operator : str
        Name of the operator, or one of the kinds in :data:`SPECIAL`, such as ``softmax``.
    order : int
        Number of the operator in the order of execution.
    numbers : int
        Number of values that the operator computed.
    is_part : bool
        Whether the tensor holds only some of these values.
    bounds : pair of float
        Bounds of all values, for any input of the network.
    """

    operator: str
    order: int
    numbers: int
    is_part: bool = False
    bounds: Interval = UNBOUNDED

    @property
    def is_scores(self) -> bool:
        """Whether the operator typically computes scores."""
        return self.operator in (SOFTMAX, SIGMOID, LOG_SOFTMAX, AFFINE)


class LastOperators(Observer):
    """Record of the operator that last wrote each storage while a network runs.

    Attributes
    ----------
    unsteady : dict
        Reasons why outputs depend on chance or on the batch, as keys, in the order in which they were found.
    batch_dependent : bool
        Whether the input of some gate differed between two batches of the same examples.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sources: dict[int, Source] = {}
        self._count = 0
        self.unsteady: dict[str, None] = {}
        self.batch_dependent = False

    def source(self, tensor: Tensor) -> Source | None:
        """Return the origin of a tensor or of a view of the whole tensor; None for parts and where it is not known."""
        source = self.source_of_part(tensor)
        return source if source is not None and source.numbers == tensor.numel() else None

    def source_of_part(self, tensor: Tensor) -> Source | None:
        """Return the origin of a tensor that may be a view of a part; None where it is not known."""
        source = self._sources.get(address := storage_of(tensor))
        # An operator that was not seen may have written to memory that was freed.
        whole = 0 if source is None or address < 0 else tensor.untyped_storage().nbytes() // tensor.element_size()
        return source if source is not None and whole == source.numbers else None

    def bounds(self, tensor: Tensor) -> Interval:
        """Return numbers between which all values of a tensor lie, for any input of the network."""
        source = self.source_of_part(tensor)
        return UNBOUNDED if source is None else source.bounds

    def run_operator(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run an operator and record it as the origin of its output."""
        name = func.overloadpacket.__name__
        base = name[:-1] if name.endswith("_") and not name.endswith("__") else name
        sources = [self._sources.get(storage_of(tensor)) for tensor in tensors_in((*args, *kwargs.values()))]
        self._check_randomness(func, base, args, kwargs)
        bounds = self.bounds(args[0]) if base in COPIES else bounds_of(base, args, kwargs, self.bounds)
        result = func(*args, **kwargs)
        self._count += 1
        for tensor in tensors_in(result if isinstance(result, (tuple, list)) else (result,)):
            self._record(func, base, tensor, sources, bounds)
        return result

    def _record(self, func: Any, base: str, result: Tensor, sources: list[Source | None], bounds: Interval) -> None:
        if any(
            returned.alias_info is not None and not returned.alias_info.is_write for returned in func._schema.returns
        ):
            return  # a view: its storage is unchanged
        operator = SPECIAL.get(base, base)
        tracked = [source for source in sources if source is not None]
        first = tracked[-1 if base == "copy_" else 0].operator if tracked else ""
        if base in PRODUCTS and len(tracked) < len(sources):
            operator = AFFINE
        elif base in SAME or (base in GUARDS and first in (SOFTMAX, SIGMOID, SCALED_PROBABILITY)):
            operator = first or base
        elif base == "log" and first == SOFTMAX:
            operator = LOG_SOFTMAX
        elif base == "exp" and first == LOG_SOFTMAX:
            operator = SOFTMAX
        elif base in SCALED and tracked and all(source.operator == AFFINE for source in tracked):
            operator = AFFINE
        elif base in SCALED and tracked and all(source.operator in PROBABILITIES for source in tracked):
            operator = SCALED_PROBABILITY
        self._sources[storage_of(result)] = Source(operator, self._count, result.numel(), bounds=bounds)

    def _check_randomness(self, func: Any, base: str, args: Any, kwargs: Any) -> None:
        if base in RANDOM:
            self.unsteady[DROPOUT if base in ("bernoulli", "alpha_dropout", "feature_dropout") else CHANCE] = None
        elif base == "rrelu_with_noise":
            if bind(func, args, kwargs).get("training"):
                self.unsteady[CHANCE] = None
        elif base == "native_dropout" or "scaled_dot_product" in base:
            bound = bind(func, args, kwargs)
            if bound.get("train") or (bound.get("dropout_p") or 0) > 0:
                self.unsteady[DROPOUT] = None
        # Instance normalisation runs as batch normalisation of one row, with a channel per channel and example.
        elif base in NORMS and bind(func, args, kwargs).get("training") and args[0].shape[0] > 1:
            self.unsteady[STATISTICS] = None


def tensors_in(values: Any) -> list[Tensor]:
    """Return the tensors among arguments or results of an operator, those in lists too."""
    tensors = []
    for value in values:
        if isinstance(value, Tensor):
            tensors.append(value)
        elif isinstance(value, (list, tuple)):
            tensors += [item for item in value if isinstance(item, Tensor)]
    return tensors


def storage_of(tensor: Tensor) -> int:
    """Return the address of a tensor's storage; -1 where there is none, as for sparse tensors."""
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return -1
