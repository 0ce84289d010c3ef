"""Views in an audit: test images encoded mirrored, brighter, turned and so on, for copies that somebody changed."""

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
from hashlens.codes.codes import Codes, aligned
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
"""Bits of each layer that an audit looks at."""
BATCH = 256
"""Images read at a time for the sample."""
SAMPLE_BYTES = 1 << 30
"""Training images are held in memory while they are seen in one view after the other: no more than these bytes."""


@dataclass(frozen=True, eq=False)
class Views:
    """Codes of changed images: of all test rows, and of training rows that say what is ordinary.

    Attributes
    ----------
    names : tuple of str
        The views.
    test : tuple of Codes
        Of each view, m rows in the order of the test set.
    train : tuple of Codes
        Of each view, the training rows listed.
    rows : numpy.ndarray
        int64, ascending: which training rows.
    seconds : float
        What encoding them took.
    """

    names: tuple[str, ...]
    test: tuple[Codes, ...]
    train: tuple[Codes, ...]
    rows: Rows
    seconds: float = 0.0

    @property
    def passes(self) -> int:
        """Images that were encoded for the views."""
        return sum(map(len, (*self.test, *self.train)))

    @property
    def summary(self) -> str:
        """The views and what they cost, in one sentence."""
        return (
            f"test images were also encoded {', '.join(self.names)}: {self.passes:,} images more in "
            f"{self.seconds:,.0f} seconds, {len(self.rows):,} of them of train in each view"
        )

    def names_of(self, view: Rows) -> npt.NDArray[np.str_]:
        """Return the names of views by their places, the image as it is being the first."""
        return np.array([AS_IT_IS, *self.names])[view]

    def layer(self, name: str) -> "Views":
        """Return the codes of one layer, or of all of them side by side."""
        if name == ALL_LAYERS:
            return self
        test, train = (tuple(part.layer(name) for part in parts) for parts in (self.test, self.train))
        return Views(self.names, test, train, self.rows, self.seconds)

    def restricted_to(self, rows: Rows) -> "Views":
        """Return the views of those training rows that are among `rows`, ascending, numbered by their place there."""
        positions = np.flatnonzero(np.isin(self.rows, rows))
        train = tuple(part[positions] for part in self.train)
        return Views(self.names, self.test, train, np.searchsorted(rows, self.rows[positions]), self.seconds)

    def check(self, codes: Split[Codes]) -> None:
        """Raise AuditError or CodesError unless the views are of these codes."""
        for part in (*self.test, *self.train):
            aligned([codes.train, part])
        rows = [len(part) for part in self.test]
        if any(count != len(codes.test) for count in rows) or (len(self.rows) and self.rows[-1] >= len(codes.train)):
            raise AuditError(
                f"the views are of {rows[0] if rows else 0:,} test rows and of training rows up to "
                f"{self.rows.max(initial=0):,}, and there are {len(codes.test):,} and {len(codes.train):,}: encode the "
                "views of the same examples, in the same order"
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

    Each view is one more pass over the test set, and over 5,000 training images, or somewhat more than there are test
    images if those are more: how near an ordinary image comes to another one in the best of as many views is measured
    among these.

    Parameters
    ----------
    model : torch.nn.Module
        The network.
    train, test : str, Examples, pair, Dataset or DataLoader
        Images, the same as were encoded, in the same order.
    views : bool, str or sequence of str
        Names of :data:`hashlens.data.views.VIEWS`: ``mirrored``, ``brighter``, ``darker``, ``turned left``,
        ``turned right``, ``nearer``, ``farther``; True for all of them.
    reading, **options
        How train and test were encoded: a :class:`hashlens.Reading`, or its fields; ``bits``, 1,024 by default, are
        those of each layer, as of ``encode(model, data, bits=1024, per_layer=True)``.

    Returns
    -------
    Views
        What ``leaks(train_codes, test_codes, views=...)`` takes.

    Raises
    ------
    DataError
        If a view is not known, or inputs are no images.
    AuditError
        If no view is asked for, or there is a mask.
    """
    how = each_layer(Reading.from_options(encode_views, reading, options))
    return views_by(model, Split(load_data(train), load_data(test)), views, how)


def each_layer(reading: Reading) -> Reading:
    """Return a reading of so many bits of each layer, 1,024 where it does not say how many."""
    return replace(reading, bits=BITS) if reading.bits is None else reading


def views_by(
    model: torch.nn.Module, data: Split[Examples], views: bool | str | Sequence[str], reading: Reading
) -> Views:
    """Encode views as :func:`encode_views` does, by a reading that says how many bits of each layer are kept."""
    names = view_names(views)
    if not names:
        raise AuditError("no view was asked for: give views=True, or the names of some")
    require_no_mask(reading)
    if reading.forward is not None:
        for part in (data.train, data.test):
            first = next(iter(part.batches(1)))
            if first.raw is not first.inputs:
                raise AuditError(
                    f"{part.name}: with forward= batches must be the images themselves to be seen in other views, "
                    f"received {type(first.raw).__name__}: leave views= or forward= out"
                )
    start = perf_counter()
    sampled, rows = _sample(data.train, enough_rows(len(data.train), len(data.test)), reading.seed)
    test, train = ([_encoded(model, view_of(part, name), reading) for name in names] for part in (data.test, sampled))
    return Views(names, tuple(test), tuple(train), rows, perf_counter() - start)


def require_no_mask(reading: Reading) -> None:
    """Raise AuditError for a mask, which images do not have."""
    if reading.mask is not None:
        raise AuditError("views= are of images, and mask= is of padded tokens: leave one of them out")


def _encoded(model: torch.nn.Module, examples: Examples, reading: Reading) -> Codes:
    rows = CodeRows()
    with Reader(model, examples, reading, per_layer=True, digests=False) as reader:
        for batch, captured in reader:
            rows.append(batch, captured)
    return rows.codes(reader)


def _sample(examples: Examples, count: int, seed: int) -> tuple[Examples, Rows]:
    """Return a sample of the examples in memory, before a normalisation, and which rows they are."""
    if isinstance(examples, TransformedExamples):
        inner, rows = _sample(examples.inner, count, seed)
        return examples.around(inner), rows
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
