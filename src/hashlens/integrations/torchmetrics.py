"""torchmetrics: redundancy ratio and K-NN accuracy of codes, over batches and processes."""

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
    """Reference to a network that a metric reads: not a submodule of the metric, and shared by its copies."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model

    def __deepcopy__(self, memo: Any) -> "_Network":
        return self


class _CodeMetric(_metric_class()):  # type: ignore[misc]
    """Base class: rows gathered over batches and processes, each example once.

    States are flat vectors with several numbers per row, so that a process without rows still has a state with the
    dtype and number of dimensions that gathering needs.
    """

    is_differentiable = False
    higher_is_better: bool | None = None
    full_state_update = False

    def __init__(self, model: torch.nn.Module | None, reading: Reading | None, options: dict[str, Any]) -> None:
        of_reading, settings = split_options(options)
        super().__init__(**settings)
        if model is None and (reading is not None or of_reading):
            named = ", ".join(f"{name}=" for name in (of_reading or ["reading"]))
            raise MeasureError(f"{named} needs a network: give model= as well")
        self._network = None if model is None else _Network(model)
        self._reading = Reading.from_options(type(self), reading, of_reading)
        self._dtypes: dict[str, torch.dtype] = {}

    def _add_states(self, **dtypes: torch.dtype) -> None:
        """Add states by name, which are gathered over processes."""
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
        """Return the codes of a batch: encoded from inputs if there is a network, otherwise the batch itself."""
        if self._network is not None:
            return encode(self._network.model, batch, reading=self._reading, batch_size=_batch_length(batch))
        return as_codes(batch)


def _batch_length(batch: Any) -> int:
    return max(1, len(batch)) if hasattr(batch, "__len__") else 1


def as_codes(batch: Any) -> Codes:
    """Return a batch as codes.

    Parameters
    ----------
    batch : Codes, or tensor or array
        Codes; or bool ``(n, ...)``: which units are on; or uint8 ``(n, row_bytes)``: packed rows of
        :class:`~hashlens.Codes`.

    Raises
    ------
    CodesError
        If the batch has another form.
    """
    if isinstance(batch, Codes):
        return batch
    array = batch.detach().cpu().numpy() if isinstance(batch, torch.Tensor) else np.asarray(batch)
    if array.dtype == np.bool_ and array.ndim >= 2:
        packed = pack_bits(array.reshape(len(array), -1))
    elif array.dtype == np.uint8 and array.ndim == 2 and array.shape[1] % 8 == 0:
        packed = np.ascontiguousarray(array)
    else:
        raise CodesError(
            f"without model= an update takes Codes, bool (n, ...) of the units that are on, as activations > 0, or "
            f"packed uint8 (n, whole words of 8 bytes); received {array.dtype} {array.shape}"
        )
    return _codes_of_bytes(packed)


def _codes_of_bytes(packed: Rows) -> Codes:
    bits = 8 * packed.shape[1]
    return Codes(packed, (Layer("code", "bits", (bits,), bits=bits),))


def _require_ids(ids: Any, rows: int) -> Rows:
    """Return ids as int64 ``(rows,)``; raise MeasureError if they are not one integer for each row."""
    array = ids.detach().cpu().numpy() if isinstance(ids, torch.Tensor) else np.asarray(ids)
    if array.shape != (rows,) or array.dtype.kind not in "iu":
        raise MeasureError(
            f"ids must be one integer for each of {rows:,} rows, as the index in the data set; received {array.dtype} "
            f"{array.shape}"
        )
    return array.astype(np.int64)


def _first_row_of_each_id(ids: Rows, rows: int) -> Rows:
    """Return the positions of the rows to count: the first of each id, sorted by id, in any order of arrival."""
    if len(ids) == rows:
        return np.unique(ids, return_index=True)[1]
    if len(ids) == 0:
        return np.arange(rows)
    raise MeasureError(f"ids came with {len(ids):,} of {rows:,} rows: give ids= at every update, or at none")


class RedundancyRatio(_CodeMetric):
    """Redundancy ratio R = (n - distinct codes) / n over all batches and processes.

    For each example 16 bytes are stored and gathered: the fingerprint of its code.

    Parameters
    ----------
    model : torch.nn.Module, optional
        The network to read. An update then takes inputs, and runs the network on them in evaluation mode. Copies of the
        metric share the network, and it is not part of the metric's state. Without it an update takes codes.
    reading, **options
        How the network is read, only with `model`: a :class:`hashlens.Reading`, or its fields. A batch is one forward
        pass; ``batch_size`` has no effect. Other options are those of ``torchmetrics.Metric``.

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
        self._add_states(fingerprints=torch.int64, ids=torch.int64)

    def update(self, batch: Any, ids: Any = None) -> None:
        """Add the rows of a batch.

        Parameters
        ----------
        batch : tensor, array or Codes
            With a network: its inputs ``(n, ...)``. Without: codes, as bool ``(n, ...)`` (``activations > 0``), packed
            uint8 ``(n, row_bytes)``, or :class:`~hashlens.Codes`.
        ids : tensor or array of int, optional
            ``(n,)``: indices of the examples in the data set. An example with an id counts once even if it is repeated.
            (A DistributedSampler repeats some examples, so that all processes have the same number.) By default every
            row counts.

        Raises
        ------
        CodesError, MeasureError
            If codes or ids have a wrong type or shape.
        HashlensError
            If :func:`hashlens.encode` raises it.
        """
        codes = self._codes(batch)
        if ids is not None:
            self._append("ids", _require_ids(ids, len(codes)))
        self._append("fingerprints", hash_rows(codes.packed).view(np.int64).copy())

    def compute(self) -> torch.Tensor:
        """Return R, a float32 scalar; NaN if there are no rows."""
        fingerprints = self._rows("fingerprints").reshape(-1, 2)
        kept = fingerprints[_first_row_of_each_id(self._rows("ids"), len(fingerprints))]
        distinct = len(np.unique(np.ascontiguousarray(kept).view("V16")))
        ratio = (len(kept) - distinct) / len(kept) if len(kept) else float("nan")
        return torch.tensor(ratio, dtype=torch.float32, device=self.device)


