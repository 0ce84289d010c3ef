"""The operators that a network's output comes from, and what makes it depend on chance or on the batch."""

from dataclasses import dataclass
from typing import Any

import torch

from hashlens.codes.dispatch import Observer
from hashlens.codes.gates import bind

Tensor = torch.Tensor
SOFTMAX, SIGMOID, LOG_SOFTMAX, AFFINE = "softmax", "sigmoid", "log-softmax", "an affine map"
SPECIAL = {
    "softmax": SOFTMAX, "_softmax": SOFTMAX, "_safe_softmax": SOFTMAX, "special_softmax": SOFTMAX,
    "log_softmax": LOG_SOFTMAX, "_log_softmax": LOG_SOFTMAX, "special_log_softmax": LOG_SOFTMAX,
    "sigmoid": SIGMOID, "special_expit": SIGMOID, "hardsigmoid": SIGMOID,
    **dict.fromkeys(("addmm", "linear", "addmv", "convolution", "_convolution", "mkldnn_linear", "baddbmm"), AFFINE),
}  # fmt: skip
PRODUCTS = ("mm", "bmm", "mv", "matmul")
"""Affine maps where one factor is a weight, which nothing computed in this pass."""
SAME = ("clone", "_to_copy", "contiguous", "round", "nan_to_num", "copy_", "lift_fresh", "_reshape_alias")
"""Operators that keep what their input was."""
GUARDS = ("clamp", "clamp_min", "clamp_max")
SCALED = ("mul", "div", "add", "sub", "rsub", "neg", "mean", "sum", "avg_pool2d", "adaptive_avg_pool2d",
          "_adaptive_avg_pool2d", "native_batch_norm", "native_layer_norm", "addcmul")  # fmt: skip
"""Operators that leave scores scores."""
RANDOM = ("bernoulli", "rand", "rand_like", "randn", "randn_like", "normal", "uniform", "randint", "randperm",
          "multinomial", "exponential", "poisson", "alpha_dropout", "feature_dropout")  # fmt: skip
NORMS = ("batch_norm", "native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_functional",
         "cudnn_batch_norm", "miopen_batch_norm", "_batch_norm_with_update")  # fmt: skip
DROPOUT = "dropout is active in eval mode: codes and scores are drawn anew in every pass"
CHANCE = "the network draws random numbers as it runs: codes and scores are drawn anew in every pass"
STATISTICS = (
    "batch normalisation uses the statistics of the batch (no running statistics): codes and scores of an example "
    "depend on the batch that it comes in"
)
BATCH = (
    "the same examples gave other values in two batches of a few: codes and scores of an example depend on the batch "
    "that it comes in, or on chance"
)


@dataclass(frozen=True)
class Made:
    """What made a tensor: the operator, the when-th that ran, and how many numbers it gave."""

    operator: str
    when: int
    numbers: int

    @property
    def is_scores(self) -> bool:
        """Whether it is an operator that scores end with."""
        return self.operator in (SOFTMAX, SIGMOID, LOG_SOFTMAX, AFFINE)


class LastOperators(Observer):
    """Note of each storage which operator wrote it last, while a network runs."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[int, Made] = {}
        self._when = 0
        self.unsteady: dict[str, None] = {}
        self.differs = False
        """Whether a gate got something else of the same examples in two batches."""

    def of(self, tensor: Tensor) -> Made | None:
        """Return what made a tensor, which may be a view of all of it but not of a part; None if nobody knows."""
        made = self._made.get(_place(tensor))
        return made if made is not None and made.numbers == tensor.numel() else None

    def see(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run an operator, and note what it made."""
        name = func.overloadpacket.__name__
        base = name[:-1] if name.endswith("_") and not name.endswith("__") else name
        sources = [self._made.get(_place(at)) for at in _tensors((*args, *kwargs.values()))]
        self._check_steady(func, base, args, kwargs)
        result = func(*args, **kwargs)
        self._when += 1
        for at in _tensors(result if isinstance(result, (tuple, list)) else (result,)):
            self._note(func, base, at, sources)
        return result

    def _note(self, func: Any, base: str, result: Tensor, sources: list[Made | None]) -> None:
        if any(given.alias_info is not None and not given.alias_info.is_write for given in func._schema.returns):
            return  # a view: its storage is what it was
        operator = SPECIAL.get(base, base)
        known = [source for source in sources if source is not None]
        first = known[-1 if base == "copy_" else 0].operator if known else ""
        if base in PRODUCTS and len(known) < len(sources):
            operator = AFFINE
        elif base in SAME or (base in GUARDS and first in (SOFTMAX, SIGMOID)):
            operator = first or base
        elif base == "log" and first == SOFTMAX:
            operator = LOG_SOFTMAX
        elif base == "exp" and first == LOG_SOFTMAX:
            operator = SOFTMAX
        elif base in SCALED and known and all(source.operator == AFFINE for source in known):
            operator = AFFINE
        self._made[_place(result)] = Made(operator, self._when, result.numel())

    def _check_steady(self, func: Any, base: str, args: Any, kwargs: Any) -> None:
        if base in RANDOM:
            self.unsteady[DROPOUT if base in ("bernoulli", "alpha_dropout", "feature_dropout") else CHANCE] = None
        elif base == "rrelu_with_noise":
            if bind(func, args, kwargs).get("training"):
                self.unsteady[CHANCE] = None
        elif base == "native_dropout" or "scaled_dot_product" in base:
            bound = bind(func, args, kwargs)
            if bound.get("train") or (bound.get("dropout_p") or 0) > 0:
                self.unsteady[DROPOUT] = None
        # Instance normalisation is batch normalisation of one row, every channel of every example one of its own.
        elif base in NORMS and bind(func, args, kwargs).get("training") and args[0].shape[0] > 1:
            self.unsteady[STATISTICS] = None


def _tensors(values: Any) -> list[Tensor]:
    found = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += [at for at in value if isinstance(at, Tensor)]
    return found


def _place(tensor: Tensor) -> int:
    """Return where a tensor's numbers are; -1 where they have no place, as those of sparse tensors."""
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return -1
