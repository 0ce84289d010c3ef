"""Examples with a function applied to their inputs, such as a normalisation."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Self

import torch

from hashlens.data.examples import Batch, Examples
from hashlens.data.labels import ClassNames, Labels
from hashlens.data.streamed import StreamedExamples
from hashlens.errors import DataError

Transform = Callable[[torch.Tensor], torch.Tensor]


class TransformedExamples(StreamedExamples):
    """Examples whose inputs pass through `transform` batch by batch.

    Parameters
    ----------
    examples : Examples
        Examples whose inputs are tensors.
    transform : callable
        Function from inputs ``(b, ...)`` to inputs ``(b, ...)`` that treats each example independently.
    """

    def __init__(self, examples: Examples, transform: Transform) -> None:
        self.name = f"{examples.name} | {getattr(transform, '__qualname__', None) or repr(transform)}"
        self.labels = examples.labels
        self.class_names = examples.class_names
        self._examples = examples
        self._transform = transform

    @property
    def inner(self) -> Examples:
        """Examples before the transform."""
        return self._examples

    def with_examples(self, examples: Examples) -> Self:
        """Return other examples with the same transform."""
        return type(self)(examples, self._transform)

    @property
    def ids(self) -> Any:  # type: ignore[override]
        """Ids of the underlying examples."""
        return self._examples.ids

    @property
    def known_length(self) -> int | None:
        """Number of the underlying examples, if it is known."""
        return self._examples.known_length

    def _narrow(self, start: int, stop: int) -> Self:
        return type(self)(self._examples.narrow(start, stop), self._transform)

    def renumber_classes(self, numbers: Labels, class_names: ClassNames) -> Self:
        """Return the same examples, transformed, in another numbering of the classes."""
        return type(self)(self._examples.renumber_classes(numbers, class_names), self._transform)

    def _pieces(self, batch_size: int) -> Iterator[Batch]:
        for batch in self._examples.batches(batch_size):
            if not isinstance(batch.inputs, torch.Tensor):
                kind = type(batch.inputs).__name__
                raise DataError(
                    f"{self.name}: inputs come as {kind}, expected a tensor; transform them in the data set"
                )
            inputs = self._transform(batch.inputs)
            if not isinstance(inputs, torch.Tensor) or inputs.shape[:1] != batch.inputs.shape[:1]:
                received = tuple(inputs.shape) if isinstance(inputs, torch.Tensor) else type(inputs).__name__
                raise DataError(f"{self.name}: the transform gave {received}, expected a tensor ({len(batch)}, ...)")
            yield replace(batch, inputs=inputs, raw=inputs if batch.raw is batch.inputs else batch.raw)
