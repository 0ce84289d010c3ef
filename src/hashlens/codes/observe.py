"""Observation: codes, predictions and penultimate features from one pass over the data, for measuring."""

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
    """Results of one pass of a network over examples.

    Attributes
    ----------
    codes : Codes
        Codes of all bits, or of a sample of them if all would not fit the memory budget.
    fingerprints : Fingerprints
        Fingerprints of all bits.
    predictions : numpy.ndarray or None
        int64 ``(n,)``: predicted class of each example; None if the output is not one row of scores for each example,
        or is a regression.
    penultimate : numpy.ndarray or None
        float32 ``(n, d)``: input of the last affine map; None if it was not requested, or a row takes more bytes than
        the budget.
    classes : int
        Number of classes of the output: its number of scores K, or two if there is one score; 0 without predictions.
    scores : numpy.ndarray or None
        float32 ``(n, K)``: the output, one row of scores for each example; None if it was not requested, or is
        something else.
    output : Output or None
        How the output is read; None if it is not one row of scores for each example.
    unsteady : tuple of str
        Reasons why codes and scores depend on chance, or on the batch.
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
    def has_unknown_labels(self) -> bool:
        """Whether some label has no output of the network."""
        labels = self.codes.labels
        return self.predictions is not None and labels is not None and int(labels.max(initial=-1)) >= self.classes

    @property
    def accuracy(self) -> float | None:
        """Share of labelled examples that are predicted correctly; None without labels, predictions or outputs."""
        if self.predictions is None or self.codes.labels is None or self.has_unknown_labels:
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
    """Run `model` over `data` once, and return codes, predictions and, on request, features and scores.

    Parameters
    ----------
    model, data
        As in :func:`hashlens.encode`.
    reading : Reading
        How codes are read.
    row_budget : int
        Bytes that a code may take. Of wider codes a seeded sample of the bits is kept, the same for all data; codes of
        padded tokens are always kept whole.
    penultimate : bool
        Whether to keep penultimate features, if a row takes at most `row_budget` bytes.
    scores : bool
        Whether to keep the network's output.
    """
    rows, ids = CodeRows(), list[npt.NDArray[Any]]()
    hash_rows = HashRows(padded=reading.mask is not None)
    outputs, features = list[torch.Tensor](), list[npt.NDArray[np.float32]]()
    choice: BitChoice | None = None
    with Reader(model, data, reading, penultimate=penultimate) as reader:
        for batch, captured in reader:
            hash_rows.append(captured)
            ids.append(batch.ids)
            outputs.extend(_scores(captured.scores))
            features.extend(_features(captured.penultimate, len(batch), row_budget))
            if choice is None:
                choice = _bits_within_budget(reader, row_budget)
            rows.append(batch, captured, choice)
    codes = rows.codes(reader, choice)
    code_bits = sum(layer.bits for layer in reader.capture.layers)
    complete = len(outputs) == len(ids)
    predictions = _predictions(outputs, reader.output) if complete else None
    return Observation(
        codes,
        Fingerprints(
            np.concatenate(hash_rows.hashes), code_bits, codes.labels, codes.ids, reader.provenance(), hash_rows.method
        ),
        predictions,
        np.concatenate(features) if len(features) == len(ids) else None,
        0 if predictions is None else max(2, outputs[0].shape[1]),
        torch.cat(outputs).float().numpy() if scores and complete else None,
        reader.output if complete else None,
        reader.evidence.unsteady,
    )


def _bits_within_budget(reader: Reader, row_budget: int) -> BitChoice | None:
    """Return a sample of as many bits as fit the budget, at least 64; None if all fit, or if the lengths vary."""
    layers = reader.capture.layers
    total = sum(layer.bits for layer in layers)
    if total <= row_budget * 8 or reader.reading.mask is not None:
        return None
    return choose_bits(layers, sample_positions(total, max(64, row_budget * 8), reader.reading.seed))


def _scores(scores: torch.Tensor | None) -> list[torch.Tensor]:
    """Return the scores of a batch in a list; an empty list if the output is something else."""
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
