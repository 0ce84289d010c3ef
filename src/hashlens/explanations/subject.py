"""Subject: the network or function to explain, with one way of calling it and of reading its output."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hashlens.arguments import excerpt
from hashlens.codes.batch_parts import pad_batch
from hashlens.codes.evaluation_mode import evaluation_mode
from hashlens.codes.model_error import model_error
from hashlens.codes.output_evidence import MIN_ROWS, OutputEvidence
from hashlens.codes.reader import move_to_device, static_batch_of
from hashlens.codes.reading import Reading, split_options
from hashlens.codes.unwrap import unwrap
from hashlens.errors import ExplainError, HashlensError
from hashlens.explanations.forwarded import Forwarded
from hashlens.nets.output import Output, OutputLike

Tensor = torch.Tensor
MAX_VALUE = 2**31
"""Bound above any number of classes, and of rows in a batch."""
READING_FIELDS = ("seed", "forward", "mask", "device", "batch_size", "output")
"""Fields of a reading that have an effect on explanations."""


@dataclass(eq=False)
class Subject:
    """Network or function to explain; it counts its calls, and reads the output in the same way throughout.

    Attributes
    ----------
    function : callable
        Function from inputs to scores ``(n, K)``.
    module : torch.nn.Module or None
        The network; None for a plain function.
    batch_size : int
        Number of rows per call.
    output_like : str, callable, Output or None
        How the output is read, as declared by the user; None to decide from the outputs.
    more : callable, optional
        Function that generates a requested number of further inputs, to decide how the output is read.
    calls, rows : int
        Number of calls so far, and number of rows that they ran on.
    """

    function: Callable[[Any], Any]
    module: torch.nn.Module | None
    batch_size: int
    output_like: OutputLike = None
    more: Callable[[int], Any] | None = None
    calls: int = 0
    rows: int = 0

    def __post_init__(self) -> None:
        self.evidence = OutputEvidence(self.output_like, self.function if self.module is None else self.module)
        self._watched = False
        self._doubled: bool | None = None
        # Batches with fewer rows are filled up to the batch size for which a program was exported.
        self._static = None if self.module is None else static_batch_of(self.module)
        self.batch_size = min(self.batch_size, self._static or self.batch_size)

    @property
    def trial_rows(self) -> int:
        """Number of rows of a trial run: two, or one if the network takes only one."""
        return min(2, self.batch_size)

    @property
    def like(self) -> Tensor:
        """A tensor of the network's dtype and device."""
        if self.module is not None:
            for tensor in (*self.module.parameters(), *self.module.buffers()):
                if tensor.is_floating_point():
                    return tensor
        return torch.zeros((), dtype=torch.float32)

    @property
    def output(self) -> Output:
        """How the output is read; decided at the first use, with generated inputs if there are few."""
        if not self.evidence.is_settled and self.evidence.rows and self.more is not None:
            more = self.more(MIN_ROWS - self.evidence.rows)
            with suppress(Exception):  # inputs that the model rejects are ignored
                self.raw(more)
        return self.evidence.decide()

    @property
    def declared(self) -> Output | None:
        """How the output is read if that is already decided, without running the model; otherwise None."""
        return self.evidence.decide() if self.evidence.is_settled else None

    def evaluation_mode(self) -> AbstractContextManager[None]:
        """Return the context to run the model in; the state of the network is restored afterwards."""
        return nullcontext() if self.module is None else evaluation_mode(self.module)

    def run(self, inputs: Any) -> Tensor:
        """Return the scores of each class for one batch, ``(n, K)``, with gradients; a single score becomes two."""
        return self._of_classes(self._raw(inputs))

    def scores(self, inputs: Any) -> Tensor:
        """Return the scores of :meth:`run` for any number of inputs, without gradients, float64 on the CPU."""
        return self._of_classes(self.raw(inputs))

    def probabilities(self, inputs: Any) -> Tensor:
        """Return the probability of each class, as :meth:`scores` does; for a regression the values."""
        return self.read(self.raw(inputs), probability=True)

    def raw(self, inputs: Any) -> Tensor:
        """Return the unprocessed outputs for any number of inputs, float64 ``(n, K)`` on the CPU."""
        with torch.no_grad():
            parts = [self._raw(inputs[start : start + self.batch_size]).detach().cpu().double()
                     for start in range(0, len(inputs), self.batch_size)]  # fmt: skip
        return torch.cat(parts)

    def read(self, raw: Tensor, probability: bool) -> Tensor:
        """Return outputs of :meth:`raw` as probabilities, or as scores, of each class."""
        return self.output.probabilities(raw) if probability else self._of_classes(raw)

    def _of_classes(self, raw: Tensor) -> Tensor:
        return raw if raw.shape[1] > 1 else self.output.class_scores(raw)

    def _raw(self, inputs: Any) -> Tensor:
        """Return the output for one batch as rows of scores."""
        n = len(inputs)
        self.calls += 1
        self.rows += n
        try:
            output, received = self._call(inputs)
        except HashlensError:
            raise
        except Exception as error:
            raise model_error(error, inputs, "check the shape that it takes") from error
        scores = self.evidence.add(output, received)
        if scores is None or scores.shape[1] == 0:
            received_text = tuple(output.shape) if isinstance(output, (Tensor, np.ndarray)) else excerpt(output)
            raise ExplainError(
                f"the model must give a row of scores for each of {n} inputs, (n, K), received {received_text}: wrap "
                "it to return the scores, or give output=, a function that converts its output to scores"
            )
        return scores[:n]

    def own_rows(self, output: Tensor, count: int) -> Tensor:
        """Return the first `count` rows of a layer's output: a single input may have been passed twice."""
        received = self._static or (2 if self._doubled and count == 1 else count)
        return output[:count] if len(output) == received else output

    def _call(self, inputs: Any) -> tuple[Any, int]:
        """Return the output and its number of rows: a single input is passed twice if the model rejects one row."""
        if self._static is not None and isinstance(inputs, Tensor) and len(inputs) < self._static:
            inputs = pad_batch(inputs, len(inputs), self._static - len(inputs))
        if len(inputs) == 1 and self._doubled:
            return self.function(_twice(inputs)), 2
        # The last operator is the same in every call, so the first call is enough.
        with nullcontext() if self._watched else self.evidence.operators:
            try:
                output, received = self.function(inputs), len(inputs)
                self._doubled = False if len(inputs) == 1 else self._doubled
            except Exception:
                if len(inputs) != 1 or self._doubled is False:
                    raise
                try:
                    output, received = self.function(_twice(inputs)), 2
                except Exception:
                    output = None
                if output is None:
                    raise
                self._doubled = True
        self._watched = True
        return output, received


