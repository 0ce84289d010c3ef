"""Views in an audit: codes of mirrored, brightened, rotated and other versions of images, to find altered copies."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt
import torch

from hashlens.audit.layer_choice import enough_rows, sample_rows
from hashlens.audit.local_ratio import Rows
from hashlens.audit.surveyed_layer import ALL_LAYERS
from hashlens.codes.codes import Codes, align_layouts
from hashlens.codes.encode import CodeRows
from hashlens.codes.reader import Reader
from hashlens.codes.reading import Reading, ReadingOptions
from hashlens.data.examples import ArrayExamples, Examples
from hashlens.data.sources import load_data
from hashlens.data.transformed import TransformedExamples
from hashlens.data.views import require_images, view_names, view_of
from hashlens.errors import AuditError
from hashlens.result import Split

AS_IT_IS = "as it is"
BITS = 1024
"""Default number of bits of each layer in an audit."""
BATCH = 256
"""Number of images read at a time for the sample."""
SAMPLE_BYTES = 1 << 30
"""Largest size in bytes of the sample of training images, which stays in memory for all views."""


@dataclass(frozen=True, eq=False)
class Views:
    """Codes of transformed images: of all test rows, and of the training rows that the null is measured on.

    Attributes
    ----------
    names : tuple of str
        Names of the views.
    test : tuple of Codes
        Codes of the test images in each view, m rows in the order of the test set.
    train : tuple of Codes
        Codes of the training rows `rows` in each view.
    rows : numpy.ndarray
        int64, ascending: the sampled training rows.
    seconds : float
        Time taken to encode the views, in seconds.
    """

    names: tuple[str, ...]
    test: tuple[Codes, ...]
    train: tuple[Codes, ...]
    rows: Rows
    seconds: float = 0.0

    @property
    def passes(self) -> int:
        """Number of images encoded for the views."""
        return sum(map(len, (*self.test, *self.train)))

    @property
    def summary(self) -> str:
        """The views and their cost, in one sentence."""
        return (
            f"test images were also encoded {', '.join(self.names)}: {self.passes:,} images more in "
            f"{self.seconds:,.0f} seconds, {len(self.rows):,} of them of train in each view"
        )

    def names_of(self, view: Rows) -> npt.NDArray[np.str_]:
        """Return the names of views by index; index 0 is the image as it is."""
        return np.array([AS_IT_IS, *self.names])[view]

    def layer(self, name: str) -> "Views":
        """Return the codes of one layer, or of all of them side by side."""
        if name == ALL_LAYERS:
            return self
        test, train = (tuple(part.layer(name) for part in parts) for parts in (self.test, self.train))
        return Views(self.names, test, train, self.rows, self.seconds)

    def restricted_to(self, rows: Rows) -> "Views":
        """Return the views of the training rows that are among `rows`, ascending, numbered by their index in `rows`."""
        positions = np.flatnonzero(np.isin(self.rows, rows))
        train = tuple(part[positions] for part in self.train)
        return Views(self.names, self.test, train, np.searchsorted(rows, self.rows[positions]), self.seconds)

    def check(self, codes: Split[Codes]) -> None:
        """Raise AuditError or CodesError if the views do not belong to these codes."""
        for part in (*self.test, *self.train):
            align_layouts([codes.train, part])
        rows = [len(part) for part in self.test]
        if any(count != len(codes.test) for count in rows) or (len(self.rows) and self.rows[-1] >= len(codes.train)):
            raise AuditError(
                f"the views have {rows[0] if rows else 0:,} test rows and training rows up to "
                f"{self.rows.max(initial=0):,}, but there are {len(codes.test):,} and {len(codes.train):,}: "
                "encode the views of the same examples, in the same order"
            )


def encode_views(
    model: torch.nn.Module,
    train: Any,
    test: Any,
    views: bool | str | Sequence[str] = True,
    *,
    reading: Reading | None = None,
    **options: Unpack[ReadingOptions],
) -> Views:
    """Encode test images in other views, and a sample of the training images with them, for :func:`hashlens.leaks`.

    Each view costs one more pass over the test set and over a sample of training images: 5,000, or somewhat more than
    the number of test images if that is larger. The sample shows how near an ordinary image gets to another image in
    the best of these views.

    Parameters
    ----------
    model : torch.nn.Module
        The network.
    train, test : str, Examples, pair, Dataset or DataLoader
        The images whose codes are searched for leaks, in the same order.
    views : bool, str or sequence of str
        Names of :data:`hashlens.data.views.VIEWS`: ``mirrored``, ``brighter``, ``darker``, ``turned left``,
        ``turned right``, ``nearer``, ``farther``; True for all of them.
    reading, **options
        How train and test were encoded: a :class:`hashlens.Reading`, or its fields. ``bits`` is the number of bits of
        each layer, 1,024 by default, as in ``encode(model, data, bits=1024, per_layer=True)``.

    Returns
    -------
    Views
        Argument for ``leaks(train_codes, test_codes, views=...)``.

    Raises
    ------
    DataError
        If a view is not known, or the inputs are not images.
    AuditError
        If no view is requested, or there is a mask.
    """
    reading = with_bits_per_layer(Reading.from_options(encode_views, reading, options))
    return encode_views_with(model, Split(load_data(train), load_data(test)), views, reading)


def with_bits_per_layer(reading: Reading) -> Reading:
    """Return the reading with its number of bits per layer, 1,024 where it sets none."""
    return replace(reading, bits=BITS) if reading.bits is None else reading


def encode_views_with(
    model: torch.nn.Module, data: Split[Examples], views: bool | str | Sequence[str], reading: Reading
) -> Views:
    """Encode views as :func:`encode_views` does, with a reading that sets the number of bits per layer."""
    names = view_names(views)
    if not names:
        raise AuditError("no view was requested: give views=True, or the names of some")
    require_no_mask(reading)
    if reading.forward is not None:
        for part in (data.train, data.test):
            first = next(iter(part.batches(1)))
            if first.raw is not first.inputs:
                raise AuditError(
                    f"{part.name}: with forward=, views need batches that are the images themselves, "
                    f"received {type(first.raw).__name__}: leave views= or forward= out"
                )
    start = perf_counter()
    sampled, rows = _sample(data.train, enough_rows(len(data.train), len(data.test)), reading.seed)
    test, train = ([_encode(model, view_of(part, name), reading) for name in names] for part in (data.test, sampled))
    return Views(names, tuple(test), tuple(train), rows, perf_counter() - start)


def require_no_mask(reading: Reading) -> None:
    """Raise AuditError if there is a mask, since images have none."""
    if reading.mask is not None:
        raise AuditError("views= is for images, and mask= is for padded tokens: leave one of them out")


def _encode(model: torch.nn.Module, examples: Examples, reading: Reading) -> Codes:
    rows = CodeRows()
    with Reader(model, examples, reading, per_layer=True, digests=False) as reader:
        for batch, captured in reader:
            rows.append(batch, captured)
    return rows.codes(reader)


def _sample(examples: Examples, count: int, seed: int) -> tuple[Examples, Rows]:
    """Return a sample of the examples in memory, before any normalisation, and their rows."""
    if isinstance(examples, TransformedExamples):
        inner, rows = _sample(examples.inner, count, seed)
        return examples.with_examples(inner), rows
    chosen: list[torch.Tensor] = []
    rows, start = np.zeros(0, np.int64), 0
    for batch in examples.batches(BATCH):
        images = require_images(batch.inputs, examples.name)
        if not chosen:
            limit = SAMPLE_BYTES // (images[0].numel() * images.element_size())
            rows = sample_rows(len(examples), max(1, min(count, limit)), seed)
        inside = rows[(rows >= start) & (rows < start + len(batch))] - start
        chosen.append(images[torch.from_numpy(inside)])
        start += len(batch)
    return ArrayExamples(torch.cat(chosen), None, np.asarray(examples.ids)[rows], examples.name), rows
