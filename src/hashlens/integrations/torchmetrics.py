"""torchmetrics: redundancy ratio and K-NN accuracy of codes, gathered over batches and over processes."""

import importlib
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.codes.codes import Codes
from hashlens.codes.encode import encode
from hashlens.codes.fingerprint import hash_rows
from hashlens.codes.layers import Layer
from hashlens.codes.packing import pack_bits
from hashlens.codes.reading import Reading, split_options
from hashlens.data.labels import class_labels, has_label, signs_as_classes
from hashlens.errors import CodesError, DataError, MeasureError, MissingExtraError
from hashlens.measures.knn import knn_accuracy, knn_accuracy_leave_one_out

Rows = npt.NDArray[Any]


def _metric_class() -> Any:
    try:
        return importlib.import_module("torchmetrics").Metric
    except ModuleNotFoundError as error:
        if error.name != "torchmetrics":
            raise
    raise MissingExtraError("torchmetrics", "torchmetrics", "a metric of torchmetrics")


class _Network:
    """A network that a metric reads and does not own: not one of its modules, and the same one in its copies."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model

    def __deepcopy__(self, memo: Any) -> "_Network":
        return self


class _CodeMetric(_metric_class()):  # type: ignore[misc]
    """Rows gathered over batches and processes, each example once.

    States are vectors, several numbers a row, so that a process without any row still has one of the right type and
    number of dimensions to give: gathering needs that.
    """

    is_differentiable = False
    higher_is_better: bool | None = None
    full_state_update = False

    def __init__(self, model: torch.nn.Module | None, reading: Reading | None, options: dict[str, Any]) -> None:
        of_reading, settings = split_options(options)
        super().__init__(**settings)
        if model is None and (reading is not None or of_reading):
            named = ", ".join(f"{name}=" for name in (of_reading or ["reading"]))
            raise MeasureError(f"{named} says how a network is read: give model= as well")
        self._network = None if model is None else _Network(model)
        self._reading = Reading.from_options(type(self), reading, of_reading)
        self._dtypes: dict[str, torch.dtype] = {}

    def _gather(self, **dtypes: torch.dtype) -> None:
        for name, dtype in dtypes.items():
            self.add_state(name, default=[], dist_reduce_fx="cat")
            self._dtypes[name] = dtype

    def _append(self, name: str, rows: Any) -> None:
        values = torch.as_tensor(rows).detach().reshape(-1)
        getattr(self, name).append(values.to(self.device, self._dtypes[name]))

    def _rows(self, name: str, count: int | None = None) -> Rows:
        """Return a state as an array ``(n,)``, or ``(count, numbers of a row)``."""
        state = getattr(self, name)
        parts = [state] if isinstance(state, torch.Tensor) else state
        flat = torch.cat([torch.empty(0, dtype=self._dtypes[name]), *(part.cpu() for part in parts)]).numpy()
        return flat if count is None else flat.reshape(count, -1) if count else flat.reshape(0, 0)

    def sync(self, *arguments: Any, **settings: Any) -> None:
        """Gather the rows of all processes."""
        for name, dtype in self._dtypes.items():
            if isinstance(getattr(self, name), list) and not getattr(self, name):
                setattr(self, name, [torch.empty(0, dtype=dtype, device=self.device)])
        super().sync(*arguments, **settings)

    def _codes(self, batch: Any) -> Codes:
        """Return the codes of a batch: of inputs where there is a network, else as they were given."""
        if self._network is not None:
            return encode(self._network.model, batch, reading=self._reading, batch_size=_size(batch))
        return as_codes(batch)


def _size(batch: Any) -> int:
    return max(1, len(batch)) if hasattr(batch, "__len__") else 1


def as_codes(batch: Any) -> Codes:
    """Return codes that came from somebody's own hooks.

    Parameters
    ----------
    batch : Codes, or tensor or array
        bool ``(n, ...)``: which units are on; uint8 ``(n, row_bytes)``: packed rows of :class:`~hashlens.Codes`.

    Raises
    ------
    CodesError
        If it is something else.
    """
    if isinstance(batch, Codes):
        return batch
    given = batch.detach().cpu().numpy() if isinstance(batch, torch.Tensor) else np.asarray(batch)
    if given.dtype == np.bool_ and given.ndim >= 2:
        packed = pack_bits(given.reshape(len(given), -1))
    elif given.dtype == np.uint8 and given.ndim == 2 and given.shape[1] % 8 == 0:
        packed = np.ascontiguousarray(given)
    else:
        raise CodesError(
            f"without model= an update takes Codes, bool (n, ...) of the units that are on, as activations > 0, or "
            f"packed uint8 (n, whole words of 8 bytes); received {given.dtype} {given.shape}"
        )
    return _of_packed(packed)


def _of_packed(packed: Rows) -> Codes:
    bits = 8 * packed.shape[1]
    return Codes(packed, (Layer("code", "bits", (bits,), bits=bits),))


def _checked_ids(ids: Any, rows: int) -> Rows:
    given = ids.detach().cpu().numpy() if isinstance(ids, torch.Tensor) else np.asarray(ids)
    if given.shape != (rows,) or given.dtype.kind not in "iu":
        raise MeasureError(
            f"ids must be one integer for each of {rows:,} rows, as the index in the data set; received {given.dtype} "
            f"{given.shape}"
        )
    return given.astype(np.int64)


def _once(ids: Rows, rows: int) -> Rows:
    """Return the positions of the rows to count: the first of each id, by id, so that no order of arrival matters."""
    if len(ids) == rows:
        return np.unique(ids, return_index=True)[1]
    if len(ids) == 0:
        return np.arange(rows)
    raise MeasureError(f"ids came with {len(ids):,} of {rows:,} rows: give ids= at every update, or at none")


class RedundancyRatio(_CodeMetric):
    """Redundancy ratio R = (n - distinct codes) / n over all batches and processes.

    Of each example 16 bytes are kept and gathered: the fingerprint of its code.

    Parameters
    ----------
    model : torch.nn.Module, optional
        The network to read; an update then takes inputs, and runs it once more on them, in evaluation mode. It stays
        the same network in copies of the metric, and is no part of the metric's state. Without it an update takes
        codes.
    reading, **options
        How the network is read, with `model` only: a :class:`hashlens.Reading`, or its fields. A batch is one forward
        pass, whatever ``batch_size``. Other options are those of ``torchmetrics.Metric``.

    Examples
    --------
    >>> metric = RedundancyRatio()
    >>> metric.update(torch.tensor([[True, False], [True, False], [False, True]]), ids=torch.tensor([0, 1, 2]))
    >>> metric.update(torch.tensor([[True, False]]), ids=torch.tensor([0]))  # a row that a sampler repeats
    >>> round(metric.compute().item(), 4)
    0.3333
    """

    higher_is_better = False

    def __init__(
        self,
        model: torch.nn.Module | None = None,
        *,
        reading: Reading | None = None,
        **options: Any,
    ) -> None:
        super().__init__(model, reading, options)
        self._gather(prints=torch.int64, ids=torch.int64)

    def update(self, batch: Any, ids: Any = None) -> None:
        """Take the rows of a batch.

        Parameters
        ----------
        batch : tensor, array or Codes
            With a network: its inputs ``(n, ...)``. Without: codes, bool ``(n, ...)`` of the units that are on
            (``activations > 0``), packed uint8 ``(n, row_bytes)``, or :class:`~hashlens.Codes`.
        ids : tensor or array of int, optional
            ``(n,)``: which examples they are, as indices in the data set. An example counts once, whichever process
            had it and however often: a DistributedSampler repeats some, so that all processes have as many.

        Raises
        ------
        CodesError, MeasureError
            If codes or ids are of another kind.
        HashlensError
            As :func:`hashlens.encode` raises.
        """
        codes = self._codes(batch)
        if ids is not None:
            self._append("ids", _checked_ids(ids, len(codes)))
        self._append("prints", hash_rows(codes.packed).view(np.int64).copy())

    def compute(self) -> torch.Tensor:
        """Return R, a float32 scalar; NaN where no row came."""
        prints = self._rows("prints").reshape(-1, 2)
        kept = prints[_once(self._rows("ids"), len(prints))]
        distinct = len(np.unique(np.ascontiguousarray(kept).view("V16")))
        ratio = (len(kept) - distinct) / len(kept) if len(kept) else float("nan")
        return torch.tensor(ratio, dtype=torch.float32, device=self.device)


class CodeKNNAccuracy(_CodeMetric):
    """Share of examples whose k nearest codes vote for their label, over all batches and processes.

    Neighbours are looked for among the rows that were given as ``reference=True``, training examples as a rule; where
    there are none, among the other rows. Ties are broken as :func:`hashlens.measures.knn_accuracy` does, by id where
    ids are given. Codes are kept and gathered, row by row: of a wide network take a sample, ``bits=1024``.

    Parameters
    ----------
    model : torch.nn.Module, optional
        As in :class:`RedundancyRatio`.
    k : int
        Neighbours.
    reading, **options
        How the network is read, with `model` only: a :class:`hashlens.Reading`, or its fields. A batch is one forward
        pass, whatever ``batch_size``. Other options are those of ``torchmetrics.Metric``.

    Examples
    --------
    >>> metric = CodeKNNAccuracy(k=1)
    >>> metric.update(torch.tensor([[True, False], [False, True]]), torch.tensor([0, 1]), reference=True)
    >>> metric.update(torch.tensor([[True, False], [True, False]]), torch.tensor([0, 1]))
    >>> metric.compute().item()
    0.5
    """

    higher_is_better = True

    def __init__(
        self,
        model: torch.nn.Module | None = None,
        k: int = 9,
        *,
        reading: Reading | None = None,
        **options: Any,
    ) -> None:
        super().__init__(model, reading, options)
        self.k = k
        for part in ("asked", "reference"):
            self._gather(**{f"{part}_codes": torch.uint8, f"{part}_labels": torch.int64, f"{part}_ids": torch.int64})

    def update(self, batch: Any, labels: Any, ids: Any = None, reference: bool = False) -> None:
        """Take the rows of a batch.

        Parameters
        ----------
        batch : tensor, array or Codes
            As in :meth:`RedundancyRatio.update`.
        labels : tensor or array
            ``(n,)``: class numbers; -1, None and NaN mean no label, and such rows are left out.
        ids : tensor or array of int, optional
            As in :meth:`RedundancyRatio.update`. Reference rows have ids of their own.
        reference : bool
            Whether neighbours are looked for among these rows; the others are what is asked for.

        Raises
        ------
        CodesError, MeasureError
            If codes, labels or ids are of another kind.
        """
        codes = self._codes(batch)
        known = _checked_numbers(labels, len(codes))
        part = "reference" if reference else "asked"
        if ids is not None:
            self._append(f"{part}_ids", _checked_ids(ids, len(codes)))
        self._append(f"{part}_codes", np.ascontiguousarray(codes.packed))
        self._append(f"{part}_labels", known)

    def compute(self) -> torch.Tensor:
        """Return the accuracy, a float32 scalar; NaN where no labelled row came.

        Raises
        ------
        MeasureError
            If there are fewer rows to look among than `k`.
        """
        asked, reference = _settled(self._part("asked"), self._part("reference"))
        found = float("nan")
        if _labelled(asked) and len(reference):
            found = knn_accuracy(reference, asked, k=self.k)
        elif _labelled(asked):
            found = knn_accuracy_leave_one_out(asked, k=self.k)
        return torch.tensor(found, dtype=torch.float32, device=self.device)

    def _part(self, part: str) -> Codes:
        labels, ids = self._rows(f"{part}_labels"), self._rows(f"{part}_ids")
        kept = _once(ids, len(labels))
        codes = _of_packed(np.ascontiguousarray(self._rows(f"{part}_codes", len(labels))[kept]))
        return replace(codes, labels=labels[kept])


def _settled(*parts: Codes) -> list[Codes]:
    """Return codes whose labels, where they are -1 and 1 in all parts together, are two classes."""
    labels = [np.zeros(0, np.int64) if part.labels is None else part.labels for part in parts]
    numbers, _ = signs_as_classes(np.concatenate(labels), None, "CodeKNNAccuracy")
    ends = np.cumsum([len(part) for part in labels])[:-1]
    return [replace(part, labels=own) for part, own in zip(parts, np.split(numbers, ends), strict=True)]


def _labelled(codes: Codes) -> bool:
    return codes.labels is not None and bool(has_label(codes.labels).any())


def _checked_numbers(labels: Any, rows: int) -> Rows:
    """Return the class numbers of a batch, int64 ``(rows,)``, -1 for no label."""
    try:
        numbers, names = class_labels(labels, "CodeKNNAccuracy", all_labels=False)
    except DataError as error:
        raise MeasureError(str(error)) from error
    if names is not None:
        raise MeasureError("labels are names, which batches and processes cannot number alike: give class numbers")
    if len(numbers) != rows:
        raise MeasureError(f"labels must be one integer for each of {rows:,} rows, received {len(numbers):,}")
    return numbers
