"""Hugging Face datasets: a function for ``Dataset.map`` that adds a column with the packed code of every row."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Unpack, cast

import numpy as np
import numpy.typing as npt
import torch

from hashlens.codes.codes import Codes, require_same_code
from hashlens.codes.encode import encode
from hashlens.codes.reading import Reading, ReadingOptions
from hashlens.data.columns import is_decoded_by_datasets
from hashlens.data.decode import Decoding, as_encoded, decode
from hashlens.data.examples import Batch
from hashlens.data.labels import class_labels, fitting_names
from hashlens.data.reading import reading
from hashlens.data.stored_class_names import names_of_classes
from hashlens.errors import CodesError, DataError
from hashlens.integrations.probe import KeptExamples


class BatchEncoder:
    """Function that :func:`encode_batch` returns: it converts a batch of columns to a column of codes."""

    def __init__(
        self,
        model: torch.nn.Module,
        columns: tuple[str, ...] | str,
        name: str,
        transform: Callable[[Any], Any] | None,
        reading: Reading,
        decoding: Decoding,
    ) -> None:
        self.model, self.columns, self.name = model, columns, name
        self._transform, self._reading, self._decoding = transform, reading, decoding
        self._layout: Codes | None = None
        self._channels = dict[str, int]()

    def __getstate__(self) -> dict[str, Any]:
        """Return the arguments of the encoder only: its later state must not change the key of a cached map."""
        return {**self.__dict__, "_layout": None, "_channels": {}}

    def __call__(self, batch: Any) -> dict[str, list[bytes]]:
        """Return the packed code of each row of a batch, all of the same length."""
        inputs: Any
        if isinstance(self.columns, str):
            inputs = self._inputs(batch, self.columns)
            size = len(inputs)
        else:
            inputs = {column: self._inputs(batch, column) for column in self.columns}
            size = len(inputs[self.columns[0]])
        inputs = inputs if self._transform is None else self._transform(inputs)
        examples = KeptExamples([Batch(inputs, None, np.arange(size), inputs)], f"column {self.columns}")
        codes = encode(self.model, examples, reading=self._reading)
        if self._layout is None:
            self._layout = codes[:0]
        require_same_code(self._layout, codes)
        return {self.name: [row.tobytes() for row in codes.packed]}

    def _inputs(self, batch: Any, column: str) -> torch.Tensor:
        """Return a column of images or numbers as a tensor ``(b, ...)``."""
        values = values_of(batch, column)
        images = [as_encoded(value) for value in values]
        if all(image is None for image in images):
            return stack_numbers(values, column)
        if None in images:
            raise DataError(f"column {column!r}: row {images.index(None)} of the batch has no image")
        # After the first colour image, grey images are decoded as colour, in later batches too.
        pixels, channels = stack_images(images, column, self._decoding, self._channels.get(column, 1))
        self._channels[column] = channels
        return pixels

    @property
    def row_bytes(self) -> int:
        """Number of bytes of a code; known after a batch was encoded in this process, or :meth:`codes` was called."""
        return int(self._require_layout(None).packed.shape[1])

    def codes(self, dataset: Any, labels: str | None = None) -> Codes:
        """Return the column of codes of a data set as :class:`hashlens.Codes`; ids are row numbers.

        Parameters
        ----------
        dataset : datasets.Dataset
            Data set with the column, in any format. If the column comes from a cache or another process, the first two
            rows are encoded here, to find the layout.
        labels : str, optional
            Column of class numbers or class names; by default there are no labels.

        Raises
        ------
        CodesError
            If there is no such column, its layout is not known and the data set no longer has the inputs, or its codes
            have another length.
        """
        # Numeric formats would drop trailing zero bytes of the codes.
        plain = dataset.with_format(None)
        if self.name not in plain.column_names:
            raise CodesError(f"there is no column {self.name!r}: map the encoder over the data set first")
        layout = self._require_layout(plain)
        rows = list(plain[self.name])
        if any(len(row) != self.row_bytes for row in rows):
            raise CodesError(f"column {self.name!r} holds no codes of {self.row_bytes} bytes: encode it again")
        packed = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, self.row_bytes)
        class_numbers, names = None, None
        if labels is not None:
            class_numbers, names = class_labels(plain[labels][:], f"column {labels!r}")
            names = names or fitting_names(class_numbers, names_of_classes(plain, labels))
        return Codes(packed, layout.layers, labels=class_numbers, provenance=layout.provenance, class_names=names)

    def _require_layout(self, plain: Any) -> Codes:
        """Return codes without rows, which have the layout; if it is not known, encode the first rows of a data set."""
        if self._layout is None and plain is not None and len(plain):
            columns = [self.columns] if isinstance(self.columns, str) else self.columns
            if set(columns) <= set(plain.column_names):
                self(first_rows(plain, columns))
        if self._layout is None:
            raise CodesError("the layout of the code is not known yet: call the encoder with a batch first")
        return self._layout


def encode_batch(
    model: torch.nn.Module,
    column: str | Sequence[str] = "image",
    *,
    name: str = "code",
    transform: Callable[[Any], Any] | None = None,
    reading: Reading | None = None,
    orientation: str = "apply",
    transparency: str = "white",
    **options: Unpack[ReadingOptions],
) -> BatchEncoder:
    """Return a function for ``dataset.map(..., batched=True)`` that adds a column with the packed code of every row.

    The values are the rows of :class:`hashlens.Codes`, all of the same length. Arrow stores them as binary. To convert
    them to a type of fixed size, call
    ``dataset.cast_column("code", datasets.Value(f"fixed_size_binary[{encoder.row_bytes}]"))``.

    Parameters
    ----------
    model : torch.nn.Module
        The network.
    column : str or sequence of str
        Input columns: images, which are scaled to [0, 1], or numbers of equal shape; floating-point numbers are
        converted to the network's dtype, integers are unchanged. The data set may have any format: uint8 pixels
        ``(c, h, w)``, ``(h, w, c)`` or ``(h, w)`` are images. Several columns, such as ``input_ids`` and
        ``attention_mask``, are passed to the network by name.
    name : str
        Name of the new column.
    transform : callable, optional
        Function of the tensor ``(b, ...)``, or of the dict of tensors, such as a normalisation. By default there is
        none.
    reading, **options
        How the network is read: a :class:`hashlens.Reading`, or its fields. With ``mask`` all rows must be padded to
        the same length. A batch of ``map`` is one forward pass; ``batch_size`` has no effect.
    orientation : str
        ``"apply"`` turns images upright by their EXIF orientation; ``"ignore"`` keeps them as stored. If the data set
        has the format ``"torch"`` or ``"numpy"``, `datasets` has already turned them.
    transparency : str
        ``"white"`` draws transparent images on white; ``"ignore"`` keeps the stored colours.

    Returns
    -------
    BatchEncoder
        The function; its ``codes(dataset)`` returns the column as :class:`hashlens.Codes`.

    Raises
    ------
    DataError, CodesError, HashlensError
        When called: if a column is missing or has rows of different shapes, if codes have different lengths, or if
        :func:`hashlens.encode` raises it.

    Examples
    --------
    >>> import hashlens as hl
    >>> encoder = encode_batch(hl.nets.MLP(4, 3, width=70), "x")
    >>> [len(row) for row in encoder({"x": [[0.0, 1.0, 2.0, 3.0], [1.0, 1.0, 1.0, 1.0]]})["code"]]
    [16, 16]
    """
    columns = column if isinstance(column, str) else tuple(column)
    reading = Reading.from_options(encode_batch, reading, options)
    return BatchEncoder(model, columns, name, transform, reading, Decoding(orientation, transparency))


def values_of(batch: Any, column: str) -> Sequence[Any]:
    """Return the rows of a column of a batch, in any format; images in their stored form if possible.

    Raises
    ------
    DataError
        If the column is missing or empty.
    """
    table = getattr(batch, "pa_table", batch)
    names = list(getattr(table, "column_names", batch))
    if column not in names:
        raise DataError(f"there is no column {column!r} in the batch: it has {', '.join(map(repr, names))}")
    as_stored = table is batch or is_stored_image(getattr(batch.formatter, "features", None), column, table[column])
    values = table[column] if as_stored else batch[column]
    if len(values) == 0:
        raise DataError(f"column {column!r} of the batch has no rows")
    if hasattr(values, "to_pylist"):
        return cast(Sequence[Any], values.to_pylist())
    # An array of objects, or a series of pandas, which is indexed by labels.
    loose = str(getattr(values, "dtype", None)) == "object" or hasattr(values, "iloc")
    return cast(Sequence[Any], values.tolist() if loose else values)


def is_stored_image(features: Any, column: str, stored: Any) -> bool:
    """Return whether a column holds image files that can be read and decoded here."""
    feature = (features or {}).get(column)
    if type(feature).__name__ != "Image" or is_decoded_by_datasets(feature):
        return False
    return all(
        value and (value["bytes"] is not None or Path(value["path"] or "").is_file()) for value in stored.to_pylist()
    )


def first_rows(dataset: Any, columns: Sequence[str]) -> dict[str, Any]:
    """Return the first two rows of a data set without format, images in their stored form."""
    few = dataset.select(range(min(2, len(dataset))))
    batch = few[:]
    table = few.with_format("arrow")[:]
    return {
        column: table[column].to_pylist() if is_stored_image(few.features, column, table[column]) else batch[column]
        for column in columns
    }


def stack_images(images: Sequence[Any], column: str, decoding: Decoding, channels: int) -> tuple[torch.Tensor, int]:
    """Return images as a float tensor ``(b, c, h, w)`` in [0, 1], and c: 3 if an image is in colour or `channels` is 3.

    Raises
    ------
    DataError
        If an image cannot be decoded, or sizes differ.
    """
    # Damaged files make decoders raise any kind of error.
    with reading(f"column {column!r}: an image", Exception):
        pixels = [decode(image, decoding=decoding).pixels for image in images]
    sizes = {each.shape[1:] for each in pixels}
    if len(sizes) > 1:
        result = " and ".join("x".join(map(str, reversed(size))) for size in sorted(sizes)[:2])
        raise DataError(
            f"column {column!r} holds no images or numbers of one shape: images of {result} pixels; resize them"
        )
    channels = max(channels, *(len(each) for each in pixels))
    whole = np.stack([np.broadcast_to(each, (channels, *each.shape[1:])) for each in pixels])
    return torch.from_numpy(whole).to(torch.float32).mul_(1 / 255), channels


def stack_numbers(values: Sequence[Any], column: str) -> torch.Tensor:
    """Return a column of numbers of equal shape as a tensor ``(b, ...)``.

    Raises
    ------
    DataError
        If the column holds anything else.
    """
    try:
        if isinstance(values[0], torch.Tensor):
            return torch.stack(list(values))
        rows: npt.NDArray[Any] = np.asarray(values)
        return torch.from_numpy(rows)
    except (ValueError, TypeError, RuntimeError) as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"column {column!r} holds no images or numbers of one shape: {reason}") from error
