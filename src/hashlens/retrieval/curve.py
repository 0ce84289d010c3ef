"""Retrieval quality against code length: shortened neural codes, compared with controls of the same length."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from rich.console import Group, RenderableType

from hashlens.arguments import excerpt, require_whole
from hashlens.codes.codes import Codes, require_same_code
from hashlens.errors import MeasureError, nearest
from hashlens.measures.controls import MAX_HYPERPLANES, hyperplane_codes
from hashlens.measures.features import FLOAT_BYTES, Features
from hashlens.progress import bar
from hashlens.report.figures import Figure, Lines, Series
from hashlens.result import Result, Split
from hashlens.retrieval.bit_selection import SUPERVISED, Selection, preferred_bits
from hashlens.retrieval.itq import itq_codes, principal_components
from hashlens.retrieval.quality import Distance, RetrievalQuality, retrieval_quality, retrieval_quality_features
from hashlens.tables import number, table

LENGTHS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
METHODS: tuple[Selection, ...] = get_args(Selection)
NETWORK, INPUTS, PENULTIMATE = "neural code", "raw inputs", "penultimate features"
HYPERPLANES, ITQ = "random hyperplanes", "ITQ"


@dataclass(frozen=True)
class QualityPoint(Result):
    """Retrieval quality of one coding method at one code length.

    Attributes
    ----------
    source : str
        What the code is made from: ``neural code``, ``raw inputs`` or ``penultimate features``.
    coding : str
        The coding method: the method of bit selection, ``random hyperplanes`` or ``ITQ``. ``float, cosine`` and
        ``float, euclidean`` compare the features themselves, without a code.
    bits : int
        Length of the code; for floats, 32 for each column.
    labels_seen : str
        Steps that used the labels: ``none``; ``network`` (in training); ``network, selection`` (also bit selection).
    quality : RetrievalQuality or None
        None if the method has no code of this length.
    reason : str
        Reason why `quality` is None; empty otherwise.
    """

    source: str
    coding: str
    bits: int
    labels_seen: str
    quality: RetrievalQuality | None
    reason: str = ""

    @property
    def is_float(self) -> bool:
        """Whether the features themselves are compared, without a code."""
        return self.coding.startswith("float")


@dataclass(frozen=True)
class QualityCurve(Result):
    """Retrieval quality against code length. The queries are test examples; the database is the training examples.

    Attributes
    ----------
    points : tuple of QualityPoint
        One for each coding method and length, then the float features.
    rows : Split of int
        Number of ranked rows (train) and of queries (test).
    """

    points: tuple[QualityPoint, ...]
    rows: Split[int]

    def of(self, source: str, coding: str) -> dict[int, RetrievalQuality]:
        """Return the quality of one coding method by code length; lengths without a code are left out.

        Raises
        ------
        MeasureError
            If there is no such method. The message suggests the nearest name.
        """
        points = [point for point in self.points if (point.source, point.coding) == (source, coding)]
        if not points:
            listed = dict.fromkeys(f"{point.source}, {point.coding}" for point in self.points)
            raise MeasureError(f"no curve of {source!r}, {coding!r}: {nearest(f'{source}, {coding}', listed)}")
        return {point.bits: point.quality for point in points if point.quality is not None}

    def best(self, bits: int, source: str) -> QualityPoint | None:
        """Return the point with the highest mAP among the codes of a source at one length; None if there is none."""
        result = [
            (point.quality.mean_average_precision, point)
            for point in self.points
            if point.bits == bits and point.source == source and point.quality is not None and not point.is_float
        ]
        return max(result, key=lambda pair: pair[0])[1] if result else None

    def __rich__(self) -> RenderableType:
        coded = [point for point in self.points if not point.is_float]
        lengths = sorted({point.bits for point in coded})
        at = {(point.source, point.coding, point.bits): point.quality for point in coded}
        series = dict.fromkeys((point.source, point.coding, point.labels_seen) for point in coded)
        lines = [
            (source, coding, seen, *(_average(at.get((source, coding, bits))) for bits in lengths))
            for source, coding, seen in series
        ]
        reasons = dict.fromkeys(point.reason for point in coded if point.reason)
        note = "".join(f"\n{reason}" for reason in reasons)
        rows = f"{self.rows.test:,} queries of test, {self.rows.train:,} rows of train. Ties averaged.{note}"
        head = ("source", "coding", "labels seen")
        tables = [table("mAP against bits", (*head, *map(number, lengths)), lines, rows, names=3)]
        floats = [
            (point.source, point.coding, point.labels_seen, number(point.bits), _average(point.quality))
            for point in self.points
            if point.is_float
        ]
        if floats:
            tables.append(table("Ceiling: no code", (*head, "bits", "mAP"), floats, names=3))
        return Group(*tables)

    def figures(self) -> tuple[Figure, ...]:
        """Return a plot of mAP against bits, with one line for each coding method."""
        series = []
        for source, coding in dict.fromkeys((point.source, point.coding) for point in self.points):
            result = self.of(source, coding)
            if result:
                values = tuple(result[bits].mean_average_precision for bits in sorted(result))
                series.append(Series(f"{source}, {coding}", tuple(map(float, sorted(result))), values))
        return (Lines("Retrieval against bits", "bits", "mAP", tuple(series), log_x=True),)


def _average(quality: RetrievalQuality | None) -> str:
    return number(None if quality is None else quality.mean_average_precision, 3)


def quality_curve(
    codes: Split[Codes],
    lengths: Sequence[int] = LENGTHS,
    *,
    inputs: Split[Features] | None = None,
    penultimate: Split[Features] | None = None,
    methods: Sequence[Selection] = METHODS,
    k: Sequence[int] | int = (1, 10, 100),
    seed: int = 0,
) -> QualityCurve:
    """Measure retrieval at several code lengths, and that of controls of the same length.

    Test rows are the queries; train rows are ranked. Bit selection and ITQ are fitted on train.

    Parameters
    ----------
    codes : Split of Codes
        Codes with labels: n rows of train and m rows of test.
    lengths : sequence of int
        Code lengths in bits.
    inputs : Split of array, optional
        ``(n, d)`` and ``(m, d)``: the inputs of the network, for controls that do not use labels.
    penultimate : Split of array, optional
        ``(n, h)`` and ``(m, h)``: features of the same network, for controls that used the same labels.
    methods : sequence of str
        Methods of bit selection, see :func:`select_bits`; ``mutual_information`` is supervised.
    k : int or sequence of int
        Numbers of top-ranked rows on which precision, recall and mAP at k are computed.
    seed : int
        Seed of all random choices.

    Returns
    -------
    QualityCurve
        If a method has no code of a length (ITQ gives no more bits than there are columns), `quality` of its point is
        None and `reason` says why.

    Raises
    ------
    MeasureError
        If there are no labels, a length is not a whole number above 0, or a method is unknown.
    CodesError
        If the codes of train and test are not of the same bits of the same network.
    """
    require_same_code(codes.train, codes.test)
    wanted = checked_lengths(lengths)
    for method in methods:
        if method not in METHODS:
            raise MeasureError(f"no method {excerpt(method)} of bit selection: {nearest(method, METHODS)}")
    for part in (codes.train, codes.test):
        if part.labels is None:
            raise MeasureError("the curve of retrieval quality needs labels, and these codes have none")
    works = list(_steps(codes, wanted, methods, inputs, penultimate, k, seed))
    points: list[QualityPoint] = []
    with bar("quality against bits", len(works)) as advance:
        for step, work in works:
            advance(step)
            points.extend(work())
    order = sorted(points, key=lambda point: point.is_float)
    return QualityCurve(tuple(order), Split(len(codes.train), len(codes.test)))


Work = tuple[str, Callable[[], Sequence[QualityPoint]]]


def _steps(
    codes: Split[Codes],
    lengths: tuple[int, ...],
    methods: Sequence[Selection],
    inputs: Split[Features] | None,
    penultimate: Split[Features] | None,
    k: Sequence[int] | int,
    seed: int,
) -> Iterator[Work]:
    for method in methods:
        yield method, lambda method=method: _select(codes, lengths, method, k, seed)  # type: ignore[misc]
    for source, seen, features in ((INPUTS, "none", inputs), (PENULTIMATE, "network", penultimate)):
        if features is not None:
            control = _Control(source, seen, features, codes, lengths, k, seed)
            yield f"hyperplanes, {source}", control.hyperplanes
            yield f"ITQ, {source}", control.itq
            for distance in get_args(Distance):
                yield (
                    f"{distance}, {source}",
                    lambda control=control, distance=distance: [  # type: ignore[misc]
                        control.floats(distance)
                    ],
                )


def _select(
    codes: Split[Codes], lengths: tuple[int, ...], method: Selection, k: Sequence[int] | int, seed: int
) -> list[QualityPoint]:
    usable = [bits for bits in lengths if bits <= codes.train.code_bits]
    order = preferred_bits(codes.train, max(usable), method, seed=seed) if usable else np.zeros(0, np.int64)
    labels_seen = "network, selection" if method in SUPERVISED else "network"
    points = []
    for bits in lengths:
        quality, reason = None, ""
        if bits in usable:
            quality = retrieval_quality(
                _keep_positions(codes.test, order[:bits]), _keep_positions(codes.train, order[:bits]), k=k
            )
        else:
            reason = f"{NETWORK}: these codes have {codes.train.code_bits:,} bits."
        points.append(QualityPoint(NETWORK, method, bits, labels_seen, quality, reason))
    return points


def _keep_positions(codes: Codes, positions: Any) -> Codes:
    mask = np.zeros(codes.code_bits, np.bool_)
    mask[positions] = True
    return codes.keep(mask)


@dataclass(frozen=True)
class _Control:
    """Codes made from other features, as controls of the neural code."""

    source: str
    seen: str
    features: Split[Features]
    codes: Split[Codes]
    lengths: tuple[int, ...]
    k: Sequence[int] | int
    seed: int

    @property
    def labels(self) -> dict[str, Any]:
        return {"train_labels": self.codes.train.labels, "test_labels": self.codes.test.labels}

    def hyperplanes(self) -> list[QualityPoint]:
        most = min(max(self.lengths), MAX_HYPERPLANES)
        train, test = hyperplane_codes(*self._pair(), most, **self.labels, seed=self.seed)
        points = []
        for bits in self.lengths:
            quality, reason = None, ""
            if bits <= most:
                quality = retrieval_quality(
                    _keep_positions(test, np.arange(bits)), _keep_positions(train, np.arange(bits)), k=self.k
                )
            else:
                reason = f"{HYPERPLANES} take at most {most:,} bits."
            points.append(self._point(HYPERPLANES, bits, quality, reason))
        return points

    def itq(self) -> list[QualityPoint]:
        pair = self._pair()
        most = min(len(pair[0]), pair[0].shape[1])
        within = [bits for bits in self.lengths if bits <= most]
        # Computed once: the first columns are the principal components that a shorter code needs.
        train, test = principal_components(*pair, max(within)) if within else pair
        points = []
        for bits in self.lengths:
            quality, reason = None, ""
            if bits in within:
                coded = itq_codes(train[:, :bits], test[:, :bits], bits, **self.labels, seed=self.seed)
                quality = retrieval_quality(coded[1], coded[0], k=self.k)
            else:
                reason = f"{ITQ} of {self.source} gives at most {most:,} bits, one for each of their dimensions."
            points.append(self._point(ITQ, bits, quality, reason))
        return points

    def floats(self, distance: Distance) -> QualityPoint:
        train, test = self._pair()
        known = self.labels
        quality = retrieval_quality_features(
            test, train, known["test_labels"], known["train_labels"], k=self.k, distance=distance
        )
        return self._point(f"float, {distance}", 8 * FLOAT_BYTES * train.shape[1], quality)

    def _pair(self) -> tuple[Features, Features]:
        return self.features.train, self.features.test

    def _point(self, coding: str, bits: int, quality: RetrievalQuality | None, reason: str = "") -> QualityPoint:
        return QualityPoint(self.source, coding, bits, self.seen, quality, reason)


def checked_lengths(lengths: Any) -> tuple[int, ...]:
    """Return the lengths in ascending order, or raise MeasureError."""
    if not isinstance(lengths, (list, tuple, range, np.ndarray)) or len(lengths) == 0:
        raise MeasureError(f"lengths must be lengths of codes, as (16, 64, 256), received {excerpt(lengths)}")
    for length in lengths:
        require_whole(MeasureError, "each length in bits", length)
    return tuple(sorted({int(length) for length in lengths}))