class CodeKNNAccuracy(_CodeMetric):
    """Accuracy of K-NN on codes: share of examples whose k nearest codes vote for their label, over all batches.

    Neighbours are the rows added with ``reference=True``, usually training examples; without any, the other rows. Ties
    are broken as in :func:`hashlens.measures.knn_accuracy`, by id if there are ids. All codes are stored and gathered:
    for a wide network use a sample, such as ``bits=1024``.

    Parameters
    ----------
    model : torch.nn.Module, optional
        The network to read, as in :class:`RedundancyRatio`.
    k : int
        Number of neighbours.
    reading, **options
        How the network is read, only with `model`: a :class:`hashlens.Reading`, or its fields. A batch is one forward
        pass; ``batch_size`` has no effect. Other options are those of ``torchmetrics.Metric``.

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
        for part in ("query", "reference"):
            self._add_states(
                **{f"{part}_codes": torch.uint8, f"{part}_labels": torch.int64, f"{part}_ids": torch.int64}
            )

    def update(self, batch: Any, labels: Any, ids: Any = None, reference: bool = False) -> None:
        """Add the rows of a batch.

        Parameters
        ----------
        batch : tensor, array or Codes
            As in :meth:`RedundancyRatio.update`.
        labels : tensor or array
            ``(n,)``: class numbers; -1, None and NaN mean no label, and such rows are left out.
        ids : tensor or array of int, optional
            As in :meth:`RedundancyRatio.update`. Reference rows have separate ids.
        reference : bool
            Whether these rows are neighbours to search among; the others are the queries.

        Raises
        ------
        CodesError, MeasureError
            If codes, labels or ids have a wrong type or shape.
        """
        codes = self._codes(batch)
        known = _require_class_numbers(labels, len(codes))
        part = "reference" if reference else "query"
        if ids is not None:
            self._append(f"{part}_ids", _require_ids(ids, len(codes)))
        self._append(f"{part}_codes", np.ascontiguousarray(codes.packed))
        self._append(f"{part}_labels", known)

    def compute(self) -> torch.Tensor:
        """Return the accuracy, a float32 scalar; NaN if there are no labelled rows.

        Raises
        ------
        MeasureError
            If there are fewer than `k` rows to search among.
        """
        queries, reference = _with_common_classes(self._part("query"), self._part("reference"))
        result = float("nan")
        if _has_labels(queries) and len(reference):
            result = knn_accuracy(reference, queries, k=self.k)
        elif _has_labels(queries):
            result = knn_accuracy_leave_one_out(queries, k=self.k)
        return torch.tensor(result, dtype=torch.float32, device=self.device)

    def _part(self, part: str) -> Codes:
        """Return the codes and labels of the queries or of the reference rows, each example once."""
        labels, ids = self._rows(f"{part}_labels"), self._rows(f"{part}_ids")
        kept = _first_row_of_each_id(ids, len(labels))
        codes = _codes_of_bytes(np.ascontiguousarray(self._rows(f"{part}_codes", len(labels))[kept]))
        return replace(codes, labels=labels[kept])


def _with_common_classes(*parts: Codes) -> list[Codes]:
    """Return codes with class numbers as labels: if all parts together have only -1 and 1, these are two classes."""
    labels = [np.zeros(0, np.int64) if part.labels is None else part.labels for part in parts]
    numbers, _ = signs_as_classes(np.concatenate(labels), None, "CodeKNNAccuracy")
    ends = np.cumsum([len(part) for part in labels])[:-1]
    return [replace(part, labels=own) for part, own in zip(parts, np.split(numbers, ends), strict=True)]


def _has_labels(codes: Codes) -> bool:
    return codes.labels is not None and bool(has_label(codes.labels).any())


def _require_class_numbers(labels: Any, rows: int) -> Rows:
    """Return the class numbers of a batch, int64 ``(rows,)``, -1 for no label."""
    try:
        numbers, names = class_labels(labels, "CodeKNNAccuracy", all_labels=False)
    except DataError as error:
        raise MeasureError(str(error)) from error
    if names is not None:
        raise MeasureError("labels are names, which batches and processes may number differently: give class numbers")
    if len(numbers) != rows:
        raise MeasureError(f"labels must be one integer for each of {rows:,} rows, received {len(numbers):,}")
    return numbers
