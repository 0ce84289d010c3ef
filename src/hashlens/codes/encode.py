"""Encode: from a network and examples to codes or fingerprints, streamed batch by batch."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt
import torch

from hashlens.codes.capture import CapturedBatch
from hashlens.codes.codes import Codes
from hashlens.codes.fingerprint import Fingerprints, hash_padded_rows, hash_rows, hash_rows_torch, multilinear_keys
from hashlens.codes.layers import BitChoice, Layer, widen
from hashlens.codes.packing import Packed
from hashlens.codes.reader import Reader
from hashlens.codes.reading import Reading, ReadingOptions
from hashlens.codes.store import CodesWriter
from hashlens.data.examples import Batch, Examples
from hashlens.data.input_digests import Digests
from hashlens.data.labels import ClassNames, Labels, fitting_names, signs_as_classes
from hashlens.errors import CodesError

_log = logging.getLogger("hashlens")


def to_host(packed: Packed | torch.Tensor) -> Packed:
    """Return packed rows in host memory."""
    return packed.cpu().numpy() if isinstance(packed, torch.Tensor) else packed


def batch_labels(batch: Batch) -> npt.NDArray[np.int64] | None:
    """Return the labels of a batch as an array, or None if it has none."""
    return None if batch.labels is None else batch.labels.cpu().numpy().astype(np.int64)


def encode(
    model: torch.nn.Module,
    data: Any,
    *,
    reading: Reading | None = None,
    per_layer: bool = False,
    out: str | Path | None = None,
    overwrite: bool = False,
    **options: Unpack[ReadingOptions],
) -> Codes:
    """Read the neural code of every example: which units of the network are on.

    It needs memory for one batch and for the packed codes. With `out` it needs memory for one batch, and for labels,
    ids and 32 bytes of hashes of each example.

    Parameters
    ----------
    model : torch.nn.Module
        Any network with ReLU-like units (hard gates) or GELU, SiLU, tanh, sigmoid, ... (soft gates). It runs in
        evaluation mode without gradients; its state is restored afterwards.
    data : str, Examples, tensor, array, pair, Dataset or DataLoader
        Examples in any form that :func:`hashlens.load_data` takes.
    reading, **options
        How the network is read: a :class:`hashlens.Reading`, or its fields, such as ``layers="hidden.*"`` or
        ``bits=4096``.
    per_layer : bool
        Whether `bits` are kept of each layer. By default they are drawn from all layers together, where wide layers get
        most of them.
    out : str or Path, optional
        Folder that the codes are written to while the network runs; the codes are returned memory-mapped. By default
        they are kept in memory.
    overwrite : bool
        Whether `out` replaces an existing folder of codes.

    Returns
    -------
    Codes
        uint8 rows of packed bits with layers, labels, class names, ids, provenance, and a digest of each input.

    Raises
    ------
    CaptureError
        If there is no gate, if a fused operator or module hides one, or if an activation is not finite or changes its
        size.
    ModelError
        If the model rejects the inputs.
    DataError, CodesError, DeviceError, OutputError
        If the data, an argument, the device or the folder cannot be used.

    References
    ----------
    He, Lei, Ji, Tao (2021): Neural networks behave as hash encoders: an empirical study. arXiv 2101.05490.
    """
    reader = Reader(model, data, Reading.from_options(encode, reading, options), per_layer=per_layer)
    if out is not None:
        return _encode_to(out, reader, overwrite)
    rows = CodeRows()
    with reader:
        for batch, captured in reader:
            rows.append(batch, captured)
    warn_unsteady(reader)
    return rows.codes(reader)


def warn_unsteady(reader: Reader) -> None:
    """Warn if the codes that were read depend on chance or on the batch, and say why."""
    for reason in reader.evidence.unsteady:
        _log.warning("%s: %s", type(reader.model).__name__, reason)


class CodeRows:
    """Rows of codes, collected batch by batch."""

    def __init__(self) -> None:
        self.packed: list[tuple[Packed, tuple[Layer, ...]]] = []
        self.labels: list[npt.NDArray[np.int64]] = []
        self.ids: list[npt.NDArray[Any]] = []
        self.values: list[npt.NDArray[np.float32]] = []
        self.digests: list[Digests] = []

    def append(self, batch: Batch, captured: CapturedBatch, choice: BitChoice | None = None) -> None:
        """Add the rows of one batch, or only their chosen bits."""
        packed = to_host(captured.packed)
        self.packed.append((packed, captured.layers) if choice is None else (choice.take(packed), choice.targets))
        self.ids.append(batch.ids)
        if (labels := batch_labels(batch)) is not None:
            self.labels.append(labels)
        if captured.values is not None:
            self.values.append(captured.values)
        if captured.digests is not None:
            self.digests.append(captured.digests)

    def codes(self, reader: Reader, choice: BitChoice | None = None) -> Codes:
        """Return all rows as codes."""
        layers = reader.capture.layers if choice is None else choice.targets
        provenance = reader.provenance()
        if choice is not None:
            provenance = replace(provenance, sampled_from=sum(layer.bits for layer in reader.capture.layers))
        rows = [
            widen(part, part_layers, layers) if reader.capture.layout.varies else part
            for part, part_layers in self.packed
        ]
        self.packed.clear()
        labels, class_names = gather_labels(self.labels, reader.examples)
        return Codes(
            np.concatenate(rows),
            layers,
            labels=labels,
            ids=np.concatenate(self.ids),
            provenance=provenance,
            values=np.concatenate(self.values) if self.values else None,
            input_digests=np.concatenate(self.digests) if len(self.digests) == len(rows) else None,
            class_names=class_names,
        )


def gather_labels(parts: Sequence[Labels], examples: Examples) -> tuple[Labels | None, ClassNames]:
    """Return the labels of all batches of some examples, and the names of their classes."""
    labels = np.concatenate(parts) if parts else None
    names = fitting_names(labels, examples.class_names)
    return (None, names) if labels is None else signs_as_classes(labels, names, examples.name)


def _encode_to(out: str | Path, reader: Reader, overwrite: bool) -> Codes:
    with CodesWriter(out, overwrite) as writer, reader:
        for batch, captured in reader:
            labels = batch_labels(batch)
            writer.append(to_host(captured.packed), labels, batch.ids, captured.values, captured.digests)
            if reader.capture.layout.varies:
                raise CodesError("out= needs inputs of one size; pad all batches to the same length, or leave out=")
        warn_unsteady(reader)
        all_labels, class_names = gather_labels(writer.labels, reader.examples)
        writer.labels = [] if all_labels is None else [all_labels]
        writer.finish(reader.capture.layers, reader.provenance(), class_names)
    return Codes.load(out, verify=False)


class HashRows:
    """Fingerprints, collected batch by batch."""

    def __init__(self, padded: bool) -> None:
        self.padded = padded
        self.keys: torch.Tensor | None = None
        self.hashes: list[npt.NDArray[np.uint64]] = []
        self.method = "xxh3-128"

    def append(self, captured: CapturedBatch) -> None:
        """Add the hashes of the rows of one batch."""
        packed = captured.packed
        if self.padded:
            self.hashes.append(hash_padded_rows(to_host(packed), captured.layers))
        elif isinstance(packed, torch.Tensor):
            self.method = "multilinear-128"
            words = packed.view(torch.int32)
            if self.keys is None:
                self.keys = multilinear_keys(words.shape[1]).to(words.device)
            self.hashes.append(hash_rows_torch(words, self.keys).cpu().numpy().view(np.uint64))
        else:
            self.hashes.append(hash_rows(packed))


def fingerprint(
    model: torch.nn.Module, data: Any, *, reading: Reading | None = None, **options: Unpack[ReadingOptions]
) -> Fingerprints:
    """Read a 16-byte hash of the code of each example, without keeping the codes.

    Fingerprints are enough to measure determinism (redundancy ratio, colliding examples). They need memory for one
    batch, and for labels, ids and 16 bytes of each example. Parameters and errors are those of :func:`encode`.

    Returns
    -------
    Fingerprints
        uint64 ``(n, 2)`` with labels, ids and provenance.
    """
    reading = Reading.from_options(fingerprint, reading, options)
    rows, ids, labels = HashRows(padded=reading.mask is not None), [], []
    with Reader(model, data, reading, digests=False) as reader:
        for batch, captured in reader:
            rows.append(captured)
            ids.append(batch.ids)
            if (part := batch_labels(batch)) is not None:
                labels.append(part)
    warn_unsteady(reader)
    return Fingerprints(
        np.concatenate(rows.hashes),
        sum(layer.bits for layer in reader.capture.layers),
        gather_labels(labels, reader.examples)[0],
        np.concatenate(ids),
        reader.provenance(),
        rows.method,
    )