def _twice(inputs: Any) -> Any:
    return torch.cat([inputs, inputs]) if isinstance(inputs, Tensor) else [*inputs, *inputs]


def reading_of(
    caller: Callable[..., Any], reading: Reading | None, options: Mapping[str, Any]
) -> tuple[Reading, dict[str, Any]]:
    """Return the reading, and the other options; raise ExplainError for a wrong field."""
    of_reading, others = split_options(options, READING_FIELDS)
    try:
        return Reading.from_options(caller, reading, of_reading), others
    except HashlensError as error:
        raise ExplainError(str(error)) from error


def subject_of(model: Any, reading: Reading) -> Subject:
    """Return the subject for a network or function, called and read according to a reading."""
    size = min(reading.batch_size, MAX_VALUE)
    if isinstance(model, torch.nn.Module):
        network = move_to_device(unwrap(model), reading.device)[0]
        if reading.forward is not None:
            network = Forwarded(network, reading.forward)
        return Subject(network, network, size, reading.output)
    if not callable(model):
        raise ExplainError(f"model must be a torch.nn.Module or a function, received {type(model).__name__}")
    for name in ("forward", "device"):
        if getattr(reading, name) is not None:
            raise ExplainError(f"{name}= sets how a torch.nn.Module is run: leave it out for a plain function")
    return Subject(model, None, size, reading.output)
