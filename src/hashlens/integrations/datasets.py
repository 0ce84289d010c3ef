"""Hugging Face datasets: a function for ``Dataset.map`` that adds the neural code of every row as a column of bytes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Unpack, cast

import numpy as np
import numpy.typing as npt
import torch

from hashlens.codes.codes import Codes, require_same_code
from hashlens.codes.encode import encode
from hashlens.codes.reading import Reading, ReadingOptions
from hashlens.data.decode import Decoding, as_encoded, decode
from hashlens.data.examples import Batch
from hashlens.data.labels import class_labels, fitting_names
from hashlens.data.reading import reading
from hashlens.data.stored_names import names_of_classes
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
        reading: Reading,
        decoding: Decoding,
    ) -> None:
        self.model, self.columns, self.name = model, columns, name
        self._transform, self._reading, self._decoding = transform, reading, decoding
        self._layout: Codes | None = None
        self._channels = dict[str, int]()

    def __getstate__(self) -> dict[str, Any]:
        """Return what the encoder was made of: what it has seen since must not change the key of a cached map."""
        return {**self.__dict__, "_layout": None, "_channels": {}}

    def __call__(self, batch: Any) -> dict[str, list[bytes]]:
        """Return the packed code of each row of a batch, all of one length."""
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
        values = values_of(batch, column)
        images = [as_encoded(value) for value in values]
        if any(image is None for image in images):
            return numbers(values, column)
        # Grey images are taken as colour from the first colour image on, whatever the batch they come in.
        pixels, channels = stacked(images, column, self._decoding, self._channels.get(column, 1))
        self._channels[column] = channels
        return pixels

    @property
    def row_bytes(self) -> int:
        """Bytes of a code, known once a batch was encoded in this process, or :meth:`codes` called."""
        return int(self._known(None).packed.shape[1])

    def codes(self, dataset: Any, labels: str | None = None) -> Codes:
        """Return the column of codes of a data set as :class:`hashlens.Codes`; ids are rows.

        Parameters
        ----------
        dataset : datasets.Dataset
            With the column, whatever its format. Where a cache or another process made it, its first two rows are
            encoded here, to learn the layout.
        labels : str, optional
            Column of class numbers, or of class names.

        Raises
        ------
        CodesError
            If there is no such column, its layout is not known and the data set no longer has the inputs, or it holds
            codes of another length.
        """
        # Formats of numbers cut the zeros at the end of bytes.
        plain = dataset.with_format(None)
        if self.name not in plain.column_names:
            raise CodesError(f"there is no column {self.name!r}: map the encoder over the data set first")
        layout = self._known(plain)
        rows = list(plain[self.name])
        if any(len(row) != self.row_bytes for row in rows):
            raise CodesError(f"column {self.name!r} holds no codes of {self.row_bytes} bytes: encode it again")
        packed = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, self.row_bytes)
        known, names = None, None
        if labels is not None:
            known, names = class_labels(plain[labels][:], f"column {labels!r}")
            names = names or fitting_names(known, names_of_classes(plain, labels))
        return Codes(packed, layout.layers, labels=known, provenance=layout.provenance, class_names=names)

    def _known(self, plain: Any) -> Codes:
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

    Rows are the bytes of :class:`hashlens.Codes`, all of one length. Arrow keeps them as binary; the type of fixed
    size is ``dataset.cast_column("code", datasets.Value(f"fixed_size_binary[{encoder.row_bytes}]"))``.

    Parameters
    ----------
    model : torch.nn.Module
        The network.
    column : str or sequence of str
        What it takes: images, scaled to [0, 1], or numbers of one shape, floating ones in the network's own type and
        whole ones as they are. The format of the data set does not matter: uint8 pixels ``(c, h, w)``, ``(h, w, c)`` or
        ``(h, w)`` are images. Of several columns the network is called with their names, as with ``input_ids`` and
        ``attention_mask``.
    name : str
        Of the new column.
    transform : callable, optional
        Maps the tensor ``(b, ...)``, or dict of tensors, as a normalisation does.
    reading, **options
        How the network is read: a :class:`hashlens.Reading`, or its fields. With ``mask`` all rows have to be padded
        to the same length. A batch of ``map`` is one forward pass, whatever ``batch_size``.
    orientation : str
        ``"apply"`` turns images upright by their EXIF; ``"ignore"`` takes them as they are stored. In a map over a data
        set in the format ``"torch"`` or ``"numpy"``, `datasets` itself has turned them before.
    transparency : str
        ``"white"`` draws what is transparent on white; ``"ignore"`` takes the colours as they are stored.

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
    how = Reading.from_options(encode_batch, reading, options)
    return BatchEncoder(model, columns, name, transform, how, Decoding(orientation, transparency))


def values_of(batch: Any, column: str) -> Sequence[Any]:
    """Return the rows of a column of a batch, in whatever format: images as they are stored, where it has them.

    Raises
    ------
    DataError
        If it is not there or empty.
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
    # An array of objects, or a series of pandas, whose rows go by labels.
    loose = str(getattr(values, "dtype", None)) == "object" or hasattr(values, "iloc")
    return cast(Sequence[Any], values.tolist() if loose else values)


def is_stored_image(features: Any, column: str, stored: Any) -> bool:
    """Return whether a column holds image files that can be read here, and are to be decoded as they are."""
    feature = (features or {}).get(column)
    if type(feature).__name__ != "Image" or getattr(feature, "mode", None) is not None:
        return False
    return all(
        value and (value["bytes"] is not None or Path(value["path"] or "").is_file()) for value in stored.to_pylist()
    )


def first_rows(dataset: Any, columns: Sequence[str]) -> dict[str, Any]:
    """Return two rows of a data set without format, images as they are stored."""
    few = dataset.select(range(min(2, len(dataset))))
    batch = few[:]
    table = few.with_format("arrow")[:]
    return {
        column: table[column].to_pylist() if is_stored_image(few.features, column, table[column]) else batch[column]
        for column in columns
    }


def stacked(images: Sequence[Any], column: str, decoding: Decoding, channels: int) -> tuple[torch.Tensor, int]:
    """Return images as one float tensor ``(b, c, h, w)`` in [0, 1], and c: 3 where one is in colour, or 3 asked for.

    Raises
    ------
    DataError
        If one cannot be decoded, or they are of several sizes.
    """
    # Broken files make the decoders stumble in ways that no list could name.
    with reading(f"column {column!r}: an image", Exception):
        pixels = [decode(image, decoding=decoding).pixels for image in images]
    sizes = {each.shape[1:] for each in pixels}
    if len(sizes) > 1:
        found = " and ".join("x".join(map(str, reversed(size))) for size in sorted(sizes)[:2])
        raise DataError(
            f"column {column!r} holds no images or numbers of one shape: images of {found} pixels; resize them"
        )
    channels = max(channels, *(len(each) for each in pixels))
    whole = np.stack([np.broadcast_to(each, (channels, *each.shape[1:])) for each in pixels])
    return torch.from_numpy(whole).to(torch.float32).mul_(1 / 255), channels


def numbers(values: Sequence[Any], column: str) -> torch.Tensor:
    """Return a column of numbers of one shape as one tensor ``(b, ...)``.

    Raises
    ------
    DataError
        If it holds something else.
    """
    try:
        if isinstance(values[0], torch.Tensor):
            return torch.stack(list(values))
        rows: npt.NDArray[Any] = np.asarray(values)
        return torch.from_numpy(rows)
    except (ValueError, TypeError, RuntimeError) as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"column {column!r} holds no images or numbers of one shape: {reason}") from error
