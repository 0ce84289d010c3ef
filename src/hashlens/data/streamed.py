"""Examples that are created batch by batch in every pass, with memory for a few batches."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from hashlens.data.digest import ExamplesDigest
from hashlens.data.examples import ArrayExamples, Batch, Examples
from hashlens.data.labels import ClassNames, Labels, fitting_names, signs_as_classes
from hashlens.errors import DataError

# Batch size of internal passes: small enough for memory, large enough to be fast.
PASS_BATCH_SIZE = 256


def _join(labels: Sequence[torch.Tensor | None]) -> Labels | None:
    present = [part for part in labels if part is not None]
    return torch.cat(present).numpy() if present and len(present) == len(labels) else None


class StreamedExamples(Examples):
    """Base class of sources that need not fit in memory.

    Subclasses define how the batches are created. The digest is computed in every complete pass, so it costs nothing
    after a pass. It equals the digest of the same examples in memory.
    """

    scale: float = 1.0
    _digest: str | None = None

    @abstractmethod
    def _pieces(self, batch_size: int) -> Iterator[Batch]:
        """Yield all examples in order, before scaling."""

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield all examples in order, scaled, and compute the digest."""
        digest = ExamplesDigest()
        labels: list[torch.Tensor | None] = []
        for piece in self._pieces(batch_size):
            digest.add(piece.inputs)
            labels.append(piece.labels)
            if self.scale != 1.0:
                inputs = piece.inputs.to(torch.float32).mul_(self.scale)
                piece = replace(piece, inputs=inputs, raw=inputs)
            yield piece
        if not labels:
            raise DataError(
                f"{self.name}: the source returned no batch; it must return all batches again on every pass"
            )
        self.labels = _join(labels)
        self._digest = digest.finish(self.scale, self.labels)

    def load(self) -> ArrayExamples:
        """Return the same examples, decoded and loaded into memory; their inputs must be tensors of equal shape."""
        inputs_array: torch.Tensor | None = None
        labels: list[torch.Tensor | None] = []
        count = 0
        for piece in self._pieces(PASS_BATCH_SIZE):
            inputs = self._tensor(piece.inputs)
            if inputs_array is None:
                inputs_array = inputs.new_empty((len(self), *inputs.shape[1:]))
            if inputs.shape[1:] != inputs_array.shape[1:] or count + len(inputs) > len(inputs_array):
                raise DataError(
                    f"{self.name}: inputs must have one shape to be held in one array; after {count} examples of "
                    f"{tuple(inputs_array.shape[1:])} came {len(inputs)} of {tuple(inputs.shape[1:])}; "
                    f"expected {len(inputs_array)} in all"
                )
            inputs_array[count : count + len(inputs)] = inputs
            labels.append(piece.labels)
            count += len(inputs)
        if inputs_array is None or count < len(inputs_array):
            raise DataError(f"{self.name}: expected {len(self)} examples, the source gave {count}")
        numbers, class_names = self._labels_and_names(labels)
        return ArrayExamples(inputs_array, numbers, self.ids, self.name, class_names, self.scale)

    def _labels_and_names(self, parts: Sequence[torch.Tensor | None]) -> tuple[Labels | None, ClassNames]:
        """Return the labels of all batches, and the class names if these fit them."""
        labels = _join(parts)
        names = fitting_names(labels, self.class_names)
        return (None, names) if labels is None else signs_as_classes(labels, names, self.name)

    def _tensor(self, inputs: Any) -> torch.Tensor:
        if isinstance(inputs, torch.Tensor):
            return inputs
        raise DataError(
            f"{self.name}: inputs come as {type(inputs).__name__}, which do not fit into one array; stream "
            "them and use forward= to call the network, or let the data set give one tensor"
        )

    def digest(self) -> str:
        """Return the digest from the last complete pass, or compute it in a new pass."""
        if self._digest is None:
            for _ in self.batches(PASS_BATCH_SIZE):
                pass
        return str(self._digest)
