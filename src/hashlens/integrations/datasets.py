"""Hugging Face datasets: a function for ``Dataset.map`` that adds the neural code of every row as a column of bytes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from hashlens.codes.codes import Codes, require_same_code
from hashlens.codes.encode import encode
from hashlens.codes.reader import Forward, Gates, Mask
from hashlens.data.decode import decode
from hashlens.data.examples import Batch
from hashlens.data.labels import class_labels, fitting_names
from hashlens.data.loader import names_of_classes
from hashlens.errors import CodesError, DataError
from hashlens.integrations.probe import KeptExamples


class BatchEncoder:
    """What :func:`encode_batch` returns: called with a batch of columns, it returns the column of codes."""

    def __init__(
        self,
        model: torch.nn.Module,
        columns: tuple[str, ...] | str,
        name: str,
        transform: Callable[[Any], Any] | None,
        reading: dict[str, Any],
    ) -> None:
        self.model, self.columns, self.name = model, columns, name
        self._transform, self._reading = transform, reading
        self._layout: Codes | None = None

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[bytes]]:
        """Return the packed code of each row of a batch, all of one length."""
        inputs: Any
        if isinstance(self.columns, str):
            inputs = as_inputs(batch, self.columns)
            size = len(inputs)
        else:
            inputs = {column: as_inputs(batch, column) for column in self.columns}
            size = len(inputs[self.columns[0]])
        inputs = inputs if self._transform is None else self._transform(inputs)
        examples = KeptExamples([Batch(inputs, None, np.arange(size), inputs)], f"column {self.columns}")
        codes = encode(self.model, examples, **self._reading)
        if self._layout is None:
            self._layout = codes[:0]
        require_same_code(self._layout, codes)
        return {self.name: [row.tobytes() for row in codes.packed]}

    @property
    def row_bytes(self) -> int:
        """Bytes of a code, known once a batch was encoded in this process."""
        return int(self._known().packed.shape[1])

    def codes(self, dataset: Any, labels: str | None = None) -> Codes:
        """Return the column of codes of a data set as :class:`hashlens.Codes`; ids are rows.

        Parameters
        ----------
        dataset : datasets.Dataset
            With the column; if another process made it, call the encoder with some rows first.
        labels : str, optional
            Column of class numbers, or of class names.

        Raises
        ------
        CodesError
            If nothing was encoded yet, or the column holds codes of another length.
        """
        layout = self._known()
        rows = list(dataset[self.name])
        if any(len(row) != self.row_bytes for row in rows):
            raise CodesError(f"column {self.name!r} holds no codes of {self.row_bytes} bytes: encode it again")
        packed = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, self.row_bytes)
        known, names = None, None
        if labels is not None:
            known, names = class_labels(dataset[labels][:], f"column {labels!r}")
            names = names or fitting_names(known, names_of_classes(dataset, labels))
        return Codes(packed, layout.layers, labels=known, provenance=layout.provenance, class_names=names)

    def _known(self) -> Codes:
        if self._layout is None:
            raise CodesError("the layout of the code is not known yet: call the encoder with a batch first")
        return self._layout


def encode_batch(
    model: torch.nn.Module,
    column: str | Sequence[str] = "image",
    *,
    name: str = "code",
    transform: Callable[[Any], Any] | None = None,
    layers: Sequence[str] | str | None = None,
    bits: int | None = None,
    seed: int = 0,
    forward: Forward | None = None,
    mask: Mask | None = None,
    device: str | torch.device | None = None,
    gates: Gates = "activations",
) -> BatchEncoder:
    """Return a function for ``dataset.map(..., batched=True)`` that adds a column with the packed code of every row.

    Rows are the bytes of :class:`hashlens.Codes`, all of one length. Arrow keeps them as binary; the type of fixed
    size is ``dataset.cast_column("code", datasets.Value(f"fixed_size_binary[{encoder.row_bytes}]"))``.

    Parameters
    ----------
    model : torch.nn.Module
        The network.
    column : str or sequence of str
        What it takes: images (scaled to [0, 1]), or numbers of one shape, floating ones in the network's own type and
        whole ones as they are. Of several columns the network is called with their names, as with ``input_ids`` and
        ``attention_mask``.
    name : str
        Of the new column.
    transform : callable, optional
        Maps the tensor ``(b, ...)``, or dict of tensors, as a normalisation does.
    layers, bits, seed, forward, mask, device, gates
        As in :func:`hashlens.encode`. With `mask` all rows have to be padded to the same length.

    Returns
    -------
    BatchEncoder
        The function; its ``codes(dataset)`` gives the column back as :class:`hashlens.Codes`.

    Raises
    ------
    DataError, CodesError, HashlensError
        When called: for columns that are not there or hold rows of several shapes, codes of several lengths, and as
        :func:`hashlens.encode` raises.

    Examples
    --------
    >>> import hashlens as hl
    >>> encoder = encode_batch(hl.nets.MLP(4, 3, width=70), "x")
    >>> [len(row) for row in encoder({"x": [[0.0, 1.0, 2.0, 3.0], [1.0, 1.0, 1.0, 1.0]]})["code"]]
    [16, 16]
    """
    columns = column if isinstance(column, str) else tuple(column)
    reading = {"layers": layers, "bits": bits, "seed": seed, "forward": forward, "mask": mask, "device": device,
               "gates": gates}  # fmt: skip
    return BatchEncoder(model, columns, name, transform, reading)


def as_inputs(batch: Mapping[str, Sequence[Any]], column: str) -> torch.Tensor:
    """Return a column of a batch as one tensor ``(b, ...)``.

    Raises
    ------
    DataError
        If it is not there, empty, or holds no images or numbers of one shape.
    """
    if column not in batch:
        raise DataError(f"there is no column {column!r} in the batch: it has {', '.join(map(repr, batch))}")
    values = batch[column]
    if len(values) == 0:
        raise DataError(f"column {column!r} of the batch has no rows")
    try:
        if isinstance(values[0], Image.Image):
            images = [decode(image).pixels for image in values]
            channels = max(len(pixels) for pixels in images)
            stacked = np.stack([np.broadcast_to(pixels, (channels, *pixels.shape[1:])) for pixels in images])
            return torch.from_numpy(stacked).to(torch.float32).mul_(1 / 255)
        if isinstance(values[0], torch.Tensor):
            return torch.stack(list(values))
        rows: npt.NDArray[Any] = np.asarray(values)
        return torch.from_numpy(rows)
    except (ValueError, TypeError, RuntimeError) as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"column {column!r} holds no images or numbers of one shape: {reason}") from error
