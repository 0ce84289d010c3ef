"""Observe: everything that measuring needs from one pass over the data: codes, predictions, penultimate features."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.codes.codes import Codes
from hashlens.codes.encode import CodeRows, HashRows
from hashlens.codes.fingerprint import Fingerprints
from hashlens.codes.layers import BitChoice, choose_bits, sample_positions
from hashlens.codes.reader import Reader
from hashlens.codes.reading import Reading
from hashlens.data.labels import has_label
from hashlens.errors import ModelError
from hashlens.nets.output import Output


@dataclass(frozen=True, eq=False)
class Observation:
    """One pass of a network over examples.

    Attributes
    ----------
    codes : Codes
        All bits, or a sample of them where all would not fit the memory budget.
    fingerprints : Fingerprints
        Of all bits.
    predictions : numpy.ndarray or None
        int64 ``(n,)``: the class of each; None when the output is not one row of scores an example, or of a regression.
    penultimate : numpy.ndarray or None
        float32 ``(n, d)``: the input of the last affine map; None when it was not asked for, or takes more bytes a row
        than the budget.
    classes : int
        Classes that the output tells apart: its scores, or two where there is one.
    scores : numpy.ndarray or None
        float32 ``(n, classes)``: the output, one row of scores an example; None when it was not asked for, or is
        something else.
    output : Output or None
        How the output is read; None when it is not one row of scores an example.
    unsteady : tuple of str
        What makes codes and scores depend on chance, or on the batch.
    """

    codes: Codes
    fingerprints: Fingerprints
    predictions: npt.NDArray[np.int64] | None
    penultimate: npt.NDArray[np.float32] | None
    classes: int = 0
    scores: npt.NDArray[np.float32] | None = None
    output: Output | None = None
    unsteady: tuple[str, ...] = ()

    @property
    def unknown_labels(self) -> bool:
        """Whether there are predictions, and labels that the network has no output for."""
        labels = self.codes.labels
        return self.predictions is not None and labels is not None and int(labels.max(initial=-1)) >= self.classes

    @property
    def accuracy(self) -> float | None:
        """Share of labelled examples that the network gets right; None without labels, predictions or outputs."""
        if self.predictions is None or self.codes.labels is None or self.unknown_labels:
            return None
        labelled = has_label(self.codes.labels)
        return float(np.mean((self.predictions == self.codes.labels)[labelled])) if labelled.any() else None


def observe(
    model: torch.nn.Module,
    data: Any,
    reading: Reading,
    row_budget: int,
    penultimate: bool = False,
    scores: bool = False,
) -> Observation:
    """Run `model` over `data` once.

    Parameters
    ----------
    model, data
        As in :func:`hashlens.encode`.
    reading : Reading
        How codes are read.
    row_budget : int
        Bytes that a code may take; of wider ones a seeded sample of the bits is kept, the same for all data. Codes of
        padded tokens are always kept whole.
    penultimate : bool
        Whether to keep penultimate features, of at most as many bytes.
    scores : bool
        Whether to keep the network's output.
    """
    rows, ids = CodeRows(), list[npt.NDArray[Any]]()
    prints = HashRows(padded=reading.mask is not None)
    outputs, features = list[torch.Tensor](), list[npt.NDArray[np.float32]]()
    choice: BitChoice | None = None
    with Reader(model, data, reading, penultimate=penultimate) as reader:
        for batch, captured in reader:
            prints.append(captured)
            ids.append(batch.ids)
            outputs.extend(_scores(captured.scores))
            features.extend(_features(captured.penultimate, len(batch), row_budget))
            if choice is None:
                choice = _affordable(reader, row_budget)
            rows.append(batch, captured, choice)
    codes = rows.codes(reader, choice)
    code_bits = sum(layer.bits for layer in reader.capture.layers)
    hashes = np.concatenate(prints.hashes)
    complete = len(outputs) == len(ids)
    predictions = _predictions(outputs, reader.output) if complete else None
    return Observation(
        codes,
        Fingerprints(hashes, code_bits, codes.labels, codes.ids, reader.provenance(), prints.method),
        predictions,
        np.concatenate(features) if len(features) == len(ids) else None,
        0 if predictions is None else max(2, outputs[0].shape[1]),
        torch.cat(outputs).float().numpy() if scores and complete else None,
        reader.output if complete else None,
        reader.evidence.unsteady,
    )


def _affordable(reader: Reader, row_budget: int) -> BitChoice | None:
    """Return a choice of as many bits as fit the budget, or None when all do."""
    layers = reader.capture.layers
    total = sum(layer.bits for layer in layers)
    if total <= row_budget * 8 or reader.reading.mask is not None:
        return None
    return choose_bits(layers, sample_positions(total, max(64, row_budget * 8), reader.reading.seed))


def _scores(scores: torch.Tensor | None) -> list[torch.Tensor]:
    """Return the scores of a batch in a list; an empty one when the output is something else."""
    return [] if scores is None or not scores.is_floating_point() else [scores.detach().cpu()]


def _predictions(scores: list[torch.Tensor], output: Output) -> npt.NDArray[np.int64] | None:
    all_scores = torch.cat(scores)
    if undefined := int(all_scores.isnan().any(dim=1).sum()):
        raise ModelError(
            f"the output of the model is NaN for {undefined:,} of {len(all_scores):,} examples; check the "
            "weights after its last activation"
        )
    classes = output.classes(all_scores.double())
    return None if classes is None else classes.numpy()


def _features(penultimate: torch.Tensor | None, size: int, row_budget: int) -> list[npt.NDArray[np.float32]]:
    if penultimate is None or len(penultimate) != size or 4 * penultimate[0].numel() > row_budget:
        return []
    return [penultimate.detach().flatten(1).float().cpu().numpy().copy()]
